#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace cordgate {

/// One of Discord's ids: 64 bits, always a decimal string outside.
class Snowflake {
public:
    constexpr Snowflake() = default;
    constexpr explicit Snowflake(std::uint64_t value) : value_(value) {}

    /// `0` or digits without a leading zero, up to 2^64-1; nullopt otherwise.
    static std::optional<Snowflake> parse(std::string_view text);

    constexpr std::uint64_t value() const { return value_; }
    std::string to_string() const { return std::to_string(value_); }
    /// When Discord made it (Discord's documentation: (id >> 22) + 1420070400000 ms).
    TimePoint created_at() const;

    constexpr auto operator<=>(const Snowflake&) const = default;

private:
    std::uint64_t value_ = 0;
};

}  // namespace cordgate

template <>
struct std::hash<cordgate::Snowflake> {
    std::size_t operator()(const cordgate::Snowflake& id) const noexcept {
        return std::hash<std::uint64_t>{}(id.value());
    }
};
