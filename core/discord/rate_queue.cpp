#include "core/discord/rate_queue.hpp"

#include <algorithm>
#include <utility>

#include "core/discord/failure.hpp"

namespace cordgate::discord {
namespace {

using namespace std::chrono_literals;

constexpr Milliseconds shortest_retry = 1s;

Error limited(const RateLimits::Turn& turn) {
    Refusal refusal;
    refusal.scope = turn.scope;
    refusal.message = "Waiting for Discord's rate limit.";
    return {ErrorKind::rate_limited, ErrorSource::discord,
            "not asked: a rate limit, scope " + std::string(to_string(turn.scope)),
            std::max(turn.wait, shortest_retry),
            std::make_shared<const Refusal>(std::move(refusal))};
}

}  // namespace

RateQueue::Place::Place(RateQueue& queue, LimitKey key) : queue_(queue) {
    const std::lock_guard lock(queue_.mutex_);
    ticket_ = queue_.limits_.enter(std::move(key), queue_.ticks_());
}

RateQueue::Place::~Place() {
    const std::lock_guard lock(queue_.mutex_);
    if (is_on_its_way_) {
        queue_.limits_.answered(ticket_, {}, queue_.ticks_());
    } else {
        queue_.limits_.leave(ticket_);
    }
    queue_.changed_.notify_all();
}

std::optional<Error> RateQueue::Place::wait(Milliseconds longest, SteadyTime deadline) {
    std::unique_lock lock(queue_.mutex_);
    const auto last = std::min(deadline, std::chrono::steady_clock::now() + longest);
    for (;;) {
        const auto now = queue_.ticks_();
        if (const auto closed = queue_.invalid_.open_for(now); closed > 0ms) {
            return Error{ErrorKind::unavailable, ErrorSource::discord,
                         "too many requests were refused lately; not asking Discord", closed};
        }
        const auto turn = queue_.limits_.ask(ticket_, now);
        if (turn.wait == 0ms) break;
        // The limiter's clock may be a test's; the threads' is not.
        if (std::chrono::steady_clock::now() + turn.wait > last) return limited(turn);
        queue_.changed_.wait_for(lock, turn.wait);
    }
    is_on_its_way_ = true;
    queue_.changed_.notify_all();
    return std::nullopt;
}

void RateQueue::Place::answered(const LimitNews& news, bool counts_as_invalid, bool again) {
    const std::lock_guard lock(queue_.mutex_);
    const auto now = queue_.ticks_();
    queue_.limits_.answered(ticket_, news, now, again);
    if (counts_as_invalid) queue_.invalid_.count(now);
    is_on_its_way_ = false;
    queue_.changed_.notify_all();
}

}  // namespace cordgate::discord
