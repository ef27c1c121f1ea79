#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/contains.hpp"
#include "tests/support/stage.hpp"

// When something around the gate is wrong: what visitors and operators are told.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

std::string changed(std::string text, std::string_view what, std::string_view by) {
    const auto at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

/// A configuration that needs nobody else to be there.
std::string lonely(const std::string& changes = "") {
    return "server: {listen: ['127.0.0.1:0'], public_url: 'http://127.0.0.1:4180'}\n"
           "discord: {client_id: '1100000000000000001', client_secret: 'secret-of-the-table'}\n"
           "upstreams: [{url: 'http://127.0.0.1:3000'}]\n"
           "internal: {listen: '127.0.0.1:0'}\n" +
           changes;
}

}  // namespace

TEST_CASE("a wrong configuration ends with 78 and says where and what") {
    struct Case {
        std::string name;
        std::string yaml;
        const char* says;
    };
    const Case cases[] = {
        {"N1 no file",                    "",                     "cannot be read"                    },
        {"N2 not YAML",                   "server: [",            "wrong.yaml:"                       },
        {"N3 unknown key",                lonely("sesion: {}\n"), "did you mean"                      },
        {"N5 no client id",               changed(lonely(),       "client_id: '1100000000000000001', ", ""),
         "discord.client_id"},
        {"N7 placeholder",             changed(lonely(),                                   "secret-of-the-table",                                                        "changeme"),
         "discord.client_secret"},
        {"N8 public_url with a path",          changed(lonely(),"127.0.0.1:4180",                                                                       "127.0.0.1:4180/app"),
         "server.public_url"},
        {"N8 http for strangers",     changed(lonely(),  "127.0.0.1:4180",                                    "app.example.com"),
         "server.public_url"},
        {"N10 upstream without a scheme",
         changed(lonely(),                                   "http://127.0.0.1:3000",                                                 "localhost:3000"), "upstreams"},
        {"N11 rule on our own page",               lonely("rules: [{path: /login, access: public}]\n"),                  "rules"                                                                          },
        {"N12 an id that lost digits", lonely("rules: [{path: /x, require: {guild: 12ab}}]\n"),
         "rules"                  },
        {"N13 everybody as proxy",
         changed(lonely(),                                          "server: {",
         "server: {trusted_proxies: "
                 "['0.0.0.0/0'], "),
         "server.trusted_proxies"},
        {"N15 unknown store",                        lonely("session: {store: 'mongo:x'}\n"),                             "session.store"},
        {"bot features without a bot token",
         lonely("login: {scopes: [identify, guilds.join], auto_join: [{guild: "
                "'401000000000000001'}]}\n"),
         "bot_token"                                         },
    };
    TemporaryFolder folder;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        if (!c.yaml.empty()) folder.write("wrong.yaml", c.yaml);
        const auto file = c.yaml.empty() ? "missing.yaml" : "wrong.yaml";
        for (const char* command : {"serve", "check"}) {
            CAPTURE(command);
            const auto finished = run(folder.path(), {command, "--config", file});
            CHECK(finished.code == 78);
            CHECK(contains(finished.output, c.says));
            CHECK_FALSE(contains(finished.output, "secret-of-the-table"));
        }
    }
}

TEST_CASE("what keeps the daemon from starting is said with its address or path") {
    struct Case {
        std::string name;
        std::vector<std::string> flags;
        std::string says;
    };
    TemporaryFolder folder;
    Upstream occupant;
    const auto taken = "127.0.0.1:" + std::to_string(occupant.port());
    folder.write("right.yaml", lonely());
    folder.write("garbage.db", "this is no database, and never was one");
    const Case cases[] = {
        {"N14 port taken",              {"--server-listen", taken},               "cannot listen on " + taken},
        {"N14 port taken, and by whom", {"--server-listen", taken},               "another process has it"   },
        {"N14 internal port taken",     {"--internal-listen", taken},             "cannot listen on " + taken},
        {"N14 no such address",         {"--server-listen", "192.0.2.1:4180"},    "192.0.2.1:4180"           },
        {"database cannot be written",
         {"--session-store", "sqlite:/proc/sessions.db"},
         "/proc/sessions.db"                                                                                 },
        {"database is no database",     {"--session-store", "sqlite:garbage.db"}, "garbage.db"               },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        std::vector<std::string> arguments{"serve", "--config", "right.yaml"};
        arguments.insert(arguments.end(), c.flags.begin(), c.flags.end());
        const auto finished = run(folder.path(), arguments);
        CHECK(finished.code == 1);
        CHECK(contains(finished.output, "error not started: "));
        CHECK(contains(finished.output, c.says));
    }
}

