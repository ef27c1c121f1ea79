#include "core/session_keeper.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/discord/calls.hpp"
#include "core/discord/failure.hpp"
#include "core/discord/json.hpp"
#include "core/random.hpp"

namespace cordgate {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Steady = std::chrono::steady_clock;
using discord::CacheEntry;
using discord::Resource;

// A user is in at most 200 guilds; a list of that length may have been cut.
constexpr std::size_t complete_guild_list = 200;

// Longer than a call to Discord may take: a lease is renewed before what it
// guards is written.
constexpr milliseconds lease_time = 30s;
constexpr milliseconds lease_patience = 15s;
constexpr milliseconds first_lease_poll = 20ms;
constexpr milliseconds last_lease_poll = 200ms;
constexpr int grant_writes = 6;
constexpr milliseconds first_write_pause = 50ms;

constexpr milliseconds first_pause = 2s;
constexpr milliseconds longest_pause = 60s;
constexpr milliseconds longest_outage_pause = 15s;
constexpr milliseconds longest_told_pause = 1h;
// So many calls in a row without an answer, whoever made them: Discord is away.
constexpr int outage_failures = 5;
constexpr std::size_t most_pauses = 20000;

constexpr std::string_view no_member = "null";

template <class Duration>
Duration four_fifths(Duration age) {
    return age * 4 / 5;
}

bool is_same(const Secret& a, const Secret& b) {
    return constant_time_equal(a.reveal(), b.reveal());
}

TimePoint renewal_time(const TokenGrant& grant) {
    return grant.issued_at + four_fifths(grant.expires_at - grant.issued_at);
}

// Nobody answered, as opposed to somebody who said no.
bool is_silence(const Error& error) {
    return error.source == ErrorSource::discord &&
           (error.kind == ErrorKind::timed_out || error.kind == ErrorKind::unavailable);
}

// After these, the next call as the same identity would fare no better. A limit of
// one route says nothing of the others.
bool stops_others(const Error& error) {
    using discord::LimitScope;
    if (error.kind == ErrorKind::rate_limited) {
        const auto scope = error.refusal ? error.refusal->scope : LimitScope::ban;
        return scope == LimitScope::global || scope == LimitScope::ban;
    }
    return error.kind == ErrorKind::timed_out || error.kind == ErrorKind::unavailable;
}

Error gone() {
    return {ErrorKind::not_found, ErrorSource::store, "the session has ended"};
}
Error missing_scope(std::string_view scope) {
    return {ErrorKind::unauthorized, ErrorSource::gate,
            "the scope " + std::string(scope) + " was not granted"};
}

// Between three and five quarters of it, so that those who failed together do not
// come back together.
milliseconds with_jitter(milliseconds pause) {
    thread_local std::minstd_rand generator{std::random_device{}()};
    return pause * std::uniform_int_distribution<int>(75, 125)(generator) / 100;
}

milliseconds pause_after(int failures, const Error& error, milliseconds longest) {
    // Our own id or secret is wrong: nothing to hope for soon.
    const bool is_hopeless = error.kind == ErrorKind::forbidden;
    const auto grown = is_hopeless ? longest : first_pause * (1 << std::clamp(failures - 1, 0, 10));
    const auto told = std::min(error.retry_after.value_or(0ms), longest_told_pause);
    return std::max(with_jitter(std::min(grown, longest)), told);
}

bool asks_members(const Session& session, const FreshnessSettings& settings) {
    return !settings.member_guilds.empty() &&
           (settings.has_bot || session.has_scope("guilds.members.read"));
}

// What a new grant no longer lets Discord tell is not known any more.
void take_up(Session& session, const TokenGrant& grant, const FreshnessSettings& settings) {
    const bool told_members = asks_members(session, settings);
    const bool told_address = session.has_scope("email");
    session.grant = grant;
    if (auto& user = session.identity.user; told_address && !session.has_scope("email")) {
        user.email.reset();
        user.verified.reset();
        user.raw.clear();  // to be asked for again
    }
    if (!session.has_scope("guilds")) session.identity.guilds.reset();
    if (told_members && !asks_members(session, settings)) session.identity.members.clear();
}

template <class T>
Result<std::string> json_of(Result<discord::Fetched<T>> fetched) {
    if (!fetched) return fetched.error();
    return std::move(fetched->json);
}
Result<std::string> json_of(Result<std::optional<discord::Fetched<Member>>> fetched) {
    if (!fetched) return fetched.error();
    return *fetched ? std::move((*fetched)->json) : std::string(no_member);
}

}  // namespace

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
        const auto is_known = [&](Snowflake guild) { return identity.members.contains(guild); };
        const auto& guilds = settings.member_guilds;
        if (std::all_of(guilds.begin(), guilds.end(), is_known)) {
            ages(identity.members_at, settings.guilds_max_age);
        } else {
            out.ahead_at = out.due_at = TimePoint();
        }
        // What was never known cannot be too old: rules answer "unknown" by themselves.
        if (!identity.members.empty()) {
            out.confirmed_at = std::min(out.confirmed_at, identity.members_at);
        }
    }
    if (out.confirmed_at != never) {
        const auto serves = std::max(settings.guilds_max_age, settings.max_stale);
        out.unusable_at = std::min(out.unusable_at, out.confirmed_at + serves);
    }
    out.ahead_at = std::min(out.ahead_at, renewal_time(session.grant));
    out.due_at = std::min(out.due_at, session.grant.expires_at);
    return out;
}

