#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cordgate::proxy::http {

/// Field names that somebody here acts upon, or that most messages hold: found once
/// while a head is parsed, compared as numbers ever after.
enum class FieldName : std::uint8_t {
    other,
    accept,
    accept_encoding,
    accept_language,
    authorization,
    cache_control,
    connection,
    content_encoding,
    content_length,
    content_range,
    content_type,
    cookie,
    date,
    etag,
    expect,
    host,
    if_modified_since,
    if_none_match,
    if_range,
    if_unmodified_since,
    last_modified,
    location,
    origin,
    pragma,
    range,
    referer,
    sec_fetch_mode,
    sec_fetch_site,
    server,
    set_cookie,
    te,
    trailer,
    transfer_encoding,
    upgrade,
    user_agent,
    vary,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_port,
    x_forwarded_proto,
    x_request_id,
};

/// The same in lower case; "" for `other`.
inline constexpr std::string_view known_names[] = {
    "",
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "origin",
    "pragma",
    "range",
    "referer",
    "sec-fetch-mode",
    "sec-fetch-site",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
};
inline constexpr std::size_t known_name_count = std::size(known_names);
static_assert(known_name_count == static_cast<std::size_t>(FieldName::x_request_id) + 1);

namespace field_names {

inline constexpr std::size_t slot_count = 128;

/// `name` has two characters or more.
constexpr std::size_t slot_of(std::string_view name) {
    const auto letter = [&](std::size_t at) {
        return static_cast<std::size_t>(static_cast<unsigned char>(name[at]) | 0x20U);
    };
    return (name.size() * 9 + letter(0) + letter(name.size() - 1) * 17 +
            letter(name.size() - 2) * 9) %
           slot_count;
}

/// Each name in a place of its own: one comparison tells.
constexpr std::array<FieldName, slot_count> make_slots() {
    std::array<FieldName, slot_count> slots{};
    for (std::size_t i = 1; i < known_name_count; ++i) {
        auto& slot = slots[slot_of(known_names[i])];
        if (slot != FieldName::other) throw "two names in one place: choose other factors";
        slot = static_cast<FieldName>(i);
    }
    return slots;
}
inline constexpr auto slots = make_slots();

/// Whether they differ in nothing but the case of letters: of what stands in these names,
/// letters have the bit 0x40.
template <class Word>
bool same_word(const char* text, const char* lower) {
    Word a = 0;
    Word b = 0;
    std::memcpy(&a, text, sizeof a);
    std::memcpy(&b, lower, sizeof b);
    const auto letters = static_cast<Word>(b & static_cast<Word>(0x4040404040404040));
    return ((a ^ b) & static_cast<Word>(~(letters >> 1))) == 0;
}

/// Whether a text of the same size is `lower` but for the case of its letters.
inline bool same_name(std::string_view text, std::string_view lower) {
    const auto size = lower.size();
    const char* const a = text.data();
    const char* const b = lower.data();
    if (size >= 8) {
        for (std::size_t at = 0; at + 8 < size; at += 8) {
            if (!same_word<std::uint64_t>(a + at, b + at)) return false;
        }
        return same_word<std::uint64_t>(a + size - 8, b + size - 8);
    }
    if (size >= 4) {
        return same_word<std::uint32_t>(a, b) &&
               same_word<std::uint32_t>(a + size - 4, b + size - 4);
    }
    return same_word<std::uint16_t>(a, b) && same_word<std::uint16_t>(a + size - 2, b + size - 2);
}

}  // namespace field_names

/// Which of them `text` is, in any case of letters; `other` for all else, tokens or not.
inline FieldName field_name_of(std::string_view text) {
    if (text.size() < 2) return FieldName::other;
    const auto candidate = field_names::slots[field_names::slot_of(text)];
    const auto name = known_names[static_cast<std::size_t>(candidate)];
    if (name.size() != text.size() || !field_names::same_name(text, name)) {
        return FieldName::other;
    }
    return candidate;
}

}  // namespace cordgate::proxy::http
