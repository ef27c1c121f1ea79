#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// What a fuzz target looks for besides crashes.

namespace cordgate::fuzz {

/// `holds` is what must be true of every input; ends the process when it is not.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Inputs are cut everywhere up to this size, at steps beyond it.
inline std::size_t cut_step(std::size_t size) {
    return size / 256 + 1;
}

}  // namespace cordgate::fuzz