// --- who asks ----------------------------------------------------------------------

/// A session that calls are made for.
struct SessionKeeper::Caller {
    explicit Caller(const KnownSession& known)
        : digest(known.digest), user(known.session.identity.user.id), grant(known.session.grant) {}

    const std::string digest;
    const Snowflake user;
    TokenGrant grant;
    bool is_renewed = false;           ///< the grant came within this very call
    std::optional<Error> not_renewed;  ///< the grant serves on, though it is time
    std::optional<Error> ended;        ///< set: there is no session any more

    discord::CacheKey key(Resource resource, Snowflake guild = {}) const {
        return discord::key_for(user, grant.scopes, resource, guild);
    }
    bool has_scope(std::string_view scope) const {
        return std::find(grant.scopes.begin(), grant.scopes.end(), scope) != grant.scopes.end();
    }
};

struct SessionKeeper::Flight {
    std::vector<Done> waiting;
};

struct SessionKeeper::GrantFlight {
    std::optional<Result<TokenGrant>> outcome;
};

SessionKeeper::SessionKeeper(Parts parts)
    : parts_(std::move(parts)), cache_(parts_.cache, parts_.now) {}

SessionKeeper::~SessionKeeper() {
    stop();
}

void SessionKeeper::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(stopped_, true)) return;
    }
    changed_.notify_all();
    upkeep();
}

bool SessionKeeper::is_stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
}

// False when nothing is to be waited for any more.
bool SessionKeeper::wait(milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return stopped_; });
}

void SessionKeeper::forget(Snowflake user) {
    cache_.forget(user);
    const std::lock_guard lock(mutex_);
    pauses_.erase(user.to_string());
}

// --- pauses --------------------------------------------------------------------------

std::optional<SessionKeeper::Pause> SessionKeeper::pause_of(const std::string& key) const {
    const auto it = pauses_.find(key);
    if (it == pauses_.end() || parts_.now() >= it->second.until) return std::nullopt;
    return it->second;
}

// While Discord answers nobody, one session from time to time sees whether it is back.
std::optional<SessionKeeper::Pause> SessionKeeper::hold_back(Snowflake user) {
    if (auto pause = pause_of(user.to_string())) return pause;
    const auto now = parts_.now();
    if (outage_.failures < outage_failures) return std::nullopt;
    if (now < outage_.until) return outage_;
    outage_.until = now + longest_outage_pause;
    return std::nullopt;
}

TimePoint SessionKeeper::failed(const std::string& key, const Error& error) {
    const std::lock_guard lock(mutex_);
    const auto now = parts_.now();
    if (pauses_.size() > most_pauses) {
        std::erase_if(pauses_, [&](const auto& entry) { return entry.second.until < now; });
    }
    auto& pause = pauses_[key];
    pause.until = now + pause_after(++pause.failures, error, longest_pause);
    pause.error = error;
    if (is_silence(error)) {
        outage_.until = now + pause_after(++outage_.failures, error, longest_outage_pause);
        outage_.error = error;
    } else if (error.refusal) {
        outage_ = {};
    }
    return pause.until;
}