TEST_CASE("an application that is down is a 502, as a page or as problem JSON") {
    ReservedPort nobody;
    Stage stage({.rules = "[{path: /public/**, access: public}, {path: /**, access: login}]",
                 .upstreams = "[{url: 'http://127.0.0.1:" + nobody.text() + "'}]"});
    auto browser = stage.browser();
    const auto page = browser.get("/public/x");
    CHECK(page.status() == 502);
    CHECK(page.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(page.field("Cache-Control") == "no-store");
    CHECK(contains(page.field("Content-Security-Policy"), "default-src 'none'"));
    const auto id = page.field("X-Request-Id");
    CHECK(contains(page.body, id));
    CHECK(stage.gate().process().says("request_id=" + id));

    const auto problem = browser.ask("GET", "/public/x");
    CHECK(problem.status() == 502);
    CHECK(problem.field("Content-Type") == "application/problem+json");
    CHECK(contains(problem.body, "\"status\":502"));
    CHECK_MESSAGE(!contains(page.body + problem.body, nobody.text()), "where it is stays inside");
    CHECK(browser.ask("POST", "/public/x").status() == 502);

    stage.discord.approve_as(demo::fern);
    CHECK_MESSAGE(browser.visit("/login?rd=/x").status() == 502, "and the login still works");
    CHECK(browser.get("/_cordgate/ping").status() == 200);
}

TEST_CASE("an application that answers nonsense is a 502 without a byte of it") {
    struct Case {
        std::string name;
        std::string answer;
    };
    using namespace std::string_literals;
    const Case cases[] = {
        {"A62 garbage",                   "marker garbage\r\n\r\n"                                           },
        {"A62 another protocol",          "ICY 200 OK\r\nmarker: 1\r\n\r\n"                                  },
        {"A62 two blanks",                "HTTP/1.1  200 OK\r\nContent-Length: 6\r\n\r\nmarker"              },
        {"A61 two lengths",
         "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 5\r\n\r\nmarker"                           },
        {"A61 length and chunks",
         "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nTransfer-Encoding: "
         "chunked\r\n\r\n6\r\nmarker\r\n0\r\n\r\n"                                                           },
        {"A61 a bad length",              "HTTP/1.1 200 OK\r\nContent-Length: +6\r\n\r\nmarker"              },
        {"A61 an unknown encoding",       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nmarker"         },
        {"A63 NUL in a field",            "HTTP/1.1 200 OK\r\nX-Marker: a\0b\r\nContent-Length: 0\r\n\r\n"s  },
        {"A63 a folded line",             "HTTP/1.1 200 OK\r\nX-Marker: a\r\n b\r\nContent-Length: 0\r\n\r\n"},
        {"A63 a blank before the colon",
         "HTTP/1.1 200 OK\r\nX-Marker : a\r\nContent-Length: 0\r\n\r\n"                                      },
        {"A64 101 that nobody asked for",
         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: marker\r\n\r\n"                },
    };
    Stage stage;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.answers("/public/x", c.answer);
        const auto answer = stage.ask(stage.request("GET /public/x"));
        CHECK(answer.status() == 502);
        CHECK_FALSE(contains(answer.head + answer.body, "arker"));
    }
    CHECK_MESSAGE(stage.ask(stage.request("GET /public/y")).status() == 200,
                  "and the next is fine");
}

TEST_CASE("nothing incomplete looks complete") {
    struct Case {
        std::string name;
        const char* version;
        std::string answer;
    };
    // What does not begin with "HTTP/1.1 " ends the upstream's connection behind it.
    const Case cases[] = {
        {"I7 less than Content-Length", "HTTP/1.1",
         "HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"                                           },
        {"I7 to HTTP/1.0",              "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"},
    };
    Stage stage;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.answers("/public/cut", c.answer);
        Wire wire(stage.port());
        wire.send(std::string("GET /public/cut ") + c.version + "\r\nHost: a\r\n\r\n");
        const auto answer = wire.read_response();
        CHECK(answer.status() == 200);
        CHECK(answer.body == "half");
        CHECK_FALSE(answer.complete);
        CHECK(wire.is_closed());
    }

    SUBCASE("A60 and what comes behind an answer reaches nobody") {
        stage.app.answers("/public/more",
                          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                          "Content-Length: 6\r\n\r\nmarker");
        const auto before = stage.app.connections();
        for (int i = 0; i < 5; ++i) {
            CHECK(stage.ask(stage.request("GET /public/more")).body == "ok");
        }
        CHECK_MESSAGE(stage.app.connections() - before == 5,
                      "such a connection serves nobody else");
        for (int i = 0; i < 3; ++i) {
            CHECK(stage.ask(stage.request("GET /public/more")).body == "ok");
            const auto next = stage.ask(stage.request("GET /public/next"));
            CHECK(contains(next.body, "/public/next"));
        }
    }
}

TEST_CASE("Discord down when the daemon starts keeps nobody out but who logs in") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto fern = stage.browser_of(demo::fern);
    auto browser = stage.browser();
    REQUIRE(stage.stop_gate() == 0);
    stage.discord.stop();
    stage.start_gate();

    CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
    CHECK_MESSAGE(fern.get("/x").status() == 200, "who has a session keeps it");
    const auto login = browser.get("/login?rd=/x");
    REQUIRE(login.status() == 302);
    const auto state = parameter(login.field("Location"), "state");
    const auto answer = browser.get("/callback?code=invented-code&state=" + state);
    CHECK(answer.status() == 503);
    CHECK(contains(answer.body, "<code>discord_unavailable</code>"));
    CHECK(contains(answer.body, "/login?rd=%2Fx"));
    CHECK(browser.cookie("cordgate").empty());
}

