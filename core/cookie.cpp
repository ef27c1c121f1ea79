#include "core/cookie.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace cordgate {
namespace {

// Cuts the next ';'-separated piece off `header`, blanks included.
std::string_view next_piece(std::string_view& header) {
    const auto end = header.find(';');
    const auto piece = header.substr(0, end);
    header.remove_prefix(end == std::string_view::npos ? header.size() : end + 1);
    return piece;
}

// The name of a pair; nothing for a piece without '=', which names no cookie. Browsers keep
// "=name=value" as a cookie without a name and send back just "name=value" (RFC 6265bis, 5.6
// and 5.8.3), and applications may trim the name: what they take it for is what is judged.
std::string_view name_of(std::string_view piece) {
    auto pair = trim(piece);
    if (!pair.empty() && pair.front() == '=') pair.remove_prefix(1);
    const auto equals = pair.find('=');
    return equals == std::string_view::npos ? std::string_view{} : trim(pair.substr(0, equals));
}

std::string attributes_of(const CookieAttributes& attributes) {
    std::string text = "; Path=" + attributes.path;
    if (!attributes.domain.empty()) text += "; Domain=" + attributes.domain;
    text += "; HttpOnly";
    if (attributes.secure) text += "; Secure";
    if (!attributes.same_site.empty()) text += "; SameSite=" + attributes.same_site;
    return text;
}

}  // namespace

std::vector<std::string_view> cookie_values(std::string_view header, std::string_view name) {
    std::vector<std::string_view> values;
    while (const auto value = next_cookie_value(header, name)) values.push_back(*value);
    return values;
}

std::optional<std::string_view> next_cookie_value(std::string_view& header, std::string_view name) {
    while (!name.empty() && !header.empty()) {
        const auto pair = trim(next_piece(header));
        const bool is_it =
            pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name);
        if (is_it) return pair.substr(name.size() + 1);
    }
    return std::nullopt;
}

std::string without_cookies(std::string_view header, const std::vector<std::string>& names) {
    std::string kept;
    bool any_kept = false;
    bool dropped = false;
    bool worth_sending = false;
    const bool open_end = header.ends_with(';');
    while (!header.empty()) {
        auto piece = next_piece(header);
        const auto name = name_of(piece);
        if (!name.empty() && std::find(names.begin(), names.end(), name) != names.end()) {
            dropped = true;
            continue;
        }
        if (any_kept) {
            kept += ';';
        } else if (dropped) {
            while (piece.starts_with(' ') || piece.starts_with('\t')) piece.remove_prefix(1);
        }
        kept += piece;
        any_kept = true;
        worth_sending = worth_sending || !trim(piece).empty();
    }
    if (!worth_sending) return {};
    if (open_end) kept += ';';
    return kept;
}

std::string set_cookie(const CookieAttributes& attributes, std::string_view value,
                       std::chrono::seconds max_age) {
    std::string text = attributes.name + '=';
    text += value;
    if (max_age.count() > 0) text += "; Max-Age=" + std::to_string(max_age.count());
    return text + attributes_of(attributes);
}

// Expires as well: some clients know only that.
std::string clear_cookie(const CookieAttributes& attributes) {
    return attributes.name + "=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT" +
           attributes_of(attributes);
}

std::string_view set_cookie_name(std::string_view header) {
    return name_of(next_piece(header));
}

}  // namespace cordgate
