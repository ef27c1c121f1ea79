#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <string>

#include "core/clock.hpp"

namespace cordgate::sim {

/// How much of something is allowed. Discord publishes no numbers; ours are
/// invented and can be changed.
struct Limit {
    int units = 0;
    std::chrono::seconds window{1};
    bool leaky = true;     ///< drains evenly; otherwise all units come back at the window's end
    std::string bucket{};  ///< shared by the routes that name it; empty: the route's own
};

/// What one call found in its bucket.
struct Allowance {
    bool allowed = true;
    int limit = 0;
    int remaining = 0;
    double reset_after = 0;  ///< seconds until the bucket is full again
    double retry_after = 0;  ///< seconds until one unit is free; 0 when allowed
};

/// Buckets by key. Not thread-safe: the Service holds its lock.
class RateLimits {
public:
    Allowance take(const std::string& key, const Limit& limit, TimePoint now);
    void clear() { buckets_.clear(); }

private:
    struct Bucket {
        double used = 0;
        TimePoint since{};
    };
    std::map<std::string, Bucket> buckets_;
};

/// Answers of 401, 403 and 429 per address: too many within ten minutes, and
/// the address is shut out for an hour (Discord: Invalid Request Limit).
class InvalidRequests {
public:
    int limit = 10000;

    void count(const std::string& client, TimePoint now);
    bool banned(const std::string& client, TimePoint now) const;
    int recent(const std::string& client, TimePoint now) const;
    void clear();

private:
    std::map<std::string, std::deque<TimePoint>> seen_;
    std::map<std::string, TimePoint> banned_until_;
};

}  // namespace cordgate::sim