TEST_CASE("F20 a wrong client secret is a page for visitors and a line for the operator") {
    Stage stage({.secret = "not-the-secret-of-the-simulator"});
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto answer = browser.visit("/login");
    CHECK(answer.status() == 502);
    CHECK(contains(answer.body, "<code>discord_rejected</code>"));
    CHECK_FALSE(contains(answer.body, "client_secret"));
    CHECK(stage.gate().process().says("Discord refuses our client_id or client_secret"));
    CHECK(stage.gate().process().says("path=/callback status=502"));
    CHECK(browser.cookie("cordgate").empty());
}

TEST_CASE("J14 B26 too many logins are told to wait, and nothing else is") {
    Stage stage;
    REQUIRE(stage.stop_gate() == 0);
    stage.folder.write("limited.yaml", changed(stage.yaml(stage.port()), "logins_per_minute: 0",
                                               "logins_per_minute: 3"));
    Daemon gate(stage.folder.path(), "limited.yaml");
    auto browser = stage.browser();
    for (int i = 0; i < 3; ++i) CHECK(browser.get("/login").status() == 302);
    const auto refused = browser.get("/login");
    CHECK(refused.status() == 429);
    CHECK(std::stoi(refused.field("Retry-After")) > 0);
    CHECK_MESSAGE(
        stage.ask(stage.request("GET /login", "X-Forwarded-For: 9.9.9.9\r\n")).status() == 429,
        "whatever address a client claims");
    const auto callback = browser.get("/callback?code=a-code-of-this-test&state=x");
    CHECK(callback.status() == 429);
    CHECK(std::stoi(callback.field("Retry-After")) > 0);
    CHECK_MESSAGE(stage.discord.count("/oauth2/token") == 0, "J14: Discord hears nothing of it");
    CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
    CHECK(gate.stop() == 0);
}

TEST_CASE("oauth2-proxy #4 CVE-2026-25748 a store that is gone is a 503 and no logout") {
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    const auto cookie = fern.cookie("cordgate");
    REQUIRE(stage.stop_gate() == 0);  // so that nothing is remembered
    stage.start_gate();
    stage.app.forget();
    const auto file = stage.folder.file("sessions.db");
    std::filesystem::rename(file, file + ".away");
    for (const char* path : {"/x", "/feed", "/login", "/_cordgate/me"}) {
        CAPTURE(std::string(path));
        const auto answer = fern.get(path);
        CHECK(answer.status() == 503);
        CHECK_FALSE(answer.has("Set-Cookie"));
        CHECK_FALSE(answer.has("Location"));
    }
    CHECK(stage.app.count() == 0);
    std::filesystem::rename(file + ".away", file);
    CHECK(fern.get("/x").status() == 200);
    CHECK(fern.cookie("cordgate") == cookie);
}
