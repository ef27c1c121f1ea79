#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/discord/api.hpp"
#include "core/discord/cache.hpp"
#include "core/session_repository.hpp"

namespace cordgate {

/// `identity:` of the configuration, and what decides whom Discord is asked for.
struct FreshnessSettings {
    std::chrono::seconds user_max_age{3600};
    std::chrono::seconds guilds_max_age{300};  ///< of guilds and members
    std::chrono::seconds max_stale{3600};
    std::vector<Snowflake> member_guilds;  ///< identity.member_guilds and those of rules
    bool has_bot = false;                  ///< members are looked up by the bot
};

/// How long what a session says of its visitor may be used.
struct Freshness {
    TimePoint ahead_at;      ///< something is at 80 % of its age, the token included
    TimePoint due_at;        ///< something is too old: whoever comes waits for Discord
    TimePoint confirmed_at;  ///< when Discord last told guilds and roles; max: it never does
    TimePoint unusable_at;   ///< from then on, what was last told counts as unknown
    TimePoint told_at;       ///< when Discord last told anything

    /// Clocks of replicas differ a little; one that was set back makes every age wrong.
    static constexpr std::chrono::minutes clock_skew{1};

    bool is_young(TimePoint now) const { return now < ahead_at && now >= told_at - clock_skew; }
    bool is_due(TimePoint now) const { return now >= due_at || now < told_at - clock_skew; }
};
Freshness freshness_of(const Session& session, const FreshnessSettings& settings);

/// What came of looking at a session again.
struct Confirmation {
    enum class State {
        fresh,  ///< `known` is what Discord says
        stale,  ///< Discord could not tell all of it; `error` says why
        ended,  ///< there is no such session any more; `error` says why, if we ended it
    };
    State state = State::stale;
    KnownSession known;
    TimePoint again_at;  ///< stale: no use in asking before
    std::optional<Error> error;
    /// Why the grant could not be renewed although it is time; it still lives.
    std::optional<Error> not_renewed{};
};

/// The one place that knows how old what is: keeps the tokens of sessions alive
/// and what they say of their visitors true.
///
/// A grant is renewed by one thread of one replica at a time, and the new pair is
/// durable before it is used. Discord is asked once per user and resource, however
/// many wait. "No" needs Discord's own word for it; anything else that goes wrong
/// leaves what was known, and is tried again after a pause that grows, so that an
/// outage makes no storm. Only a grant that Discord refuses ends a session.
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

    /// What is kept of Discord's documents; for `cached_only` and metrics.
    discord::Cache& cache() { return cache_; }
    /// Drops what is kept of a user.
    void forget(Snowflake user);

    /// Writes grants that could not be made durable when they came. To be called now
    /// and then; costs nothing when there are none.
    void upkeep();
    /// Nothing more is asked; who waits is told soon.
    void stop();

private:
    struct Caller;
    class Round;
    struct Flight;
    struct GrantFlight;
    struct Pause {
        int failures = 0;
        TimePoint until;
        Error error;
    };
    struct Unsaved {
        Secret spent;
        TokenGrant grant;
    };

    // Calls with the user's token; see session_keeper.cpp for each.
    template <class Call>
    auto as_user(Caller& caller, Call call) -> decltype(call(Secret()));
    std::optional<Error> make_ready(Caller& caller);
    std::optional<Error> renew(Caller& caller, bool was_refused);
    std::optional<Error> end(Caller& caller, const Error& why);
    Result<TokenGrant> renew_once(const Caller& caller, bool was_refused);
    Result<TokenGrant> renew_alone(const Caller& caller, bool was_refused);
    Result<TokenGrant> renew_leased(const Caller& caller, bool was_refused,
                                    const std::function<void()>& keep_lease);
    Result<std::optional<TokenGrant>> newer_grant(const Caller& caller);
    Result<TokenGrant> keep_grant(const Caller& caller, Unsaved unsaved,
                                  const std::function<void()>& keep_lease);
    Result<bool> write_unsaved(const std::string& digest);

    Result<discord::CacheEntry> fetch_user(Caller& caller, std::chrono::seconds max_age);
    Result<discord::CacheEntry> fetch_guilds(Caller& caller, std::chrono::seconds max_age,
                                             bool with_counts);
    Result<discord::CacheEntry> fetch_member(Caller& caller, Snowflake guild,
                                             std::chrono::seconds max_age);

    void land(const Confirmation& confirmation);
    std::optional<Pause> pause_of(const std::string& key) const;  // with the lock held
    std::optional<Pause> hold_back(Snowflake user);               // with the lock held
    TimePoint failed(const std::string& key, const Error& error);
    void succeeded(const std::string& key);
    bool wait(std::chrono::milliseconds time);
    bool is_stopped() const;

    const Parts parts_;
    discord::Cache cache_;

    mutable std::mutex mutex_;  // guards all below
    std::condition_variable changed_;
    bool stopped_ = false;
    std::map<std::string, std::shared_ptr<Flight>> flights_;
    std::map<std::string, std::shared_ptr<GrantFlight>> grant_flights_;
    std::map<std::string, Unsaved> unsaved_;
    std::map<std::string, Pause> pauses_;  // by user for confirmations, by digest for grants
    Pause outage_;                         // Discord answers nobody
};

}  // namespace cordgate
