#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace cordgate::sim {

/// A boolean as Discord's API reads it: true, True or 1, and their opposites;
/// false when it is absent, nullopt for anything else.
std::optional<bool> read_boolean(const std::optional<std::string>& text);

/// A number from `least` to `most`; `otherwise` when it is absent, nullopt for
/// anything else.
std::optional<std::size_t> read_number(const std::optional<std::string>& text,
                                       std::size_t otherwise, std::size_t least, std::size_t most);

}  // namespace cordgate::sim
