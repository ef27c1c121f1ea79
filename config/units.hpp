#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace cordgate::config {

/// A parsed quantity, or a sentence that says what is wrong with it and what
/// would be right; the sentence goes behind the key in a Problem.
template <class T>
using Parsed = std::variant<T, std::string>;

/// "15m", "1h30m", "250ms", "0": a sum of numbers with the units ms, s, m, h, d.
Parsed<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "6KiB", "512B", "0": one number with one of the units B, KiB, MiB, GiB.
Parsed<std::uint64_t> parse_size(std::string_view text);

/// "128": digits alone, no sign, no fraction, no exponent.
Parsed<std::uint64_t> parse_count(std::string_view text);

/// The shortest form that parses back to the same value: "1h30m", "6KiB".
std::string format_duration(std::chrono::milliseconds duration);
std::string format_size(std::uint64_t bytes);

}  // namespace cordgate::config
