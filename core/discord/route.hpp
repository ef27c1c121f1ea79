#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cordgate::discord {

/// A path below Discord's API base: "/users/@me".
///
/// Only `parse` makes one from foreign text, so holding a Route proves that no
/// reading of it leaves the API base or becomes another request: its segments
/// are neither empty nor made of dots, and hold no slash, backslash, question
/// mark, number sign, control or broken escape, written out or percent-encoded.
class Route {
public:
    static constexpr std::size_t max_size = 1024;

    static std::optional<Route> parse(std::string_view path);
    /// For a path that our own code made of literals and ids: it must parse.
    static Route known(std::string_view path) { return parse(path).value(); }

    const std::string& path() const { return path_; }
    /// With ids taken out: "/guilds/{}/members/{}". Routes of one shape share a
    /// rate limit's bucket, once for each top_level.
    const std::string& shape() const { return shape_; }
    /// "guilds/1", "channels/1" or "webhooks/1/token" (Discord's documentation,
    /// "Rate Limits": top-level resources); else empty.
    const std::string& top_level() const { return top_level_; }
    /// The scope a user's token needs for this route; empty: none that we know of.
    std::string_view required_scope() const;

private:
    explicit Route(std::string path);

    std::string path_;
    std::string shape_;
    std::string top_level_;
};

/// Whether `text` can stand behind the "?" of a request to Discord: nothing but
/// RFC 3986's query characters, at most 4096.
bool is_query_text(std::string_view text);

}  // namespace cordgate::discord
