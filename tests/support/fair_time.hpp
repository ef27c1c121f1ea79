#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/support/comes_true.hpp"

namespace cordgate::test {

/// How long ago it was made, in time that the machine gave us: on a quiet one that is the
/// clock's. For promises in seconds, which a machine that lets nobody run does not break: a
/// thread that only ever sleeps a little tells how late whoever waits wakes up meanwhile, and
/// that is no time of the gate's. Any thread may look.
class FairTime {
public:
    FairTime() : thread_([this] { keep_waking_up(); }) {}
    ~FairTime() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        stop_.notify_all();
        thread_.join();
    }
    FairTime(const FairTime&) = delete;
    FairTime& operator=(const FairTime&) = delete;

    std::chrono::milliseconds passed() const {
        const std::lock_guard lock(mutex_);
        const auto now = Clock::now();
        const auto overdue = std::max(now - due_, Clock::duration::zero());
        return std::chrono::duration_cast<std::chrono::milliseconds>(now - begin_ - lost_ -
                                                                     overdue);
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds nap{50};

    void keep_waking_up() {
        std::unique_lock lock(mutex_);
        for (;;) {
            due_ = Clock::now() + nap;
            if (stop_.wait_until(lock, due_, [this] { return stopping_; })) return;
            lost_ += Clock::now() - due_;
        }
    }

    const Clock::time_point begin_ = Clock::now();
    mutable std::mutex mutex_;  // guards all below
    std::condition_variable stop_;
    bool stopping_ = false;
    Clock::time_point due_ = begin_ + nap;
    Clock::duration lost_{};
    std::thread thread_;  // last: starts when all else is there
};

/// Whether it comes true, and by then not more than `limit` has passed.
template <class Condition>
bool comes_true_within(std::chrono::milliseconds limit, Condition condition) {
    const FairTime since;
    return comes_true(condition) && since.passed() < limit;
}

}  // namespace cordgate::test
