#include <doctest/doctest.h>

#include <set>
#include <thread>

#include "tests/support/contains.hpp"
#include "tests/support/stage.hpp"

// A visitor, a gate, Discord and an application: what people see of a login.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

/// The Set-Cookie field of `name`, whole; "" when there is none.
std::string set_cookie_of(const Message& answer, const std::string& name) {
    for (const auto& line : answer.all("Set-Cookie")) {
        if (line.starts_with(name + "=")) return line;
    }
    return "";
}

std::string attributes_of(const std::string& set_cookie) {
    const auto end = set_cookie.find(';');
    return end == std::string::npos ? "" : set_cookie.substr(end);
}

}  // namespace

TEST_CASE("a login brings a visitor back to the page that was asked for") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const std::string wanted = "/inbox/a%20b?page=2&x=%E2%9C%93";

    const auto asked = browser.get(wanted);
    CHECK(asked.status() == 302);
    CHECK(asked.field("Location").starts_with("/login?rd="));
    CHECK(parameter(asked.field("Location"), "rd") == wanted);
    CHECK(asked.field("Cache-Control") == "no-store");
    CHECK(stage.app.count() == 0);

    const auto login = browser.get(asked.field("Location"));
    CHECK(login.status() == 302);
    const auto authorize = login.field("Location");
    CHECK(authorize.starts_with(stage.discord.authorize_url() + "?"));
    CHECK(parameter(authorize, "client_id") == demo::client_id);
    CHECK(parameter(authorize, "response_type") == "code");
    CHECK(parameter(authorize, "redirect_uri") == stage.home() + "/callback");
    CHECK(parameter(authorize, "scope") == "identify guilds guilds.members.read");
    CHECK(parameter(authorize, "code_challenge_method") == "S256");
    CHECK(parameter(authorize, "code_challenge").size() == 43);
    CHECK(parameter(authorize, "state").size() == 43);
    CHECK_FALSE(contains(authorize, "code_verifier"));
    CHECK_MESSAGE(!contains(authorize, "inbox"), "oauth2-proxy #10");
    CHECK(login.field("Referrer-Policy") == "no-referrer");  // E17
    CHECK(attributes_of(set_cookie_of(login, "cordgate-login")) ==
          "; Max-Age=600; Path=/; HttpOnly; SameSite=Lax");  // D4

    const auto back = browser.get(authorize).field("Location");
    const auto callback = browser.get(back);
    CHECK(callback.status() == 302);
    CHECK(callback.field("Location") == wanted);                // E2
    CHECK(callback.field("Referrer-Policy") == "no-referrer");  // F34
    CHECK(callback.field("Cache-Control") == "no-store");       // B38
    const auto cookie = set_cookie_of(callback, "cordgate");
    CHECK_MESSAGE(attributes_of(cookie) == "; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax",
                  "D1 on http");

    const auto page = browser.get(callback.field("Location"));
    CHECK(page.status() == 200);
    CHECK(contains(page.body, Upstream::marker));
    CHECK_MESSAGE(!page.has("Set-Cookie"), "D18: no cookie on every answer");
    CHECK(stage.app.count() == 1);
    CHECK(stage.app.last().target() == wanted);
    CHECK(stage.discord.count("/oauth2/token") == 1);
}

TEST_CASE("D1 on https the session cookie is __Host- and Secure") {
    Stage stage(
        {.public_url = "https://app.example.com", .server = "trusted_proxies: ['127.0.0.1']"});
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();

    const auto back = callback_of(browser, "/login?rd=/x");
    CHECK(back.starts_with("https://app.example.com/callback?"));
    const auto callback = browser.get(back);
    CHECK(callback.status() == 302);
    CHECK(attributes_of(set_cookie_of(callback, "__Host-cordgate")) ==
          "; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax");
    CHECK(browser.get("/x").status() == 200);
    const auto seen = stage.app.last();
    CHECK(seen.all("X-Forwarded-Proto") == std::vector<std::string>{"https"});
    CHECK(seen.all("X-Forwarded-Port") == std::vector<std::string>{"443"});
    CHECK(seen.field("Host") == "app.example.com");

    SUBCASE("D16 and logging out deletes it with the same attributes") {
        const auto out = browser.post_form("/logout");
        CHECK(out.status() == 303);
        const auto deleting = set_cookie_of(out, "__Host-cordgate");
        CHECK(contains(deleting, "Max-Age=0"));
        CHECK(contains(deleting, "; Path=/; HttpOnly; Secure; SameSite=Lax"));
    }
}

