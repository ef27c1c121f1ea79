#include <doctest/doctest.h>

#include <set>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/internal.hpp"

// The internal API about sessions: who may ask, what it says, how sessions end.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

constexpr const char* token = "0123456789abcdef0123456789abcdef";
const std::string token_setting = "token: '" + std::string(token) + "'";

}  // namespace

TEST_CASE("the internal API asks for its token in everything but health") {
    Stage stage({.internal = token_setting});
    LogArchive::instance().keep_secret(token, "internal token");
    const Internal right(stage, token);
    const Internal nobody(stage);
    const Internal wrong(stage, "0123456789abcdef0123456789abcdeF");
    const char* const calls[] = {"/metrics", "/v1/sessions", "/v1/sessions/x/user",
                                 "/v1/bot/users/1", "/nothing"};
    for (const char* path : calls) {
        CAPTURE(std::string(path));
        for (const auto* caller : {&nobody, &wrong}) {
            const auto answer = caller->get(path);
            CHECK(answer.status == 401);
            CHECK(answer.code() == "unauthorized");
            CHECK(answer.field("WWW-Authenticate") == "Bearer");
            CHECK(answer.field("Content-Type") == "application/problem+json");
        }
        CHECK(right.get(path).status != 401);
    }
    for (const char* path : {"/healthz", "/readyz"}) CHECK(nobody.get(path).status == 200);
    CHECK_MESSAGE(nobody.call("GET", "/v1/sessions", "",
                              {
                                  {"Authorization", token}
    })
                          .status == 401,
                  "without the word Bearer");
    CHECK_MESSAGE(right.call("GET", "/v1/sessions", "",
                             {
                                 {"Authorization", "Bearer x"}
    })
                          .status == 400,
                  "two answers to one question");
}

TEST_CASE("the internal API is not there for web pages (CSRF, DNS rebinding)") {
    Stage stage;
    const Internal api(stage);
    const auto foreign = api.call("GET", "/v1/sessions", "",
                                  {
                                      {"Origin", "https://evil.example"}
    });
    CHECK(foreign.status == 403);
    CHECK(foreign.code() == "forbidden");
    CHECK(foreign.reason() == "foreign_origin");
    CHECK(api.call("GET", "/v1/sessions", "",
                   {
                       {"Sec-Fetch-Site", "cross-site"}
    })
              .status == 403);
    CHECK(api.call("GET", "/v1/sessions", "",
                   {
                       {"Host", "evil.example"}
    })
              .status == 403);
    CHECK(api.call("GET", "/v1/sessions", "",
                   {
                       {"Host", "localhost:4181"}
    })
              .status == 200);
    CHECK(api.get("/v1/sessions").status == 200);
}

TEST_CASE("the internal API reads no body without a bound") {
    Stage stage;
    Wire wire(stage.gate().internal_port());
    wire.send(
        "POST /v1/bot/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n");
    CHECK(wire.read_response().status() == 411);
    const Internal api(stage);
    CHECK(api.call("POST", "/v1/bot/x", "x",
                   {
                       {"Content-Encoding", "gzip"}
    })
              .status == 415);
    CHECK(api.call("POST", "/v1/bot/x", std::string(2 << 20, 'x')).status == 413);
}

TEST_CASE("what is no call of the internal API is a 404 or 405 with a code") {
    Stage stage;
    const Internal api(stage);
    for (const char* path : {"/", "/v1", "/v1/", "/v1/sessions/", "/v1/sessions/a/b",
                             "/v1/sessions/a%2fuser", "/v1/sessions/../metrics", "/v1//sessions",
                             "/v1/bot", "/v1/bot/", "/v1/users/1", "/v2/sessions"}) {
        CAPTURE(std::string(path));
        const auto answer = api.get(path);
        CHECK(answer.status == 404);
        CHECK(answer.code() == "not_found");
    }
    const auto wrong = api.call("POST", "/v1/sessions/x");
    CHECK(wrong.status == 405);
    CHECK(contains(wrong.field("Allow"), "DELETE"));
    for (const char* query : {"user_id=x", "limit=0", "limit=1001", "limit=-1", "limit=1&limit=2",
                              "guild_id=", "user_id=%zz"}) {
        CAPTURE(std::string(query));
        const auto answer = api.get(std::string("/v1/sessions?") + query);
        CHECK(answer.status == 400);
        CHECK(answer.code() == "invalid_request");
    }
}

