#pragma once

#include <atomic>
#include <chrono>

#include "core/clock.hpp"

namespace cordgate::test {

/// Time that stands still until the test moves it. Any thread may look.
class TestClock {
public:
    TimePoint now() const { return time_; }
    void pass(std::chrono::milliseconds time) {
        time_ = time_.load() + time;
        passed_ = passed_.load() + time;
    }
    /// Somebody sets the wall clock back: no time goes by.
    void set_back(std::chrono::milliseconds time) { time_ = time_.load() - time; }
    /// The machine's clock, ahead by all that passed: for what waits by itself.
    std::chrono::steady_clock::time_point ticks() const {
        return std::chrono::steady_clock::now() + passed_.load();
    }

private:
    std::atomic<TimePoint> time_{
        std::chrono::time_point_cast<std::chrono::milliseconds>(Clock::now())};
    std::atomic<std::chrono::milliseconds> passed_{};
};

}  // namespace cordgate::test
