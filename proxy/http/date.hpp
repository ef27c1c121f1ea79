#pragma once

#include <ctime>
#include <string_view>

namespace cordgate::proxy::http {

/// IMF-fixdate (RFC 9110, 5.6.7), as in "Sun, 06 Nov 1994 08:49:37 GMT". Made once for each
/// second and thread; the text lasts until the thread asks again.
std::string_view imf_fixdate(std::time_t second);

/// What a Date field says now.
std::string_view date_now();

}  // namespace cordgate::proxy::http
