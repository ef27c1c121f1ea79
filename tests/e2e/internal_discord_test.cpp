#include <doctest/doctest.h>

#include "tests/support/comes_true.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/internal.hpp"
#include "tests/support/manual_upstream.hpp"

// What applications ask of Discord through the internal API: quartcord's fetch_*,
// add_to_guild, request and bot_request.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::string_literals;
namespace demo = cordgate::sim::demo;

namespace {

// Rules that need no scope of their own.
constexpr const char* members_only = "[{path: /**, access: login}]";
constexpr const char* every_scope =
    "scopes: [identify, email, guilds, guilds.members.read, connections, guilds.join]";

/// One visitor of a gate that is the bot too, and the path of their session.
struct Visit {
    explicit Visit(Snowflake user,
                   Script script = {.login = every_scope, .discord = bot_token_setting})
        : stage(std::move(script)),
          browser(stage.browser_of(user)),
          api(stage),
          session("/v1/sessions/" + handle_of(stage, browser)) {}

    InternalReply get(const std::string& rest) const { return api.get(session + rest); }
    int calls(std::string_view route) const { return stage.discord.count(route); }

    Stage stage;
    Browser browser;
    Internal api;
    std::string session;
};

const std::string garden = demo::garden.to_string();
const std::string lighthouse = demo::lighthouse.to_string();

}  // namespace

TEST_CASE("quartcord B14: what an application is told, the rules know with the next request") {
    Visit visit(demo::robin, {.rules = "[{path: /garden/**, require: {guild: '" + garden +
                                       "'}}, {path: /staff/**, require: {guild: '" + garden +
                                       "', role: ['" + demo::garden_staff.to_string() + "']}}]",
                              .login = every_scope});
    auto& world = visit.stage.discord.world();
    const auto status = [&](const std::string& path) {
        return visit.browser.ask("GET", path).status();
    };
    CHECK(status("/garden/") == 200);
    CHECK(status("/staff/") == 200);
    world.set_role(demo::robin, demo::garden, demo::garden_staff, false);
    CHECK(status("/staff/") == 200);  // Discord was asked at the login, and is not again yet
    CHECK(visit.get("/guilds/" + garden + "/member?max_age=0").status == 200);
    CHECK(status("/staff/") == 403);
    world.kick(demo::robin, demo::garden);
    CHECK(status("/garden/") == 200);
    CHECK(visit.get("/guilds?max_age=0").status == 200);
    CHECK(status("/garden/") == 403);
    CHECK(status("/inbox") == 200);
    CHECK_FALSE(contains(visit.stage.app.last().field("X-Discord-User-Guilds"), garden));
}

TEST_CASE("quartcord C18 U1 U7 U19 U21 U23 U25 U28 U30: fetch_user and its cache") {
    Visit visit(demo::robin);
    const int at_login = visit.calls("GET /users/@me");
    const auto user = visit.get("/user");
    REQUIRE(user.status == 200);
    const auto json = user.json();
    CHECK(json["id"] == demo::robin.to_string());
    CHECK(json["username"] == "robin.keeper");
    CHECK(json["global_name"] == "Robin (staff)");
    CHECK(json["display_name"] == "Robin (staff)");
    CHECK(json["mfa_enabled"] == true);
    CHECK(json["email"] == "robin@example.com");
    CHECK(json["avatar_animated"] == true);
    CHECK(contains(json["avatar_url"], "/avatars/" + demo::robin.to_string() + "/a_1111"));
    CHECK(contains(json["default_avatar_url"], "/embed/avatars/"));
    CHECK(json["created_at"].is_string());
    CHECK_MESSAGE(json.contains("public_flags"), "raw fields stay");
    CHECK_MESSAGE(visit.calls("GET /users/@me") == at_login, "the login has just asked");

    CHECK(visit.get("/user?cached_only=1").status == 200);
    CHECK(visit.get("/user?max_age=0").status == 200);
    CHECK_MESSAGE(visit.calls("GET /users/@me") == at_login + 1,
                  "Quart-Discord#9: a cache can be passed by");
    CHECK(visit.get("/user?max_age=3600").status == 200);
    CHECK(visit.calls("GET /users/@me") == at_login + 1);
}

