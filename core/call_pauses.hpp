#pragma once

#include <chrono>
#include <compare>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/snowflake.hpp"

namespace cordgate {

/// What Discord is asked for on behalf of sessions, as far as failing goes: one of its
/// routes, of one guild where it has one.
struct CallTarget {
    enum class Kind { grant, guilds, member, profile };

    Kind kind = Kind::profile;
    Snowflake guild{};  ///< members only

    static constexpr CallTarget renewal() { return {Kind::grant, {}}; }
    auto operator<=>(const CallTarget&) const = default;
};

/// When what failed may be tried again, so that an outage makes no storm.
///
/// What fails for one user pauses for that user, with growth and jitter. A target that
/// answers nobody is tried for one user from time to time. Only when different kinds of
/// targets answer nobody, Discord is away: then each kind is tried from time to time,
/// however many guilds there are, and one failure of a user pauses all of theirs. Whatever
/// answers, if only with a refusal, is back at once; and what failed so long ago that nobody
/// has met it since counts no more.
/// Thread-safe.
class CallPauses {
public:
    struct Pause {
        TimePoint until;
        Error error;  ///< what failed
    };

    explicit CallPauses(Now now) : now_(std::move(now)) {}

    /// Why `who` is not to ask for this now; nullopt: ask.
    std::optional<Pause> held(const std::string& who, CallTarget target) const;
    /// The same, for whoever then does ask: of a target that answers nobody, one caller
    /// at a time is let through. `failed` or `succeeded` is to follow.
    std::optional<Pause> enter(const std::string& who, CallTarget target);

    /// Until when `who` has to leave this alone.
    TimePoint failed(const std::string& who, CallTarget target, const Error& error);
    void succeeded(const std::string& who, CallTarget target);
    /// Nobody asked, because `error` had taken the time for it: not at once.
    void postpone(const std::string& who, CallTarget target, const Error& error);

    void forget(const std::string& who);

private:
    /// Failures in a row, and the pause after the last.
    struct Run {
        int length = 0;
        Span span;
        Error error;

        /// Whether it is recent enough to say something of today.
        bool counts(TimePoint now) const;
        void add(TimePoint now, const Error& failure, std::chrono::milliseconds longest);
        Pause pause() const { return {span.until, error}; }
    };

    // With the lock held.
    std::optional<Pause> own_pause(const std::string& who, CallTarget target, TimePoint now) const;
    bool is_discord_away(TimePoint now) const;
    const Run* silence_before(CallTarget target, TimePoint now) const;
    void sweep(TimePoint now);

    const Now now_;
    mutable std::mutex mutex_;  // guards all below
    std::map<std::pair<std::string, CallTarget>, Run> own_;
    // Those that were no answers, whoever asked.
    std::map<CallTarget, Run> targets_;
    std::map<CallTarget::Kind, Run> kinds_;
};

}  // namespace cordgate
