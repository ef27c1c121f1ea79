#include "cmd/discord-sim/query_value.hpp"

#include <charconv>

namespace cordgate::sim {

std::optional<bool> read_boolean(const std::optional<std::string>& text) {
    if (!text) return false;
    if (*text == "true" || *text == "True" || *text == "1") return true;
    if (*text == "false" || *text == "False" || *text == "0") return false;
    return std::nullopt;
}

std::optional<std::size_t> read_number(const std::optional<std::string>& text,
                                       std::size_t otherwise, std::size_t least, std::size_t most) {
    if (!text) return otherwise;
    std::size_t number = 0;
    const auto* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, number);
    const bool whole = error == std::errc{} && stop == end;
    return whole && number >= least && number <= most ? std::optional(number) : std::nullopt;
}

}  // namespace cordgate::sim