TEST_CASE("quartcord C17 U24 U25 U26 U27 G1 G5 G7 G8 G9 G10 G11 G12: fetch_guilds") {
    Visit visit(demo::robin);
    CHECK_MESSAGE(visit.get("/connections?cached_only=1").status == 204, "nobody has asked yet");
    const auto guilds = visit.get("/guilds?max_age=0");
    REQUIRE(guilds.status == 200);
    const int asked = visit.calls("GET /users/@me/guilds");
    const auto list = guilds.json();
    REQUIRE(list.size() == 2);
    CHECK(list[0]["id"] == garden);
    CHECK(list[0]["owner"] == false);
    CHECK(list[0]["features"].size() == 2);
    CHECK(contains(list[0]["icon_url"], "/icons/" + garden + "/aaaa"));
    CHECK(contains(list[0]["permission_names"].dump(), "MANAGE_GUILD"));
    CHECK(list[0]["permissions"].is_string());
    CHECK(list[1]["owner"] == true);
    CHECK_FALSE(list[0].contains("approximate_member_count"));

    CHECK(visit.get("/guilds").json() == list);
    CHECK(visit.get("/guilds?cached_only=1").json() == list);
    CHECK_MESSAGE(visit.calls("GET /users/@me/guilds") == asked, "from the cache");
    const auto counted = visit.get("/guilds?with_counts=1");
    REQUIRE(counted.status == 200);
    CHECK(counted.json()[0]["approximate_member_count"].is_number());
    for (const char* query : {"?max_age=-1", "?max_age=x", "?max_age=1&max_age=2",
                              "?cached_only=maybe", "?with_counts=%zz"}) {
        CAPTURE(std::string(query));
        CHECK(visit.get(std::string("/guilds") + query).code() == "invalid_request");
    }
    CHECK_MESSAGE(visit.browser.ask("GET", "/_cordgate/guilds").body == guilds.body,
                  "the visitor's own browser gets the same");
}

TEST_CASE("quartcord C17 C18: what the login asked Discord for is not asked for again") {
    const std::string rules = "[{path: /staff/**, require: {guild: '" + garden + "', role: '" +
                              demo::garden_staff.to_string() + "'}}, {path: /**, access: login}]";
    Visit visit(demo::robin, {.rules = rules, .login = every_scope});
    const std::string member = "GET /users/@me/guilds/{guild}/member";
    const int lists = visit.calls("GET /users/@me/guilds");
    REQUIRE(visit.calls(member) == 1);
    for (const char* query :
         {"", "?cached_only=1", "?max_age=inf", "?max_age=99999999999999999999"}) {
        CAPTURE(std::string(query));
        CHECK(visit.get(std::string("/guilds") + query).json().size() == 2);
        const auto shown = visit.get("/guilds/" + garden + "/member" + query);
        REQUIRE(shown.status == 200);
        CHECK(shown.json()["roles"].size() >= 1);
        CHECK(shown.json().contains("joined_at"));
    }
    CHECK(visit.calls("GET /users/@me/guilds") == lists);
    CHECK(visit.calls(member) == 1);

    // A later login knows better than what is kept.
    visit.stage.discord.world().kick(demo::robin, demo::garden);
    auto again = visit.stage.browser_of(demo::robin);
    CHECK(visit.get("/guilds").json().size() == 1);
    CHECK(visit.calls("GET /users/@me/guilds") == lists + 1);
}

TEST_CASE("quartcord U26 B14: a user in no guild has an empty list, not an unknown one") {
    Visit visit(demo::pip);
    CHECK(visit.get("/guilds?max_age=0").body == "[]");
    const int asked = visit.calls("GET /users/@me/guilds");
    CHECK(visit.get("/guilds").body == "[]");
    CHECK(visit.calls("GET /users/@me/guilds") == asked);
}

TEST_CASE("quartcord C16 K1 K2 K3 K4 K7 K10 K12 K13 U17 U22: fetch_connections") {
    Visit visit(demo::robin);
    const auto connections = visit.get("/connections");
    REQUIRE(connections.status == 200);
    const auto list = connections.json();
    REQUIRE(list.size() == 1);
    CHECK(list[0]["id"] == "run&hide");
    CHECK(list[0]["type"] == "github");
    CHECK(list[0]["verified"] == true);
    CHECK(list[0]["visibility"] == 1);
    CHECK(list[0]["visible"] == true);
    CHECK(visit.get("/connections").json() == list);
    CHECK(visit.calls("GET /users/@me/connections") == 1);
    CHECK(visit.get("/connections?max_age=0").json() == list);
    CHECK(visit.calls("GET /users/@me/connections") == 2);
    CHECK(visit.get("/connections?cached_only=1").json() == list);
    CHECK(visit.browser.ask("GET", "/_cordgate/connections").body == connections.body);
}