TEST_CASE("a login gives every visitor an identity, whatever their account looks like") {
    struct Case {
        std::string name;
        Snowflake user;
        Fields headers;  ///< "" : absent
    };
    Stage stage;
    const auto cdn = stage.discord.cdn_url();
    auto& world = stage.discord.world();
    const Snowflake many{301000000000000099};
    world.add_user({.id = many, .username = "collector", .global_name = " a,b;\r\nX: 1"});
    std::string many_ids;
    for (std::uint64_t i = 0; i < 200; ++i) {
        const Snowflake guild{402000000000000000 + i};
        world.add_guild({.id = guild, .name = "Guild \xF0\x9F\x8E\xB2 of many", .owner = many});
        world.join(many, guild);
        many_ids += (i == 0 ? "" : ",") + guild.to_string();
    }

    const Case cases[] = {
        {"plain member of two guilds",
         demo::fern,
         {{"X-Discord-User-Id", "301000000000000001"},
          {"X-Discord-User-Name", "fern"},
          {"X-Discord-User-Display-Name", "Fern"},
          {"X-Discord-User-Avatar",
           cdn + "/avatars/301000000000000001/0f1e2d3c4b5a69788796a5b4c3d2e1f0.png"},
          {"X-Discord-User-Locale", "en-US"},
          {"X-Discord-User-Guilds", "401000000000000001,401000000000000003"},
          {"X-Discord-User-Roles", "401000000000000001/501000000000000002"},
          {"X-Discord-User-Email", ""}}                                                   },
        {"animated avatar and punctuation",
         demo::robin,
         {{"X-Discord-User-Display-Name", "Robin%20%28staff%29"},
          {"X-Discord-User-Name", "robin.keeper"},
          {"X-Discord-User-Roles",
           "401000000000000001/501000000000000001,401000000000000001/501000000000000002"}}},
        {"no guild, no avatar, no global name, no e-mail",
         demo::pip,
         {{"X-Discord-User-Display-Name", "pip"},
          {"X-Discord-User-Guilds", ""},
          {"X-Discord-User-Roles", ""}}                                                   },
        {"B19 emoji and right-to-left name",
         demo::noor,
         {{"X-Discord-User-Display-Name", "%F0%9F%8C%99%20%D9%86%D9%88%D8%B1%20%F0%9F%8E%B2"},
          {"X-Discord-User-Locale", "fr"}}                                                },
        {"legacy name with a space",
         demo::oldtimer,
         {{"X-Discord-User-Id", "80351110224678912"},
          {"X-Discord-User-Name", "Old%20Timer"},
          {"X-Discord-User-Display-Name", "Old%20Timer"}}                                 },
        {"B20 200 guilds, CVE-2023-27493 a name with CR and LF",
         many,           {{"X-Discord-User-Guilds", many_ids},
          {"X-Discord-User-Display-Name", "%20a%2Cb%3B%0D%0AX%3A%201"}}     },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        auto browser = stage.browser_of(c.user, "/login?rd=/me");
        const auto seen = stage.app.last();
        for (const auto& [name, value] : c.headers) {
            CAPTURE(name);
            CHECK(seen.count(name) == (value.empty() ? 0 : 1));
            CHECK(seen.field(name) == value);
        }
        const auto json = seen.field("X-Discord-User");
        CHECK(json.size() <= 6 * 1024);
        CHECK(contains(json, "\"id\":\"" + c.user.to_string() + "\""));
        for (const char byte : seen.head) {
            const bool plain = (byte >= 0x20 && byte < 0x7f) || byte == '\r' || byte == '\n';
            CHECK(plain);
            if (!plain) break;
        }
    }
}

TEST_CASE("X-Discord-User says who it is in one line of ASCII") {
    Stage stage;
    auto browser = stage.browser_of(demo::noor, "/login?rd=/me");
    const auto& world = stage.discord.world();
    const auto permissions = [&](Snowflake guild) {
        return std::to_string(
            sim::permissions_of(*world.guild(guild), demo::noor, *world.member(demo::noor, guild)));
    };
    CHECK(stage.app.last().field("X-Discord-User") ==
          R"({"id":"301000000000000004","username":"noor",)"
          R"("global_name":"\ud83c\udf19 \u0646\u0648\u0631 \ud83c\udfb2",)"
          R"("display_name":"\ud83c\udf19 \u0646\u0648\u0631 \ud83c\udfb2",)"
          R"("discriminator":"0","avatar":"22223333444455556666777788889999",)"
          R"("avatar_url":")" +
              stage.discord.cdn_url() +
              R"(/avatars/301000000000000004/22223333444455556666777788889999.png",)"
              R"("locale":"fr","guilds":[{"id":"401000000000000002","name":"Lighthouse \u2728",)"
              R"("icon":"a_bbbbccccddddeeeeffff000011112222","owner":false,"permissions":")" +
              permissions(demo::lighthouse) +
              R"("},)"
              R"({"id":"401000000000000003","name":"Workshop","icon":null,"owner":true,)"
              R"("permissions":")" +
              permissions(demo::workshop) + R"("}],"members":{}})");
    const auto scopes = stage.app.last().field("X-Discord-User-Scopes");
    for (const char* scope : {"identify", "guilds", "guilds.members.read"}) {
        CHECK(contains(" " + scopes + " ", " " + std::string(scope) + " "));
    }
    CHECK(stage.app.last().field("X-Discord-Session").size() >= 16);
    CHECK(stage.app.last().field("X-Discord-Session") != browser.cookie("cordgate"));
}

TEST_CASE("the data of a login reaches the application once") {
    Stage stage;
    auto browser = stage.browser_of(demo::fern,
                                    "/login?rd=/first&data=%7B%22invite%22%3A%22b%C3%A9%20c%22%7D");
    CHECK(stage.app.last().field("X-Discord-Login-Data") ==
          "%7B%22invite%22%3A%22b%C3%A9%20c%22%7D");
    browser.get("/second");
    CHECK(stage.app.last().target() == "/second");
    CHECK_FALSE(stage.app.last().has("X-Discord-Login-Data"));

    SUBCASE("and more than 1 KiB of it is refused") {
        auto other = stage.browser();
        for (const auto& data : {"%22" + std::string(1100, 'a') + "%22", std::string("no-json")}) {
            const auto refused = other.get("/login?data=" + data);
            CHECK(refused.status() == 400);
            CHECK(refused.body.find("(its data) is not JSON") != std::string::npos);
        }
    }
}

