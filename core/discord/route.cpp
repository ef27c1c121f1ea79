#include "core/discord/route.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/ascii.hpp"
#include "core/url.hpp"

namespace cordgate::discord {
namespace {

constexpr std::size_t max_query_size = 4096;

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    while (!path.empty()) {
        path.remove_prefix(1);  // the slash
        const auto end = std::min(path.find('/'), path.size());
        segments.push_back(path.substr(0, end));
        path.remove_prefix(end);
    }
    return segments;
}

bool is_plain(char c) {
    return is_alnum(c) || std::string_view("-._~@:").find(c) != std::string_view::npos;
}

// One segment in its one spelling: escapes only where something needs one, which
// is a space and what is not ASCII (reactions name their emoji in the path).
std::optional<std::string> canonical(std::string_view segment) {
    const auto is_written = [](char c) { return is_plain(c) || c == '%'; };
    if (!std::all_of(segment.begin(), segment.end(), is_written)) return std::nullopt;
    const auto decoded = percent_decode(segment);
    if (!decoded || !is_valid_utf8(*decoded)) return std::nullopt;
    if (decoded->find_first_not_of('.') == std::string::npos) return std::nullopt;
    std::string text;
    for (const char c : *decoded) {
        const bool is_escaped = c == ' ' || static_cast<unsigned char>(c) >= 0x80;
        if (!is_plain(c) && !is_escaped) return std::nullopt;
        text += is_plain(c) ? std::string(1, c) : percent_encode(std::string_view(&c, 1));
    }
    return text;
}

bool is_id(std::string_view segment) {
    return !segment.empty() && std::all_of(segment.begin(), segment.end(), is_digit);
}

// What a user's token needs, by shape. Discord's documentation, "OAuth2 Scopes".
constexpr std::pair<std::string_view, std::string_view> scopes[] = {
    {"/users/@me",                                 "identify"              },
    {"/users/@me/guilds",                          "guilds"                },
    {"/users/@me/guilds/{}/member",                "guilds.members.read"   },
    {"/users/@me/connections",                     "connections"           },
    {"/users/@me/applications/{}/role-connection", "role_connections.write"},
    {"/oauth2/userinfo",                           "openid"                },
};

}  // namespace

std::optional<Route> Route::parse(std::string_view path) {
    if (path.empty() || path.front() != '/' || path.size() > max_size) return std::nullopt;
    std::string checked;
    for (const auto segment : split(path)) {
        const auto text = canonical(segment);
        if (!text) return std::nullopt;
        checked.append("/").append(*text);
    }
    return Route(std::move(checked));
}

Route::Route(std::string path) : path_(std::move(path)) {
    const auto segments = split(path_);
    const std::string_view first = segments.front();
    const bool is_webhook = first == "webhooks";
    for (std::size_t i = 0; i < segments.size(); ++i) {
        // A webhook's token is as good as an id.
        const bool taken_out = is_id(segments[i]) || (is_webhook && i == 2);
        shape_.append("/").append(taken_out ? "{}" : segments[i]);
    }
    const bool has_top_level = is_webhook || first == "guilds" || first == "channels";
    if (!has_top_level || segments.size() < 2 || !is_id(segments[1])) return;
    top_level_.append(first).append("/").append(segments[1]);
    if (is_webhook && segments.size() > 2) top_level_.append("/").append(segments[2]);
}

std::string_view Route::required_scope() const {
    for (const auto& [shape, scope] : scopes) {
        if (shape == shape_) return scope;
    }
    return "";
}

bool is_query_text(std::string_view text) {
    return text.size() <= max_query_size && std::all_of(text.begin(), text.end(), [](char c) {
               return is_alnum(c) ||
                      std::string_view("-._~!$&'()*+,;=:@/?%[]").find(c) != std::string_view::npos;
           });
}

}  // namespace cordgate::discord
