#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cordgate {

/// The values of every cookie called `name` in one Cookie header value, in
/// order. Names are compared by exact bytes; only SP and HTAB around a pair are
/// dropped; quotes are part of the value (RFC 6265, 5.4; no RFC 2109 forms). `name` is
/// a token.
std::vector<std::string_view> cookie_values(std::string_view header, std::string_view name);

/// The same, one at a time: takes everything up to the first such cookie off
/// `header`; nullopt when there is none.
std::optional<std::string_view> next_cookie_value(std::string_view& header, std::string_view name);

/// `header` without the pairs that have one of `names`; the others stay byte
/// for byte. Empty when nothing is left.
std::string without_cookies(std::string_view header, const std::vector<std::string>& names);

/// How one of our cookies is set; clearing uses the same attributes, or
/// browsers would keep it (RFC 6265, 5.3).
struct CookieAttributes {
    std::string name;
    std::string domain;  ///< empty: this host only
    std::string path = "/";
    std::string same_site = "Lax";  ///< Lax | Strict | None
    bool secure = true;
};

/// A Set-Cookie value; HttpOnly always. `max_age` zero: until the browser closes.
std::string set_cookie(const CookieAttributes& attributes, std::string_view value,
                       std::chrono::seconds max_age);

/// A Set-Cookie value that makes the browser forget it.
std::string clear_cookie(const CookieAttributes& attributes);

/// The name that a Set-Cookie value of an upstream sets, as the browser reads it.
std::string_view set_cookie_name(std::string_view header);

}  // namespace cordgate