void SessionKeeper::succeeded(const std::string& key) {
    const std::lock_guard lock(mutex_);
    pauses_.erase(key);
    outage_ = {};
}

// --- grants --------------------------------------------------------------------------

// After a renewal that failed the grant serves as long as it lives.
std::optional<Error> SessionKeeper::make_ready(Caller& caller) {
    if (caller.ended) return caller.ended;
    const auto now = parts_.now();
    if (now < renewal_time(caller.grant)) return std::nullopt;
    const bool is_over = now >= caller.grant.expires_at;
    if (caller.grant.refresh_token.empty()) {
        if (!is_over) return std::nullopt;
        return end(caller, {ErrorKind::unauthorized, ErrorSource::discord,
                            "the grant is over and cannot be renewed"});
    }
    auto failure = renew(caller, false);
    if (!failure || caller.ended || is_over) return failure;
    // A pause says the same again.
    if (!caller.not_renewed) caller.not_renewed = std::move(failure);
    return std::nullopt;
}

// The caller has a new grant, or the error why not.
std::optional<Error> SessionKeeper::renew(Caller& caller, bool was_refused) {
    auto renewed = renew_once(caller, was_refused);
    if (renewed) {
        caller.is_renewed = !is_same(renewed->access_token, caller.grant.access_token);
        caller.grant = *std::move(renewed);
        return std::nullopt;
    }
    const auto& error = renewed.error();
    if (error.kind == ErrorKind::unauthorized && error.source == ErrorSource::discord) {
        return end(caller, error);
    }
    if (error.kind == ErrorKind::not_found && error.source == ErrorSource::store) {
        caller.ended = error;
    }
    return error;
}

std::optional<Error> SessionKeeper::end(Caller& caller, const Error& why) {
    // Whether it was there any more makes no difference.
    const auto ended = parts_.sessions.end(caller.digest);
    if (!ended) return ended.error();
    caller.ended = why;
    return why;
}

// One thread of this process; the others wait for what it brings.
Result<TokenGrant> SessionKeeper::renew_once(const Caller& caller, bool was_refused) {
    std::unique_lock lock(mutex_);
    if (const auto it = grant_flights_.find(caller.digest); it != grant_flights_.end()) {
        const auto flight = it->second;
        changed_.wait(lock, [&] { return flight->outcome.has_value(); });
        return *flight->outcome;
    }
    if (const auto pause = pause_of(caller.digest)) {
        auto error = pause->error;
        error.retry_after = std::chrono::duration_cast<milliseconds>(pause->until - parts_.now());
        return error;
    }
    const auto flight = std::make_shared<GrantFlight>();
    grant_flights_[caller.digest] = flight;
    lock.unlock();
    Result<TokenGrant> outcome = Error{ErrorKind::internal, ErrorSource::gate, "renewal threw"};
    try {
        outcome = renew_alone(caller, was_refused);
    } catch (...) {  // those who wait must not wait for ever
    }
    if (outcome) {
        succeeded(caller.digest);
    } else {
        failed(caller.digest, outcome.error());
    }
    lock.lock();
    grant_flights_.erase(caller.digest);
    flight->outcome = outcome;
    changed_.notify_all();
    return outcome;
}

// One replica; the others take what it has written.
Result<TokenGrant> SessionKeeper::renew_alone(const Caller& caller, bool was_refused) {
    const auto name = "grant " + base64url_encode(caller.digest);
    const auto holder = random_id();
    const auto end = Steady::now() + lease_patience;
    for (auto pause = first_lease_poll;; pause = std::min(2 * pause, last_lease_poll)) {
        const auto taken = parts_.sessions.try_lease(name, holder, lease_time);
        if (!taken) return taken.error();
        if (*taken) break;
        if (Steady::now() >= end || !wait(pause)) {
            return Error{ErrorKind::timed_out, ErrorSource::store,
                         "another replica renews this grant and does not come to an end"};
        }
        auto newer = newer_grant(caller);
        if (!newer) return newer.error();
        if (*newer) return **std::move(newer);
    }
    const auto keep_lease = [&] { (void)parts_.sessions.renew_lease(name, holder, lease_time); };
    auto renewed = renew_leased(caller, was_refused, keep_lease);
    // A lease that cannot be given back runs out.
    (void)parts_.sessions.release_lease(name, holder);
    return renewed;
}

