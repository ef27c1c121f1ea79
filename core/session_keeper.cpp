#include "core/session_keeper.hpp"

#include <chrono>
#include <utility>

#include "core/discord/calls.hpp"

namespace cordgate {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;
using Steady = std::chrono::steady_clock;
using discord::CacheEntry;

}  // namespace

SessionKeeper::SessionKeeper(Parts parts)
    : parts_(std::move(parts)),
      pauses_(parts_.now),
      grants_({parts_.settings, parts_.discord, parts_.sessions, parts_.now, pauses_}),
      look_ups_({parts_.settings, parts_.discord, grants_, parts_.now, parts_.cache}) {}

SessionKeeper::~SessionKeeper() {
    stop();
}

void SessionKeeper::stop() {
    grants_.stop();
}

void SessionKeeper::upkeep() {
    grants_.upkeep();
}

void SessionKeeper::forget(Snowflake user) {
    cache().forget(user);
    pauses_.forget(user.to_string());
}

// --- confirming a session ----------------------------------------------------------------

SessionRound::Tools SessionKeeper::tools() {
    return {parts_.settings, parts_.sessions, parts_.now, pauses_, grants_, look_ups_};
}

Confirmation SessionKeeper::confirm_now(const KnownSession& known) {
    return SessionRound(tools(), known).run();
}

void SessionKeeper::confirm(const KnownSession& known, Done done) {
    {
        const std::lock_guard lock(mutex_);
        if (const auto it = flights_.find(known.digest); it != flights_.end()) {
            it->second.waiting.push_back(std::move(done));
            return;
        }
    }
    if (const auto held = SessionRound(tools(), known).held_back()) return done(*held);
    {
        const std::lock_guard lock(mutex_);
        auto& flight = flights_[known.digest];
        flight.waiting.push_back(std::move(done));
        if (flight.waiting.size() > 1) return;
    }
    const auto not_now = [this, known](ErrorKind kind, const char* why) {
        return Confirmation{
            Confirmation::State::stale, known, parts_.now() + 1s,
            Error{kind, ErrorSource::gate, why}
        };
    };
    const auto asked = Steady::now();
    const bool taken = parts_.run([this, known, not_now, asked] {
        try {
            const bool is_late = Steady::now() - asked > parts_.queue_patience;
            land(is_late ? not_now(ErrorKind::unavailable, "many sessions wait for Discord")
                         : confirm_now(known));
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
    const auto waiting = std::move(it->second.waiting);
    flights_.erase(it);
    lock.unlock();
    for (const auto& done : waiting) done(confirmation);
}

/// The rules know with the next request what somebody who asked was told.
void SessionKeeper::learn(const KnownSession& known) {
    const auto news = SessionRound(tools(), known).learn();
    if (news && parts_.listener) parts_.listener(*news);
}

// --- for the application -------------------------------------------------------------------

Result<TokenGrant> SessionKeeper::grant(const KnownSession& known) {
    Caller caller(known);
    if (auto failure = grants_.make_ready(caller)) return *std::move(failure);
    return std::move(caller.grant);
}

Result<Secret> SessionKeeper::access_token(const KnownSession& known) {
    auto live = grant(known);
    if (!live) return live.error();
    return std::move(live->access_token);
}

Result<CacheEntry> SessionKeeper::user(const KnownSession& known, seconds max_age) {
    Caller caller(known);
    const auto& user = known.session.identity.user;
    // What the session was made with is as good as what was asked for since.
    if (!user.raw.empty()) {
        cache().put(discord::key_for(user.id, known.session.grant.scopes, discord::Resource::user),
                    user.raw, known.session.identity.user_at);
    }
    auto entry = look_ups_.user(caller, max_age);
    learn(known);
    return entry;
}

Result<CacheEntry> SessionKeeper::guilds(const KnownSession& known, seconds max_age,
                                         bool with_counts) {
    Caller caller(known);
    auto entry = look_ups_.guilds(caller, max_age, with_counts);
    learn(known);
    return entry;
}

Result<CacheEntry> SessionKeeper::connections(const KnownSession& known, seconds max_age) {
    Caller caller(known);
    return look_ups_.connections(caller, max_age);
}

Result<CacheEntry> SessionKeeper::member(const KnownSession& known, Snowflake guild,
                                         seconds max_age) {
    Caller caller(known);
    auto entry = look_ups_.member(caller, guild, max_age);
    learn(known);
    return entry;
}

void SessionKeeper::check_grant(const KnownSession& known) {
    Caller caller(known);
    (void)grants_.as_user(caller, [&](const Secret& token) {
        return discord::fetch_authorization(parts_.discord, token);
    });
}

Result<discord::Reply> SessionKeeper::request(const KnownSession& known, discord::Request request) {
    Caller caller(known);
    const auto scope = request.route.required_scope();
    if (!scope.empty() && !caller.has_scope(scope)) return missing_scope(scope);
    request.as = discord::Request::As::user;
    const auto ask = [&](const Secret& token) {
        request.access_token = token;
        return parts_.discord.request(request);
    };
    // A scope may be missing that we do not know of.
    const auto is_dead = [&](const Secret& token) {
        const auto alive = discord::fetch_authorization(parts_.discord, token);
        return !alive && alive.error().kind == ErrorKind::unauthorized;
    };
    return grants_.as_user(caller, ask, is_dead);
}

}  // namespace cordgate
