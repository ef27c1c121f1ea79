#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "core/discord/rate_limits.hpp"
#include "core/error.hpp"

namespace cordgate::discord {

/// Holds threads back until their call may go, first come, first served; refuses
/// those that would wait too long, and everybody while the breaker is open.
/// Thread-safe.
class RateQueue {
public:
    /// Tells the time that limits are reckoned in. Thread-safe.
    using Ticks = std::function<SteadyTime()>;

    explicit RateQueue(Ticks ticks) : ticks_(std::move(ticks)) {}

    /// A call's place, for all its attempts; leaves when it dies.
    class Place {
    public:
        Place(RateQueue& queue, LimitKey key);
        ~Place();
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        /// Returns when the call may go, or why it may not: rate_limited with
        /// retry_after and scope when its turn would come later than `longest` from
        /// now or `deadline`; unavailable with retry_after when the breaker is open.
        std::optional<Error> wait(Milliseconds longest, SteadyTime deadline);
        /// What came of the call that went. `again`: it will wait once more.
        void answered(const LimitNews& news, bool counts_as_invalid, bool again);

    private:
        RateQueue& queue_;
        RateLimits::Ticket ticket_;
        bool is_on_its_way_ = false;
    };

private:
    const Ticks ticks_;
    std::mutex mutex_;
    std::condition_variable changed_;
    RateLimits limits_;
    InvalidRequests invalid_;
};

}  // namespace cordgate::discord
