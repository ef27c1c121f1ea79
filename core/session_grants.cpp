#include "core/session_grants.hpp"

#include <utility>
#include <vector>

#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/random.hpp"

namespace cordgate {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

// Longer than a call to Discord may take: a lease is renewed before what it
// guards is written.
constexpr milliseconds lease_time = 30s;
constexpr milliseconds lease_patience = 15s;
constexpr milliseconds first_lease_poll = 20ms;
constexpr milliseconds last_lease_poll = 200ms;
constexpr int grant_writes = 6;
constexpr milliseconds first_write_pause = 50ms;
constexpr std::size_t most_untried = 100000;

bool is_same(const Secret& a, const Secret& b) {
    return constant_time_equal(a.reveal(), b.reveal());
}

Error gone() {
    return {ErrorKind::not_found, ErrorSource::store, "the session has ended"};
}

}  // namespace

Error missing_scope(std::string_view scope) {
    return {ErrorKind::unauthorized, ErrorSource::gate,
            "the scope " + std::string(scope) + " was not granted"};
}

struct SessionGrants::Flight {
    std::optional<Result<TokenGrant>> outcome;
};

void SessionGrants::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(stopped_, true)) return;
    }
    changed_.notify_all();
    upkeep();
}

bool SessionGrants::is_stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
}

// False when nothing is to be waited for any more.
bool SessionGrants::wait(milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return stopped_; });
}

std::optional<Error> SessionGrants::make_ready(Caller& caller) {
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
    if (failure && is_over) caller.no_grant = failure;
    if (!failure || caller.ended || is_over) return failure;
    // A pause says the same again.
    if (!caller.not_renewed) caller.not_renewed = std::move(failure);
    return std::nullopt;
}

std::optional<Error> SessionGrants::renew(Caller& caller, bool was_refused) {
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
    if (was_refused) caller.no_grant = error;
    return error;
}

std::optional<Error> SessionGrants::end(Caller& caller, const Error& why) {
    // Whether it was there any more makes no difference.
    const auto ended = parts_.sessions.end(caller.digest);
    if (!ended) return ended.error();
    caller.ended = why;
    return why;
}

// One thread of this process; the others wait for what it brings.
Result<TokenGrant> SessionGrants::renew_once(const Caller& caller, bool was_refused) {
    std::unique_lock lock(mutex_);
    if (const auto it = flights_.find(caller.digest); it != flights_.end()) {
        const auto flight = it->second;
        changed_.wait(lock, [&] { return flight->outcome.has_value(); });
        return *flight->outcome;
    }
    if (const auto pause = parts_.pauses.enter(caller.digest, CallTarget::renewal())) {
        auto error = pause->error;
        error.retry_after = std::chrono::duration_cast<milliseconds>(pause->until - parts_.now());
        return error;
    }
    const auto flight = std::make_shared<Flight>();
    flights_[caller.digest] = flight;
    lock.unlock();
    Result<TokenGrant> outcome = Error{ErrorKind::internal, ErrorSource::gate, "renewal threw"};
    try {
        outcome = renew_alone(caller, was_refused);
    } catch (...) {  // those who wait must not wait for ever
    }
    if (outcome) {
        parts_.pauses.succeeded(caller.digest, CallTarget::renewal());
    } else {
        parts_.pauses.failed(caller.digest, CallTarget::renewal(), outcome.error());
    }
    lock.lock();
    flights_.erase(caller.digest);
    flight->outcome = outcome;
    changed_.notify_all();
    return outcome;
}

// One replica; the others take what it has written.
Result<TokenGrant> SessionGrants::renew_alone(const Caller& caller, bool was_refused) {
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
Result<std::optional<TokenGrant>> SessionGrants::newer_grant(const Caller& caller) {
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

Result<TokenGrant> SessionGrants::renew_leased(const Caller& caller, bool was_refused,
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
Result<TokenGrant> SessionGrants::keep_grant(const Caller& caller, Unsaved unsaved,
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
Result<bool> SessionGrants::write_unsaved(const std::string& digest) {
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
    // Of so many that were never used we know nothing any more, and would renew them once.
    if (untried_.size() >= most_untried) untried_.clear();
    if (*written) untried_.insert(sha256(grant.access_token.reveal()));
    return written;
}

bool SessionGrants::is_untried(const TokenGrant& grant) const {
    const std::lock_guard lock(mutex_);
    return !untried_.empty() && untried_.contains(sha256(grant.access_token.reveal()));
}

void SessionGrants::note_works(const TokenGrant& grant) {
    const std::lock_guard lock(mutex_);
    if (!untried_.empty()) untried_.erase(sha256(grant.access_token.reveal()));
}

void SessionGrants::upkeep() {
    std::vector<std::string> digests;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [digest, unsaved] : unsaved_) digests.push_back(digest);
    }
    for (const auto& digest : digests) {
        if (!write_unsaved(digest)) return;  // the store is away: later
    }
}

}  // namespace cordgate