// What somebody else has written since the caller read its grant.
Result<std::optional<TokenGrant>> SessionKeeper::newer_grant(const Caller& caller) {
    const auto found = parts_.sessions.find(caller.digest, parts_.now());
    if (!found) return found.error();
    if (!*found) return gone();
    const auto& grant = (*found)->grant;
    if (is_same(grant.access_token, caller.grant.access_token) &&
        is_same(grant.refresh_token, caller.grant.refresh_token)) {
        return std::optional<TokenGrant>();
    }
    return std::optional(grant);
}

Result<TokenGrant> SessionKeeper::renew_leased(const Caller& caller, bool was_refused,
                                               const std::function<void()>& keep_lease) {
    if (auto late = write_unsaved(caller.digest); !late) return late.error();
    auto newer = newer_grant(caller);
    if (!newer) return newer.error();
    if (*newer) return **std::move(newer);

    const auto& spent = caller.grant.refresh_token;
    if (spent.empty()) {
        return Error{was_refused ? ErrorKind::unauthorized : ErrorKind::forbidden,
                     ErrorSource::discord, "there is no refresh token"};
    }
    if (is_stopped()) return Error{ErrorKind::unavailable, ErrorSource::gate, "stopping"};
    auto renewed = parts_.discord.refresh(spent);
    if (renewed) {
        // RFC 6749, 5.1 and 6: what is left out stays as it was.
        if (renewed->refresh_token.empty()) renewed->refresh_token = spent;
        if (renewed->scopes.empty()) renewed->scopes = caller.grant.scopes;
        return keep_grant(caller, {spent, *std::move(renewed)}, keep_lease);
    }
    if (renewed.error().kind != ErrorKind::unauthorized) return renewed;
    // A lease passes on while its holder is slow: maybe another had the token first.
    newer = newer_grant(caller);
    if (!newer) return newer.error();
    if (*newer) return **std::move(newer);
    return renewed;
}

// Discord has taken the old pair back: the new one must not get lost. It is not
// used before it is written.
Result<TokenGrant> SessionKeeper::keep_grant(const Caller& caller, Unsaved unsaved,
                                             const std::function<void()>& keep_lease) {
    const auto grant = unsaved.grant;
    {
        const std::lock_guard lock(mutex_);
        unsaved_.insert_or_assign(caller.digest, std::move(unsaved));
    }
    auto pause = first_write_pause;
    for (int attempt = 1;; ++attempt) {
        keep_lease();
        const auto written = write_unsaved(caller.digest);
        if (written && *written) return grant;
        if (written) break;  // it has ended, or somebody else renewed it
        if (attempt == grant_writes || !wait(pause)) return written.error();
        pause *= 2;
    }
    auto newer = newer_grant(caller);
    if (!newer) return newer.error();
    if (*newer) return **std::move(newer);
    return gone();
}

// Whether a grant that waited for it is in the store now.
Result<bool> SessionKeeper::write_unsaved(const std::string& digest) {
    Unsaved unsaved;
    {
        const std::lock_guard lock(mutex_);
        const auto it = unsaved_.find(digest);
        if (it == unsaved_.end()) return false;
        unsaved = it->second;
    }
    const auto& spent = unsaved.spent;  // clang 14 captures no structured bindings
    const auto& grant = unsaved.grant;
    auto written = parts_.sessions.change(digest, parts_.now(), [&](Session& session) {
        if (!is_same(session.grant.refresh_token, spent)) return false;
        take_up(session, grant, parts_.settings);
        return true;
    });
    if (!written) return written;
    const std::lock_guard lock(mutex_);
    const auto it = unsaved_.find(digest);
    if (it != unsaved_.end() && is_same(it->second.spent, spent)) unsaved_.erase(it);
    return written;
}

