#include "config/units.hpp"

#include "core/ascii.hpp"

namespace cordgate::config {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr Unit durations[] = {
    {"d",  86'400'000},
    {"h",  3'600'000 },
    {"m",  60'000    },
    {"s",  1'000     },
    {"ms", 1         }
};
constexpr Unit sizes[] = {
    {"GiB", 1ULL << 30},
    {"MiB", 1ULL << 20},
    {"KiB", 1ULL << 10},
    {"B",   1         }
};

constexpr std::string_view duration_help = "write a duration such as 500ms, 10s, 15m, 1h30m or 7d";
constexpr std::string_view size_help = "write a size such as 512B, 32KiB, 10MiB or 1GiB";

std::string sentence(std::string_view what, std::string_view help) {
    return std::string(what) + "; " + std::string(help);
}

// Takes the digits off the front of `text`; nullopt when there are none or the
// number does not fit.
std::optional<std::uint64_t> take_number(std::string_view& text) {
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && is_digit(text[digits]); ++digits) {
        const auto digit = static_cast<std::uint64_t>(text[digits] - '0');
        if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    text.remove_prefix(digits);
    if (digits == 0) return std::nullopt;
    return value;
}

std::string_view take_word(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && is_alpha(text[length])) ++length;
    const auto word = text.substr(0, length);
    text.remove_prefix(length);
    return word;
}

template <std::size_t N>
const Unit* find(const Unit (&units)[N], std::string_view name) {
    for (const auto& unit : units)
        if (unit.name == name) return &unit;
    return nullptr;
}

// The largest value that a signed 64-bit count of milliseconds can hold.
constexpr auto max_value = static_cast<std::uint64_t>(INT64_MAX);

template <std::size_t N>
std::string format(std::uint64_t value, const Unit (&units)[N]) {
    std::string out;
    for (const auto& unit : units) {
        if (value < unit.factor) continue;
        out += std::to_string(value / unit.factor) + std::string(unit.name);
        value %= unit.factor;
    }
    return out.empty() ? "0" : out;
}

bool starts_with_number(std::string_view text) {
    return !text.empty() && is_digit(text.front());
}

}  // namespace

Parsed<std::chrono::milliseconds> parse_duration(std::string_view text) {
    if (text == "0") return std::chrono::milliseconds{0};
    if (!starts_with_number(text)) return sentence("is not a duration", duration_help);
    std::uint64_t total = 0;
    std::uint64_t smaller_than = UINT64_MAX;
    while (!text.empty()) {
        const auto number = take_number(text);
        if (!number && starts_with_number(text)) return sentence("is too long", duration_help);
        if (!number) return sentence("is not a duration", duration_help);
        const auto word = take_word(text);
        if (word.empty() && text.empty())
            return std::string("is a number without a unit; add a unit: ms, s, m, h or d");
        const Unit* const unit = find(durations, word);
        if (!unit) return sentence("has no known unit (ms, s, m, h, d)", duration_help);
        if (unit->factor >= smaller_than)
            return sentence("has its units out of order", duration_help);
        smaller_than = unit->factor;
        if (*number > (max_value - total) / unit->factor)
            return sentence("is too long", duration_help);
        total += *number * unit->factor;
    }
    return std::chrono::milliseconds{static_cast<std::int64_t>(total)};
}

Parsed<std::uint64_t> parse_size(std::string_view text) {
    if (text == "0") return std::uint64_t{0};
    if (!starts_with_number(text)) return sentence("is not a size", size_help);
    const auto number = take_number(text);
    if (!number) return sentence("is too large", size_help);
    if (text.empty())
        return std::string("is a number without a unit; add a unit: B, KiB, MiB or GiB");
    const Unit* const unit = find(sizes, text);
    if (!unit && text.size() <= 2 && iequals(text.substr(text.size() - 1), "b") &&
        is_alpha(text.front())) {
        return std::string("has an ambiguous unit; use ") +
               static_cast<char>(text.front() & ~0x20) + "iB (powers of 1024)";
    }
    if (!unit) return sentence("has no known unit (B, KiB, MiB, GiB)", size_help);
    if (*number > max_value / unit->factor) return sentence("is too large", size_help);
    return *number * unit->factor;
}

Parsed<std::uint64_t> parse_count(std::string_view text) {
    if (!starts_with_number(text)) return std::string("is not a number; write digits, such as 100");
    const auto number = take_number(text);
    if (!number) return std::string("is too large");
    if (!text.empty()) return std::string("is not a whole number; write digits, such as 100");
    return *number;
}

std::string format_duration(std::chrono::milliseconds duration) {
    return format(static_cast<std::uint64_t>(duration.count()), durations);
}

std::string format_size(std::uint64_t bytes) {
    // One unit only: the largest that divides it.
    for (const auto& unit : sizes) {
        if (bytes != 0 && bytes % unit.factor == 0)
            return std::to_string(bytes / unit.factor) + std::string(unit.name);
    }
    return "0";
}

}  // namespace cordgate::config