TEST_CASE("quartcord C9 C12 C19 C23 H4: a session is listed and shown with what it is worth") {
    Stage stage({.rules = "[{path: /**, access: login}]", .login = "scopes: [identify, guilds]"});
    auto fern = stage.browser_of(demo::fern, "/login?rd=/a&data=%7B%22plan%22%3A%22gold%22%7D");
    auto robin = stage.browser_of(demo::robin);
    auto robin_again = stage.browser_of(demo::robin);
    const Internal api(stage);
    const auto handle = handle_of(stage, fern);

    const auto shown = api.get("/v1/sessions/" + handle);
    REQUIRE(shown.status == 200);
    const auto json = shown.json();
    CHECK(json["handle"] == handle);
    CHECK(json["state"] == "valid");
    CHECK(json["user_id"] == demo::fern.to_string());
    CHECK(json["user"]["display_name"] == "Fern");
    CHECK(json["login_data"]["plan"] == "gold");
    CHECK(json["client_address"] == "127.0.0.1");
    CHECK(std::set<std::string>(json["scopes"].begin(), json["scopes"].end()) ==
          std::set<std::string>{"identify", "guilds"});
    for (const char* time : {"created_at", "last_seen_at", "expires_at"}) {
        CHECK(json[time].get<std::string>().ends_with("Z"));
    }
    for (const auto& secret : stage.tokens()) CHECK_FALSE(contains(shown.body, secret));
    CHECK_FALSE(contains(shown.body, fern.cookie("cordgate")));

    CHECK(api.get("/v1/sessions").json()["sessions"].size() == 3);
    const auto robins = api.get("/v1/sessions?user_id=" + demo::robin.to_string()).json();
    CHECK(robins["sessions"].size() == 2);
    CHECK(robins["next_cursor"].is_null());
    for (const char* odd : {"%00zz", "a%20b", "%7f"}) {
        CAPTURE(std::string(odd));
        CHECK(api.get("/v1/sessions?cursor=" + std::string(odd)).code() == "invalid_request");
    }
    const auto gardeners = api.get("/v1/sessions?guild_id=" + demo::workshop.to_string()).json();
    REQUIRE(gardeners["sessions"].size() == 1);
    CHECK(gardeners["sessions"][0]["handle"] == handle);

    // Page by page, each session once.
    std::set<std::string> seen;
    std::string cursor;
    for (int pages = 0; pages < 10; ++pages) {
        const auto page =
            api.get("/v1/sessions?limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor)).json();
        for (const auto& session : page["sessions"]) {
            CHECK(seen.insert(session["handle"].get<std::string>()).second);
        }
        if (page["next_cursor"].is_null()) break;
        cursor = page["next_cursor"].get<std::string>();
    }
    CHECK(seen.size() == 3);

    const auto unknown = api.get("/v1/sessions/nobody");
    CHECK(unknown.status == 404);
    CHECK(unknown.code() == "not_found");
    CHECK(unknown.reason() == "no_session");
}

TEST_CASE(
    "quartcord C21, G10 CVE-2024-21492 CVE-2025-29928: a session that is ended leaves every cache "
    "at once") {
    Stage stage;
    const Internal api(stage);
    auto fern = stage.browser_of(demo::fern);
    auto robin = stage.browser_of(demo::robin);
    const auto handle = handle_of(stage, fern);
    REQUIRE(fern.get("/cached").status() == 200);

    CHECK(api.call("DELETE", "/v1/sessions/" + handle).status == 204);
    CHECK(fern.ask("GET", "/x").status() == 401);
    CHECK(api.get("/v1/sessions/" + handle).status == 404);
    CHECK(api.call("DELETE", "/v1/sessions/" + handle).status == 404);
    CHECK_MESSAGE(robin.ask("GET", "/x").status() == 200, "and nobody else's");
    CHECK(stage.discord.count("/oauth2/token/revoke") == 0);
    CHECK(stage.stop_gate() == 0);
    stage.start_gate();
    CHECK_MESSAGE(fern.ask("GET", "/x").status() == 401, "after a restart, too");
}

TEST_CASE("G25 a handle is a name and never syntax, whatever is in it") {
    Stage stage;
    const Internal api(stage);
    auto fern = stage.browser_of(demo::fern);
    const auto handle = handle_of(stage, fern);
    const std::string odd[] = {"%27%20OR%20%271%27=%271",
                               "'",
                               "a:b",
                               "*",
                               "%25",
                               handle + "%00",
                               handle + "'",
                               handle.substr(1),
                               handle + "x",
                               std::string(10'000, 'a')};
    for (const auto& name : odd) {
        CAPTURE(name);
        for (const char* method : {"GET", "DELETE"}) {
            const auto status = api.call(method, "/v1/sessions/" + name).status;
            CHECK((status == 400 || status == 404));
        }
    }
    CHECK(api.get("/v1/sessions/" + handle).status == 200);
    CHECK(fern.ask("GET", "/x").status() == 200);
}

TEST_CASE("G10 all sessions of a user end with one call, and of nobody else") {
    Stage stage;
    const Internal api(stage);
    auto one = stage.browser_of(demo::robin);
    auto two = stage.browser_of(demo::robin);
    auto fern = stage.browser_of(demo::fern);
    const auto ended = api.call("DELETE", "/v1/users/" + demo::robin.to_string() + "/sessions");
    CHECK(ended.status == 200);
    CHECK(ended.json()["ended"] == 2);
    CHECK(one.ask("GET", "/x").status() == 401);
    CHECK(two.ask("GET", "/x").status() == 401);
    CHECK(fern.ask("GET", "/x").status() == 200);
    CHECK(
        api.call("DELETE", "/v1/users/" + demo::robin.to_string() + "/sessions").json()["ended"] ==
        0);
    CHECK(api.call("DELETE", "/v1/users/robin/sessions").status == 400);
}

TEST_CASE("quartcord C21: ?revoke=true ends the grant at Discord, and all that hang on it") {
    Stage stage;
    const Internal api(stage);
    auto one = stage.browser_of(demo::robin);
    auto two = stage.browser_of(demo::robin);
    const auto handle = handle_of(stage, one);
    SUBCASE("Discord hears of it") {
        CHECK(api.call("DELETE", "/v1/sessions/" + handle + "?revoke=true").status == 204);
        CHECK(stage.discord.count("/oauth2/token/revoke") == 1);
        CHECK_MESSAGE(two.ask("GET", "/x").status() == 401, "its tokens are dead at Discord");
    }
    SUBCASE("Discord is down: the session has ended all the same, and one is told") {
        stage.discord.add_fault("/oauth2/token/revoke", "500", -1);
        const auto answer = api.call("DELETE", "/v1/sessions/" + handle + "?revoke=true");
        CHECK(answer.status == 503);
        CHECK(answer.code() == "discord_unavailable");
        CHECK(answer.json()["ended"] == true);
        CHECK(two.ask("GET", "/x").status() == 200);
    }
    CHECK(one.ask("GET", "/x").status() == 401);
}

TEST_CASE("F37 logout.revoke: last_session waits for the last one, however busy Discord is") {
    Stage stage({.logout = "revoke: last_session"});
    auto one = stage.browser_of(demo::robin);
    auto two = stage.browser_of(demo::robin);
    auto fern = stage.browser_of(demo::fern);
    // Logins that hold every thread that may wait for Discord.
    const std::string token_route = "POST /oauth2/token";
    const int asked = stage.discord.count(token_route);
    constexpr int logins = 16;
    std::vector<Browser> browsers;
    std::vector<std::string> callbacks;
    for (int i = 0; i < logins; ++i) {
        browsers.push_back(stage.browser());
        const auto to_discord = browsers.back().get("/login").field("Location");
        callbacks.push_back(browsers.back().get(to_discord).field("Location"));
    }
    sim::Fault slow;
    slow.route = token_route;
    slow.times = -1;
    slow.delivery.delay = std::chrono::seconds(2);
    stage.discord.add_fault(slow);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < logins; ++i) {
        threads.emplace_back([&, i] { (void)browsers[i].get(callbacks[i]); });
    }
    CHECK(comes_true([&] { return stage.discord.count(token_route) >= asked + logins; }));

    CHECK(one.post_form("/logout").status() == 303);
    CHECK(two.ask("GET", "/x").status() == 200);
    CHECK(two.post_form("/logout").status() == 303);
    for (auto& thread : threads) thread.join();
    REQUIRE(stage.stop_gate() == 0);  // waits for what it still does
    CHECK(stage.discord.count("/oauth2/token/revoke") == 1);
}

TEST_CASE("quartcord C19: tokens are handed out where that is allowed, never the one that renews") {
    for (const bool allowed : {false, true}) {
        CAPTURE(allowed);
        Stage stage({.internal = allowed ? "expose_tokens: true" : ""});
        const Internal api(stage);
        auto fern = stage.browser_of(demo::fern);
        const auto answer = api.get("/v1/sessions/" + handle_of(stage, fern) + "/token");
        if (!allowed) {
            CHECK(answer.status == 403);
            CHECK(answer.code() == "forbidden");
            continue;
        }
        REQUIRE(answer.status == 200);
        const auto json = answer.json();
        CHECK(json["token_type"] == "Bearer");
        CHECK(json["expires_in"] > 600000);
        httplib::Client discord("127.0.0.1", stage.discord.port());
        const auto me =
            discord.Get("/api/v10/users/@me",
                        {
                            {"Authorization", "Bearer " + json["access_token"].get<std::string>()},
                            {"User-Agent",    "DiscordBot (https://example.com, 1)"              }
        });
        REQUIRE(me);
        CHECK(me->status == 200);
        CHECK_FALSE(contains(answer.body, "refresh"));
        CHECK(api.get("/v1/sessions/nobody/token").status == 404);
    }
}

TEST_CASE("G10 the internal API on a unix socket, and cordgate sessions through it") {
    Stage stage;
    const std::string listen = "listen: '127.0.0.1:0'}\nlog";
    auto yaml = stage.yaml(stage.port());
    const auto at = yaml.find(listen);
    REQUIRE(at != std::string::npos);
    yaml.replace(
        at, listen.size(),
        "listen: 'unix:" + stage.folder.file("internal.sock") + "', " + token_setting + "}\nlog");
    REQUIRE(stage.stop_gate() == 0);
    stage.folder.write("unix.yaml", yaml);
    // As a process that was killed leaves it behind.
    for (int starts = 0; starts < 2; ++starts) {
        Daemon gate(stage.folder.path(), "unix.yaml");
        if (starts == 0) {
            gate.process().signal(SIGKILL);
            gate.process().wait();
            continue;
        }
        const auto sessions = [&](std::vector<std::string> words) {
            words.insert(words.begin(), "sessions");
            words.insert(words.end(), {"--config", "unix.yaml"});
            return run(stage.folder.path(), words);
        };
        CHECK(run(stage.folder.path(), {"healthcheck", "--config", "unix.yaml"}).code == 0);
        auto fern = stage.browser_of(demo::fern);
        auto robin = stage.browser_of(demo::robin);
        auto robin_again = stage.browser_of(demo::robin);
        auto noor = stage.browser_of(demo::noor);
        const auto handle = handle_of(stage, fern);

        const auto listed = sessions({"list"});
        CHECK(listed.code == 0);
        CHECK(contains(listed.output, handle));
        CHECK(contains(listed.output, "Fern"));
        // Whoever asks needs to know where, and the token; the daemon's file may be none of
        // their business, or wrong while somebody changes it.
        const auto where = "unix:" + stage.folder.file("internal.sock");
        stage.folder.write("client.yaml", "internal: {listen: '" + where + "', " + token_setting +
                                              "}\nrules: 7\n");
        const std::vector<std::string> commands[] = {
            {"sessions", "list"},
            {"healthcheck"         }
        };
        for (const auto& command : commands) {
            CAPTURE(command.front());
            auto by_file = command;
            by_file.insert(by_file.end(), {"--config", "client.yaml"});
            CHECK(run(stage.folder.path(), by_file).code == 0);
            const auto by_variables = run(stage.folder.path(), command,
                                          {
                                              {"CORDGATE_CONFIG",          "missing.yaml"},
                                              {"CORDGATE_INTERNAL_LISTEN", where         },
                                              {"CORDGATE_INTERNAL_TOKEN",  token         }
            });
            CHECK(by_variables.code == 0);
        }
        CHECK_FALSE(contains(sessions({"list", "--user", demo::robin.to_string()}).output, handle));
        CHECK(contains(sessions({"list", "--json"}).output, "\"next_cursor\":null"));
        const auto shown = sessions({"show", handle});
        CHECK(shown.code == 0);
        CHECK(contains(shown.output, "\"state\": \"valid\""));
        CHECK(sessions({"show", "nobody"}).code == 1);
        CHECK(contains(sessions({"show", "nobody"}).output, "not_found"));

        CHECK(sessions({"revoke", handle}).output == "1 session ended\n");
        CHECK(fern.ask("GET", "/x").status() == 401);
        CHECK(sessions({"revoke", handle}).code == 1);
        CHECK(sessions({"revoke", "--user", demo::robin.to_string()}).output ==
              "2 sessions ended\n");
        CHECK(robin.ask("GET", "/x").status() == 401);
        CHECK(noor.ask("GET", "/x").status() == 200);
        CHECK(sessions({"revoke", "--guild", demo::workshop.to_string()}).output ==
              "1 session ended\n");
        CHECK(noor.ask("GET", "/x").status() == 401);
        auto last = stage.browser_of(demo::fern);
        CHECK(sessions({"revoke", "--all", "--discord"}).output == "1 session ended\n");
        CHECK(last.ask("GET", "/x").status() == 401);
        CHECK(stage.discord.count("/oauth2/token/revoke") == 1);
        CHECK(sessions({"revoke"}).code == 2);
        CHECK(gate.stop() == 0);
        CHECK_FALSE(std::filesystem::exists(stage.folder.path() / "internal.sock"));
        CHECK_MESSAGE(sessions({"list"}).code == 1, "nobody is there");
    }
}

TEST_CASE("the body of a request that the internal API refuses is never taken for another one") {
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    const auto handle = handle_of(stage, fern);
    const auto inner = "DELETE /v1/sessions/" + handle +
                       " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    std::string large;
    while (large.size() < 20000) large += inner;
    for (const auto& body : {inner, large}) {
        for (const char* field : {"Origin: https://evil.example", "Content-Encoding: gzip",
                                  "Origin: null\r\nContent-Type: multipart/form-data"}) {
            Wire wire(stage.gate().internal_port());
            wire.send("POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n" + std::string(field) +
                      "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
            const auto refused = wire.read_response("POST");
            CHECK(refused.status() >= 400);
            CHECK(refused.field("Connection") == "close");
            wire.send(body);
            CHECK(wire.read_until_close() == "");
        }
    }
    CHECK(fern.ask("GET", "/inbox").status() == 200);
}