void SessionKeeper::upkeep() {
    std::vector<std::string> digests;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [digest, unsaved] : unsaved_) digests.push_back(digest);
    }
    for (const auto& digest : digests) {
        if (!write_unsaved(digest)) return;  // the store is away: later
    }
}

// --- calls as the user -----------------------------------------------------------------

// A refused token is renewed once; one that is refused when it is new never works
// (a fault that Discord has for some accounts), and trying again gets us banned.
template <class Call>
auto SessionKeeper::as_user(Caller& caller, Call call) -> decltype(call(Secret())) {
    if (auto failure = make_ready(caller)) return *std::move(failure);
    auto answer = call(caller.grant.access_token);
    if (answer || answer.error().kind != ErrorKind::unauthorized) return answer;
    if (!caller.is_renewed) {
        if (caller.grant.refresh_token.empty()) return answer;
        if (auto failure = renew(caller, true)) return *std::move(failure);
        if (!caller.is_renewed) return answer;
        answer = call(caller.grant.access_token);
        if (answer || answer.error().kind != ErrorKind::unauthorized) return answer;
    }
    if (auto failure = end(caller, answer.error())) return *std::move(failure);
    return answer;
}

Result<CacheEntry> SessionKeeper::fetch_user(Caller& caller, seconds max_age) {
    const auto key = caller.key(Resource::user);
    auto entry = cache_.get(key, max_age, [&] {
        return as_user(caller, [&](const Secret& token) {
            return json_of(discord::fetch_user(parts_.discord, token));
        });
    });
    if (entry && caller.key(Resource::user) != key) {
        // Renewed meanwhile, with other scopes: not what others of the old key may see.
        cache_.forget(caller.user);
        cache_.put(caller.key(Resource::user), *entry->json, entry->at);
    }
    return entry;
}

Result<CacheEntry> SessionKeeper::fetch_guilds(Caller& caller, seconds max_age, bool with_counts) {
    const auto resource = with_counts ? Resource::guilds_with_counts : Resource::guilds;
    return cache_.get(caller.key(resource), max_age, [&] {
        return as_user(caller, [&](const Secret& token) {
            return json_of(discord::fetch_guilds(parts_.discord, token, with_counts));
        });
    });
}

// The bot costs the user nothing and needs no live token. That it is not in the
// guild says nothing about the user.
Result<CacheEntry> SessionKeeper::fetch_member(Caller& caller, Snowflake guild, seconds max_age) {
    constexpr std::string_view scope = "guilds.members.read";
    return cache_.get(caller.key(Resource::member, guild), max_age, [&]() -> Result<std::string> {
        if (parts_.settings.has_bot) {
            auto seen = json_of(discord::fetch_member_as_bot(parts_.discord, guild, caller.user));
            const bool is_told = seen || !(seen.error().kind == ErrorKind::not_found ||
                                           seen.error().kind == ErrorKind::forbidden ||
                                           seen.error().kind == ErrorKind::unauthorized);
            if (is_told || !caller.has_scope(scope)) return seen;
        }
        if (!caller.has_scope(scope)) return missing_scope(scope);
        return as_user(caller, [&](const Secret& token) {
            return json_of(discord::fetch_member(parts_.discord, token, guild));
        });
    });
}

// --- confirming a session ----------------------------------------------------------------

/// One look at everything that a session says.
class SessionKeeper::Round {
public:
    Round(SessionKeeper& keeper, const KnownSession& known)
        : keeper_(keeper), settings_(keeper.parts_.settings), known_(known) {}

