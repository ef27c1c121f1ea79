#include "cmd/discord-sim/guild_of_bot.hpp"
#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/query_value.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/ascii.hpp"

// What the application's bot may read in its guilds.

namespace cordgate::sim {
namespace {

using nlohmann::json;

// Discord looks at the beginning of both names.
bool is_called(const Account& user, const Membership& membership, const std::string& start) {
    return lowercase(user.username).starts_with(start) ||
           lowercase(membership.nick.value_or("")).starts_with(start);
}

}  // namespace

Reply unknown_guild() {
    return api_error(404, 10004, "Unknown Guild");
}

std::optional<Guild> guild_of_bot(const World& world, const std::string& id) {
    const auto parsed = Snowflake::parse(id);
    auto guild = parsed ? world.guild(*parsed) : std::nullopt;
    return guild && guild->has_bot ? guild : std::nullopt;
}

Reply Service::guild(const Call& call, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    const auto counts = read_boolean(query_of(call).get("with_counts"));
    if (!counts) {
        return invalid_form("with_counts", "BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
    }
    auto body = guild_object(*found);
    if (*counts) {
        body["approximate_member_count"] = world_.member_count(found->id);
        body["approximate_presence_count"] = 1;
    }
    return json_reply(body);
}

Reply Service::guild_roles(const Call&, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    return found ? json_reply(roles_of(*found)) : unknown_guild();
}

Reply Service::guild_member(const Call&, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    const auto id = Snowflake::parse(parameters[1]);
    const auto user = id ? world_.user(*id) : std::nullopt;
    if (!user) return api_error(404, 10013, "Unknown User");
    const auto membership = world_.member(user->id, found->id);
    if (!membership) return api_error(404, 10007, "Unknown Member");
    return json_reply(member_object(*user, *membership));
}

// The one read that needs a privileged intent.
Reply Service::guild_members(const Call& call, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    if (!application.has_member_intent) return api_error(403, 50001, "Missing Access");
    const auto query = query_of(call);
    const auto limit = read_number(query.get("limit"), 1, 1, 1000);
    const auto after = Snowflake::parse(query.get("after").value_or("0"));
    if (!limit) {
        return invalid_form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 1000.");
    }
    if (!after) return invalid_form("after", "NUMBER_TYPE_COERCE", "Value is not snowflake.");
    auto list = json::array();
    for (const auto& [user, membership] : world_.members_of(found->id)) {
        if (user.id <= *after || list.size() == *limit) continue;
        list.push_back(member_object(user, membership));
    }
    return json_reply(list);
}

Reply Service::search_members(const Call& call, const Parameters& parameters, const Caller&) {
    const auto found = guild_of_bot(world_, parameters[0]);
    if (!found) return unknown_guild();
    const auto query = query_of(call);
    const auto start = query.get("query");
    const auto limit = read_number(query.get("limit"), 1, 1, 1000);
    if (!start) return invalid_form("query", "BASE_TYPE_REQUIRED", "This field is required");
    if (!limit) {
        return invalid_form("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 1000.");
    }
    auto list = json::array();
    for (const auto& [user, membership] : world_.members_of(found->id)) {
        if (list.size() == *limit) break;
        if (!is_called(user, membership, lowercase(*start))) continue;
        list.push_back(member_object(user, membership));
    }
    return json_reply(list);
}

}  // namespace cordgate::sim