TEST_CASE("profiles ask for what they name, and visitors cannot choose") {
    Stage stage({.login = "scopes: [identify], profiles: {more: {scopes: [identify, email], "
                          "prompt: consent}, bot: {scopes: [identify, bot], permissions: "
                          "[MANAGE_GUILD], guild_id: '401000000000000001', disable_guild_select: "
                          "true}}"});
    auto browser = stage.browser();

    const auto more = browser.get("/login?profile=more").field("Location");
    CHECK(parameter(more, "scope").starts_with("identify email"));
    CHECK(parameter(more, "prompt") == "consent");

    const auto bot = browser.get("/login?profile=bot").field("Location");
    CHECK(parameter(bot, "permissions") == "32");
    CHECK(parameter(bot, "guild_id") == "401000000000000001");
    CHECK(parameter(bot, "disable_guild_select") == "true");

    const auto unknown = browser.get("/login?profile=other");
    CHECK(unknown.status() == 400);
    CHECK(unknown.body.find("(its profile) that this site doesn&#39;t have") != std::string::npos);
    const auto told = browser.fetch("GET", "/login?profile=other",
                                    {
                                        {"Accept", "application/json"}
    });
    CHECK(told.status() == 400);
    CHECK(told.field("Content-Type") == "application/problem+json");
    CHECK(told.body.find("\"code\":\"invalid_request\"") != std::string::npos);
    CHECK(told.body.find("(its profile)") != std::string::npos);
    const auto meddled = browser
                             .get(
                                 "/login?scope=guilds.join&redirect_uri=https://evil.example/&"
                                 "client_id=1&prompt=none&permissions=8")
                             .field("Location");
    CHECK(parameter(meddled, "redirect_uri") == stage.home() + "/callback");
    CHECK(parameter(meddled, "client_id") == demo::client_id);
    CHECK_FALSE(contains(meddled, "guilds.join"));
    CHECK_FALSE(contains(meddled, "permissions"));

    SUBCASE("and who is signed in goes on at once, unless the profile wants more") {
        auto fern = stage.browser_of(demo::fern);
        const auto again = fern.get("/login?rd=/there");
        CHECK(again.status() == 302);
        CHECK(again.field("Location") == "/there");
        CHECK(fern.get("/login?rd=/there&profile=more")
                  .field("Location")
                  .starts_with(stage.discord.authorize_url()));
    }
}

TEST_CASE("quartcord B3, F4: two tabs may finish in any order, each at its own page") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    std::vector<std::string> backs;
    for (int tab = 1; tab <= 5; ++tab) {
        backs.push_back(callback_of(browser, "/login?rd=/tab/" + std::to_string(tab)));
    }
    std::set<std::string> states;
    for (const auto& back : backs) states.insert(parameter(back, "state"));
    CHECK_MESSAGE(states.size() == 5, "F5: states do not repeat");
    for (int tab = 5; tab >= 1; --tab) {
        const auto answer = browser.get(backs[static_cast<std::size_t>(tab - 1)]);
        CHECK(answer.status() == 302);
        CHECK(answer.field("Location") == "/tab/" + std::to_string(tab));
    }

    SUBCASE("D19 and the sixth login drops the oldest") {
        auto other = stage.browser();
        backs.clear();
        for (int tab = 1; tab <= 6; ++tab) backs.push_back(callback_of(other));
        CHECK(other.get(backs.front()).status() == 400);
        CHECK(other.get(backs.back()).status() == 302);
    }
}