    Confirmation run() {
        if (keeper_.is_stopped()) note({ErrorKind::unavailable, ErrorSource::gate, "stopping"});
        if (error_) return outcome();
        // Another replica may have been here; and what ended needs no look.
        auto found = keeper_.parts_.sessions.find(known_.digest, keeper_.parts_.now());
        if (found && !*found) return ended(std::nullopt);
        if (found) known_.session = **std::move(found);

        Caller caller(known_);
        if (auto failure = keeper_.make_ready(caller)) note(*failure);
        take_up(known_.session, caller.grant, settings_);
        // What decides access first: a profile must not use up the time for it.
        if (!caller.ended) ask_guilds(caller);
        if (!caller.ended) ask_members(caller);
        if (!caller.ended) ask_user(caller);
        not_renewed_ = caller.not_renewed;
        if (caller.ended) return ended(caller.ended);
        take_up(known_.session, caller.grant, settings_);
        if (!keep()) return ended(std::nullopt);
        return outcome();
    }

private:
    bool is_time(TimePoint at, seconds max_age) const {
        const auto now = keeper_.parts_.now();
        return now >= at + four_fifths(milliseconds(max_age)) || now < at - Freshness::clock_skew;
    }
    // What another session of this user brought, or its login, serves too, if it is
    // younger than what is asked for again.
    static seconds young(seconds max_age) { return std::max(four_fifths(max_age) - 1s, 0s); }

    void note(const Error& error) {
        if (!error_) error_ = error;
        if (stops_others(error)) user_calls_stop_ = true;
    }

    void ask_user(Caller& caller) {
        auto& identity = known_.session.identity;
        if (!is_time(identity.user_at, settings_.user_max_age) || user_calls_stop_) return;
        const auto entry = keeper_.fetch_user(caller, young(settings_.user_max_age));
        if (!entry) return note(entry.error());
        auto user = discord::parse_user(*entry->json);
        if (!user) return note(user.error());
        if (user->id != caller.user) {
            return note({ErrorKind::malformed_reply, ErrorSource::discord,
                         "/users/@me names another user"});
        }
        identity.user = *std::move(user);
        identity.user_at = entry->at;
        has_news_ = true;
    }

    void ask_guilds(Caller& caller) {
        auto& identity = known_.session.identity;
        if (!caller.has_scope("guilds") || user_calls_stop_ ||
            !is_time(identity.guilds_at, settings_.guilds_max_age)) {
            return;
        }
        const auto entry = keeper_.fetch_guilds(caller, young(settings_.guilds_max_age), false);
        if (!entry) return note(entry.error());
        auto guilds = discord::parse_guilds(*entry->json);
        if (!guilds) return note(guilds.error());
        identity.guilds = *std::move(guilds);
        identity.guilds_at = entry->at;
        has_news_ = true;
    }

    void ask_members(Caller& caller) {
        if (!asks_members(known_.session, settings_)) return;
        auto& identity = known_.session.identity;
        const auto& guilds = settings_.member_guilds;
        const bool all_known = std::all_of(guilds.begin(), guilds.end(), [&](Snowflake guild) {
            return identity.members.contains(guild);
        });
        if (all_known && !is_time(identity.members_at, settings_.guilds_max_age)) return;
        std::map<Snowflake, std::optional<Member>> members;
        auto oldest = TimePoint::max();
        for (const auto guild : in_order_of_age(caller.user)) {
            auto known = ask_member(caller, guild);
            if (caller.ended) return;
            if (known) {
                oldest = std::min(oldest, known->at);
                members[guild] = std::move(known->member);
            } else if (const auto before = identity.members.find(guild);
                       before != identity.members.end()) {
                oldest = std::min(oldest, last_told(caller.user, guild));
                members[guild] = before->second;
            }
        }
        if (members.empty()) return;
        identity.members = std::move(members);
        identity.members_at = oldest;
        has_news_ = true;
    }

    struct KnownMember {
        std::optional<Member> member;
        TimePoint at;
    };

    std::optional<KnownMember> ask_member(Caller& caller, Snowflake guild) {
        const auto& identity = known_.session.identity;
        const bool list_is_new = !is_time(identity.guilds_at, settings_.guilds_max_age);
        if (list_is_new && identity.guilds && identity.guilds->size() < complete_guild_list &&
            !identity.find_guild(guild)) {
            return KnownMember{std::nullopt, identity.guilds_at};
        }
        if (settings_.has_bot ? bot_calls_stop_ : user_calls_stop_) return std::nullopt;
        const auto entry = keeper_.fetch_member(caller, guild, young(settings_.guilds_max_age));
        if (!entry) {
            if (settings_.has_bot && stops_others(entry.error())) bot_calls_stop_ = true;
            note(entry.error());
            return std::nullopt;
        }
        if (*entry->json == no_member) return KnownMember{std::nullopt, entry->at};
        auto member = discord::parse_member(*entry->json);
        if (!member) return note(member.error()), std::nullopt;
        return KnownMember{*std::move(member), entry->at};
    }

