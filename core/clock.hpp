#pragma once

#include <chrono>
#include <functional>

namespace cordgate {

/// Wall time: sessions outlive a process and are shared by replicas. Time-outs
/// of connections use std::chrono::steady_clock instead.
using Clock = std::chrono::system_clock;
using TimePoint = Clock::time_point;

/// A while on the wall clock. One that is set back to before its beginning ends it, so that
/// no clock makes it last longer than it was meant to.
struct Span {
    TimePoint from{};
    TimePoint until{};

    bool holds(TimePoint now) const { return from <= now && now < until; }
};

/// Tells the time; given, so that tests can turn the hands. Thread-safe.
using Now = std::function<TimePoint()>;

}  // namespace cordgate