TEST_CASE(
    "quartcord B1 B7, oauth2-proxy #9: a callback that does not belong is refused before the code "
    "is spent") {
    struct Case {
        std::string name;
        /// Makes the address out of a good one.
        std::string (*change)(std::string good);
        int status;
        const char* code;
    };
    const auto replace = [](std::string text, const std::string& what, const std::string& by) {
        const auto at = text.find(what);
        return text.replace(at, what.size(), by);
    };
    static const auto swap = replace;
    const Case cases[] = {
        {"F1 CVE-2026-32245 no state",
         [](std::string u) { return u.substr(0, u.find('?')) + "?code=c"; },                                   400, "invalid_state"  },
        {"F1 empty state",
         [](std::string u) { return u.substr(0, u.find('?')) + "?code=c&state="; },                            400,
         "invalid_state"                                                                                                             },
        {"F1 wrong state",
         [](std::string u) {
             return swap(u, parameter(u, "state"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
         },                                                                                                    400, "invalid_state"  },
        {"F10 F11 another issuer",
         [](std::string u) { return u + "&iss=https%3A%2F%2Fevil.example"; },                                  400,
         "invalid_request"                                                                                                           },
        {"F15 repeated code",             [](std::string u) { return u + "&code=other"; },                     400,
         "invalid_request"                                                                                                           },
        {"F15 repeated state",            [](std::string u) { return u + "&state=" + parameter(u, "state"); },
         400,                                                                                                       "invalid_request"},
        {"F16 empty code",
         [](std::string u) { return swap(u, "code=" + parameter(u, "code"), "code="); },                       400,
         "invalid_request"                                                                                                           },
        {"F16 long code",
         [](std::string u) {
             return swap(u, "code=" + parameter(u, "code"), "code=" + std::string(10000, 'c'));
         },                                                                                                    400, "invalid_request"},
        {"F16 NUL in the code",
         [](std::string u) { return swap(u, "code=" + parameter(u, "code"), "code=a%00b"); },                  400,
         "invalid_request"                                                                                                           },
        {"F16 broken escape in the code",
         [](std::string u) { return swap(u, "code=" + parameter(u, "code"), "code=a%"); },                     400,
         "invalid_request"                                                                                                           },
        {"F16 newline in the code",
         [](std::string u) { return swap(u, "code=" + parameter(u, "code"), "code=a%0ab"); },                  400,
         "invalid_request"                                                                                                           },
        {"F16 code that is not ASCII",
         [](std::string u) { return swap(u, "code=" + parameter(u, "code"), "code=%C3%A9"); },                 400,
         "invalid_request"                                                                                                           },
        {"F13 error and code together",   [](std::string u) { return u + "&error=strange"; },                  502,
         "discord_rejected"                                                                                                          },
        {"F12 the visitor declined",      [](std::string u) { return u + "&error=access_denied"; },            403,
         "access_denied"                                                                                                             },
    };
    Stage stage;
    stage.discord.approve_as(demo::fern);
    for (const auto& c : cases) {
        CAPTURE(c.name);
        auto browser = stage.browser();
        const auto address = c.change(callback_of(browser, "/login?rd=/kept"));
        const auto answer = browser.get(address);
        CHECK(answer.status() == c.status);
        CHECK(contains(answer.body, std::string("<code>") + c.code + "</code>"));
        CHECK(answer.field("Content-Type") == "text/html; charset=utf-8");
        CHECK(answer.field("Cache-Control") == "no-store");
        CHECK(set_cookie_of(answer, "cordgate").empty());
        CHECK(browser.cookie("cordgate").empty());
    }
    CHECK(stage.discord.count("/oauth2/token") == 0);
    CHECK(stage.app.count() == 0);

    SUBCASE("and the answer is problem JSON for programs") {
        auto browser = stage.browser();
        const auto answer = browser.ask("GET", "/callback?code=c");
        CHECK(answer.status() == 400);
        CHECK(answer.field("Content-Type") == "application/problem+json");
        CHECK(contains(answer.body, "\"code\":\"invalid_state\""));
        CHECK(contains(answer.body, "\"title\":\"This login can't be finished\""));
        CHECK(contains(answer.body, "\"login_url\":\"/login"));
    }
}

TEST_CASE(
    "quartcord B1, F6 CVE-2017-1000069 GHSA-rrm8-32g4-w8m3: another browser cannot finish a "
    "login") {
    Stage stage;
    stage.discord.approve_as(demo::robin);
    auto attacker = stage.browser();
    const auto back = callback_of(attacker);

    auto victim = stage.browser();
    CHECK(victim.get(back).status() == 400);
    callback_of(victim);  // has a login of its own under way
    CHECK(victim.get(back).status() == 400);
    CHECK(victim.cookie("cordgate").empty());
    CHECK(stage.discord.count("/oauth2/token") == 0);
}

TEST_CASE(
    "quartcord B2 B6, F2 F36 D20: a used state stays used, and a reload goes on to the page") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto back = callback_of(browser, "/login?rd=/page");
    CHECK(browser.get(back).status() == 302);
    const auto cookie = browser.cookie("cordgate");

    const auto reload = browser.get(back);
    CHECK_MESSAGE(reload.status() == 302, "F36");
    CHECK(reload.field("Location") == "/page");
    CHECK_FALSE(reload.has("Set-Cookie"));
    CHECK_MESSAGE(browser.ask("GET", back).status() == 400, "F2");
    CHECK(browser.cookie("cordgate") == cookie);
    CHECK(browser.get("/page").status() == 200);

    // The cookie of logins is no state: it stays, and brings no used state back.
    CHECK_MESSAGE(browser.cookie("cordgate-login").size() == 43, "D20");
    browser.drop_cookie("cordgate");
    const auto replay = browser.get(back);
    CHECK(replay.status() == 400);
    CHECK(contains(replay.body, "href=\"/login?rd="));
    CHECK(stage.discord.count("/oauth2/token") == 1);
}

TEST_CASE("F9 a code that was used for one state is worth nothing with another") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto first = callback_of(browser);
    CHECK(browser.get(first).status() == 302);
    auto other = stage.browser();
    auto second = callback_of(other);
    second.replace(second.find(parameter(second, "code")), parameter(second, "code").size(),
                   parameter(first, "code"));
    const auto answer = other.get(second);
    CHECK(answer.status() == 502);
    CHECK(contains(answer.body, "discord_rejected"));
    CHECK(other.cookie("cordgate").empty());
}

TEST_CASE("F8 CVE-2024-23647 CVE-2026-32245 a fresh code of another login has another verifier") {
    Stage stage;
    stage.discord.approve_as(demo::robin);
    auto attacker = stage.browser();
    const auto stolen = parameter(callback_of(attacker), "code");
    auto victim = stage.browser();
    auto back = callback_of(victim);
    back.replace(back.find(parameter(back, "code")), parameter(back, "code").size(), stolen);
    const auto answer = victim.get(back);
    CHECK(answer.status() == 502);
    CHECK(contains(answer.body, "discord_rejected"));
    CHECK(victim.cookie("cordgate").empty());
    CHECK(stage.discord.count("/oauth2/token") == 1);
    CHECK(victim.get("/x").status() == 302);
}

TEST_CASE("F26 a login that Discord answers only in part makes no session") {
    struct Case {
        std::string name;
        std::string route;
        std::string fault;
        int status;
        const char* code;
    };
    const Case cases[] = {
        {"F26 the user cannot be asked",   "/users/@me",        "500",         503, "discord_unavailable"},
        {"F26 the guilds cannot be asked", "/users/@me/guilds", "502_page",    503,
         "discord_unavailable"                                                                           },
        {"F24 the user is nonsense",       "/users/@me",        "null",        502, "discord_rejected"   },
        {"F24 the user is a page",         "/users/@me",        "200_page",    502, "discord_rejected"   },
        {"the token's answer is lost",     "/oauth2/token",     "lost_answer", 503, "discord_unavailable"},
    };
    Stage stage;
    stage.discord.approve_as(demo::fern);
    for (const auto& c : cases) {
        CAPTURE(c.name);
        auto browser = stage.browser();
        const auto back = callback_of(browser);
        stage.discord.add_fault(c.route, c.fault, -1);
        const auto answer = browser.get(back);
        stage.discord.clear_faults();
        CHECK(answer.status() == c.status);
        CHECK(contains(answer.body, c.code));
        CHECK(browser.cookie("cordgate").empty());
        CHECK(browser.get("/page").status() == 302);
    }
    CHECK(stage.app.count() == 0);
}

