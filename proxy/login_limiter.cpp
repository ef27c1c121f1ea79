#include "proxy/login_limiter.hpp"

#include <algorithm>
#include <cmath>

namespace cordgate::proxy {

double LoginLimiter::refilled(const Bucket& bucket, Clock::time_point now) const {
    const auto passed = std::chrono::duration<double>(now - bucket.since).count();
    const auto limit = static_cast<double>(per_minute_);
    return std::min(limit, bucket.tokens + passed * limit / 60.0);
}

void LoginLimiter::forget_idle(Clock::time_point now) {
    const auto almost_full = static_cast<double>(per_minute_) - 1.0;
    std::erase_if(buckets_,
                  [&](const auto& entry) { return refilled(entry.second, now) >= almost_full; });
    if (buckets_.size() >= max_clients_) buckets_.clear();
}

std::optional<std::chrono::seconds> LoginLimiter::take(const std::string& client,
                                                       Clock::time_point now) {
    if (per_minute_ == 0) return std::nullopt;
    const std::lock_guard lock(mutex_);
    if (buckets_.size() >= max_clients_ && !buckets_.contains(client)) forget_idle(now);
    auto [entry, is_new] =
        buckets_.try_emplace(client, Bucket{static_cast<double>(per_minute_), now});
    auto& bucket = entry->second;
    bucket.tokens = refilled(bucket, now);
    bucket.since = now;
    if (bucket.tokens >= 1.0) {
        bucket.tokens -= 1.0;
        return std::nullopt;
    }
    const auto wait = (1.0 - bucket.tokens) * 60.0 / static_cast<double>(per_minute_);
    return std::chrono::seconds(static_cast<long>(std::ceil(wait)));
}

}  // namespace cordgate::proxy
