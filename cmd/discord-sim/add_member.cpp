#include <algorithm>

#include "cmd/discord-sim/guild_of_bot.hpp"
#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/ascii.hpp"

// What the bot may change: who is in a guild (guilds.join) and who has a role.

namespace cordgate::sim {
namespace {

using nlohmann::json;

constexpr std::uint64_t create_instant_invite = 1ULL << 0;
constexpr std::uint64_t administrator = 1ULL << 3;
constexpr std::uint64_t mute_members = 1ULL << 22;
constexpr std::uint64_t deafen_members = 1ULL << 23;
constexpr std::uint64_t manage_nicknames = 1ULL << 27;
constexpr std::uint64_t manage_roles = 1ULL << 28;
constexpr int bypasses_verification = 1 << 2;

bool bot_may(const Guild& guild, std::uint64_t permission) {
    return (guild.bot_permissions & (administrator | permission)) != 0;
}

Reply missing_permissions() {
    return api_error(403, 50013, "Missing Permissions");
}

const Role* role_of(const Guild& guild, std::optional<Snowflake> id) {
    const auto is_it = [&](const Role& role) { return role.id == id; };
    const auto found = std::find_if(guild.roles.begin(), guild.roles.end(), is_it);
    return found == guild.roles.end() ? nullptr : &*found;
}

// The extra fields of the body, each with the permission that it needs.
std::optional<Reply> read_extras(const json& body, const Guild& guild, Membership& membership) {
    if (body.contains("nick") && body["nick"].is_string()) {
        if (!bot_may(guild, manage_nicknames)) return missing_permissions();
        membership.nick = body["nick"];
        if (membership.nick->size() > 4 * std::size_t{32}) {
            return invalid_form("nick", "BASE_TYPE_MAX_LENGTH", "Must be 32 or fewer in length.");
        }
    }
    const auto roles = body.value("roles", json());
    for (const auto& value : roles.is_array() ? roles : json::array()) {
        const auto* const role =
            role_of(guild, Snowflake::parse(value.is_string() ? value.get<std::string>() : ""));
        if (!role) return api_error(404, 10011, "Unknown Role");
        if (!bot_may(guild, manage_roles) || role->position >= guild.bot_position) {
            return missing_permissions();
        }
        membership.roles.push_back(role->id);
    }
    membership.mute = body.value("mute", json()) == true;
    membership.deaf = body.value("deaf", json()) == true;
    if (membership.mute && !bot_may(guild, mute_members)) return missing_permissions();
    if (membership.deaf && !bot_may(guild, deafen_members)) return missing_permissions();
    const auto flags = body.value("flags", json());
    membership.flags = flags.is_number_integer() ? flags.get<int>() & bypasses_verification : 0;
    return std::nullopt;
}

}  // namespace

Reply Service::add_member(const Call& call, const Parameters& parameters, const Caller&) {
    const auto guild = guild_of_bot(world_, parameters[0]);
    if (!guild) return unknown_guild();
    if (!iequals(std::string_view(call.content_type).substr(0, 16), "application/json")) {
        return api_error(400, 50035, "Expected \"Content-Type\" header to be application/json.");
    }
    const auto body = json::parse(call.body, nullptr, false);
    if (!body.is_object() || !body.contains("access_token") || !body["access_token"].is_string()) {
        return invalid_form("access_token", "BASE_TYPE_REQUIRED", "This field is required");
    }
    if (!bot_may(*guild, create_instant_invite)) return missing_permissions();
    const auto* const grant = grants.find(body["access_token"].get<std::string>(), now());
    if (!grant || grant->user.to_string() != parameters[1]) {
        return api_error(403, 50025, "Invalid OAuth2 access token");
    }
    if (!has_scope(grant->scopes, "guilds.join")) {
        return api_error(403, 50026, "Missing required OAuth2 scope");
    }
    const auto user = world_.user(grant->user);
    if (!user) return api_error(404, 10013, "Unknown User");
    if (world_.is_banned(user->id, guild->id)) {
        return api_error(403, 40007, "The user is banned from this guild.");
    }
    if (world_.member(user->id, guild->id)) return {204, "", "", {}};
    if (user->cannot_join) {
        return api_error(403, 340015, "Joining new servers is limited for this account.");
    }
    const std::size_t most = user->premium_type == 2 ? 200 : 100;
    if (world_.guilds_of(user->id).size() >= most) {
        return api_error(400, 30001,
                         "Maximum number of guilds reached (" + std::to_string(most) + ")");
    }

    Membership membership{.joined_at = iso_time(now())};
    if (auto refused = read_extras(body, *guild, membership)) return std::move(*refused);
    const auto& features = guild->features;
    const bool screened = std::find(features.begin(), features.end(),
                                    "MEMBER_VERIFICATION_GATE_ENABLED") != features.end();
    membership.pending = screened && membership.flags == 0;
    world_.join(user->id, guild->id, membership);
    return json_reply(member_object(*user, membership), 201);
}

Reply Service::member_role(const Call& call, const Parameters& parameters, const Caller&) {
    const auto guild = guild_of_bot(world_, parameters[0]);
    if (!guild) return unknown_guild();
    const auto user = Snowflake::parse(parameters[1]);
    if (!user || !world_.member(*user, guild->id)) return api_error(404, 10007, "Unknown Member");
    const auto* const role = role_of(*guild, Snowflake::parse(parameters[2]));
    if (!role) return api_error(404, 10011, "Unknown Role");
    if (!bot_may(*guild, manage_roles) || role->position >= guild->bot_position) {
        return missing_permissions();
    }
    world_.set_role(*user, guild->id, role->id, call.method == "PUT");
    return {204, "", "", {}};
}

}  // namespace cordgate::sim