TEST_CASE("quartcord B17 N2 N7 K6: odd integrations end nothing") {
    Visit visit(demo::robin);
    sim::Fault fault;
    fault.route = "GET /users/@me/connections";
    fault.merge = R"({"integrations":[{"id":"twitch-partners","type":"twitch","role_id":null}]})";
    visit.stage.discord.add_fault(fault);
    const auto connections = visit.get("/connections");
    REQUIRE(connections.status == 200);
    CHECK(connections.json()[0]["integrations"][0]["id"] == "twitch-partners");
    CHECK(connections.json()[0]["integrations"][0]["role_id"].is_null());
}

TEST_CASE("the member object of a guild, and a no that is Discord's own word") {
    Visit visit(demo::fern);
    const auto member = visit.get("/guilds/" + garden + "/member");
    REQUIRE(member.status == 200);
    CHECK(member.json()["nick"] == "Fern of the hedge");
    CHECK(member.json()["roles"][0] == demo::garden_member.to_string());
    const auto none = visit.get("/guilds/" + lighthouse + "/member");
    CHECK(none.status == 404);
    CHECK(none.code() == "not_found");
    CHECK(visit.get("/guilds/1x/member").status == 400);
    CHECK(visit.get("/guilds/42/member?cached_only=1").status == 204);
}

TEST_CASE("quartcord E3 B16: who lacks a scope, and who is nobody, is told so") {
    Visit visit(demo::fern, {.rules = members_only, .login = "scopes: [identify]"});
    for (const char* rest : {"/guilds", "/connections", "/discord/users/@me/guilds",
                             "/guilds?with_counts=1", "/guilds/1/member"}) {
        CAPTURE(std::string(rest));
        const auto answer = visit.get(rest);
        CHECK(answer.status == 403);
        CHECK(answer.code() == "unauthorized");
        CHECK(answer.reason() == "missing_scope");
    }
    CHECK_MESSAGE(visit.calls("GET /users/@me/guilds") == 0, "Discord counts refusals");
    CHECK(visit.api.call("PUT", visit.session + "/guilds/1/join").reason() == "missing_scope");
    CHECK(visit.browser.ask("GET", "/_cordgate/connections").status() == 403);
    for (const char* rest :
         {"", "/user", "/guilds", "/connections", "/guilds/1/member", "/discord/users/@me"}) {
        CAPTURE(std::string(rest));
        const auto answer = visit.api.get(std::string("/v1/sessions/nobody") + rest);
        CHECK(answer.status == 404);
        CHECK(answer.reason() == "no_session");
    }
}

TEST_CASE(
    "quartcord U14 B14: what one session may see does not reach another of the same user by the "
    "cache") {
    Visit all(demo::robin, {.rules = members_only,
                            .login = std::string(every_scope) +
                                     ", profiles: {small: {scopes: [identify, guilds]}}"});
    auto browser = all.stage.browser_of(demo::robin, "/login?profile=small");
    const auto small = "/v1/sessions/" + handle_of(all.stage, browser);
    const auto is_told = [](const InternalReply& answer) {
        return answer.status == 200 && answer.json().contains("email");
    };
    CHECK(is_told(all.get("/user?max_age=0")));
    for (const char* query : {"", "?cached_only=1", "?max_age=0", "?max_age=86400"}) {
        CAPTURE(std::string(query));
        const auto answer = all.api.get(small + "/user" + query);
        CHECK(answer.status == 200);
        CHECK_FALSE(contains(answer.body, "robin@example.com"));
        CHECK_MESSAGE(is_told(all.get("/user")), "nor does the smaller one hide it");
    }
    const int calls = all.calls("GET /users/@me");
    CHECK(is_told(all.get("/user")));
    CHECK_MESSAGE(all.calls("GET /users/@me") == calls, "each has its own entry");

    // Lists are all or nothing: who lacks the scope is not shown what is kept of them.
    const auto member = "/guilds/" + garden + "/member";
    REQUIRE(all.get("/connections").status == 200);
    REQUIRE(all.get("/guilds?with_counts=1").status == 200);
    REQUIRE(all.get(member).status == 200);
    for (const auto& rest :
         {std::string("/connections"), std::string("/guilds?with_counts=1"), member}) {
        for (const char* query : {"", "cached_only=1"}) {
            CAPTURE(rest);
            const auto mark = contains(rest, "?") ? "&" : "?";
            const auto answer = all.api.get(small + rest + mark + query);
            CHECK(answer.status == 403);
            CHECK(answer.reason() == "missing_scope");
        }
    }
    REQUIRE(all.get("/guilds?max_age=0").status == 200);
    CHECK(all.api.get(small + "/guilds?cached_only=1").status == 200);
}

