#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace cordgate {

/// "2024-10-18T14:42:53Z", or with milliseconds where there are some (RFC 3339).
std::string format_timestamp(TimePoint time);

/// A date and time as Discord writes them: "2024-10-18T14:42:53.064834+00:00", also with
/// "Z", another offset, or none at all (UTC then). nullopt for anything else.
std::optional<TimePoint> parse_timestamp(std::string_view text);

}  // namespace cordgate
