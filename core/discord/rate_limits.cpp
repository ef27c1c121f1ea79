#include "core/discord/rate_limits.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace cordgate::discord {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_buckets = 20000;
constexpr std::size_t max_names = 2000;
constexpr auto patience = 2s;         // how long a call without an answer holds others back
constexpr auto unlimited_for = 1min;  // an answer without headers: this route counts nothing
constexpr long long unlimited = 1'000'000'000;
// "All bots can make up to 50 requests per second"; some slack for the network,
// which may bring calls closer together than they left.
constexpr std::size_t sends_per_second = 50;
constexpr auto pace_window = 1100ms;
constexpr Milliseconds shortest_wait = 1ms;

// Rounded up, or a caller would come a little too early.
Milliseconds until(SteadyTime end, SteadyTime now) {
    return std::max(std::chrono::ceil<Milliseconds>(end - now), 0ms);
}

}  // namespace

std::string_view to_string(LimitScope scope) {
    switch (scope) {
        case LimitScope::user: return "user";
        case LimitScope::shared: return "shared";
        case LimitScope::global: return "global";
        case LimitScope::ban: return "ban";
    }
    return "user";
}

// --- the life of a call -----------------------------------------------------------

RateLimits::Ticket RateLimits::enter(LimitKey key, SteadyTime now) {
    if (buckets_.size() >= max_buckets) make_room(now);
    const Ticket ticket = ++last_ticket_;
    Call call{std::move(key), {}, false};
    call.bucket = bucket_of(call.key);
    buckets_[call.bucket].waiting.insert(ticket);
    calls_.emplace(ticket, std::move(call));
    return ticket;
}

RateLimits::Turn RateLimits::ask(Ticket ticket, SteadyTime now) {
    Call& call = calls_.at(ticket);
    follow_bucket(call);
    if (const auto wait = until(blocked_until_, now); wait > 0ms) return {wait, block_scope_};
    Bucket& bucket = buckets_.at(call.bucket);
    const Turn turn = turn_in(bucket, ticket, now);
    if (turn.wait > 0ms) return turn;
    if (call.key.has_pace) {
        const auto wait = pace(call.key.identity, now);
        if (wait > 0ms) return {wait, LimitScope::global};
        recent_sends_[call.key.identity].push_back(now);
    }
    if (now >= bucket.resets_at) bucket.known = false;
    if (bucket.known) --bucket.units;
    call.was_alone = bucket.in_flight == 0;
    ++bucket.in_flight;
    bucket.last_sent = ticket;
    bucket.last_sent_at = now;
    bucket.waiting.erase(ticket);
    return {};
}

void RateLimits::leave(Ticket ticket) {
    const auto call = calls_.find(ticket);
    if (call == calls_.end()) return;
    buckets_.at(call->second.bucket).waiting.erase(ticket);
    calls_.erase(call);
}

void RateLimits::answered(Ticket ticket, const LimitNews& news, SteadyTime now, bool again) {
    const auto found = calls_.find(ticket);
    if (found == calls_.end()) return;
    Call& call = found->second;
    Bucket& asked = buckets_.at(call.bucket);
    --asked.in_flight;
    const bool is_exact = call.was_alone && asked.last_sent == ticket;
    if (news.bucket) {
        if (names_.size() >= max_names && names_.count(call.key.shape) == 0) names_.clear();
        names_[call.key.shape] = *news.bucket;
    }
    const auto everything = [](LimitScope scope) {
        return scope == LimitScope::global || scope == LimitScope::ban;
    };
    if (news.block && everything(news.block->scope)) {
        if (now + news.block->duration > blocked_until_) {
            blocked_until_ = now + news.block->duration;
            block_scope_ = news.block->scope;
        }
    } else {
        LimitKey key = call.key;
        if (news.identity) key.identity = *news.identity;
        learn(buckets_[bucket_of(key)], news, is_exact, now);
    }
    if (!again) {
        calls_.erase(found);
        return;
    }
    asked.waiting.insert(ticket);
}

// --- buckets ------------------------------------------------------------------------

std::string RateLimits::bucket_of(const LimitKey& key) const {
    const auto name = names_.find(key.shape);
    const std::string& bucket = name == names_.end() ? key.shape : name->second;
    return key.identity + '\n' + key.top_level + '\n' + bucket;
}

// A bucket got its name while calls waited under its route. They move together, in
// their order, as soon as nobody is on the way whose answer would tell about the new one.
void RateLimits::follow_bucket(const Call& call) {
    const std::string left_name = call.bucket;
    const std::string name = bucket_of(call.key);
    Bucket& left = buckets_.at(left_name);
    if (name == left_name || left.in_flight > 0) return;
    Bucket& entered = buckets_[name];
    for (auto it = left.waiting.begin(); it != left.waiting.end();) {
        Call& other = calls_.at(*it);
        if (bucket_of(other.key) != name) {
            ++it;
            continue;
        }
        other.bucket = name;
        entered.waiting.insert(*it);
        it = left.waiting.erase(it);
    }
    if (left.waiting.empty()) buckets_.erase(left_name);
}