TEST_CASE(
    "quartcord C14 E4, F12 oauth2-proxy #12: what stands in the address of a failed login never "
    "stands in the page") {
    Stage stage;
    stage.discord.deny_all();
    auto browser = stage.browser();
    const auto cancelled = browser.visit("/login?rd=/was/here");
    CHECK(cancelled.status() == 403);
    CHECK(contains(cancelled.body, "<code>access_denied</code>"));
    CHECK_MESSAGE(contains(cancelled.body, "/login?rd=%2Fwas%2Fhere"), "try again keeps the page");
    CHECK(contains(cancelled.field("Content-Security-Policy"), "frame-ancestors 'none'"));  // F35

    const auto back = callback_of(browser);
    const auto loud = browser.get(back + "&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    CHECK(loud.status() == 403);
    CHECK_FALSE(contains(loud.body, "script"));
    CHECK_MESSAGE(browser.get(back).status() == 400, "D20: the state is used up");
}

TEST_CASE("F14 unknown parameters of a callback are ignored") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto back = callback_of(browser, "/login?rd=/x");
    const auto answer = browser.get(back + "&guild_id=1&permissions=8&session_state=x&a&=b");
    CHECK(answer.status() == 302);
    CHECK(answer.field("Location") == "/x");
}

TEST_CASE("F17 only GET finishes a login, and HEAD does not burn the code") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto back = callback_of(browser);
    for (const char* method : {"HEAD", "POST", "PUT", "DELETE"}) {
        CAPTURE(method);
        const auto answer = browser.fetch(method, back);
        CHECK(answer.status() == 405);
        CHECK(answer.field("Allow") == "GET");
    }
    CHECK(stage.discord.count("/oauth2/token") == 0);
    CHECK(browser.get(back).status() == 302);
}

TEST_CASE("F19 E15 redirect_uri and Location never come from the request") {
    Stage stage;
    const auto raw =
        "GET /login HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n"
        "X-Forwarded-Proto: https\r\nForwarded: host=evil.example\r\n"
        "Connection: close\r\n\r\n";
    const auto answer = stage.ask(raw);
    CHECK(parameter(answer.field("Location"), "redirect_uri") == stage.home() + "/callback");
    CHECK_FALSE(contains(answer.head, "evil"));
}

TEST_CASE("F25 who may not in is told what is missing") {
    Stage stage;
    auto browser = stage.browser_of(demo::pip);
    stage.app.forget();
    const auto page = browser.get("/staff/room");
    CHECK(page.status() == 403);
    CHECK(contains(page.body, "pip"));
    CHECK(contains(page.body, "401000000000000001"));
    CHECK(contains(page.body, "switch=1"));
    CHECK_FALSE(contains(page.body, Upstream::marker));
    const auto problem = browser.ask("GET", "/staff/room");
    CHECK(problem.status() == 403);
    CHECK(contains(problem.body, "\"missing\":[\""));
    CHECK(contains(problem.body, "\"code\":\"forbidden\""));
    CHECK(stage.app.count() == 0);

    SUBCASE("the guild without the role is not enough") {
        auto fern = stage.browser_of(demo::fern);
        CHECK(fern.get("/staff/room").status() == 403);
    }
    SUBCASE("and who has the role is let in") {
        auto robin = stage.browser_of(demo::robin);
        CHECK(robin.get("/staff/room").status() == 200);
    }
    SUBCASE("another account can be chosen from there") {
        stage.discord.approve_as(demo::robin);
        const auto in = browser.visit("/login?rd=%2Fstaff%2Froom&switch=1");
        CHECK(in.status() == 200);
        CHECK(stage.app.last().field("X-Discord-User-Id") == demo::robin.to_string());
    }
}

TEST_CASE(
    "quartcord B4, F27 F28 oauth2-proxy #1 mod_auth_openidc 2026: every login has a session of its "
    "own, and ends the one "
    "before") {
    Stage stage;
    auto browser = stage.browser();
    const std::string planted(43, 'A');
    browser.set_cookie("cordgate", planted);
    stage.discord.approve_as(demo::fern);
    REQUIRE(browser.visit("/login?rd=/a").status() == 200);
    const auto first = browser.cookie("cordgate");
    CHECK_MESSAGE(first != planted, "F27");
    CHECK(first.size() == 43);

    stage.discord.approve_as(demo::robin);
    REQUIRE(browser.visit("/login?rd=/b&switch=1").status() == 200);
    const auto second = browser.cookie("cordgate");
    CHECK_MESSAGE(second != first, "F28");
    CHECK(stage.app.last().field("X-Discord-User-Id") == demo::robin.to_string());

    auto thief = stage.browser();
    thief.set_cookie("cordgate", first);
    CHECK_MESSAGE(thief.ask("GET", "/a").status() == 401, "the old id is worth nothing");

    SUBCASE("oauth2-proxy #1 also when a valid one was planted") {
        auto attacker = stage.browser_of(demo::pip);
        auto victim = stage.browser();
        victim.set_cookie("cordgate", attacker.cookie("cordgate"));
        stage.discord.approve_as(demo::robin);
        REQUIRE(victim.visit("/login?rd=/c&switch=1").status() == 200);
        CHECK(stage.app.last().field("X-Discord-User-Id") == demo::robin.to_string());
        CHECK(victim.cookie("cordgate") != attacker.cookie("cordgate"));
        CHECK(attacker.ask("GET", "/c").status() == 401);
    }
}

TEST_CASE("CVE-2026-34454 GHSA-f24x-5g9q-753f nothing of visitor A is left after B logs in") {
    Stage stage;
    auto browser = stage.browser_of(demo::fern, "/login?rd=/a&data=%22of-a%22");
    const auto of_a = browser.cookie("cordgate");
    const auto handle_of_a = stage.app.last().field("X-Discord-Session");
    stage.discord.approve_as(demo::pip);
    REQUIRE(browser.visit("/login?rd=/b&switch=1").status() == 200);
    const auto seen = stage.app.last();
    CHECK(seen.field("X-Discord-User-Id") == demo::pip.to_string());
    CHECK_FALSE(contains(seen.head, "301000000000000001"));
    CHECK_FALSE(contains(seen.head, handle_of_a));
    CHECK_FALSE(contains(seen.head, "of-a"));
    CHECK_FALSE(contains(seen.head, "401000000000000001"));

    auto old = stage.browser();
    old.set_cookie("cordgate", of_a);
    CHECK(old.ask("GET", "/a").status() == 401);
    CHECK_MESSAGE(stage.stop_gate() == 0, "and not after a restart either");
    stage.start_gate();
    CHECK(old.ask("GET", "/a").status() == 401);
    CHECK(browser.get("/b").status() == 200);
}

