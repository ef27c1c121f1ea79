#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/call_pauses.hpp"
#include "core/clock.hpp"
#include "core/discord/api.hpp"
#include "core/discord/cache.hpp"
#include "core/session_freshness.hpp"
#include "core/session_grants.hpp"
#include "core/session_look_ups.hpp"
#include "core/session_repository.hpp"
#include "core/session_round.hpp"

namespace cordgate {

/// The one place that knows how old what is: keeps the tokens of sessions alive
/// and what they say of their visitors true.
///
/// A grant is renewed by one thread of one replica at a time, and the new pair is
/// durable before it is used. Discord is asked once per user and resource, however
/// many wait. "No" needs Discord's own word for it; anything else that goes wrong
/// leaves what was known, and is tried again after a pause that grows, so that an
/// outage makes no storm. Only a grant that Discord refuses ends a session.
///
/// session_grants.hpp renews tokens, session_look_ups.hpp asks Discord, session_round.hpp
/// is one look at a session, and call_pauses.hpp knows what is not to be asked now.
///
/// Thread-safe. Calls block up to some ten seconds, but for `confirm`, which runs
/// on the threads of `run`. Must outlive what runs there; `stop` makes it quick.
class SessionKeeper {
public:
    /// Runs a call on a thread that may block; false: it will not.
    using Run = std::function<bool(std::function<void()>)>;
    /// Is told of every confirmation but those that were held back, before those
    /// who wait for it.
    using Listener = std::function<void(const Confirmation&)>;
    using Done = std::function<void(const Confirmation&)>;

    struct Parts {
        FreshnessSettings settings;
        discord::Api& discord;
        SessionRepository& sessions;
        Now now;
        Run run;
        Listener listener{};
        discord::CacheLimits cache{};
        /// Whoever waits longer for a thread of `run` is told that it takes too long.
        std::chrono::milliseconds queue_patience{5000};
    };
    explicit SessionKeeper(Parts parts);
    ~SessionKeeper();
    SessionKeeper(const SessionKeeper&) = delete;
    SessionKeeper& operator=(const SessionKeeper&) = delete;

    const FreshnessSettings& settings() const { return parts_.settings; }

    /// Brings the session up to date: whatever is at 80 % of its age. `done` is called
    /// once, on any thread, maybe this one; shared by all who ask for the same session
    /// meanwhile.
    void confirm(const KnownSession& known, Done done);
    /// The same, on this thread.
    Confirmation confirm_now(const KnownSession& known);

    // For the application, through the internal API. `unauthorized`: there is no live
    // grant; the session was ended, unless the error has the source `gate` (a scope is
    // missing). Other failures as of discord::Api, or the store's.

    /// A grant that lives, renewed where it is time.
    Result<TokenGrant> grant(const KnownSession& known);
    Result<Secret> access_token(const KnownSession& known);

    /// What Discord says, as JSON, not older than `max_age` (0: asks now).
    Result<discord::CacheEntry> user(const KnownSession& known, std::chrono::seconds max_age);
    Result<discord::CacheEntry> guilds(const KnownSession& known, std::chrono::seconds max_age,
                                       bool with_counts = false);
    Result<discord::CacheEntry> connections(const KnownSession& known,
                                            std::chrono::seconds max_age);
    /// By the bot where there is one. `null`: not a member.
    Result<discord::CacheEntry> member(const KnownSession& known, Snowflake guild,
                                       std::chrono::seconds max_age);
    /// Any request as the user: `as` and the token are filled in. A 401 ends the
    /// session only when the token is dead, not when a scope is missing.
    Result<discord::Reply> request(const KnownSession& known, discord::Request request);

    /// Asks Discord whether the grant lives; one that it refuses ends the session.
    void check_grant(const KnownSession& known);

    /// What is kept of Discord's documents; for `cached_only` and metrics.
    discord::Cache& cache() { return look_ups_.cache(); }
    /// Drops what is kept of a user.
    void forget(Snowflake user);

    /// Writes grants that could not be made durable when they came. To be called now
    /// and then; costs nothing when there are none.
    void upkeep();
    /// Nothing more is asked; who waits is told soon.
    void stop();

private:
    struct Flight {
        std::vector<Done> waiting;
    };

    SessionRound::Tools tools();
    void learn(const KnownSession& known);
    void land(const Confirmation& confirmation);

    const Parts parts_;
    CallPauses pauses_;
    SessionGrants grants_;
    SessionLookUps look_ups_;

    std::mutex mutex_;  // guards flights_
    std::map<std::string, Flight> flights_;
};

}  // namespace cordgate
