#pragma once

#include <chrono>

#include "core/discord/cache.hpp"
#include "core/session_grants.hpp"

namespace cordgate {

/// Discord's documents of those who have a session, each asked for once however many
/// want it, and kept. A document younger than `max_age` is not asked for (0: asks now).
/// Thread-safe; calls block.
class SessionLookUps {
public:
    struct Parts {
        const FreshnessSettings& settings;
        discord::Api& discord;
        SessionGrants& grants;
        Now now;
        discord::CacheLimits limits;
    };
    explicit SessionLookUps(Parts parts) : parts_(parts), cache_(parts.limits, parts.now) {}

    Result<discord::CacheEntry> user(Caller& caller, std::chrono::seconds max_age);
    Result<discord::CacheEntry> guilds(Caller& caller, std::chrono::seconds max_age,
                                       bool with_counts);
    Result<discord::CacheEntry> connections(Caller& caller, std::chrono::seconds max_age);
    /// By the bot where there is one. `no_member`: not a member.
    Result<discord::CacheEntry> member(Caller& caller, Snowflake guild,
                                       std::chrono::seconds max_age);
    static constexpr std::string_view no_member = "null";

    // The newest that is known, whoever asked for it; never asks.

    std::optional<discord::CacheEntry> known_user(const Caller& caller);
    std::optional<discord::CacheEntry> known_guilds(const Caller& caller);
    std::optional<discord::CacheEntry> known_member(const Caller& caller, Snowflake guild);

    discord::Cache& cache() { return cache_; }

private:
    discord::CacheKey key(const Caller& caller, discord::Resource resource,
                          Snowflake guild = {}) const {
        return discord::key_for(caller.user, caller.grant.scopes, resource, guild);
    }

    const Parts parts_;
    discord::Cache cache_;
};

}  // namespace cordgate
