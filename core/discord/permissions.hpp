#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cordgate::discord {

/// A set of guild permissions. Discord sends a decimal string of unlimited
/// width; we judge the low 64 bits and keep the string as it came.
class Permissions {
public:
    Permissions() = default;
    explicit Permissions(std::uint64_t bits) : bits_(bits), raw_(std::to_string(bits)) {}

    /// Decimal digits of any width; nullopt for anything else.
    static std::optional<Permissions> parse(std::string_view text);

    std::uint64_t bits() const { return bits_; }
    const std::string& raw() const { return raw_; }
    bool contains(std::uint64_t wanted) const { return (bits_ & wanted) == wanted; }
    /// Names of the known bits, lowest first.
    std::vector<std::string_view> names() const;
    bool operator==(const Permissions&) const = default;

private:
    std::uint64_t bits_ = 0;
    std::string raw_ = "0";
};

inline constexpr std::uint64_t administrator = 1ULL << 3;

/// "MANAGE_GUILD" -> its bit; nullopt when Discord has no such permission.
std::optional<std::uint64_t> permission_bit(std::string_view name);
/// Every known name, for "did you mean" and documentation.
std::vector<std::string_view> permission_names();

}  // namespace cordgate::discord