TEST_CASE("F38 the same callback twice at once spends the code once") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto back = callback_of(browser);
    int successes = 0;
    std::vector<std::thread> tabs;
    std::mutex mutex;
    for (int i = 0; i < 8; ++i) {
        tabs.emplace_back([&] {
            auto copy = browser;
            const auto answer = copy.get(back);
            const std::lock_guard lock(mutex);
            if (!set_cookie_of(answer, "cordgate").empty()) ++successes;
        });
    }
    for (auto& tab : tabs) tab.join();
    CHECK(successes == 1);
    CHECK(stage.discord.count("/oauth2/token") == 1);
}

TEST_CASE("CVE-2026-33544 CVE-2026-71326 logins that finish together each get their own visitor") {
    Stage stage;
    const Snowflake users[] = {demo::fern, demo::robin, demo::pip, demo::noor, demo::oldtimer};
    struct Tab {
        Browser browser;
        std::string back;
        Snowflake user;
    };
    std::vector<Tab> tabs;
    for (int i = 0; i < 40; ++i) {
        const auto user = users[i % 5];
        stage.discord.approve_as(user);
        Tab tab{stage.browser(), "", user};
        tab.back = callback_of(tab.browser, "/login?rd=/" + user.to_string());
        tabs.push_back(std::move(tab));
    }
    std::vector<std::thread> threads;
    for (auto& tab : tabs) {
        threads.emplace_back([&tab] {
            tab.browser.get(tab.back);
            tab.browser.get("/" + tab.user.to_string());
        });
    }
    for (auto& thread : threads) thread.join();
    const auto seen = stage.app.requests();
    CHECK(seen.size() == 40);
    std::set<std::string> sessions;
    for (const auto& request : seen) {
        CHECK("/" + request.field("X-Discord-User-Id") == request.target());
        sessions.insert(request.field("X-Discord-Session"));
    }
    CHECK(sessions.size() == 40);
}

TEST_CASE("F22 what was asked for and not granted opens nothing") {
    Stage stage;
    stage.discord.change_settings([](sim::Settings& settings) {
        settings.tokens.drop_scopes = {"guilds", "guilds.members.read"};
    });
    auto robin = stage.browser_of(demo::robin, "/login?rd=/plain");
    CHECK_FALSE(stage.app.last().has("X-Discord-User-Guilds"));
    CHECK_FALSE(contains(stage.app.last().field("X-Discord-User"), "\"guilds\""));
    CHECK(stage.app.last().field("X-Discord-User-Scopes") == "identify");
    stage.app.forget();
    // Waiting would not help, so it is no 503: another login does.
    const auto page = robin.get("/staff/room");
    CHECK(page.status() == 403);
    CHECK(contains(page.body, "the scope guilds.members.read"));
    CHECK(contains(page.body, ">Log in again</a>"));
    CHECK_FALSE(contains(page.body, "membership in"));  // which nobody can know
    const auto problem = robin.ask("GET", "/staff/room");
    CHECK(problem.status() == 403);
    CHECK(contains(problem.body, R"("reason":"missing_scope","scope":"guilds.members.read")"));
    CHECK(stage.app.count() == 0);
}

TEST_CASE(
    "F32 CVE-2024-39315 CVE-2022-24797 CVE-2026-40166 CVE-2026-55106 no token and no cookie goes "
    "to the application or a page") {
    Stage stage;
    auto robin = stage.browser_of(demo::robin, "/login?rd=/staff/room");
    std::string pages;
    for (const char* path : {"/x", "/logout", "/login?switch=1", "/_cordgate/me",
                             "/_cordgate/guilds", "/_cordgate/nothing", "/callback"}) {
        const auto answer = robin.get(path);
        pages += answer.head + answer.body;
    }
    for (const auto& request : stage.app.requests()) pages += request.head;
    const auto tokens = stage.tokens();
    CHECK(tokens.size() >= 2);
    for (const auto& token : tokens) CHECK_FALSE(contains(pages, token));
    CHECK_FALSE(contains(pages, robin.cookie("cordgate")));
    CHECK_FALSE(contains(pages, demo::client_secret));
}

TEST_CASE("F40 F41 a login survives a restart, and may finish at another replica") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();

    const auto back = callback_of(browser, "/login?rd=/after");
    REQUIRE(stage.stop_gate() == 0);
    stage.start_gate();
    const auto answer = browser.get(back);
    CHECK_MESSAGE(answer.status() == 302, "F41");
    CHECK(answer.field("Location") == "/after");

    ReservedPort second_port;
    const auto twin = stage.start_twin(second_port);
    const auto there = "http://127.0.0.1:" + second_port.text();
    CHECK_MESSAGE(browser.get(there + "/page").status() == 200, "the session works at both");
    auto other = stage.browser();
    auto elsewhere = callback_of(other, "/login?rd=/x");
    elsewhere.replace(0, stage.home().size(), there);
    CHECK_MESSAGE(other.get(elsewhere).status() == 302, "F40");
    CHECK(other.get("/x").status() == 200);
    CHECK(twin->stop() == 0);
}

