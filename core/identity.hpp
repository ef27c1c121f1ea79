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

/// Whether a visitor is in one guild, as Discord told it at `at`.
struct Membership {
    std::optional<Member> member;  ///< nullopt: positively not a member
    TimePoint at{};
};

/// What is known of a visitor, and since when. What is not known is absent,
/// never a guess: rules then answer "unknown", not "no" and never "yes".
struct Identity {
    /// A list of so many guilds may have been cut: it proves no absence.
    static constexpr std::size_t full_guild_list = 200;

    User user;
    TimePoint user_at;

    /// nullopt: never learned (scope not granted). Empty: in no guild.
    std::optional<std::vector<Guild>> guilds;
    TimePoint guilds_at;

    /// By guild. No entry: not known.
    std::map<Snowflake, Membership> members;

    const Guild* find_guild(Snowflake id) const {
        if (!guilds) return nullptr;
        for (const auto& guild : *guilds) {
            if (guild.id == id) return &guild;
        }
        return nullptr;
    }
    /// Whether the list of guilds proves that the visitor is not in `id`.
    bool list_lacks(Snowflake id) const {
        return guilds && guilds->size() < full_guild_list && !find_guild(id);
    }
    const Membership* find_membership(Snowflake guild) const {
        const auto it = members.find(guild);
        return it == members.end() ? nullptr : &it->second;
    }
    /// When the oldest of `members` was told; nullopt when none is known.
    std::optional<TimePoint> members_at() const {
        std::optional<TimePoint> oldest;
        for (const auto& [guild, known] : members) {
            if (!oldest || known.at < *oldest) oldest = known.at;
        }
        return oldest;
    }
};

}  // namespace cordgate
