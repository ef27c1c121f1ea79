#pragma once

#include <thread>

#include "tests/support/net.hpp"

namespace cordgate::test {

/// Whether it comes true before patience ends; asked again and again, with a rest between.
template <class Condition>
bool comes_true(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace cordgate::test
