#include "core/base64.hpp"

#include <array>
#include <cstdint>

namespace cordgate {
namespace {

constexpr std::string_view url_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view plain_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> values_of(std::string_view alphabet) {
    std::array<std::int8_t, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
    }
    return values;
}

constexpr auto url_values = values_of(url_alphabet);
constexpr auto plain_values = values_of(plain_alphabet);

void encode(std::string_view bytes, std::string_view alphabet, std::string& out) {
    out.resize((bytes.size() * 4 + 2) / 3);
    auto* next = out.data();
    const char* const letters = alphabet.data();
    const char* from = bytes.data();
    for (auto groups = bytes.size() / 3; groups > 0; --groups, from += 3, next += 4) {
        const auto byte = [&](std::size_t i) {
            return static_cast<std::uint32_t>(static_cast<unsigned char>(from[i]));
        };
        const auto group = byte(0) << 16 | byte(1) << 8 | byte(2);
        next[0] = letters[group >> 18];
        next[1] = letters[(group >> 12) & 63];
        next[2] = letters[(group >> 6) & 63];
        next[3] = letters[group & 63];
    }
    std::uint32_t pending = 0;
    int bits = 0;
    for (const char c : bytes.substr(bytes.size() / 3 * 3)) {
        pending = (pending << 8) | static_cast<unsigned char>(c);
        for (bits += 8; bits >= 6; bits -= 6) *next++ = alphabet[(pending >> (bits - 6)) & 63];
    }
    if (bits > 0) *next = alphabet[(pending << (6 - bits)) & 63];
}

// Bits that are left over must be zero: else one value had several spellings.
template <class ValueOf>
std::optional<std::string> decode(std::string_view text, ValueOf value_of) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t pending = 0;
    int bits = 0;
    for (const char c : text) {
        const int value = value_of(static_cast<unsigned char>(c));
        if (value < 0) return std::nullopt;
        pending = (pending << 6) | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out += static_cast<char>((pending >> bits) & 0xff);
    }
    if ((pending & ((1U << bits) - 1)) != 0) return std::nullopt;
    return out;
}

}  // namespace

std::string base64url_encode(std::string_view bytes) {
    std::string out;
    encode(bytes, url_alphabet, out);
    return out;
}

void base64url_encode(std::string_view bytes, std::string& out) {
    encode(bytes, url_alphabet, out);
}

bool is_base64url(std::string_view text) {
    if (text.size() % 4 == 1) return false;
    std::int8_t seen = 0;  // a value that is none is negative
    for (const char c : text) seen |= url_values[static_cast<unsigned char>(c)];
    if (seen < 0) return false;
    constexpr unsigned left_over[] = {0, 0, 0xf, 0x3};
    const auto last = text.empty() ? 0 : url_values[static_cast<unsigned char>(text.back())];
    return (static_cast<unsigned>(last) & left_over[text.size() % 4]) == 0;
}

std::optional<std::string> base64url_decode(std::string_view text) {
    return decode(text, [](unsigned char c) { return url_values[c]; });
}

std::string base64_encode(std::string_view bytes) {
    std::string out;
    encode(bytes, plain_alphabet, out);
    while (out.size() % 4 != 0) out += '=';
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 == 0) {
        for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
    }
    return decode(text, [](unsigned char c) {
        return plain_values[c] >= 0 ? plain_values[c] : url_values[c];
    });
}

}  // namespace cordgate
