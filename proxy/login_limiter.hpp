#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace cordgate::proxy {

/// How often one client may begin a login (`limits.logins_per_minute`): a bucket
/// of that many that refills over a minute. Bounded: with too many clients at
/// once the fullest buckets are forgotten, which can only be generous, and never
/// locks somebody else out. Thread-safe.
class LoginLimiter {
public:
    using Clock = std::chrono::steady_clock;

    explicit LoginLimiter(std::size_t per_minute, std::size_t max_clients = 65536)
        : per_minute_(per_minute), max_clients_(max_clients) {}

    /// nullopt: go on. Else how long until one more is allowed.
    std::optional<std::chrono::seconds> take(const std::string& client, Clock::time_point now);

private:
    struct Bucket {
        double tokens = 0;
        Clock::time_point since;
    };

    void forget_idle(Clock::time_point now);
    double refilled(const Bucket& bucket, Clock::time_point now) const;

    std::size_t per_minute_;
    std::size_t max_clients_;
    std::mutex mutex_;
    std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace cordgate::proxy
