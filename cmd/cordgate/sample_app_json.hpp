#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cordgate::sample {

struct Guild {
    std::string id;
    std::string name;      ///< empty when the header had no room for names
    std::string icon_url;  ///< empty: none
    bool owner = false;
};

struct Membership {
    std::string guild_id;
    std::string nick;  ///< empty: none
    std::vector<std::string> roles;
};

/// What X-Discord-User tells of the visitor. Names are foreign text.
struct Visitor {
    std::string id;
    std::string username;
    std::string display_name;
    std::string avatar_url;
    std::string locale;
    std::vector<Guild> guilds;
    bool guilds_truncated = false;
    std::vector<Membership> memberships;
};

/// Reads the JSON of X-Discord-User; nullopt when it is not an object with an id.
std::optional<Visitor> parse_visitor(std::string_view json);

}  // namespace cordgate::sample
