#include "cmd/discord-sim/world_json.hpp"

#include <stdexcept>

namespace cordgate::sim {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& key, const char* wanted) {
    throw std::invalid_argument("\"" + key + "\" must be " + wanted);
}

Snowflake to_id(const json& value, const char* key) {
    if (value.is_number_unsigned()) return Snowflake{value.get<std::uint64_t>()};
    const auto id = value.is_string() ? Snowflake::parse(value.get<std::string>()) : std::nullopt;
    if (!id) refuse(key, "a Discord id");
    return *id;
}

template <class T>
void read(const json& object, const char* key, T& value) {
    const auto found = object.find(key);
    if (found == object.end()) return;
    try {
        found->get_to(value);
    } catch (const json::exception&) {
        refuse(key, "of another type");
    }
}

void read(const json& object, const char* key, std::optional<std::string>& value) {
    const auto found = object.find(key);
    if (found == object.end()) return;
    if (found->is_null()) {
        value.reset();
    } else if (found->is_string()) {
        value = found->get<std::string>();
    } else {
        refuse(key, "a string or null");
    }
}

// A piece of JSON that is kept as text and served again.
void read_json(const json& object, const char* key, std::string& text) {
    const auto found = object.find(key);
    if (found != object.end()) text = found->dump();
}

// Permissions are strings outside, as they are at Discord.
void read_permissions(const json& object, const char* key, std::uint64_t& bits) {
    if (object.contains(key)) bits = to_id(object[key], key).value();
}

const json& list(const json& object, const char* key) {
    static const json empty = json::array();
    const auto found = object.find(key);
    if (found == object.end()) return empty;
    if (!found->is_array()) refuse(key, "a list");
    return *found;
}

std::vector<Snowflake> read_ids(const json& values, const char* key) {
    std::vector<Snowflake> ids;
    for (const auto& value : values) ids.push_back(to_id(value, key));
    return ids;
}

json id_strings(const std::vector<Snowflake>& ids) {
    auto strings = json::array();
    for (const auto id : ids) strings.push_back(id.to_string());
    return strings;
}

}  // namespace

Snowflake read_id(const json& object, const char* key) {
    if (!object.is_object() || !object.contains(key)) refuse(key, "given: a Discord id");
    return to_id(object[key], key);
}

Account read_account(const json& object, Account account) {
    account.id = read_id(object, "id");
    read(object, "username", account.username);
    read(object, "global_name", account.global_name);
    read(object, "discriminator", account.discriminator);
    read(object, "avatar", account.avatar);
    read(object, "email", account.email);
    read(object, "verified", account.verified);
    read(object, "locale", account.locale);
    read(object, "mfa_enabled", account.mfa_enabled);
    read(object, "public_flags", account.public_flags);
    read(object, "premium_type", account.premium_type);
    read(object, "bot", account.bot);
    read(object, "cannot_join", account.cannot_join);
    read_json(object, "connections", account.connections);
    read_json(object, "extra", account.extra);
    if (account.username.empty()) refuse("username", "given");
    return account;
}

Guild read_guild(const json& object, Guild guild) {
    guild.id = read_id(object, "id");
    read(object, "name", guild.name);
    read(object, "icon", guild.icon);
    if (object.contains("owner")) guild.owner = read_id(object, "owner");
    read_permissions(object, "everyone", guild.everyone);
    read(object, "features", guild.features);
    read(object, "has_bot", guild.has_bot);
    read_permissions(object, "bot_permissions", guild.bot_permissions);
    read(object, "bot_position", guild.bot_position);
    read_json(object, "extra", guild.extra);
    if (object.contains("roles")) guild.roles.clear();
    for (const auto& value : list(object, "roles")) {
        Role role{.id = read_id(value, "id")};
        read(value, "name", role.name);
        read(value, "position", role.position);
        read_permissions(value, "permissions", role.permissions);
        guild.roles.push_back(std::move(role));
    }
    return guild;
}

Membership read_membership(const json& object, Membership membership) {
    if (object.contains("roles")) membership.roles = read_ids(list(object, "roles"), "roles");
    read(object, "nick", membership.nick);
    read(object, "avatar", membership.avatar);
    read(object, "joined_at", membership.joined_at);
    read(object, "premium_since", membership.premium_since);
    read(object, "timed_out_until", membership.timed_out_until);
    read(object, "pending", membership.pending);
    read(object, "mute", membership.mute);
    read(object, "deaf", membership.deaf);
    read(object, "flags", membership.flags);
    read_json(object, "extra", membership.extra);
    return membership;
}

void read_world(const json& object, World& world) {
    if (!object.is_object()) throw std::invalid_argument("a world must be a JSON object");
    for (const auto& value : list(object, "users")) world.add_user(read_account(value));
    for (const auto& value : list(object, "guilds")) {
        const auto guild = read_guild(value);
        world.add_guild(guild);
        for (const auto& member : list(value, "members")) {
            world.join(read_id(member, "user"), guild.id, read_membership(member));
        }
    }
}

void load_world(World& world, std::string_view text) {
    const auto object = json::parse(text, nullptr, false);
    if (object.is_discarded()) throw std::invalid_argument("a world must be valid JSON");
    read_world(object, world);
}

json describe_world(const World& world) {
    json state = {
        {"users",  json::array()},
        {"guilds", json::array()}
    };
    for (const auto& guild : world.guilds()) {
        auto roles = json::array();
        for (const auto& role : guild.roles) {
            roles.push_back({
                {"id",          role.id.to_string()             },
                {"name",        role.name                       },
                {"permissions", std::to_string(role.permissions)}
            });
        }
        state["guilds"].push_back({
            {"id",      guild.id.to_string()   },
            {"name",    guild.name             },
            {"owner",   guild.owner.to_string()},
            {"roles",   std::move(roles)       },
            {"has_bot", guild.has_bot          }
        });
    }
    for (const auto& user : world.users()) {
        auto members = json::object();
        for (const auto& [guild, membership] : world.guilds_of(user.id)) {
            members[guild.id.to_string()] = {
                {"roles",   id_strings(membership.roles)},
                {"pending", membership.pending          }
            };
        }
        state["users"].push_back({
            {"id",       user.id.to_string()},
            {"username", user.username      },
            {"guilds",   std::move(members) }
        });
    }
    return state;
}

}  // namespace cordgate::sim
