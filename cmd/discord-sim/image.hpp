#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cordgate::sim {

/// A square PNG of `edge` pixels, at most 256: a symmetric pattern in one
/// colour that depends on `seed` only, so that people can be told apart.
std::string pattern_png(std::string_view seed, std::uint32_t edge);

/// `bytes` in a gzip container, stored without compression (RFC 1952).
std::string gzip_stored(std::string_view bytes);

}  // namespace cordgate::sim
