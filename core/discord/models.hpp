#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/discord/permissions.hpp"
#include "core/snowflake.hpp"

namespace cordgate::discord {

// Discord's objects that no session keeps. User, Guild and Member, which sessions
// do keep, are in core/identity.hpp. Optional: Discord did not say.

/// What /users/@me says beyond cordgate::User.
struct UserDetails {
    bool bot = false;
    bool system = false;
    std::optional<bool> mfa_enabled;
    std::optional<std::uint64_t> flags;
    std::optional<std::uint64_t> public_flags;
    std::optional<std::int64_t> premium_type;  ///< 0 also without the scope identify.premium
    std::optional<std::string> banner;
    std::optional<std::int64_t> accent_color;
};

/// What a member object says beyond cordgate::Member.
struct MemberDetails {
    std::optional<std::string> avatar;
    std::optional<TimePoint> joined_at;
    std::optional<TimePoint> premium_since;    ///< boosts the guild since then
    std::optional<TimePoint> timed_out_until;  ///< may have passed
    std::uint64_t flags = 0;
    std::optional<Permissions> permissions;
    bool deaf = false;
    bool mute = false;
};

/// An integration of a connection. To an application Discord sends little of it.
struct Integration {
    struct Account {
        std::string id;
        std::optional<std::string> name;
    };

    std::string id;  ///< not always a snowflake: "twitch-partners"
    std::optional<std::string> name;
    std::string type;  ///< twitch, youtube, discord, ... and what comes
    std::optional<bool> enabled;
    std::optional<bool> syncing;
    std::optional<std::string> role_id;
    std::optional<std::int64_t> expire_behavior;      ///< 0: takes the role away, 1: kicks
    std::optional<std::int64_t> expire_grace_period;  ///< days
    std::optional<Account> account;
    std::optional<std::string> synced_at;
};

/// An account elsewhere that a visitor has connected (GET /users/@me/connections).
struct UserConnection {
    std::string id;  ///< free form
    std::optional<std::string> name;
    std::string type;  ///< steam, github, ... and what comes
    bool revoked = false;
    bool verified = false;
    bool friend_sync = false;
    bool show_activity = false;
    bool two_way_link = false;
    std::int64_t visibility = 0;  ///< 0: only the visitor sees it, 1: everyone
    std::vector<Integration> integrations;

    bool is_visible() const { return visibility != 0; }
};

/// What a user's token may do (GET /oauth2/@me).
struct Authorization {
    Snowflake application;
    std::vector<std::string> scopes;
    std::optional<TimePoint> expires_at;
    std::optional<Snowflake> user;  ///< with the scope identify
};

/// Who the bot's application is (GET /oauth2/applications/@me).
struct Application {
    Snowflake id;
    std::string name;
    std::string verify_key;  ///< what webhook events are signed for
    std::vector<std::string> redirect_uris;
};

}  // namespace cordgate::discord
