#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/clock.hpp"
#include "core/session.hpp"

namespace cordgate {

/// `identity:` of the configuration, and what decides whom Discord is asked for.
struct FreshnessSettings {
    std::chrono::seconds user_max_age{3600};
    std::chrono::seconds guilds_max_age{300};  ///< of guilds and members
    std::chrono::seconds max_stale{3600};
    std::vector<Snowflake> member_guilds;  ///< identity.member_guilds and those of rules
    bool has_bot = false;                  ///< members are looked up by the bot

    /// How old what Discord said of guilds and members may get while it cannot be asked.
    std::chrono::seconds longest_service() const { return std::max(guilds_max_age, max_stale); }
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

/// What is at this part of its life is asked for again, ahead of need.
template <class Duration>
Duration four_fifths(Duration age) {
    return age * 4 / 5;
}
/// When a grant is to be renewed.
TimePoint renewal_time(const TokenGrant& grant);

/// Whether `a` tells more than what was told at `b`: it is newer, or `b` is of a clock
/// that was set back since.
bool is_newer(TimePoint a, TimePoint b, TimePoint now);

/// Whether members are asked for on behalf of this session.
bool asks_members(const Session& session, const FreshnessSettings& settings);

/// Forgets what the session's grant lets nobody ask for: it would never be asked for again,
/// and so never be too old.
void forget_untold(Session& session, const FreshnessSettings& settings);

/// Gives the session a new grant; what that no longer lets Discord tell is not known
/// any more.
void take_up(Session& session, const TokenGrant& grant, const FreshnessSettings& settings);

}  // namespace cordgate
