// An accepted return path stays on the site for every way that browsers clean it
// up, and reaches none of our own pages.

#include <algorithm>
#include <string>

#include "core/ascii.hpp"
#include "core/return_path.hpp"
#include "support.hpp"

namespace {

using namespace cordgate;
using fuzz::require;

/// As browsers do before they parse: outer blanks, tabs and line ends go, and a
/// backslash is a slash (WHATWG URL, 4.4).
std::string as_browsers_read(std::string_view text) {
    const auto is_outer = [](char c) { return static_cast<unsigned char>(c) <= 0x20; };
    while (!text.empty() && is_outer(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_outer(text.back())) text.remove_suffix(1);
    std::string out;
    for (const char c : text) {
        if (c == '\t' || c == '\n' || c == '\r') continue;
        out += c == '\\' ? '/' : c;
    }
    return out;
}

bool is_dots(std::string segment) {
    segment = lowercase(segment);
    for (auto at = segment.find("%2e"); at != std::string::npos; at = segment.find("%2e")) {
        segment.replace(at, 3, ".");
    }
    return segment == "." || segment == "..";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const ReturnPathPolicy policy{
        *Origin::parse("https://app.example.com"),
        {            },
        { "/login", "/callback", "/logout", "/_cordgate"}
    };
    const auto raw = fuzz::as_text(data, size);
    const auto accepted = ReturnPath::parse(raw, policy);
    if (!accepted) return 0;

    const auto& text = accepted->str();
    require(text.size() <= ReturnPath::max_size, "too long");
    for (const char c : text) require(c > ' ' && c < 0x7f, "E10: byte that no Location holds");
    auto place = as_browsers_read(text);
    const std::string own = "https://app.example.com";
    if (!place.starts_with('/')) {
        require(lowercase(place).starts_with(own), "leaves the site");
        place.erase(0, own.size());
        if (place.starts_with(":443")) place.erase(0, 4);
        require(place.empty() || std::string_view("/?#").find(place[0]) != std::string_view::npos,
                "leaves the site by a longer host");
    }
    const auto path = place.substr(0, place.find_first_of("?#"));
    require(!path.starts_with("//"), "reads as an authority");
    for (std::size_t at = 0; at < path.size();) {
        const auto end = std::min(path.find('/', at + 1), path.size());
        require(!is_dots(path.substr(at + 1, end - at - 1)), "dot segment");
        at = end;
    }
    for (const auto& reserved : policy.reserved) {
        require(path != reserved && !path.starts_with(reserved + "/"), "E8: one of our own pages");
    }
    require(ReturnPath::parse(text, policy) == accepted, "not accepted again");
    return 0;
}
