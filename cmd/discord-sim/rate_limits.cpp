#include "cmd/discord-sim/rate_limits.hpp"

#include <algorithm>
#include <cmath>

namespace cordgate::sim {
namespace {

using Seconds = std::chrono::duration<double>;
constexpr auto invalid_window = std::chrono::minutes(10);
constexpr auto ban_length = std::chrono::hours(1);

}  // namespace

Allowance RateLimits::take(const std::string& key, const Limit& limit, TimePoint now) {
    auto& bucket = buckets_[key];
    const auto window = Seconds(limit.window).count();
    const auto elapsed = std::max(0.0, Seconds(now - bucket.since).count());
    if (limit.leaky) {
        bucket.used = std::max(0.0, bucket.used - elapsed * limit.units / window);
        bucket.since = now;
    } else if (bucket.used == 0 || elapsed >= window) {
        bucket = {0, now};
    }

    // Draining is done in floating point: what is a hair short of a unit is one.
    const bool allowed = bucket.used + 1 <= limit.units + 1e-6;
    if (allowed) bucket.used += 1;
    const auto left_of_window = Seconds(bucket.since - now).count() + window;
    const auto unit = window / std::max(1, limit.units);
    Allowance answer{allowed, limit.units};
    answer.remaining = std::max(0, static_cast<int>(std::floor(limit.units - bucket.used + 1e-6)));
    answer.reset_after = limit.leaky ? bucket.used * unit : left_of_window;
    if (!allowed) {
        answer.retry_after = limit.leaky ? (bucket.used + 1 - limit.units) * unit : left_of_window;
    }
    return answer;
}

void InvalidRequests::count(const std::string& client, TimePoint now) {
    auto& times = seen_[client];
    while (!times.empty() && times.front() + invalid_window <= now) times.pop_front();
    times.push_back(now);
    if (static_cast<int>(times.size()) >= limit) banned_until_[client] = now + ban_length;
}

bool InvalidRequests::banned(const std::string& client, TimePoint now) const {
    const auto found = banned_until_.find(client);
    return found != banned_until_.end() && now < found->second;
}

int InvalidRequests::recent(const std::string& client, TimePoint now) const {
    const auto found = seen_.find(client);
    if (found == seen_.end()) return 0;
    const auto is_recent = [&](TimePoint at) { return at + invalid_window > now; };
    return static_cast<int>(std::count_if(found->second.begin(), found->second.end(), is_recent));
}

void InvalidRequests::clear() {
    seen_.clear();
    banned_until_.clear();
}

}  // namespace cordgate::sim
