#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using nlohmann::json;

// Scopes that add something to a server.

TEST_CASE("adding the bot joins it, and the token answer holds the whole guild") {
    Discord discord;
    CHECK(discord.as_bot("/guilds/" + demo::workshop.to_string())->status == 404);
    discord.sim.approve_as(demo::noor);
    const auto back = discord.get(Discord::authorize({
        {"scope",       "identify bot"            },
        {"guild_id",    demo::workshop.to_string()},
        {"permissions", "268435456"               }
    }));
    CHECK(Discord::parameter(back, "guild_id") == demo::workshop.to_string());
    CHECK(Discord::parameter(back, "permissions") == "268435456");
    const auto answer = body_of(
        discord.post("/api/oauth2/token", Discord::exchange(Discord::parameter(back, "code"))));
    const auto& guild = answer["guild"];
    CHECK(guild["id"] == demo::workshop.to_string());
    CHECK(guild["owner_id"] == demo::noor.to_string());
    CHECK(guild["roles"][0]["permissions"].is_number());
    CHECK(guild["roles"][0]["permissions_new"].is_string());
    CHECK_FALSE(answer.contains("webhook"));
    CHECK(discord.as_bot("/guilds/" + demo::workshop.to_string())->status == 200);
    CHECK_FALSE(body_of(discord.refresh(answer["refresh_token"])).contains("guild"));
}

TEST_CASE("webhook.incoming answers a new webhook each time") {
    Discord discord;
    const auto webhook = [&] {
        return discord.login(demo::robin, "identify webhook.incoming")["webhook"];
    };
    const auto first = webhook();
    CHECK(first["type"] == 1);
    CHECK(first["guild_id"] == demo::garden.to_string());
    CHECK(first["application_id"] == demo::client_id);
    CHECK(first["url"] == "https://discord.com/api/webhooks/" + first["id"].get<std::string>() +
                              "/" + first["token"].get<std::string>());
    CHECK(webhook()["token"] != first["token"]);
}

TEST_CASE("who may not manage a server cannot add anything to it") {
    struct Case {
        const char* name;
        Snowflake user;
        Discord::Fields form;
        int status;
    };
    // Aligned, the rows would be too long.
    // clang-format off
    const Case cases[] = {
        {"the owner may", demo::oldtimer, {{"guild", demo::garden.to_string()}}, 302},
        {"MANAGE_GUILD is enough", demo::robin, {{"guild", demo::garden.to_string()}}, 302},
        {"an administrator may", demo::noor, {{"guild", demo::lighthouse.to_string()}}, 302},
        {"a plain member may not", demo::fern, {{"guild", demo::garden.to_string()}}, 403},
        {"a stranger may not", demo::robin, {{"guild", demo::workshop.to_string()}}, 403},
        {"nowhere is no place", demo::robin, {}, 403},
    };
    // clang-format on
    for (const auto& row : cases) {
        CAPTURE(row.name);
        Discord discord;
        auto form = row.form;
        form.emplace_back("user", row.user.to_string());
        form.emplace_back("decision", "authorize");
        const auto target = Discord::authorize({
            {"scope", "identify bot"}
        });
        CHECK(discord.post(target, form)->status == row.status);
    }
}

TEST_CASE("the page offers the servers, or only the one that was fixed") {
    Discord discord;
    const auto page = [&](const Discord::Fields& changes) {
        return discord.get(Discord::authorize(changes))->body;
    };
    CHECK(page({}).find("<select name=\"guild\"") == std::string::npos);
    CHECK(page({
                   {"scope", "bot"}
    })
              .find("The Walled Garden") != std::string::npos);
    const Discord::Fields fixed = {
        {"scope",                "bot"                       },
        {"guild_id",             demo::lighthouse.to_string()},
        {"disable_guild_select", "true"                      }
    };
    CHECK(page(fixed).find("The Walled Garden") == std::string::npos);
    const auto elsewhere =
        discord.post(Discord::authorize(fixed), {
                                                    {"user",     demo::robin.to_string() },
                                                    {"guild",    demo::garden.to_string()},
                                                    {"decision", "authorize"             }
    });
    CHECK(elsewhere->status == 400);
}

