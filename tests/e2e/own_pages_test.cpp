#include <doctest/doctest.h>

#include <cmath>
#include <ctime>

#include "tests/support/contains.hpp"
#include "tests/support/stage.hpp"

// The pages of the gate itself, beside those of a login.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

TEST_CASE("below the prefix a visitor finds themselves") {
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    stage.app.forget();

    const auto me = fern.ask("GET", "/_cordgate/me");
    CHECK(me.status() == 200);
    CHECK(me.field("Content-Type") == "application/json");
    CHECK(me.field("Cache-Control") == "no-store");
    CHECK(contains(me.body, "\"id\":\"301000000000000001\""));
    CHECK(contains(me.body, "\"scopes\":["));
    const auto guilds = fern.ask("GET", "/_cordgate/guilds");
    CHECK(guilds.status() == 200);
    CHECK(contains(guilds.body, "\"401000000000000003\""));
    const auto avatar = fern.get("/_cordgate/avatar");
    CHECK(avatar.status() == 302);
    CHECK(avatar.field("Location").starts_with(stage.discord.cdn_url() + "/avatars/"));
    const auto connections = fern.ask("GET", "/_cordgate/connections");
    CHECK(connections.status() == 403);
    CHECK(contains(connections.body, "missing_scope"));

    auto nobody = stage.browser();
    for (const char* page : {"me", "guilds", "connections", "avatar"}) {
        CAPTURE(std::string(page));
        const auto answer = nobody.ask("GET", std::string("/_cordgate/") + page);
        CHECK(answer.status() == 401);
        CHECK(contains(answer.body, "\"reason\":\"no_session\""));
        CHECK(fern.fetch("POST", std::string("/_cordgate/") + page).status() == 405);
    }
    CHECK(nobody.get("/_cordgate/ping").body == "ok");
    CHECK(nobody.get("/_cordgate/nothing").status() == 404);
    CHECK_MESSAGE(stage.app.count() == 0, "a reserved path never reaches the application");
}

TEST_CASE("E17 D21 pages of ours bring everything with them and may not be framed") {
    Stage stage;
    stage.discord.deny_all();
    auto browser = stage.browser();
    const Message pages[] = {
        browser.visit("/login"), browser.get("/callback"), browser.get("/login?profile=none"),
        browser.get("/logout"),  browser.get("/%zz"),      browser.get("/_cordgate/nothing"),
    };
    for (const auto& page : pages) {
        CAPTURE(page.start_line);
        CHECK(page.field("Content-Type") == "text/html; charset=utf-8");
        const auto policy = page.field("Content-Security-Policy");
        CHECK(policy.starts_with("default-src 'none'"));
        CHECK(contains(policy, "frame-ancestors 'none'"));
        CHECK(page.field("X-Frame-Options") == "DENY");
        CHECK(page.field("X-Content-Type-Options") == "nosniff");
        CHECK(page.field("Cache-Control") == "no-store");
        const auto referrer = page.field("Referrer-Policy");
        CHECK((referrer == "no-referrer" || referrer == "same-origin"));
        CHECK_FALSE(contains(page.body, "<script"));
        CHECK_FALSE(contains(page.body, "src=\"http"));
        CHECK(contains(page.body, "<html lang=\"en\""));

        // The style is where the page says, and may be kept.
        const auto at = page.body.find("/_cordgate/assets/");
        REQUIRE(at != std::string::npos);
        const auto style = browser.get(page.body.substr(at, page.body.find('"', at) - at));
        CHECK(style.status() == 200);
        CHECK(contains(style.field("Cache-Control"), "max-age="));
    }
}

TEST_CASE("paths of our own may be called otherwise") {
    Stage stage(
        {.paths = "login: /auth/in, callback: /auth/back, logout: /auth/out, prefix: /gate"});
    stage.discord.add_redirect_uri(stage.home() + "/auth/back");
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    CHECK(browser.visit("/page").status() == 200);
    CHECK(browser.hop_to("/auth/back") != "");
    CHECK(browser.get("/gate/me").status() == 200);
    CHECK_MESSAGE(browser.get("/login").body.starts_with(Upstream::marker),
                  "these are the app's now");
    CHECK(browser.get("/_cordgate/me").body.starts_with(Upstream::marker));
    CHECK(browser.post_form("/auth/out").status() == 303);
}

