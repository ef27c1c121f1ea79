#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using nlohmann::json;

// What the bot reads and changes in its guilds.

namespace {

httplib::Result send(Discord& discord, const std::string& method, const std::string& route,
                     const json& body = json::object(), const char* type = "application/json") {
    httplib::Request request;
    request.method = method;
    request.path = "/api/v10" + route;
    request.headers = {
        {"User-Agent",    user_agent                     },
        {"Authorization", std::string("Bot ") + bot_token},
        {"Content-Type",  type                           }
    };
    request.body = body.dump();
    return discord.http.send(request);
}

const std::string garden = "/guilds/" + demo::garden.to_string();

}  // namespace

TEST_CASE("lists of members need the intent, one member at a time does not") {
    Discord discord;
    const auto list = [&](const std::string& query) {
        return discord.as_bot(garden + "/members" + query);
    };
    CHECK(body_of(list("")).size() == 1);
    const auto all = body_of(list("?limit=1000"));
    REQUIRE(all.size() == 3);
    CHECK(all[0]["user"]["id"] == demo::oldtimer.to_string());
    CHECK(all[0].contains("roles"));
    CHECK_FALSE(all[0].contains("permissions"));
    CHECK(body_of(list("?limit=9&after=" + demo::oldtimer.to_string())).size() == 2);
    CHECK(list("?limit=1001")->status == 400);
    CHECK(list("?after=x")->status == 400);

    const auto search = [&](const std::string& query) {
        return body_of(discord.as_bot(garden + "/members/search?" + query));
    };
    CHECK(search("query=FERN%20of&limit=5")[0]["user"]["username"] == "fern");
    CHECK(search("query=rob")[0]["user"]["username"] == "robin.keeper");
    CHECK(search("query=obin").empty());
    CHECK(search("limit=5")["code"] == 50035);

    discord.control("application", {
                                       {"member_intent", false}
    });
    CHECK(body_of(list("?limit=5"))["code"] == 50001);
    CHECK(discord.as_bot(garden + "/members/" + demo::fern.to_string())->status == 200);
    CHECK(search("query=fern").size() == 1);
}

TEST_CASE("an id in a path that is none is a bad request") {
    Discord discord;
    for (const auto* const route :
         {"/guilds/x", "/guilds/0123/roles", "/guilds/1/members/-1", "/users/fern"}) {
        CAPTURE(route);
        const auto answer = discord.as_bot(route);
        CHECK(answer->status == 400);
        CHECK(body_of(answer)["code"] == 50035);
    }
}

TEST_CASE("guilds.join answers as Discord's documentation and people say") {
    struct Case {
        const char* name;
        json guild;  ///< what is special about the guild
        json user;   ///< about who joins
        json body;
        int status;
        int code;
    };
    const json nothing = json::object();
    const auto staff = demo::garden_staff.to_string();
    // Aligned, the rows would be too long.
    // clang-format off
    const Case cases[] = {
        {"all is well", nothing, nothing, nothing, 201, 0},
        {"the bot may not invite", {{"bot_permissions", "0"}}, nothing, nothing, 403, 50013},
        {"it may invite, and no more", {{"bot_permissions", "1"}}, nothing, nothing, 201, 0},
        {"it may not name people", {{"bot_permissions", "1"}}, nothing, {{"nick", "P"}}, 403, 50013},
        {"it may not give roles", {{"bot_permissions", "1"}}, nothing, {{"roles", {staff}}}, 403,
         50013},
        {"it may not mute", {{"bot_permissions", "1"}}, nothing, {{"mute", true}}, 403, 50013},
        {"a role above its own", {{"bot_position", 2}}, nothing, {{"roles", {staff}}}, 403, 50013},
        {"a role below its own", {{"bot_position", 3}}, nothing, {{"roles", {staff}}}, 201, 0},
        {"a role that is none", nothing, nothing, {{"roles", {"7"}}}, 404, 10011},
        {"the bot is not there", {{"has_bot", false}}, nothing, nothing, 404, 10004},
        {"joining is limited", nothing, {{"cannot_join", true}}, nothing, 403, 340015},
    };
    // clang-format on
    for (const auto& row : cases) {
        CAPTURE(row.name);
        Discord discord;
        auto guild = row.guild;
        guild["id"] = demo::garden.to_string();
        auto user = row.user;
        user["id"] = demo::pip.to_string();
        discord.control("guilds", guild);
        discord.control("users", user);
        auto body = row.body;
        body["access_token"] = discord.access_token(demo::pip, "guilds.join");
        const auto answer =
            send(discord, "PUT", garden + "/members/" + demo::pip.to_string(), body);
        CHECK(answer->status == row.status);
        if (row.code != 0) CHECK(body_of(answer)["code"] == row.code);
        const bool joined = discord.sim.world().member(demo::pip, demo::garden).has_value();
        CHECK(joined == (row.status == 201));
    }
}

