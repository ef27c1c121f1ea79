#include "core/session_freshness.hpp"

#include <algorithm>

namespace cordgate {

using std::chrono::milliseconds;
using std::chrono::seconds;

TimePoint renewal_time(const TokenGrant& grant) {
    return grant.issued_at + four_fifths(grant.expires_at - grant.issued_at);
}

bool is_newer(TimePoint a, TimePoint b, TimePoint now) {
    const auto possible = now + Freshness::clock_skew;
    if (a > possible) return false;
    return a > b || b > possible;
}

bool asks_members(const Session& session, const FreshnessSettings& settings) {
    return !settings.member_guilds.empty() &&
           (settings.has_bot || session.has_scope("guilds.members.read"));
}

void forget_untold(Session& session, const FreshnessSettings& settings) {
    if (!session.has_scope("guilds")) session.identity.guilds.reset();
    if (!asks_members(session, settings)) session.identity.members.clear();
}

void take_up(Session& session, const TokenGrant& grant, const FreshnessSettings& settings) {
    const bool told_address = session.has_scope("email");
    session.grant = grant;
    if (auto& user = session.identity.user; told_address && !session.has_scope("email")) {
        user.email.reset();
        user.verified.reset();
        user.raw.clear();  // to be asked for again
    }
    forget_untold(session, settings);
}

Freshness freshness_of(const Session& session, const FreshnessSettings& settings) {
    constexpr auto never = TimePoint::max();
    Freshness out{never, never, never, never, TimePoint()};
    const auto ages = [&](TimePoint at, seconds max_age) {
        out.told_at = std::max(out.told_at, at);
        out.ahead_at = std::min(out.ahead_at, at + four_fifths(milliseconds(max_age)));
        out.due_at = std::min(out.due_at, at + max_age);
    };
    const auto& identity = session.identity;
    ages(identity.user_at, settings.user_max_age);
    // No rule depends on a name or an avatar: they have that much longer.
    out.unusable_at = identity.user_at + settings.user_max_age + settings.max_stale;

    if (session.has_scope("guilds")) {
        ages(identity.guilds_at, settings.guilds_max_age);
        out.confirmed_at = identity.guilds_at;
    }
    if (asks_members(session, settings)) {
        for (const auto guild : settings.member_guilds) {
            // What was never known cannot be too old: rules answer "unknown" by themselves.
            if (const auto* const known = identity.find_membership(guild)) {
                ages(known->at, settings.guilds_max_age);
                out.confirmed_at = std::min(out.confirmed_at, known->at);
            } else {
                out.ahead_at = out.due_at = TimePoint();
            }
        }
    }
    if (out.confirmed_at != never) {
        out.unusable_at = std::min(out.unusable_at, out.confirmed_at + settings.longest_service());
    }
    out.ahead_at = std::min(out.ahead_at, renewal_time(session.grant));
    out.due_at = std::min(out.due_at, session.grant.expires_at);
    return out;
}

}  // namespace cordgate
