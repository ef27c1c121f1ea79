#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/discord/permissions.hpp"
#include "core/snowflake.hpp"

namespace cordgate {

/// The Discord account of a visitor (GET /users/@me).
struct User {
    Snowflake id;
    std::string username;
    std::optional<std::string> global_name;
    std::string discriminator = "0";  ///< "0": migrated to unique names
    std::optional<std::string> avatar;
    std::optional<std::string> locale;
    std::optional<std::string> email;
    std::optional<bool> verified;  ///< nullopt: Discord did not say
    std::string raw;               ///< the object as Discord sent it, JSON

    /// global_name, else username; never a guild's nick.
    const std::string& display_name() const {
        return global_name && !global_name->empty() ? *global_name : username;
    }
    /// The username, with "#1234" for an account that still has a discriminator.
    std::string tag() const {
        const bool is_legacy = !discriminator.empty() && discriminator != "0";
        return is_legacy ? username + "#" + discriminator : username;
    }
    /// The same account, whatever we knew of it when.
    friend bool operator==(const User& a, const User& b) { return a.id == b.id; }
};

/// One guild (server) of a visitor (GET /users/@me/guilds).
struct Guild {
    Snowflake id;
    std::string name;
    std::optional<std::string> icon;
    bool owner = false;
    discord::Permissions permissions;

    /// The same guild, whatever we knew of it when.
    friend bool operator==(const Guild& a, const Guild& b) { return a.id == b.id; }
};

/// A visitor's membership in one guild (GET /users/@me/guilds/{id}/member).
struct Member {
    std::optional<std::string> nick;
    std::vector<Snowflake> roles;  ///< without @everyone
    bool pending = false;          ///< has not passed membership screening
};

/// What is known of a visitor, and since when. What is not known is absent,
/// never a guess: rules then answer "unknown", not "no" and never "yes".
struct Identity {
    User user;
    TimePoint user_at;

    /// nullopt: never learned (scope not granted). Empty: in no guild.
    std::optional<std::vector<Guild>> guilds;
    TimePoint guilds_at;

    /// By guild. No entry: not known. An entry with nullopt: positively not a member.
    std::map<Snowflake, std::optional<Member>> members;
    TimePoint members_at;

    const Guild* find_guild(Snowflake id) const {
        if (!guilds) return nullptr;
        for (const auto& guild : *guilds) {
            if (guild.id == id) return &guild;
        }
        return nullptr;
    }
};

}  // namespace cordgate
