#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cordgate {

/// Two lower-case digits for each byte (RFC 4648, 8).
std::string hex_encode(std::string_view bytes);

/// Digits of either case; nullopt for an odd number of them or anything else.
std::optional<std::string> hex_decode(std::string_view digits);

}  // namespace cordgate