TEST_CASE("C29 an application below a prefix gets what is behind it, and never more") {
    struct Case {
        std::string name;
        std::string target;
        std::string reaches;  ///< "": refused or not found
    };
    Stage stage({.rules = "[{path: /**, access: public}]"});
    auto yaml = stage.yaml(stage.port());
    const auto one = "upstreams: [{url: '" + stage.app.url() + "'}]";
    yaml.replace(yaml.find(one), one.size(),
                 "upstreams: [{url: '" + stage.app.url() + "', path: /app, strip_prefix: true}]");
    REQUIRE(stage.stop_gate() == 0);
    stage.folder.write("prefix.yaml", yaml);
    Daemon gate(stage.folder.path(), "prefix.yaml");
    const Case cases[] = {
        {"the prefix itself",                                "/app",             "/"         },
        {"with a slash",                                     "/app/",            "/"         },
        {"below it",                                         "/app/x/y?z=%2f",   "/x/y?z=%2f"},
        {"C10 another segment",                              "/apple",           ""          },
        {"beside it",                                        "/",                ""          },
        {"out of it",                                        "/app/../x",        ""          },
        {"CVE-2026-48020 CVE-2025-47952 an encoded way out", "/app/..%2f..%2fx", ""          },
        {"bytes behind it stay",                             "/app/a%20b;c",     "/a%20b;c"  },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.forget();
        const auto answer = stage.ask(stage.request("GET " + c.target));
        CHECK(stage.app.count() == (c.reaches.empty() ? 0 : 1));
        if (c.reaches.empty()) {
            CHECK((answer.status() == 400 || answer.status() == 404));
        } else {
            CHECK(stage.app.last().target() == c.reaches);
        }
    }
    SUBCASE("CVE-2026-48020 what is left never names another host") {
        for (const char* target : {"/app//evil.example/x", "/app/%2fevil.example/x", "//app/x"}) {
            CAPTURE(std::string(target));
            stage.app.forget();
            stage.ask(stage.request(std::string("GET ") + target));
            if (stage.app.count() > 0) CHECK_FALSE(stage.app.last().target().starts_with("//"));
        }
    }
    CHECK(gate.stop() == 0);
}

TEST_CASE("B34 each hop takes one off Max-Forwards of OPTIONS, and leaves others alone") {
    Stage stage;
    struct Row {
        std::string method;
        std::string sent;
        std::string arrives;
    };
    const Row rows[] = {
        {"OPTIONS", "5",  "4" },
        {"OPTIONS", "1",  "0" },
        {"OPTIONS", "x1", "x1"},
        {"OPTIONS", "-1", "-1"},
        {"GET",     "5",  "5" },
    };
    for (const auto& row : rows) {
        CAPTURE(row.sent);
        stage.ask(stage.request(row.method + " /public/x", "Max-Forwards: " + row.sent + "\r\n"));
        CHECK(stage.app.last().field("Max-Forwards") == row.arrives);
    }
}

TEST_CASE("an answer has a Date: the application's, or else the gate's") {
    Stage stage;
    const std::string told = "Sun, 06 Nov 1994 08:49:37 GMT";
    stage.app.answers("/public/dated", response("200 OK", "Date: " + told + "\r\n", "x"))
        .answers("/public/undated", response("200 OK", "", "x"));
    CHECK(stage.ask(stage.request("GET /public/dated")).field("Date") == told);
    for (const char* target : {"/public/undated", "/_cordgate/ping", "/members", "/login"}) {
        CAPTURE(std::string(target));
        const auto date = stage.ask(stage.request(std::string("GET ") + target)).field("Date");
        std::tm parts{};
        const char* const end = ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        REQUIRE(end);
        CHECK(*end == '\0');
        CHECK(std::abs(std::difftime(::timegm(&parts), std::time(nullptr))) < 60);
    }
}

TEST_CASE("A15 B34 OPTIONS that is about the gate is answered by the gate") {
    Stage stage;
    for (const auto& request :
         {stage.request("OPTIONS *"), stage.request("OPTIONS /x", "Max-Forwards: 0\r\n")}) {
        const auto answer = stage.ask(request);
        CHECK(answer.status() == 204);
        CHECK(contains(answer.field("Allow"), "GET"));
    }
    CHECK(stage.app.count() == 0);
    CHECK_MESSAGE(stage.ask(stage.request("OPTIONS /x")).status() == 401,
                  "and no other way around");
}

TEST_CASE("C30 B38 an application's own redirects and caching pass as they are") {
    Stage stage;
    stage.app.answers(
        "/public/moved",
        response("301 Moved Permanently",
                 "Location: http://127.0.0.1:1/elsewhere\r\nCache-Control: private\r\n"
                 "ETag: \"x\"\r\nVary: Cookie\r\n",
                 ""));
    const auto answer = stage.ask(stage.request("GET /public/moved"));
    CHECK(answer.status() == 301);
    CHECK(answer.field("Location") == "http://127.0.0.1:1/elsewhere");
    CHECK(answer.all("Cache-Control") == std::vector<std::string>{"private"});
    CHECK(answer.field("Vary") == "Cookie");
}