TEST_CASE("a bare install needs no response_type and ends on a page") {
    Discord discord;
    discord.sim.approve_as(demo::oldtimer);
    discord.sim.world().change_guild(demo::garden, [](Guild& guild) { guild.has_bot = false; });
    const auto page = discord.get(Discord::authorize({
        {"scope",         "bot applications.commands"},
        {"response_type", ""                         }
    }));
    CHECK(page->status == 200);
    CHECK_FALSE(page->has_header("Location"));
    CHECK(discord.sim.world().guild(demo::garden)->has_bot);
}

TEST_CASE("people can take scopes away, on the page and by the control API") {
    Discord discord;
    discord.control("settings", {
                                    {"edit_scopes", true}
    });
    const auto target = Discord::authorize({
        {"scope", "identify email guilds"}
    });
    CHECK(discord.get(target)->body.find("name=\"scope:email\"") != std::string::npos);
    const auto back = discord.post(target, {
                                               {"user",           demo::fern.to_string()},
                                               {"edited",         "yes"                 },
                                               {"scope:identify", "yes"                 },
                                               {"decision",       "authorize"           }
    });
    const auto answer = body_of(
        discord.post("/api/oauth2/token", Discord::exchange(Discord::parameter(back, "code"))));
    CHECK(answer["scope"] == "identify");

    discord.control("auto", {
                                {"user",   demo::fern.to_string()},
                                {"scopes", {"guilds", "email"}   }
    });
    const auto again = discord.get(target);
    const auto less = body_of(
        discord.post("/api/oauth2/token", Discord::exchange(Discord::parameter(again, "code"))));
    CHECK(less["scope"] == "guilds email");
}

TEST_CASE("client credentials give the owner's token, which nobody can refresh") {
    Discord discord;
    const auto ask = [&](const std::string& scope) {
        return discord.post("/api/oauth2/token", {
                                                     {"grant_type",    "client_credentials"},
                                                     {"scope",         scope               },
                                                     {"client_id",     demo::client_id     },
                                                     {"client_secret", demo::client_secret }
        });
    };
    discord.control("application", {
                                       {"owner", demo::robin.to_string()}
    });
    const auto answer = body_of(ask("identify connections"));
    CHECK_FALSE(answer.contains("refresh_token"));
    CHECK(body_of(discord.as(answer["access_token"], "/users/@me"))["id"] ==
          demo::robin.to_string());
    CHECK(ask("")->status == 500);
    CHECK(body_of(ask("rpc"))["error"] == "invalid_scope");
    CHECK(body_of(ask("applications.commands.update"))["scope"] == "applications.commands.update");

    discord.control("application", {
                                       {"team", true}
    });
    CHECK(ask("identify")->status == 200);
    CHECK(body_of(ask("identify connections"))["error"] == "invalid_scope");
}

TEST_CASE("role_connections.write can be made to fail together with PKCE") {
    Discord discord;
    discord.sim.approve_as(demo::fern);
    const Discord::Fields with_pkce = {
        {"scope", "identify role_connections.write"}
    };
    CHECK_FALSE(Discord::parameter(discord.get(Discord::authorize(with_pkce)), "code").empty());
    discord.control("settings", {
                                    {"pkce_with_role_connections", false}
    });
    const auto refused = discord.get(Discord::authorize(with_pkce));
    CHECK(Discord::parameter(refused, "error") == "invalid_scope");
    auto without = with_pkce;
    without.emplace_back("code_challenge", "");
    without.emplace_back("code_challenge_method", "");
    CHECK_FALSE(Discord::parameter(discord.get(Discord::authorize(without)), "code").empty());
}