TEST_CASE("who is in a hundred guilds can join no other") {
    Discord discord;
    for (std::uint64_t id = 1; id <= 100; ++id) {
        discord.sim.world().add_guild({.id = Snowflake{id}, .name = "G"});
        discord.sim.world().join(demo::pip, Snowflake{id});
    }
    const json body = {
        {"access_token", discord.access_token(demo::pip, "guilds.join")}
    };
    const auto path = garden + "/members/" + demo::pip.to_string();
    CHECK(body_of(send(discord, "PUT", path, body))["code"] == 30001);
    discord.sim.world().change_user(demo::pip, [](Account& pip) { pip.premium_type = 2; });
    CHECK(send(discord, "PUT", path, body, "text/plain")->status == 400);
    CHECK(send(discord, "PUT", path, body)->status == 201);
}

TEST_CASE("a guild with screening lets people wait, unless the bot waives it") {
    for (const int flags : {0, 4}) {
        Discord discord;
        discord.control("guilds", {
                                      {"id",       demo::garden.to_string()            },
                                      {"features", {"MEMBER_VERIFICATION_GATE_ENABLED"}}
        });
        const json body = {
            {"access_token", discord.access_token(demo::pip, "guilds.join")},
            {"flags",              flags                                     }
        };
        const auto answer =
            send(discord, "PUT", garden + "/members/" + demo::pip.to_string(), body);
        CHECK(body_of(answer)["pending"] == (flags == 0));
    }
}

TEST_CASE("a ban that is lifted lets people back in") {
    Discord discord;
    discord.sim.world().ban(demo::pip, demo::garden);
    const json body = {
        {"access_token", discord.access_token(demo::pip, "guilds.join")}
    };
    const auto path = garden + "/members/" + demo::pip.to_string();
    CHECK(body_of(send(discord, "PUT", path, body))["code"] == 40007);
    const json who = {
        {"user",  demo::pip.to_string()   },
        {"guild", demo::garden.to_string()}
    };
    discord.http.Delete("/sim/control/bans", who.dump(), "application/json");
    CHECK(send(discord, "PUT", path, body)->status == 201);
}

TEST_CASE("roles are given and taken by a bot that stands above them") {
    Discord discord;
    const auto path =
        garden + "/members/" + demo::fern.to_string() + "/roles/" + demo::garden_staff.to_string();
    const auto has_role = [&] {
        return discord.sim.world().member(demo::fern, demo::garden)->roles.size() == 2;
    };
    CHECK(send(discord, "PUT", path)->status == 204);
    CHECK(has_role());
    CHECK(send(discord, "DELETE", path)->status == 204);
    CHECK_FALSE(has_role());
    discord.sim.world().change_guild(demo::garden, [](Guild& guild) { guild.bot_position = 1; });
    CHECK(body_of(send(discord, "PUT", path))["code"] == 50013);
    CHECK_FALSE(has_role());
}