RateLimits::Turn RateLimits::turn_in(const Bucket& bucket, Ticket ticket, SteadyTime now) const {
    const auto position = std::distance(bucket.waiting.begin(), bucket.waiting.find(ticket));
    const bool is_fresh = bucket.known && now < bucket.resets_at;
    const long long units = is_fresh ? std::max(bucket.units, 0LL) : 0;
    Milliseconds begin = until(bucket.blocked_until, now);
    const LimitScope scope = begin > 0ms ? bucket.block_scope : LimitScope::user;
    if (begin == 0ms && is_fresh) {
        if (position == 0 && units > 0) return {};
        if (position < units) return {shortest_wait, scope};  // those before go at once
        begin = until(bucket.resets_at, now);
    }
    if (begin == 0ms) {  // nothing is known: one call goes and finds out
        begin = until(bucket.last_sent_at + patience, now);
        const bool may_probe = bucket.in_flight == 0 || begin == 0ms;
        if (may_probe && position == 0) return {};
        return {may_probe ? shortest_wait : begin, scope};
    }
    const auto windows = (position - units) / std::max(bucket.limit, 1LL);
    const Milliseconds wait = begin + windows * bucket.window;
    return {std::max(wait, shortest_wait), scope};
}

// Answers of parallel calls overtake each other, so a count may rise only by the
// answer to a call that was alone; else the smaller one is right. A window may
// be fixed or sliding: nothing is assumed after it but that one call may try.
void RateLimits::learn(Bucket& bucket, const LimitNews& news, bool is_exact, SteadyTime now) {
    if (news.block) {
        bucket.known = false;
        if (now + news.block->duration > bucket.blocked_until) {
            bucket.blocked_until = now + news.block->duration;
            bucket.block_scope = news.block->scope;
        }
        return;
    }
    if (!news.remaining || !news.reset_after) {
        if (bucket.known || !news.is_answer) return;
        bucket.known = true;
        bucket.units = unlimited;
        bucket.resets_at = now + unlimited_for;
        return;
    }
    if (news.limit) bucket.limit = *news.limit;
    bucket.window = std::max(bucket.window, *news.reset_after);
    // Where windows slide, units come back one by one, as they were taken: whoever
    // comes for the first gets only that one, so let some more come back.
    const auto round_trip = std::chrono::ceil<Milliseconds>(now - bucket.last_sent_at);
    const Milliseconds gathering =
        bucket.limit > 1
            ? std::clamp<Milliseconds>(round_trip * 3 / 2, bucket.window / 50, bucket.window / 10)
            : 0ms;
    const auto resets_at = now + *news.reset_after + gathering;
    if (is_exact || !bucket.known) {
        bucket.units = *news.remaining - bucket.in_flight;
        bucket.resets_at = resets_at;
    } else {
        bucket.units = std::min(bucket.units, *news.remaining);
        bucket.resets_at = std::max(bucket.resets_at, resets_at);
    }
    bucket.known = true;
}

Milliseconds RateLimits::pace(const std::string& identity, SteadyTime now) {
    auto& sends = recent_sends_[identity];
    while (!sends.empty() && now - sends.front() >= pace_window) sends.pop_front();
    if (sends.size() < sends_per_second) return 0ms;
    return std::max(until(sends.front() + pace_window, now), shortest_wait);
}

bool RateLimits::Bucket::is_idle(SteadyTime now) const {
    return in_flight == 0 && waiting.empty() && now >= blocked_until &&
           (!known || now >= resets_at);
}

void RateLimits::make_room(SteadyTime now) {
    std::erase_if(buckets_, [&](const auto& entry) { return entry.second.is_idle(now); });
    if (buckets_.size() < max_buckets) return;
    // All of them still count: those that matter for the shortest time go, many at
    // once, so that a full table does not cost a search at each call.
    std::vector<SteadyTime> ends;
    const auto is_free = [](const Bucket& bucket) {
        return bucket.in_flight == 0 && bucket.waiting.empty();
    };
    for (const auto& [name, bucket] : buckets_) {
        if (is_free(bucket)) ends.push_back(std::max(bucket.resets_at, bucket.blocked_until));
    }
    if (ends.empty()) return;
    const auto last = ends.begin() + static_cast<std::ptrdiff_t>(ends.size() / 8);
    std::nth_element(ends.begin(), last, ends.end());
    std::erase_if(buckets_, [&](const auto& entry) {
        const Bucket& bucket = entry.second;
        return is_free(bucket) && std::max(bucket.resets_at, bucket.blocked_until) <= *last;
    });
}

// --- the breaker ------------------------------------------------------------------------

void InvalidRequests::count(SteadyTime now) {
    if (times_.size() >= most) times_.pop_front();
    times_.push_back(now);
}

Milliseconds InvalidRequests::open_for(SteadyTime now) {
    while (!times_.empty() && now - times_.front() >= window) times_.pop_front();
    return times_.size() < most ? 0ms : std::max(until(times_.front() + window, now), 1ms);
}

}  // namespace cordgate::discord
