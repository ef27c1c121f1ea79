#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using nlohmann::json;

namespace {

json ids_of(const json& list) {
    auto ids = json::array();
    for (const auto& item : list) ids.push_back(item["id"]);
    return ids;
}

}  // namespace

TEST_CASE("calls that Discord refuses are refused in its words") {
    Discord discord;
    const auto bearer = "Bearer " + discord.access_token(demo::fern, "identify");
    struct Case {
        const char* name;
        const char* path;
        std::string authorization;
        const char* agent;
        int status;
        int code;
    };
    // Aligned, the rows would be too long.
    // clang-format off
    const Case cases[] = {
        {"a living token", "/api/v10/users/@me", bearer, user_agent, 200, 0},
        {"v9 is still there", "/api/v9/users/@me", bearer, user_agent, 200, 0},
        {"no version", "/api/users/@me", bearer, user_agent, 400, 50041},
        {"v5 is gone", "/api/v5/users/@me", bearer, user_agent, 400, 50041},
        {"v11 is not there", "/api/v11/users/@me", bearer, user_agent, 400, 50041},
        {"a browser's User-Agent", "/api/v10/users/@me", bearer, "Mozilla/5.0", 403, 40333},
        {"no URL in the User-Agent", "/api/v10/users/@me", bearer, "DiscordBot", 403, 40333},
        {"no version in the User-Agent", "/api/v10/users/@me", bearer, "DiscordBot (https://x)",
         403, 40333},
        {"no token", "/api/v10/users/@me", "", user_agent, 401, 0},
        {"an unknown token", "/api/v10/users/@me", "Bearer x", user_agent, 401, 0},
        {"another scheme", "/api/v10/users/@me", "Token" + bearer.substr(6), user_agent, 401, 0},
        {"a scope that was not granted", "/api/v10/users/@me/guilds", bearer, user_agent, 401, 0},
        {"a bot's route", "/api/v10/guilds/401000000000000001", bearer, user_agent, 401, 0},
        {"no such route", "/api/v10/nothing", bearer, user_agent, 404, 0},
        {"another method", "/api/v10/oauth2/token", bearer, user_agent, 405, 0},
    };
    // clang-format on
    for (const auto& row : cases) {
        CAPTURE(row.name);
        httplib::Headers headers = {
            {"User-Agent", row.agent}
        };
        if (!row.authorization.empty()) headers.emplace("Authorization", row.authorization);
        const auto answer = discord.http.Get(row.path, headers);
        REQUIRE(answer);
        CHECK(answer->status == row.status);
        if (row.status != 200) CHECK(body_of(answer)["code"] == row.code);
    }
    const auto gone = discord.get("/api/v10/nothing");
    CHECK(body_of(gone)["message"] == "404: Not Found");
}

TEST_CASE("the e-mail address needs the scope email") {
    Discord discord;
    const auto plain = body_of(discord.as(discord.access_token(demo::fern), "/users/@me"));
    CHECK_FALSE(plain.contains("email"));
    CHECK_FALSE(plain.contains("verified"));
    CHECK(plain["premium_type"] == 0);

    const auto mine = discord.access_token(demo::fern, "identify email");
    const auto full = body_of(discord.as(mine, "/users/@me"));
    CHECK(full["email"] == "fern@example.com");
    CHECK(full["verified"] == true);

    const auto phone = discord.access_token(demo::pip, "identify email");
    const auto phone_only = body_of(discord.as(phone, "/users/@me"));
    CHECK(phone_only["email"].is_null());
    CHECK(phone_only["global_name"].is_null());
}

TEST_CASE("ids and permissions are strings, and names are what people wrote") {
    Discord discord;
    const auto old = body_of(discord.as(discord.access_token(demo::oldtimer), "/users/@me"));
    CHECK(old["id"] == "80351110224678912");
    CHECK(old["discriminator"] == "1337");
    const auto token = discord.access_token(demo::noor);
    CHECK(body_of(discord.as(token, "/users/@me"))["global_name"] ==
          demo_world().user(demo::noor)->global_name);

    const auto guilds = body_of(discord.as(token, "/users/@me/guilds"));
    CHECK(ids_of(guilds) == json{"401000000000000002", "401000000000000003"});
    CHECK(guilds[0]["permissions"].is_string());
    CHECK(guilds[0]["owner"] == false);
    CHECK(guilds[1]["owner"] == true);
    CHECK_FALSE(guilds[0].contains("approximate_member_count"));
}

TEST_CASE("permissions are those of @everyone, the roles, an administrator or the owner") {
    const auto world = demo_world();
    const auto permissions = [&](Snowflake user, Snowflake guild) {
        return permissions_of(*world.guild(guild), user, *world.member(user, guild));
    };
    const auto everyone = world.guild(demo::garden)->everyone;
    CHECK(permissions(demo::fern, demo::garden) == everyone);
    CHECK(permissions(demo::robin, demo::garden) == (everyone | 1U << 5));
    CHECK(permissions(demo::noor, demo::lighthouse) == permissions(demo::robin, demo::lighthouse));
    CHECK((permissions(demo::robin, demo::lighthouse) & 1U << 3) != 0);
}

