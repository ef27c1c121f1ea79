#pragma once

#include <string>
#include <string_view>

namespace cordgate {

/// A JSON string with its quotes, in pure printable ASCII: everything else becomes \u escapes
/// (surrogate pairs beyond U+FFFF), so that it may stand in a header or a log line.
/// Each byte that is not part of valid UTF-8 becomes \ufffd (RFC 8259, 7; RFC 3629, 3).
std::string json_quote(std::string_view utf8);

}  // namespace cordgate