    TimePoint last_told(Snowflake user, Snowflake guild) {
        const auto entry = keeper_.cache_.peek(
            discord::key_for(user, known_.session.grant.scopes, Resource::member, guild));
        const auto& identity = known_.session.identity;
        return entry ? std::max(entry->at, identity.members_at) : identity.members_at;
    }

    // Discord lets a user's members be asked for very seldom: where there are more
    // guilds than that, each gets its turn.
    std::vector<Snowflake> in_order_of_age(Snowflake user) {
        std::vector<std::pair<TimePoint, Snowflake>> order;
        for (const auto guild : settings_.member_guilds) {
            const bool is_known = known_.session.identity.members.contains(guild);
            order.emplace_back(is_known ? last_told(user, guild) : TimePoint(), guild);
        }
        std::stable_sort(order.begin(), order.end());
        std::vector<Snowflake> guilds;
        for (const auto& [at, guild] : order) guilds.push_back(guild);
        return guilds;
    }

    // False: the session is gone. A store that is away does not keep what Discord
    // said from being used here.
    bool keep() {
        if (!has_news_) return true;
        const auto& learned = known_.session.identity;
        const auto kept = keeper_.parts_.sessions.change(
            known_.digest, keeper_.parts_.now(), [&](Session& session) {
                auto& identity = session.identity;
                if (learned.user_at > identity.user_at) {
                    identity.user = learned.user;
                    identity.user_at = learned.user_at;
                }
                if (learned.guilds_at > identity.guilds_at) {
                    identity.guilds = learned.guilds;
                    identity.guilds_at = learned.guilds_at;
                }
                if (learned.members_at >= identity.members_at) {
                    identity.members = learned.members;
                    identity.members_at = learned.members_at;
                }
                return true;
            });
        return !kept || *kept;
    }

    Confirmation ended(std::optional<Error> why) {
        return {Confirmation::State::ended, std::move(known_), {}, std::move(why)};
    }
    Confirmation outcome() {
        const auto key = known_.session.identity.user.id.to_string();
        if (error_) {
            const auto again_at = keeper_.failed(key, *error_);
            return {Confirmation::State::stale, std::move(known_), again_at, std::move(error_),
                    std::move(not_renewed_)};
        }
        if (has_news_) keeper_.succeeded(key);
        return {Confirmation::State::fresh, std::move(known_), {}, {}, std::move(not_renewed_)};
    }

    SessionKeeper& keeper_;
    const FreshnessSettings& settings_;
    KnownSession known_;
    bool has_news_ = false;
    bool user_calls_stop_ = false;
    bool bot_calls_stop_ = false;
    std::optional<Error> error_;  ///< the first
    std::optional<Error> not_renewed_;
};

Confirmation SessionKeeper::confirm_now(const KnownSession& known) {
    return Round(*this, known).run();
}

void SessionKeeper::confirm(const KnownSession& known, Done done) {
    std::unique_lock lock(mutex_);
    if (const auto it = flights_.find(known.digest); it != flights_.end()) {
        it->second->waiting.push_back(std::move(done));
        return;
    }
    const auto pause = stopped_ ? Pause{} : hold_back(known.session.identity.user.id);
    if (pause) {
        lock.unlock();
        done({Confirmation::State::stale, known, pause->until, pause->error});
        return;
    }
    auto flight = std::make_shared<Flight>();
    flight->waiting.push_back(std::move(done));
    flights_[known.digest] = std::move(flight);
    lock.unlock();
    const auto not_now = [this, known](ErrorKind kind, const char* why) {
        return Confirmation{
            Confirmation::State::stale, known, parts_.now() + 1s,
            Error{kind, ErrorSource::gate, why}
        };
    };
    const bool taken = parts_.run([this, known, not_now] {
        try {
            land(confirm_now(known));
        } catch (const std::exception& bug) {
            land(not_now(ErrorKind::internal, bug.what()));
        }
    });
    if (!taken) land(not_now(ErrorKind::unavailable, "too many sessions are being confirmed"));
}

