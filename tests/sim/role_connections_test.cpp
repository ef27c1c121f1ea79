#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using nlohmann::json;

namespace {

const std::string mine =
    std::string("/users/@me/applications/") + demo::client_id + "/role-connection";
const std::string records =
    std::string("/applications/") + demo::client_id + "/role-connections/metadata";

httplib::Result put(Discord& discord, const std::string& route, const std::string& authorization,
                    const json& body) {
    const httplib::Headers headers = {
        {"User-Agent",    user_agent   },
        {"Authorization", authorization}
    };
    return discord.http.Put("/api/v10" + route, headers, body.dump(), "application/json");
}

}  // namespace

TEST_CASE("a role connection is kept for its user until the user removes the application") {
    Discord discord;
    const auto token = discord.access_token(demo::fern, "role_connections.write");
    const auto bearer = "Bearer " + token;
    CHECK_FALSE(body_of(discord.as(token, mine)).contains("platform_name"));
    const json connection = {
        {"platform_name",     "Game"          },
        {"platform_username", "fern"          },
        {"metadata",          {{"level", "3"}}}
    };
    CHECK(body_of(put(discord, mine, bearer, connection)) == connection);
    CHECK(body_of(discord.as(token, mine)) == connection);

    const auto other = discord.access_token(demo::robin, "role_connections.write");
    CHECK_FALSE(body_of(discord.as(other, mine)).contains("platform_name"));
    CHECK(discord.as(discord.access_token(demo::fern), mine)->status == 401);
    CHECK(discord.as(token, "/users/@me/applications/7/role-connection")->status == 404);

    const httplib::Headers headers = {
        {"User-Agent",    user_agent},
        {"Authorization", bearer    }
    };
    CHECK(discord.http.Delete("/api/v10" + mine, headers)->status == 204);
    CHECK_FALSE(body_of(discord.as(token, mine)).contains("platform_name"));

    put(discord, mine, bearer, connection);
    discord.sim.deauthorize(demo::fern);
    const auto again = discord.access_token(demo::fern, "role_connections.write");
    CHECK_FALSE(body_of(discord.as(again, mine)).contains("platform_name"));
}

TEST_CASE("a role connection has the lengths that Discord documents") {
    Discord discord;
    const auto bearer = "Bearer " + discord.access_token(demo::fern, "role_connections.write");
    const auto status = [&](const json& body) { return put(discord, mine, bearer, body)->status; };
    const auto text = [](std::size_t size) { return std::string(size, 'x'); };
    CHECK(status({
              {"platform_name",     text(50)            },
              {"platform_username", text(100)           },
              {"metadata",          {{"key", text(100)}}}
    }) == 200);
    const json bad[] = {
        {{"platform_name", text(51)}},
        {{"platform_username", text(101)}},
        {{"metadata", {{"key", text(101)}}}},
        {{"metadata", {{"key", ""}}}},
        {{"metadata", {{"key", 5}}}},
        {{"metadata", {{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}, {"e", "1"}, {"f", "1"}}}},
        json::array()};
    for (const auto& body : bad) {
        CAPTURE(body.dump());
        CHECK(status(body) == 400);
    }
}

TEST_CASE("the bot says what role connections may hold") {
    Discord discord;
    const auto bot = std::string("Bot ") + bot_token;
    CHECK(body_of(discord.as_bot(records)).empty());
    const json record = {
        {"type",        1        },
        {"key",         "level_1"},
        {"name",        "Level"  },
        {"description", "How far"}
    };
    CHECK(body_of(put(discord, records, bot, json::array({record}))).size() == 1);
    CHECK(body_of(discord.as_bot(records))[0]["key"] == "level_1");
    for (const auto& [field, value] : {
             std::pair{"type", json(9)      },
             {"key",  json("No")   },
             {"key",  json("")     },
             {"name", json(nullptr)}
    }) {
        CAPTURE(field);
        auto wrong = record;
        wrong[field] = value;
        CHECK(put(discord, records, bot, json::array({wrong}))->status == 400);
    }
    CHECK(put(discord, records, bot, json(6, record))->status == 400);
    const auto bearer = "Bearer " + discord.access_token(demo::fern);
    CHECK(put(discord, records, bearer, json::array())->status == 401);
}
