#include "core/json_text.hpp"

#include <cstddef>
#include <cstdint>

namespace cordgate {
namespace {

struct Decoded {
    std::uint32_t code_point = 0xfffd;
    std::size_t size = 1;
};

// One code point from the start of `text`. The bounds of the second byte keep
// out overlong forms, surrogates and what lies beyond U+10FFFF (RFC 3629, 4).
Decoded decode(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const std::uint32_t first = byte(0);
    if (first < 0x80) return {first, 1};

    std::size_t size = 0;
    std::uint32_t lowest = 0x80;
    std::uint32_t highest = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) size = 2;
    if (first >= 0xe0 && first <= 0xef) size = 3;
    if (first >= 0xf0 && first <= 0xf4) size = 4;
    if (size == 0) return {};
    if (first == 0xe0) lowest = 0xa0;
    if (first == 0xed) highest = 0x9f;
    if (first == 0xf0) lowest = 0x90;
    if (first == 0xf4) highest = 0x8f;
    if (byte(1) < lowest || byte(1) > highest) return {};

    std::uint32_t code_point = first & (0xffu >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0u) != 0x80u) return {};
        code_point = (code_point << 6) | (byte(i) & 0x3fu);
    }
    return {code_point, size};
}

void append_unit(std::string& out, std::uint32_t unit) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += digits[(unit >> shift) & 0xf];
}

}  // namespace

std::string json_quote(std::string_view utf8) {
    std::string out;
    out.reserve(utf8.size() + 2);
    out += '"';
    while (!utf8.empty()) {
        const auto [code_point, size] = decode(utf8);
        utf8.remove_prefix(size);
        if (code_point == '"' || code_point == '\\') {
            out += '\\';
            out += static_cast<char>(code_point);
        } else if (code_point >= 0x20 && code_point < 0x7f) {
            out += static_cast<char>(code_point);
        } else if (code_point < 0x10000) {
            append_unit(out, code_point);
        } else {
            append_unit(out, 0xd800 + ((code_point - 0x10000) >> 10));
            append_unit(out, 0xdc00 + ((code_point - 0x10000) & 0x3ff));
        }
    }
    out += '"';
    return out;
}

}  // namespace cordgate
