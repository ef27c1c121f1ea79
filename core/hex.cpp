#include "core/hex.hpp"

#include "core/ascii.hpp"

namespace cordgate {
namespace {

constexpr std::string_view lower_case = "0123456789abcdef";

}  // namespace

std::string hex_encode(std::string_view bytes) {
    std::string digits;
    digits.reserve(2 * bytes.size());
    for (const char c : bytes) {
        digits += lower_case[static_cast<unsigned char>(c) >> 4];
        digits += lower_case[static_cast<unsigned char>(c) & 15];
    }
    return digits;
}

std::optional<std::string> hex_decode(std::string_view digits) {
    if (digits.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(digits.size() / 2);
    for (; !digits.empty(); digits.remove_prefix(2)) {
        const int high = hex_value(digits[0]);
        const int low = hex_value(digits[1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
}

}  // namespace cordgate