TEST_CASE("the bot tells of members where there is one, whatever the visitor granted") {
    Visit visit(
        demo::fern,
        {.rules = members_only, .login = "scopes: [identify]", .discord = bot_token_setting});
    const auto member = visit.get("/guilds/" + garden + "/member");
    REQUIRE(member.status == 200);
    CHECK(member.json()["nick"] == "Fern of the hedge");
    CHECK(visit.get("/guilds/" + lighthouse + "/member").code() == "not_found");
    const auto no_bot = visit.get("/guilds/" + demo::workshop.to_string() + "/member");
    CHECK_MESSAGE(no_bot.code() == "discord_error", "a bot that is not there knows nothing");
}

TEST_CASE("quartcord U18: add_to_guild joins once, with nick and roles, and says why not") {
    Visit visit(demo::pip);
    const auto join = [&](const std::string& guild, const std::string& body = "") {
        return visit.api.call("PUT", visit.session + "/guilds/" + guild + "/join", body);
    };
    const auto joined = join(
        garden, R"({"nick":"Pip the new","roles":[")" + demo::garden_member.to_string() + R"("]})");
    REQUIRE(joined.status == 201);
    CHECK(joined.json()["nick"] == "Pip the new");
    CHECK(joined.json()["roles"][0] == demo::garden_member.to_string());
    CHECK(join(garden).status == 204);
    CHECK_MESSAGE(visit.get("/guilds").json().size() == 1, "the old list is forgotten");

    const auto no_bot = join(demo::workshop.to_string());
    CHECK(no_bot.code() == "discord_error");
    CHECK(no_bot.json()["discord"]["code"] == 10004);
    for (const char* body :
         {"x", "[]", R"({"access_token":"x"})", R"({"roles":"1"})", R"({"nick":1})"}) {
        CAPTURE(std::string(body));
        CHECK(join(garden, body).code() == "invalid_request");
    }
    CHECK_MESSAGE(join("1%2f..").status == 404, "a guild is an id and nothing else");
    // The user's token died early: it is renewed, once, and then it works or the session ends.
    visit.stage.discord.expire_tokens(demo::pip);
    CHECK(join(lighthouse).status == 201);
    CHECK(visit.calls("POST /oauth2/token") == 2);
    visit.stage.discord.deauthorize(demo::pip);
    const auto refused = join(lighthouse);
    CHECK(refused.status == 401);
    CHECK(refused.reason() == "revoked");
    CHECK(visit.get("").status == 404);
    CHECK(visit.calls("POST /oauth2/token") == 3);
}

