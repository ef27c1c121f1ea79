#include "core/session_round.hpp"

#include <algorithm>
#include <utility>

#include "core/discord/json.hpp"

namespace cordgate {

using discord::CacheEntry;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = CallTarget::Kind;
using namespace std::chrono_literals;

namespace {

constexpr CallTarget guild_list{Kind::guilds, {}};
constexpr CallTarget profile{Kind::profile, {}};

// Two that nobody answered are as much as a visitor can wait for.
constexpr int most_silent_calls = 2;
constexpr milliseconds shortest_pause = 1s;

}  // namespace

std::optional<Confirmation> SessionRound::held_back() {
    take_news(Caller(known_));
    if (has_news_) return std::nullopt;  // to be kept, and told
    const auto& grant = known_.session.grant;
    const bool may_renew = !grant.refresh_token.empty() && tools_.now() >= renewal_time(grant) &&
                           !tools_.pauses.held(known_.digest, CallTarget::renewal());
    if (may_renew) return std::nullopt;
    for (const auto target : targets()) {
        if (!is_due(target)) continue;
        const auto pause = held(target);
        if (!pause) return std::nullopt;
        note(pause->error);
    }
    if (!error_) return std::nullopt;
    return outcome();
}

Confirmation SessionRound::run() {
    if (tools_.grants.is_stopped()) {
        note({ErrorKind::unavailable, ErrorSource::gate, "stopping"});
        return outcome();
    }
    // A store that is away ends nothing.
    const auto read = read_again();
    if (read && !*read) return ended(std::nullopt);
    Caller caller(known_);
    if (auto failure = tools_.grants.make_ready(caller)) note(*failure);
    take_up(known_.session, caller.grant, settings_);
    take_news(caller);
    // What decides access first: a profile must not use up the time for it.
    for (const auto target : targets()) ask(caller, target);
    not_renewed_ = caller.not_renewed;
    if (caller.ended) return ended(caller.ended);
    take_up(known_.session, caller.grant, settings_);
    take_news(caller);  // what came while this round waited for Discord
    const auto kept = keep();
    if (kept && !*kept) return ended(std::nullopt);
    return outcome();
}

std::optional<Confirmation> SessionRound::learn() {
    take_news(Caller(known_));
    if (!has_news_) return std::nullopt;
    has_news_ = false;
    const auto read = read_again();
    if (!read) return std::nullopt;
    if (!*read) return ended(std::nullopt);
    take_news(Caller(known_));
    const auto kept = keep();
    if (!kept) return std::nullopt;
    if (!*kept) return ended(std::nullopt);
    return outcome();
}

/// Another replica may have been here; and what ended needs no look. False: it has ended.
Result<bool> SessionRound::read_again() {
    auto found = tools_.sessions.find(known_.digest, tools_.now());
    if (!found) return found.error();
    if (!*found) return false;
    known_.session = **std::move(found);
    forget_untold(known_.session, settings_);
    return true;
}

// --- what there is to ask ------------------------------------------------------------------

bool SessionRound::is_time(TimePoint at, seconds max_age) const {
    const auto now = tools_.now();
    return now >= at + four_fifths(milliseconds(max_age)) || now < at - Freshness::clock_skew;
}

bool SessionRound::is_due(CallTarget target) const {
    switch (target.kind) {
        case Kind::grant: return false;
        case Kind::guilds: return is_time(identity().guilds_at, settings_.guilds_max_age);
        case Kind::profile: return is_time(identity().user_at, settings_.user_max_age);
        case Kind::member: break;
    }
    const auto* const membership = identity().find_membership(target.guild);
    return !membership || is_time(membership->at, settings_.guilds_max_age);
}

// Members in the order of their age: Discord lets a user's be asked for very seldom, so
// where there are more guilds than that, each gets its turn.
std::vector<CallTarget> SessionRound::targets() const {
    std::vector<CallTarget> out;
    if (known_.session.has_scope("guilds")) out.push_back(guild_list);
    if (asks_members(known_.session, settings_)) {
        std::vector<std::pair<TimePoint, Snowflake>> order;
        for (const auto guild : settings_.member_guilds) {
            const auto* const membership = identity().find_membership(guild);
            order.emplace_back(membership ? membership->at : TimePoint(), guild);
        }
        std::stable_sort(order.begin(), order.end());
        for (const auto& [at, guild] : order) out.push_back({Kind::member, guild});
    }
    out.push_back(profile);
    return out;
}

bool SessionRound::needs_grant(CallTarget target) const {
    return target.kind != Kind::member || !settings_.has_bot;
}

std::optional<CallPauses::Pause> SessionRound::held(CallTarget target) const {
    if (needs_grant(target) && tools_.now() >= known_.session.grant.expires_at) {
        if (auto pause = tools_.pauses.held(known_.digest, CallTarget::renewal())) return pause;
    }
    return tools_.pauses.held(who(), target);
}

// --- asking ----------------------------------------------------------------------------------

// What other look-ups of this user brought since.
void SessionRound::take_news(const Caller& caller) {
    const auto now = tools_.now();
    const auto take_newer = [&](CallTarget target, TimePoint at,
                                const std::optional<CacheEntry>& entry) {
        if (entry && is_newer(entry->at, at, now)) (void)take(target, *entry);
    };
    auto& look_ups = tools_.look_ups;
    for (const auto target : targets()) {
        if (target.kind == Kind::guilds) {
            take_newer(target, identity().guilds_at, look_ups.known_guilds(caller));
        } else if (target.kind == Kind::profile) {
            take_newer(target, identity().user_at, look_ups.known_user(caller));
        } else {
            const auto* const membership = identity().find_membership(target.guild);
            take_newer(target, membership ? membership->at : TimePoint(),
                       look_ups.known_member(caller, target.guild));
        }
    }
    judge_members_by_list();
}

void SessionRound::judge_members_by_list() {
    if (!asks_members(known_.session, settings_)) return;
    const auto at = identity().guilds_at;
    for (const auto guild : settings_.member_guilds) {
        if (!identity().list_lacks(guild)) continue;
        const auto* const membership = identity().find_membership(guild);
        if (membership && !is_newer(at, membership->at, tools_.now())) continue;
        identity().members[guild] = {std::nullopt, at};
        has_news_ = true;
    }
}

void SessionRound::ask(Caller& caller, CallTarget target) {
    if (caller.ended || !is_due(target)) return;
    if (caller.no_grant && needs_grant(target)) return note(*caller.no_grant);
    if (is_out_of_time_) return tools_.pauses.postpone(who(), target, *error_);
    if (const auto pause = tools_.pauses.enter(who(), target)) return note(pause->error);
    const auto entry = fetch(caller, target);
    if (caller.ended) return;
    const auto error = entry ? take(target, *entry) : entry.error();
    if (!error) return tools_.pauses.succeeded(who(), target);
    note(*error);
    if (caller.no_grant && needs_grant(target)) {
        // It was the renewal that failed, not this.
        tools_.pauses.failed(who(), target,
                             {ErrorKind::unauthorized, ErrorSource::discord,
                              "Discord refuses a token that cannot be renewed now"});
        return;
    }
    tools_.pauses.failed(who(), target, *error);
    const bool is_late = error->kind == ErrorKind::timed_out;
    if (is_late || error->kind == ErrorKind::unavailable) ++silent_calls_;
    if (is_late || silent_calls_ == most_silent_calls) is_out_of_time_ = true;
}

Result<CacheEntry> SessionRound::fetch(Caller& caller, CallTarget target) {
    // What another round of this user brings meanwhile serves too, if it is younger than
    // what is asked for again.
    const auto max_age =
        target.kind == Kind::profile ? settings_.user_max_age : settings_.guilds_max_age;
    const auto young = std::max<seconds>(four_fifths(max_age) - 1s, 0s);
    switch (target.kind) {
        case Kind::guilds: return tools_.look_ups.guilds(caller, young, false);
        case Kind::member: return tools_.look_ups.member(caller, target.guild, young);
        default: return tools_.look_ups.user(caller, young);
    }
}

std::optional<Error> SessionRound::take(CallTarget target, const CacheEntry& entry) {
    if (target.kind == Kind::guilds) {
        auto guilds = discord::parse_guilds(*entry.json);
        if (!guilds) return guilds.error();
        identity().guilds = *std::move(guilds);
        identity().guilds_at = entry.at;
        judge_members_by_list();
    } else if (target.kind == Kind::profile) {
        auto user = discord::parse_user(*entry.json);
        if (!user) return user.error();
        identity().user = *std::move(user);
        identity().user_at = entry.at;
    } else if (*entry.json == SessionLookUps::no_member) {
        identity().members[target.guild] = {std::nullopt, entry.at};
    } else {
        auto member = discord::parse_member(*entry.json);
        if (!member) return member.error();
        identity().members[target.guild] = {*std::move(member), entry.at};
    }
    has_news_ = true;
    return std::nullopt;
}

void SessionRound::note(const Error& error) {
    if (!error_) error_ = error;
}

// --- what came of it ----------------------------------------------------------------------------

void SessionRound::forget_outdated(Identity& identity) const {
    const auto now = tools_.now();
    std::erase_if(identity.members, [&](const auto& entry) {
        return now >= entry.second.at + settings_.longest_service();
    });
}

// False: the session is gone. A store that is away does not keep what Discord
// said from being used here.
Result<bool> SessionRound::keep() {
    if (!has_news_) return true;
    const auto now = tools_.now();
    const auto kept = tools_.sessions.change(known_.digest, now, [&](Session& session) {
        const auto& learned = identity();
        auto& stored = session.identity;
        if (is_newer(learned.user_at, stored.user_at, now)) {
            stored.user = learned.user;
            stored.user_at = learned.user_at;
        }
        if (is_newer(learned.guilds_at, stored.guilds_at, now)) {
            stored.guilds = learned.guilds;
            stored.guilds_at = learned.guilds_at;
        }
        for (const auto& [guild, membership] : learned.members) {
            auto& there = stored.members[guild];
            if (is_newer(membership.at, there.at, now)) there = membership;
        }
        forget_outdated(stored);
        // The grant may have been renewed meanwhile, with less in it.
        forget_untold(session, settings_);
        known_.session = session;
        return true;
    });
    return kept;
}

// When something that is due may be asked for, or something else becomes due.
TimePoint SessionRound::again_at() const {
    const auto now = tools_.now();
    auto next = TimePoint::max();
    for (const auto target : targets()) {
        if (!is_due(target)) continue;
        const auto pause = held(target);
        next = std::min(next, pause ? pause->until : now);
    }
    const auto ahead = [&](TimePoint at, seconds max_age) {
        const auto due = at + four_fifths(milliseconds(max_age));
        if (due > now) next = std::min(next, due);
    };
    ahead(identity().user_at, settings_.user_max_age);
    ahead(identity().guilds_at, settings_.guilds_max_age);
    for (const auto& [guild, membership] : identity().members) {
        ahead(membership.at, settings_.guilds_max_age);
        next = std::min(next, membership.at + settings_.longest_service());
    }
    return std::max(next, now + shortest_pause);
}

Confirmation SessionRound::ended(std::optional<Error> why) {
    return {Confirmation::State::ended, std::move(known_), {}, std::move(why)};
}

Confirmation SessionRound::outcome() {
    forget_outdated(identity());
    if (!error_) {
        return {Confirmation::State::fresh, std::move(known_), {}, {}, std::move(not_renewed_)};
    }
    const auto again = again_at();
    return {Confirmation::State::stale, std::move(known_), again, std::move(error_),
            std::move(not_renewed_)};
}

}  // namespace cordgate
