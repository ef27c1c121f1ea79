#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/query_value.hpp"
#include "cmd/discord-sim/service.hpp"

// What the REST API tells about the user of a token.

namespace cordgate::sim {
namespace {

using nlohmann::json;

// What the documentation lists as always there.
json with_defaults(const json& connection) {
    json object = {
        {"verified",      true },
        {"friend_sync",   false},
        {"show_activity", true },
        {"two_way_link",  false},
        {"visibility",    1    }
    };
    if (connection.is_object()) object.update(connection);
    return object;
}

void add_counts(json& guild, const World& world, Snowflake id) {
    guild["approximate_member_count"] = world.member_count(id);
    guild["approximate_presence_count"] = 1;
}

}  // namespace

Reply Service::authorization(const Call&, const Parameters&, const Caller& caller) {
    const auto& grant = *caller.grant;
    json body = {
        {"application", application_object(application)},
        {"scopes",      grant.scopes                   },
        {"expires",     iso_time(grant.access_expires) }
    };
    const auto user = world_.user(grant.user);
    if (user && has_scope(grant.scopes, "identify")) body["user"] = public_user(*user);
    return json_reply(body);
}

Reply Service::current_user(const Call&, const Parameters&, const Caller& caller) {
    if (caller.bot) return json_reply(private_user(bot_account(application), {}));
    const auto user = world_.user(caller.grant->user);
    if (!user) return api_error(401, 0, "401: Unauthorized");
    return json_reply(private_user(*user, caller.grant->scopes));
}

Reply Service::current_guilds(const Call& call, const Parameters&, const Caller& caller) {
    const auto query = query_of(call);
    const auto limit = read_number(query.get("limit"), 200, 1, 200);
    const auto counts = read_boolean(query.get("with_counts"));
    const auto before = query.get("before");
    const auto after = query.get("after");
    const auto oldest = Snowflake::parse(after.value_or("0"));
    const auto newest = Snowflake::parse(before.value_or("18446744073709551615"));
    if (!limit) {
        return invalid_form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 200.");
    }
    if (!counts) {
        return invalid_form("with_counts", "BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
    }
    if (!oldest || !newest) {
        const auto* const field = oldest ? "before" : "after";
        return invalid_form(field, "NUMBER_TYPE_COERCE", "Value is not snowflake.");
    }

    // Counts of a guild are for those who may read its members.
    const bool counted = *counts && has_scope(caller.grant->scopes, "guilds.members.read");
    auto list = json::array();
    for (const auto& [guild, membership] : world_.guilds_of(caller.grant->user)) {
        if ((after && guild.id <= *oldest) || (before && guild.id >= *newest)) continue;
        if (list.size() == *limit) break;
        auto item = partial_guild(guild, caller.grant->user, membership);
        if (counted) add_counts(item, world_, guild.id);
        list.push_back(std::move(item));
    }
    return json_reply(list);
}

Reply Service::current_member(const Call&, const Parameters& parameters, const Caller& caller) {
    const auto id = Snowflake::parse(parameters[0]);
    const auto guild = id ? world_.guild(*id) : std::nullopt;
    const auto user = world_.user(caller.grant->user);
    const auto membership = guild && user ? world_.member(user->id, guild->id) : std::nullopt;
    if (!membership) return api_error(404, 10004, "Unknown Guild");
    return json_reply(own_member_object(*user, *guild, *membership));
}

// Those that only the user sees (visibility 0) are listed, too.
Reply Service::connections(const Call&, const Parameters&, const Caller& caller) {
    const auto user = world_.user(caller.grant->user);
    if (!user) return api_error(401, 0, "401: Unauthorized");
    const auto stored = json::parse(user->connections, nullptr, false);
    auto list = json::array();
    for (const auto& connection : stored.is_array() ? stored : json::array()) {
        list.push_back(with_defaults(connection));
    }
    return json_reply(list);
}

Reply Service::any_user(const Call&, const Parameters& parameters, const Caller&) {
    const auto id = Snowflake::parse(parameters[0]);
    const auto bot = bot_account(application);
    if (id == bot.id) return json_reply(public_user(bot));
    const auto user = id ? world_.user(*id) : std::nullopt;
    if (!user) return api_error(404, 10013, "Unknown User");
    return json_reply(public_user(*user));
}

}  // namespace cordgate::sim