void SessionKeeper::land(const Confirmation& confirmation) {
    if (parts_.listener) parts_.listener(confirmation);
    std::unique_lock lock(mutex_);
    const auto it = flights_.find(confirmation.known.digest);
    const auto flight = it->second;
    flights_.erase(it);
    lock.unlock();
    for (const auto& done : flight->waiting) done(confirmation);
}

// --- for the application -------------------------------------------------------------------

Result<TokenGrant> SessionKeeper::grant(const KnownSession& known) {
    Caller caller(known);
    if (auto failure = make_ready(caller)) return *std::move(failure);
    return std::move(caller.grant);
}

Result<Secret> SessionKeeper::access_token(const KnownSession& known) {
    auto live = grant(known);
    if (!live) return live.error();
    return std::move(live->access_token);
}

Result<CacheEntry> SessionKeeper::user(const KnownSession& known, seconds max_age) {
    Caller caller(known);
    const auto& identity = known.session.identity;
    // What the session was made with is as good as what was asked for since.
    if (!identity.user.raw.empty()) {
        cache_.put(caller.key(Resource::user), identity.user.raw, identity.user_at);
    }
    return fetch_user(caller, max_age);
}

Result<CacheEntry> SessionKeeper::guilds(const KnownSession& known, seconds max_age,
                                         bool with_counts) {
    Caller caller(known);
    if (!caller.has_scope("guilds")) return missing_scope("guilds");
    // Counts need more; without it, Discord's 401 would look like a dead token.
    if (with_counts && !caller.has_scope("guilds.members.read")) {
        return missing_scope("guilds.members.read");
    }
    return fetch_guilds(caller, max_age, with_counts);
}

Result<CacheEntry> SessionKeeper::connections(const KnownSession& known, seconds max_age) {
    Caller caller(known);
    if (!caller.has_scope("connections")) return missing_scope("connections");
    return cache_.get(caller.key(Resource::connections), max_age, [&] {
        return as_user(caller, [&](const Secret& token) {
            return json_of(discord::fetch_connections(parts_.discord, token));
        });
    });
}

Result<CacheEntry> SessionKeeper::member(const KnownSession& known, Snowflake guild,
                                         seconds max_age) {
    Caller caller(known);
    constexpr std::string_view scope = "guilds.members.read";
    if (!parts_.settings.has_bot && !caller.has_scope(scope)) return missing_scope(scope);
    return fetch_member(caller, guild, max_age);
}

Result<discord::Reply> SessionKeeper::request(const KnownSession& known, discord::Request request) {
    Caller caller(known);
    const auto scope = request.route.required_scope();
    if (!scope.empty() && !caller.has_scope(scope)) return missing_scope(scope);
    request.as = discord::Request::As::user;
    const auto ask = [&]() -> Result<discord::Reply> {
        if (auto failure = make_ready(caller)) return *std::move(failure);
        request.access_token = caller.grant.access_token;
        return parts_.discord.request(request);
    };
    const auto is_dead = [&](const Result<discord::Reply>& answer) {
        if (answer || answer.error().kind != ErrorKind::unauthorized || caller.ended) return false;
        const auto alive = discord::fetch_authorization(parts_.discord, caller.grant.access_token);
        return !alive && alive.error().kind == ErrorKind::unauthorized;
    };
    auto answer = ask();
    if (!is_dead(answer)) return answer;
    if (!caller.is_renewed) {
        if (caller.grant.refresh_token.empty()) return answer;
        if (auto failure = renew(caller, true)) return *std::move(failure);
        if (!caller.is_renewed) return answer;
        answer = ask();
        if (!is_dead(answer)) return answer;
    }
    if (auto failure = end(caller, answer.error())) return *std::move(failure);
    return answer;
}

}  // namespace cordgate
