#pragma once

#include <chrono>
#include <functional>

#include "core/clock.hpp"
#include "core/discord/api.hpp"
#include "core/discord/cache.hpp"
#include "core/session_repository.hpp"

namespace cordgate {

/// What applications ask of Discord on behalf of a visitor, through a cache.
///
/// Thread-safe; calls block as discord::Api's do, and fail as they do. `unauthorized`
/// with the source `gate`: the session lacks the scope that the call needs, and
/// Discord was not asked.
class VisitorCalls {
public:
    VisitorCalls(discord::Api& api, discord::CacheLimits limits, Now now)
        : api_(api), cache_(limits, std::move(now)) {}

    /// The grant that a call as this visitor is made with. The one place that knows.
    Result<TokenGrant> grant(const KnownSession& known);

    /// What Discord says, as JSON, not older than `max_age` (0: asks now).
    Result<discord::CacheEntry> user(const KnownSession& known, std::chrono::seconds max_age);
    Result<discord::CacheEntry> guilds(const KnownSession& known, std::chrono::seconds max_age,
                                       bool with_counts = false);
    Result<discord::CacheEntry> connections(const KnownSession& known,
                                            std::chrono::seconds max_age);
    /// `null`: not a member.
    Result<discord::CacheEntry> member(const KnownSession& known, Snowflake guild,
                                       std::chrono::seconds max_age);
    /// Any request as the user: `as` and the token are filled in.
    Result<discord::Reply> request(const KnownSession& known, discord::Request request);

    discord::Cache& cache() { return cache_; }
    void forget(Snowflake user) { cache_.forget(user); }

private:
    using Call = std::function<Result<std::string>(const Secret& access_token)>;

    Result<discord::CacheEntry> get(const KnownSession& known, discord::CacheKey key,
                                    std::chrono::seconds max_age, const Call& call);

    discord::Api& api_;
    discord::Cache cache_;
};

}  // namespace cordgate