TEST_CASE(
    "quartcord D1 E3, E12 E13: without a session navigations are redirected, everything else is "
    "told 401") {
    struct Case {
        std::string name;
        std::string method;
        Fields fields;
        int status;
    };
    const Case cases[] = {
        {"E12 a page",                               "GET",    {{"Accept", "text/html"}},                                302},
        {"E12 HEAD of a page",                       "HEAD",   {{"Accept", "text/html"}},                                302},
        {"E12 a form is never sent again elsewhere", "POST",   {{"Accept", "text/html"}},                                401},
        {"E13 a program",                            "GET",    {{"Accept", "application/json"}},                         401},
        {"E13 a program without Accept",             "GET",    {{"Accept", ""}},                                         401},
        {"E13 anything is fine",                     "GET",    {{"Accept", "*/*"}},                                      401},
        {"E13 fetch() that takes HTML",
         "GET",                                                {{"Accept", "text/html"}, {"Sec-Fetch-Mode", "cors"}},
         401                                                                                                                },
        {"E13 an image",                             "GET",    {{"Accept", "image/png"}, {"Sec-Fetch-Mode", "no-cors"}}, 401},
        {"DELETE",                                   "DELETE", {{"Accept", "text/html"}},                                401},
    };
    Stage stage;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        auto browser = stage.browser();
        const auto answer = browser.fetch(c.method, "/page?q=1", c.fields);
        CHECK(answer.status() == c.status);
        if (c.status == 302) {
            CHECK(answer.field("Location") == "/login?rd=%2Fpage%3Fq%3D1");
        } else {
            CHECK_FALSE(answer.has("Location"));
            CHECK(answer.has("WWW-Authenticate"));
            CHECK(contains(answer.body, "\"code\":\"unauthorized\""));
            CHECK(contains(answer.body, "\"login_url\":\"/login?rd=%2Fpage%3Fq%3D1\""));
        }
        CHECK_MESSAGE(!contains(answer.body, Upstream::marker), "CVE-2025-31492");
    }
    CHECK_MESSAGE(stage.app.count() == 0, "CVE-2025-31492: not even asked");
    CHECK(stage.app.connections() == 0);
}

TEST_CASE(
    "CVE-2026-34457 GHSA-5hvv-m4w4-gf6v CVE-2022-29226 B30 B31 no agent, probe or bearer replaces "
    "a login") {
    Stage stage;
    const char* fields[] = {
        "User-Agent: kube-probe/1.27\r\n",       "User-Agent: GoogleHC/1.0\r\n",
        "User-Agent: ELB-HealthChecker/2.0\r\n", "User-Agent: Go-http-client/1.1\r\n",
        "Authorization: Bearer something\r\n",   "Authorization: Basic YTpi\r\n",
        "X-Original-URL: /public/x\r\n",         "X-Forwarded-Uri: /public/x\r\n",
        "X-Rewrite-URL: /public/x\r\n",          "X-HTTP-Method-Override: OPTIONS\r\n",
        "X-Forwarded-Method: OPTIONS\r\n",       "X-Forwarded-For: 127.0.0.1\r\n",
    };
    for (const auto* field : fields) {
        CAPTURE(field);
        for (const char* path : {"/", "/healthz", "/readyz", "/ping", "/metrics", "/staff/x"}) {
            CHECK(stage.ask(stage.request(std::string("GET ") + path, field)).status() == 401);
        }
    }
    CHECK(stage.app.count() == 0);
    CHECK(stage.ask(stage.request("GET /_cordgate/ping")).body == "ok");
}