TEST_CASE("the list of guilds can be paged and counted") {
    Discord discord;
    discord.sim.change_settings([](Settings& settings) { settings.rate_limits = false; });
    const auto token = discord.access_token(demo::fern, "identify guilds guilds.members.read");
    const auto list = [&](const std::string& query) {
        return discord.as(token, "/users/@me/guilds?" + query);
    };
    CHECK(ids_of(body_of(list("limit=1"))) == json{"401000000000000001"});
    CHECK(ids_of(body_of(list("after=401000000000000001"))) == json{"401000000000000003"});
    CHECK(ids_of(body_of(list("before=401000000000000003"))) == json{"401000000000000001"});
    CHECK(body_of(list("with_counts=true"))[0]["approximate_member_count"] == 3);

    for (const auto* const query :
         {"limit=0", "limit=201", "limit=x", "after=x", "before=-1", "with_counts=yes"}) {
        CAPTURE(query);
        const auto answer = list(query);
        CHECK(answer->status == 400);
        CHECK(body_of(answer)["code"] == 50035);
    }
    const auto alone = discord.access_token(demo::fern, "guilds");
    const auto uncounted = discord.as(alone, "/users/@me/guilds?with_counts=1");
    CHECK_FALSE(body_of(uncounted)[0].contains("approximate_member_count"));
}

TEST_CASE("a member is shown with roles, and who is none gets 404 with 10004") {
    Discord discord;
    const auto token = discord.access_token(demo::fern, "guilds.members.read");
    const auto route = "/users/@me/guilds/" + demo::garden.to_string() + "/member";
    const auto member = body_of(discord.as(token, route));
    CHECK(member["roles"] == json{demo::garden_member.to_string()});
    CHECK(member["nick"] == "Fern of the hedge");
    CHECK(member["pending"] == false);
    CHECK(member["user"]["id"] == demo::fern.to_string());
    CHECK_FALSE(member["user"].contains("email"));

    discord.sim.world().set_role(demo::fern, demo::garden, demo::garden_staff, true);
    CHECK(body_of(discord.as(token, route))["roles"].size() == 2);

    discord.sim.world().kick(demo::fern, demo::garden);
    for (const auto& path : {route, std::string("/users/@me/guilds/7/member")}) {
        const auto gone = discord.as(token, path);
        CHECK(gone->status == 404);
        CHECK(body_of(gone)["code"] == 10004);
    }
}

TEST_CASE("connections need their scope and are served as they are") {
    Discord discord;
    const auto token = discord.access_token(demo::robin, "connections");
    CHECK(body_of(discord.as(token, "/users/@me/connections"))[0]["id"] == "run&hide");
    CHECK(discord.as(token, "/users/@me")->status == 401);
}

TEST_CASE("connections that only the user sees are listed, with all that is always there") {
    Discord discord;
    discord.control("users", {
                                 {"id",          demo::fern.to_string()},
                                 {"connections",
                                  {{{"id", "1"}, {"type", "steam"}, {"visibility", 0}},
                                   {{"id", "2"}, {"type", "github"}}}  }
    });
    const auto token = discord.access_token(demo::fern, "connections");
    const auto list = body_of(discord.as(token, "/users/@me/connections"));
    REQUIRE(list.size() == 2);
    CHECK(list[0]["visibility"] == 0);
    CHECK(list[1]["visibility"] == 1);
    for (const auto* const key : {"verified", "friend_sync", "show_activity", "two_way_link"}) {
        CHECK(list[1][key].is_boolean());
    }
}

TEST_CASE("a token can be asked what it is good for, by its user only") {
    Discord discord;
    const auto mine =
        body_of(discord.as(discord.access_token(demo::fern, "identify email"), "/oauth2/@me"));
    CHECK(mine["scopes"] == json{"identify", "email"});
    CHECK(mine["user"]["id"] == demo::fern.to_string());
    CHECK_FALSE(mine["user"].contains("email"));
    CHECK(mine["expires"] == "2027-01-22T08:00:00.000000+00:00");
    const auto nameless =
        body_of(discord.as(discord.access_token(demo::fern, "guilds"), "/oauth2/@me"));
    CHECK_FALSE(nameless.contains("user"));
    CHECK(discord.as_bot("/oauth2/@me")->status == 401);
}

