#pragma once

#include <string>
#include <string_view>

namespace cordgate {

/// UTF-8 for a terminal: what it could take for a command comes out as '?'. Those are controls,
/// the ones of two bytes too (U+0080 to U+009F), and what turns the text that follows (U+202A to
/// U+202E, U+2066 to U+2069).
std::string printable(std::string_view text);

}  // namespace cordgate