TEST_CASE(
    "quartcord B21 C21, CVE-2025-29928 CVE-2024-21492 oauth2-proxy #11: a logout ends the session "
    "for good") {
    Stage stage;
    auto browser = stage.browser_of(demo::fern, "/login?rd=/a");
    const auto cookie = browser.cookie("cordgate");

    const auto question = browser.get("/logout?rd=/bye");
    CHECK_MESSAGE(question.status() == 200, "B21 G19: GET only asks");
    CHECK(contains(question.body, "method=\"post\""));
    CHECK(browser.cookie("cordgate") == cookie);
    CHECK(browser.get("/a").status() == 200);
    CHECK(question.field("Cache-Control") == "no-store");  // G20

    struct Case {
        std::string name;
        Fields fields;
    };
    const Case foreign[] = {
        {"G19 no origin at all",               {}                                          },
        {"G19 another site",                   {{"Origin", "https://evil.example"}}        },
        {"G19 opaque origin",                  {{"Origin", "null"}}                        },
        {"G19 another port",                   {{"Origin", "http://127.0.0.1:1"}}          },
        {"G19 our origin as https",            {{"Origin", "https://" + stage.authority()}}},
        {"G19 our origin with a tail",         {{"Origin", stage.home() + ".evil.example"}}},
        {"G19 fetch metadata of another site", {{"Sec-Fetch-Site", "cross-site"}}          },
        {"G19 fetch metadata of a sibling",    {{"Sec-Fetch-Site", "same-site"}}           },
        {"G19 both, disagreeing",
         {{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-origin"}}           },
    };
    for (const auto& c : foreign) {
        CAPTURE(c.name);
        const auto answer = browser.fetch("POST", "/logout", c.fields);
        CHECK(answer.status() == 403);
        CHECK_FALSE(answer.has("Set-Cookie"));
        CHECK(browser.get("/a").status() == 200);
    }
    const auto told =
        browser.fetch("POST", "/logout",
                      {
                          {"Origin", "https://evil.example"},
                          {"Accept", "application/json"    }
    });
    CHECK_MESSAGE(contains(told.body, "\"reason\":\"foreign_origin\""), told.body);

    const auto out = browser.post_form("/logout?rd=/bye");
    CHECK(out.status() == 303);
    CHECK(out.field("Location") == "/bye");
    CHECK(contains(set_cookie_of(out, "cordgate"), "Max-Age=0"));  // D16
    CHECK(browser.cookie("cordgate").empty());

    auto thief = stage.browser();
    thief.set_cookie("cordgate", cookie);
    CHECK_MESSAGE(thief.ask("GET", "/a").status() == 401, "G18");
    CHECK(stage.stop_gate() == 0);
    stage.start_gate();
    CHECK_MESSAGE(thief.ask("GET", "/a").status() == 401, "G18 after a restart");
    CHECK(stage.discord.count("/oauth2/token/revoke") == 0);

    SUBCASE("and the next login asks for consent instead of signing in at once") {
        const auto again = browser.get("/login").field("Location");
        CHECK(parameter(again, "prompt") == "consent");
    }
}

TEST_CASE("E14 GHSA-36f2-fcrx-fp4j a logout leads to a page of this site only") {
    Stage stage;
    for (const char* rd :
         {"//evil.example", "/%5Cevil.example", "https://evil.example", "%2F%09%2Fevil.example",
          "/logout", "/callback", "javascript:alert(1)"}) {
        CAPTURE(rd);
        auto browser = stage.browser_of(demo::fern);
        CHECK(browser.post_form(std::string("/logout?rd=") + rd).field("Location") == "/");
    }
}

TEST_CASE("F37 a logout revokes the grant where that is configured") {
    Stage stage({.logout = "revoke: always"});
    auto browser = stage.browser_of(demo::fern);
    CHECK(browser.post_form("/logout").status() == 303);
    REQUIRE(stage.stop_gate() == 0);  // waits for what it still does
    CHECK(stage.discord.count("/oauth2/token/revoke") == 1);
}

TEST_CASE("CVE-2026-54730 CVE-2026-49443 oauth2-proxy #8 a half-finished login opens nothing") {
    Stage stage;
    auto browser = stage.browser();
    browser.get("/login");
    const auto pending = browser.cookie("cordgate-login");
    REQUIRE(pending.size() == 43);
    browser.set_cookie("cordgate", pending);
    CHECK_MESSAGE(browser.ask("GET", "/").status() == 401, "CVE-2026-32246");
    CHECK(stage.app.count() == 0);
}

TEST_CASE("F18 a login that a browser prefetches harms nothing") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto begun = callback_of(browser, "/login?rd=/begun");
    for (int i = 0; i < 3; ++i) {
        const auto ahead = browser.fetch("GET", "/login?rd=/ahead",
                                         {
                                             {"Sec-Purpose", "prefetch"},
                                             {"Purpose",     "prefetch"}
        });
        CHECK(ahead.status() == 302);
        CHECK(ahead.field("Cache-Control") == "no-store");
        CHECK(browser.cookie("cordgate").empty());
    }
    CHECK(browser.get(begun).field("Location") == "/begun");
    CHECK(browser
              .fetch("GET", "/logout",
                     {
                         {"Sec-Purpose", "prefetch"}
    })
              .status() == 200);
    CHECK(browser.get("/page").status() == 200);
}

TEST_CASE("F29 GHSA-f24x-5g9q-753f a dead session cookie at /login is replaced by the login") {
    Stage stage;
    auto browser = stage.browser_of(demo::fern);
    const auto dead = browser.cookie("cordgate");
    auto copy = browser;
    REQUIRE(copy.post_form("/logout").status() == 303);
    CHECK_MESSAGE(browser.get("/page").status() == 302, "not let in");
    const auto login = browser.get("/login?rd=/page");
    CHECK(login.field("Location").starts_with(stage.discord.authorize_url()));
    REQUIRE(browser.visit("/login?rd=/page").status() == 200);
    CHECK(browser.cookie("cordgate") != dead);
    CHECK(browser.cookie("cordgate").size() == 43);
    browser.set_cookie("cordgate", dead);
    CHECK(browser.ask("GET", "/page").status() == 401);
}

TEST_CASE("F30 a browser that keeps no cookies ends at a page, not in a loop") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto back = callback_of(browser, "/login?rd=/page");
    browser.drop_cookie("cordgate-login");
    const auto page = browser.get(back);
    CHECK(page.status() == 400);
    CHECK_FALSE(page.has("Location"));
    CHECK_FALSE(page.has("Refresh"));
    CHECK_FALSE(contains(page.body, "http-equiv=\"refresh\""));
    CHECK(contains(page.body, "cookies for this site"));
    CHECK(stage.discord.count("/oauth2/token") == 0);
}

TEST_CASE(
    "quartcord D1, CVE-2021-21411 GHSA-652x-m2gr-hppm: each access option keeps out who is not "
    "meant") {
    struct Case {
        std::string name;
        std::string require;
        Snowflake inside;
    };
    const Case cases[] = {
        {"user",       "user: ['301000000000000002']",                                        demo::robin},
        {"guild",      "guild: '401000000000000001'",                                         demo::robin},
        {"role",       "guild: '401000000000000001', role: ['501000000000000001']",           demo::robin},
        {"owner",      "owner: '401000000000000003'",                                         demo::noor },
        {"permission", "permission: {guild: '401000000000000003', all: [MANAGE_GUILD]}",
         demo::noor                                                                                      },
        {"any",        "any: [{user: '1'}, {owner: '401000000000000003'}]",                   demo::noor },
        {"all",        "all: [{guild: '401000000000000003'}, {guild: '401000000000000002'}]", demo::noor },
        {"not",        "not: {user: '301000000000000003'}",                                   demo::robin},
    };
    std::string rules;
    for (const auto& c : cases) {
        rules += "{path: /" + c.name + "/**, require: {" + c.require + "}}, ";
    }
    Stage stage({.rules = "[" + rules + "{path: /**, access: login}]"});
    auto pip = stage.browser_of(demo::pip);
    auto robin = stage.browser_of(demo::robin);
    auto noor = stage.browser_of(demo::noor);
    stage.app.forget();
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK(pip.get("/" + c.name + "/x").status() == 403);
        CHECK(stage.app.count() == 0);
    }
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK((c.inside == demo::noor ? noor : robin).get("/" + c.name + "/x").status() == 200);
    }
}