TEST_CASE("the bot sees the guilds that it is in") {
    Discord discord;
    const auto garden = "/guilds/" + demo::garden.to_string();
    const auto fern = demo::fern.to_string();
    CHECK(discord.as_bot(garden + "/members/" + fern)->status == 200);
    CHECK(body_of(discord.as_bot(garden + "/roles")).size() == 3);
    CHECK(body_of(discord.as_bot(garden))["owner_id"] == demo::oldtimer.to_string());
    CHECK(body_of(discord.as_bot("/users/" + fern))["username"] == "fern");
    CHECK(body_of(discord.as_bot("/users/@me"))["bot"] == true);

    struct Case {
        const char* name;
        std::string route;
        int code;
    };
    const Case cases[] = {
        {"not a member",            garden + "/members/" + demo::pip.to_string(), 10007},
        {"nobody",                  garden + "/members/7",                        10013},
        {"a guild without the bot", "/guilds/" + demo::workshop.to_string(),      10004},
        {"no guild",                "/guilds/7/roles",                            10004},
        {"no user",                 "/users/7",                                   10013},
    };
    for (const auto& row : cases) {
        CAPTURE(row.name);
        const auto answer = discord.as_bot(row.route);
        CHECK(answer->status == 404);
        CHECK(body_of(answer)["code"] == row.code);
    }
}

TEST_CASE("the bot adds to a guild whoever granted guilds.join") {
    Discord discord;
    const httplib::Headers headers = {
        {"User-Agent",    user_agent                     },
        {"Authorization", std::string("Bot ") + bot_token}
    };
    const auto add = [&](Snowflake user, const json& body) {
        const auto path =
            "/api/v10/guilds/" + demo::garden.to_string() + "/members/" + user.to_string();
        return discord.http.Put(path, headers, body.dump(), "application/json");
    };
    const auto token = discord.access_token(demo::pip, "guilds.join");
    CHECK(body_of(add(demo::pip, json::object()))["code"] == 50035);
    CHECK(body_of(add(demo::pip, {
                                     {"access_token", "x"}
    }))["code"] == 50025);
    CHECK(body_of(add(demo::noor, {
                                      {"access_token", token}
    }))["code"] == 50025);
    const auto poor = discord.access_token(demo::pip, "identify");
    CHECK(body_of(add(demo::pip, {
                                     {"access_token", poor}
    }))["code"] == 50026);

    const auto added = add(demo::pip, {
                                          {"access_token", token },
                                          {"nick",         "Pip!"}
    });
    CHECK(added->status == 201);
    CHECK(body_of(added)["nick"] == "Pip!");
    CHECK(add(demo::pip,
              {
                  {"access_token", token}
    })
              ->status == 204);
    CHECK(discord.sim.world().member(demo::pip, demo::garden).has_value());

    discord.sim.world().ban(demo::pip, demo::garden);
    CHECK(body_of(add(demo::pip, {
                                     {"access_token", token}
    }))["code"] == 40007);
}

TEST_CASE("the CDN serves the pictures that people have, and no others") {
    Discord discord;
    struct Case {
        const char* name;
        std::string path;
        int status;
    };
    const auto fern = "/avatars/" + demo::fern.to_string() + "/";
    const auto pip = "/avatars/" + demo::pip.to_string() + "/";
    const auto robin = "/avatars/" + demo::robin.to_string() + "/";
    const auto garden = "/icons/" + demo::garden.to_string() + "/";
    const std::string still = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    const std::string other(32, '0');
    const auto member =
        "/guilds/" + demo::garden.to_string() + "/users/" + demo::fern.to_string() + "/avatars/";
    discord.sim.world().join(demo::fern, demo::garden, {.avatar = "b" + other.substr(1)});
    const Case cases[] = {
        {"avatar",          fern + still + ".png",                            200},
        {"size",            fern + still + ".png?size=16",                    200},
        {"no power of two", fern + still + ".png?size=100",                   400},
        {"another hash",    fern + other + ".png",                            404},
        {"another user",    pip + still + ".png",                             404},
        {"still as gif",    fern + still + ".gif",                            415},
        {"animated",        robin + "a_11112222333344445555666677778888.gif", 200},
        {"icon",            garden + "aaaabbbbccccddddeeeeffff00001111.webp", 200},
        {"default",         "/embed/avatars/5.png",                           200},
        {"no such default", "/embed/avatars/6.png",                           404},
        {"default as jpg",  "/embed/avatars/0.jpg",                           404},
        {"member avatar",   member + "b" + other.substr(1) + ".png",          200},
        {"not that one",    member + other + ".png",                          404},
        {"banner",          "/banners/1/" + other + ".webp?animated=true",    200},
        {"role icon",       "/role-icons/1/" + other + ".png",                200},
        {"server tag",      "/guild-tag-badges/1/" + other + ".png",          200},
        {"decoration",      "/avatar-decoration-presets/a_" + other + ".png", 200},
        {"no hash",         "/banners/1/..%2Fx.png",                          404},
    };
    for (const auto& row : cases) {
        CAPTURE(row.name);
        const auto answer = discord.http.Get(row.path);
        REQUIRE(answer);
        CHECK(answer->status == row.status);
        if (row.status != 200) continue;
        CHECK(answer->body.starts_with("\x89PNG\r\n\x1a\n"));
        CHECK(answer->get_header_value("Content-Type") == "image/png");
    }
}