TEST_CASE("quartcord U18: who has joined through us passes the rules with the next request") {
    Visit visit(demo::pip, {.rules = "[{path: /garden, require: {guild: '" + garden +
                                     "'}}, {path: /members, require: {guild: '" + garden +
                                     "', role: ['" + demo::garden_member.to_string() +
                                     "']}}, {path: /light, require: {guild: '" + lighthouse +
                                     "'}}, {path: /**, access: login}]",
                            .login = every_scope,
                            .discord = bot_token_setting});
    auto& pip = visit.browser;
    for (const char* path : {"/garden", "/members", "/light"}) CHECK(pip.get(path).status() == 403);
    const auto join = [&](const std::string& guild, const std::string& body = "") {
        return visit.api.call("PUT", visit.session + "/guilds/" + guild + "/join", body).status;
    };
    REQUIRE(join(garden, R"({"roles":[")" + demo::garden_member.to_string() + R"("]})") == 201);
    for (const char* path : {"/garden", "/members"}) {
        CAPTURE(std::string(path));
        CHECK(pip.get(path).status() == 200);
        CHECK(visit.stage.app.last().field("X-Discord-User-Guilds") == garden);
    }
    CHECK(visit.calls("GET /users/@me/guilds") == 2);
    CHECK_MESSAGE(join(garden) == 204, "which is known by now");
    CHECK(pip.get("/garden").status() == 200);
    CHECK(visit.calls("GET /users/@me/guilds") == 2);

    visit.stage.discord.world().join(demo::pip, demo::lighthouse, {});
    CHECK_MESSAGE(join(lighthouse) == 204, "which is news to us");
    CHECK(pip.get("/light").status() == 200);
}

TEST_CASE("quartcord C6 C13: bot features refuse without a bot token, and never ask Discord") {
    Visit visit(demo::fern, {.login = every_scope});
    for (const auto& answer :
         {visit.api.get("/v1/bot/guilds/" + garden),
          visit.api.call("PUT", visit.session + "/guilds/" + garden + "/join")}) {
        CHECK(answer.status == 403);
        CHECK(answer.code() == "forbidden");
        CHECK(contains(answer.text("detail"), "bot_token"));
    }
    CHECK(visit.calls("GET /guilds/{guild}") == 0);
}

TEST_CASE("quartcord C13 H2: bot_request, any route and method") {
    Visit visit(demo::fern);
    const auto guild = visit.api.get("/v1/bot/guilds/" + garden + "?with_counts=true");
    REQUIRE(guild.status == 200);
    CHECK(guild.json()["name"] == "The Walled Garden");
    CHECK(guild.json().contains("approximate_member_count"));
    const auto member = "/v1/bot/guilds/" + garden + "/members/" + demo::fern.to_string();
    CHECK(visit.api.get(member).json()["nick"] == "Fern of the hedge");
    const auto role = member + "/roles/" + demo::garden_staff.to_string();
    CHECK(visit.api
              .call("PUT", role, "",
                    {
                        {"X-Audit-Log-Reason", "promoted"}
    })
              .status == 204);
    CHECK(contains(visit.api.get(member).body, demo::garden_staff.to_string()));
    CHECK(visit.api.call("DELETE", role).status == 204);
    CHECK_FALSE(contains(visit.api.get(member).body, demo::garden_staff.to_string()));
}

TEST_CASE("quartcord C20 C13: a body goes to Discord as it came, whatever form it has") {
    ManualUpstream discord;
    Stage stage({.rules = members_only, .discord = bot_token_setting});
    REQUIRE(stage.stop_gate() == 0);
    auto yaml = stage.yaml(stage.port());
    const auto own = "127.0.0.1:" + std::to_string(stage.discord.port()) + "/api/v10";
    const auto at = yaml.find(own);
    REQUIRE(at != std::string::npos);
    yaml.replace(at, own.size(), "127.0.0.1:" + std::to_string(discord.port()) + "/api/v10");
    stage.folder.write("other.yaml", yaml);
    Daemon gate(stage.folder.path(), "other.yaml");
    struct Case {
        const char* type;
        std::string body;
    };
    const Case cases[] = {
        {"application/json",                    R"({"content":"n\u00e4h"})"                  },
        {"application/x-www-form-urlencoded",   "a=%C3%A9+b&a=2"                             },
        {"multipart/form-data; boundary=\"x\"",
         "--x\r\nContent-Disposition: form-data; name=\"files[0]\"\r\n\r\na\0b\r\n--x--\r\n"s},
    };
    for (const auto& c : cases) {
        CAPTURE(std::string(c.type));
        InternalReply answer;
        std::thread asks([&] {
            answer = Internal(gate.internal_port())
                         .call("POST", "/v1/bot/channels/1/messages?wait=true", c.body,
                               {
                                   {"Content-Type",       c.type   },
                                   {"X-Audit-Log-Reason", "%C3%A9!"}
            });
        });
        {
            auto wire = discord.accept();
            const auto seen = wire.read_request();
            CHECK(seen.target() == "/api/v10/channels/1/messages?wait=true");
            CHECK(seen.field("Content-Type") == c.type);
            CHECK(seen.field("X-Audit-Log-Reason") == "%C3%A9!");
            CHECK(seen.body == c.body);
            wire.send(
                "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-RateLimit-Bucket: "
                "a%0d%0aX-Evil: b\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{\"id\":1}");
        }
        asks.join();
        CHECK(answer.status == 201);
        CHECK(answer.body == "{\"id\":1}");
        CHECK_MESSAGE(answer.field("X-Evil").empty(), "whatever a field of Discord's decodes to");
    }
}

TEST_CASE("quartcord B20: a route of Discord's that holds a token is not logged") {
    Visit visit(demo::fern);
    LogArchive::instance().keep_secret("token-of-a-webhook-0001", "token in a route");
    for (const char* fault : {"", "500", "429_user", "reset"}) {
        if (*fault) visit.stage.discord.add_fault("*", fault, -1);
        const std::string route = "webhooks/1/token-of-a-webhook-0001?wait=true";
        CHECK(visit.api.call("POST", "/v1/bot/" + route, "{}").status >= 400);
        CHECK(visit.api.call("POST", visit.session + "/discord/" + route, "{}").status >= 400);
        visit.stage.discord.clear_faults();
    }
    const auto log = visit.stage.gate().log();
    CHECK(contains(log, "/v1/bot/webhooks/..."));
    CHECK_FALSE(contains(log, "token-of-a-webhook"));
}

TEST_CASE("quartcord C20 H3 B8: request as the user, and Discord's own words when it says no") {
    Visit visit(demo::fern);
    const auto me = visit.get("/discord/users/@me");
    REQUIRE(me.status == 200);
    CHECK(me.json()["id"] == demo::fern.to_string());
    CHECK_MESSAGE(visit.get("/discord/users/@me/guilds?limit=1").json().size() == 1,
                  "with its query");

    // A token that died early is renewed, once, and the call is made again.
    visit.stage.discord.expire_tokens(demo::fern);
    CHECK(visit.get("/discord/users/@me").status == 200);
    CHECK(visit.get("/discord/users/@me/guilds").status == 200);
    CHECK(visit.calls("POST /oauth2/token") == 2);

    const auto unknown = visit.get("/discord/users/@me/guilds/42/member");
    CHECK(unknown.status == 404);
    CHECK(unknown.code() == "discord_error");
    CHECK(unknown.json()["discord"]["status"] == 404);
    CHECK(unknown.json()["discord"]["code"] == 10004);
    CHECK(unknown.json()["discord"]["message"] == "Unknown Guild");
    const auto put = visit.api.call("PUT",
                                    visit.session + "/discord/users/@me/applications/" +
                                        std::string(demo::client_id) + "/role-connection",
                                    R"({"platform_name":"x"})");
    CHECK_MESSAGE(put.reason() == "missing_scope", "role_connections.write was never asked for");
    const auto nothing =
        visit.api.call("PATCH", visit.session + "/discord/users/@me/nothing", "{}");
    CHECK(nothing.code() == "discord_error");
}

TEST_CASE("quartcord C20 C13: no call leaves the API base, goes elsewhere or smuggles a header") {
    Visit visit(demo::fern);
    const auto before = visit.calls("GET /users/@me");
    const char* const routes[] = {
        "../../sim/control/state",
        "users/../../../sim/control/state",
        "users/%2e%2e/x",
        "users/%2E%2E%2Fx",
        "users/./@me",
        "/users/@me",
        "users//@me",
        "users/@me%2fguilds",
        "users/@me%5cguilds",
        "users\\@me",
        "users/@me%00",
        "users/@me%0d%0aX-Evil:%201",
        "users/@me%3fx=1",
        "users/@me%23",
        "users/%zz",
        "http://evil.example/",
        "//evil.example/users",
    };
    for (const char* route : routes) {
        for (const auto& base : {visit.session + "/discord/", std::string("/v1/bot/")}) {
            CAPTURE(std::string(route));
            const auto answer = visit.api.get(base + route);
            CHECK((answer.status == 400 || answer.status == 404));
            CHECK((answer.code() == "invalid_request" || answer.code() == "not_found" ||
                   answer.code() == "discord_error"));
            CHECK_FALSE(contains(answer.body, "access_token"));
        }
    }
    CHECK(visit.calls("GET /users/@me") == before);
    CHECK_MESSAGE(visit.api.get("/v1/bot/@evil.example/users").code() == "discord_error",
                  "a segment below the base, not a host");
    Wire wire(visit.stage.gate().internal_port());
    wire.send("GET " + visit.session +
              "/discord/users/@me HTTP/1.1\r\nHost: localhost\r\n"
              "Authorization: Bearer mine\r\nUser-Agent: curl\r\nX-Audit-Log-Reason: a\tb\r\n\r\n");
    CHECK_MESSAGE(wire.read_response().status() == 400, "a tab is no part of a reason");
    for (const char* method : {"OPTIONS", "TRACE", "CONNECT", "get"}) {
        CAPTURE(std::string(method));
        Wire odd(visit.stage.gate().internal_port());
        odd.send(std::string(method) + " " + visit.session +
                 "/discord/users/@me HTTP/1.1\r\nHost: localhost\r\n\r\n");
        CHECK(odd.read_response().status() >= 400);
    }
}

TEST_CASE(
    "quartcord E2 E2a E2b E2c: a rate limit is passed on with Discord's message and headers") {
    Visit visit(demo::fern);
    visit.stage.discord.add_fault("GET /users/@me/guilds", "cloudflare_1015_hour", -1);
    CHECK(visit.get("/discord/users/@me/guilds").json()["retry_after"] == 3600.0);
    Visit other(demo::fern);
    other.stage.discord.add_fault("GET /users/@me/guilds", "429_user", -1);
    const auto json = other.get("/discord/users/@me/guilds").json();
    CHECK(json["discord"]["message"] == "You are being rate limited.");
    CHECK(json["discord"]["headers"]["x-ratelimit-scope"] == "user");
    // Asked again at once: it waits its turn, or is told when that is.
    const int sent = other.calls("GET /users/@me/guilds");
    CHECK(other.get("/discord/users/@me/guilds").status == 429);
    CHECK(other.calls("GET /users/@me/guilds") - sent <= 2);
}

TEST_CASE("M15 B13: a Discord that hangs is a 504 within its deadline, and health goes on") {
    Visit visit(demo::fern);
    sim::Fault drips;
    drips.route = "GET /users/@me/guilds";
    drips.times = -1;
    drips.delivery.drip_head = std::chrono::milliseconds(300);
    visit.stage.discord.add_fault(drips);
    // All of its head would take minutes.
    std::thread asks([&] {
        const auto answer = visit.get("/guilds?max_age=0");
        CHECK((answer.status == 504 || answer.status == 503));
        CHECK(answer.code() == "discord_unavailable");
    });
    for (int i = 0; i < 20; ++i) CHECK(visit.api.get("/readyz").status == 200);
    asks.join();
}

TEST_CASE("M26 B12: the application's own User-Agent and credentials never reach Discord") {
    Visit visit(demo::fern);
    const auto answer = visit.api.call(
        "GET", visit.session + "/discord/users/@me", "",
        {
            {"User-Agent",    "Mozilla/5.0"},
            {"Authorization", "Bot stolen" },
            {"Cookie",        "a=b"        }
    });
    CHECK_MESSAGE(answer.status == 200, "a browser's User-Agent would be refused");
    CHECK(answer.json()["id"] == demo::fern.to_string());
}

TEST_CASE("M20 B3: that Discord refuses Cordgate's own secret is no refusal of the caller's") {
    Stage stage({.login = every_scope});
    sim::Fault short_lived;
    short_lived.route = "POST /oauth2/token";
    short_lived.merge = R"({"expires_in":1})";
    stage.discord.add_fault(short_lived);
    auto fern = stage.browser_of(demo::fern);
    const Internal api(stage);
    const auto session = "/v1/sessions/" + handle_of(stage, fern);
    stage.discord.add_fault("POST /oauth2/token", "401", -1);  // invalid_client
    InternalReply answer;
    REQUIRE(comes_true([&] {
        answer = api.get(session + "/user?max_age=0");
        return answer.status != 200;  // the first token is over
    }));
    CHECK(answer.status == 502);
    CHECK(answer.code() == "discord_error");
    CHECK(answer.json()["discord"]["status"] == 401);
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    CHECK(api.get(session).status == 200);
}
