#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

// The path that the rules judge is the path that the application gets.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

/// What a path comes to for a visitor without a session.
enum class Outcome {
    open,     ///< forwarded: a public rule
    login,    ///< 401: some rule that needs a login
    refused,  ///< 400
    own,      ///< answered by the gate itself
};

struct Case {
    std::string name;
    std::string target;
    Outcome outcome;
};

Outcome outcome_of(const Message& answer, std::size_t forwarded) {
    if (forwarded > 0) return Outcome::open;
    if (answer.status() == 400) return Outcome::refused;
    if (answer.status() == 401) return Outcome::login;
    return Outcome::own;
}

}  // namespace

namespace doctest {
template <>
struct StringMaker<Outcome> {
    static String convert(Outcome outcome) {
        switch (outcome) {
            case Outcome::open: return "open";
            case Outcome::login: return "login";
            case Outcome::refused: return "refused";
            case Outcome::own: return "own";
        }
        return "?";
    }
};
}  // namespace doctest

TEST_CASE("a path opens what its rule opens, in whatever way it is written") {
    using namespace std::string_literals;
    constexpr auto open = Outcome::open;
    constexpr auto login = Outcome::login;
    constexpr auto refused = Outcome::refused;
    constexpr auto own = Outcome::own;
    const Case cases[] = {
        {"plain public path",                                               "/public/a.css",              open   },
        {"plain private path",                                              "/admin",                     login  },
        {"C1 CVE-2019-9901 CVE-2026-42274 traversal",                       "/public/../admin",           refused},
        {"C1 inside the public part",                                       "/public/a/../b",             refused},
        {"C1 a single dot",                                                 "/public/./a",                refused},
        {"C2 CVE-2026-33494 encoded dots",                                  "/public/%2e%2e/admin",       refused},
        {"C2 half encoded dots",                                            "/public/.%2E/admin",         refused},
        {"C2 the other half",                                               "/public/%2e./admin",         refused},
        {"C3 above the root",                                               "/../../admin",               refused},
        {"C3 only dots",                                                    "/..",                        refused},
        {"C4 CVE-2026-26205 double slash",                                  "//admin",                    login  },
        {"C4 CVE-2021-29492 double slash behind public",                    "/public//../admin",          refused},
        {"C4 double slash within public",                                   "/public//a",                 open   },
        {"C4 double slash hides the first segment",                         "//public/a",                 refused},
        {"C5 encoded slash with dots",                                      "/public%2f..%2fadmin",       refused},
        {"C5 CVE-2021-31920 encoded slash behind dots",                     "/public/..%2fadmin",         refused},
        {"C5 encoded slash joins two segments",                             "/public%2fa",                refused},
        {"C5 encoded slash where every reading agrees",                     "/public/a%2fb",              open   },
        {"C5 encoded slash in the private part",                            "/admin%2fx",                 login  },
        {"C6 raw backslash",                                                "/public\\..\\admin",         refused},
        {"C6 encoded backslash with dots",                                  "/public/..%5cadmin",         refused},
        {"C6 encoded backslash where every reading agrees",                 "/public/a%5cb",              open   },
        {"C6 encoded backslash joins",                                      "/public%5ca",                refused},
        {"C7 double encoding is decoded once",                              "/%2570ublic/a",              login  },
        {"C7 double encoded dots are a name",                               "/public/%252e%252e/admin",   open   },
        {"C8 CVE-2026-27587 an encoded letter is the letter",               "/%70ublic/a",                open   },
        {"C8 and closes as well",                                           "/%61dmin",                   login  },
        {"C9 dots with a parameter",                                        "/public/..;/admin",          refused},
        {"C9 dots with a named parameter",                                  "/public/..;x=1/admin",       refused},
        {"C9 a parameter within public",                                    "/public/a;x=1",              open   },
        {"C9 a parameter on the public segment",                            "/public;x/a",                refused},
        {"C9 a parameter on a private segment",                             "/admin;x=1",                 login  },
        {"C9 an empty segment with a parameter",                            "/;/admin",                   login  },
        {"C9 a parameter that looks like a suffix",                         "/admin;.css",                login  },
        {"C10 another segment",                                             "/publicity/a",               login  },
        {"C10 CVE-2025-54576 a prefix without border",                      "/publicx",                   login  },
        {"C11 trailing dot on the public segment",                          "/public./a",                 refused},
        {"C11 trailing blank on the public segment",                        "/public%20/a",               refused},
        {"C11 trailing dot within",                                         "/public/a.",                 open   },
        {"C11 an encoded tab",                                              "/public/a%09",               refused},
        {"C11 a star is a byte",                                            "/public/*",                  open   },
        {"C12 rules know upper case",                                       "/PUBLIC/a",                  login  },
        {"C13 CWE-158 NUL",                                                 "/public/a%00.css",           refused},
        {"C13 a raw NUL",                                                   "/public/a\0b"s,              refused},
        {"C14 LF",                                                          "/public/a%0ab",              refused},
        {"C14 CR",                                                          "/public/a%0db",              refused},
        {"C14 DEL",                                                         "/public/a%7f",               refused},
        {"C14 ESC",                                                         "/public/a%1b",               refused},
        {"C15 overlong slash",                                              "/public/%c0%af",             refused},
        {"C15 overlong dots",                                               "/public/%c0%ae%c0%ae/admin", refused},
        {"C15 overlong in three bytes",                                     "/public/%e0%80%af",          refused},
        {"C15 no UTF-8",                                                    "/public/%ff",                refused},
        {"C15 a surrogate",                                                 "/public/%ed%a0%80",          refused},
        {"C16 a fullwidth slash is a letter",                               "/public%ef%bc%8fa",          login  },
        {"C16 a division slash is a letter",                                "/public/..%e2%88%95admin",   open   },
        {"C17 composed",                                                    "/public/caf%c3%a9",          open   },
        {"C17 decomposed",                                                  "/public/cafe%cc%81",         open   },
        {"C18 CVE-2021-32637 a lone percent",                               "/public/%",                  refused},
        {"C18 one digit",                                                   "/public/%2",                 refused},
        {"C18 no digits",                                                   "/public/%zz",                refused},
        {"C18 the %u form",                                                 "/public/%u002f",             refused},
        {"C19 CVE-2025-54576 GHSA-7rh7-c77v-6434 the query does not count", "/admin?x=/public/",
         login                                                                                                   },
        {"C19 nor dots in it",                                              "/admin?/../public/a",        login  },
        {"C20 an encoded question mark is a byte",                          "/admin%3f/public/",          login  },
        {"C20 and within public too",                                       "/public/a%3fb",              open   },
        {"C21 CVE-2023-47106 a fragment",                                   "/admin#/public/",            refused},
        {"C21 CVE-2026-41059 a fragment behind public",                     "/public/#/../admin",         refused},
        {"C21 CVE-2026-41059 an encoded one is a byte",                     "/public/a%23b",              open   },
        {"C28 the login page",                                              "/login?rd=/x",               own    },
        {"C28 CVE-2023-33189 the login page, encoded",                      "/%6cogin?rd=/x",             own    },
        {"C28 the login page with a slash",                                 "/login/",                    login  },
        {"C28 another case",                                                "/LOGIN",                     login  },
        {"C28 below the callback",                                          "/callback/x",                login  },
        {"C28 an encoded slash behind logout",                              "/logout%2f",                 login  },
        {"C28 a parameter on the callback",                                 "/callback;x?code=1",         refused},
        {"C28 a double slash before the prefix",                            "//_cordgate/me",             refused},
        {"what is not there below the prefix",                              "/_cordgate/nothing",         own    },
        {"A18 fragment before a traversal",                                 "/public#/../admin",          refused},
        {"A19 8-bit bytes",                                                 "/public/\xc3\xa9",           refused},
        {"A17 CVE-2011-3368 glued to the upstream",                         "@evil/",                     refused},
        {"A16 no path at all",                                              "public/a",                   refused},
        {"A16 an authority",                                                "evil.example:80",            refused},
        {"A16 a star",                                                      "*",                          refused},
        {"C31 web cache deception",                                         "/admin/x.css",               login  },
    };
    Stage stage;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CAPTURE(c.target);
        stage.app.forget();
        const auto answer = stage.ask(stage.request("GET " + c.target));
        const auto outcome = outcome_of(answer, stage.app.count());
        CHECK(outcome == c.outcome);
        if (outcome == Outcome::open) CHECK(stage.app.last().target() == c.target);
    }
}

TEST_CASE("a signed-in visitor's odd paths arrive unchanged, or are refused, oauth2-proxy #3") {
    Stage stage;
    auto pip = stage.browser_of(demo::pip);
    const auto cookie = pip.cookie_line();
    struct Row {
        std::string name;
        std::string target;
        int status;
    };
    const Row rows[] = {
        {"C4 double slashes",                   "/a//b",                200                                  },
        {"C5 an encoded slash",                 "/a%2Fb",               200                                  },
        {"C7 double encoding",                  "/%2561dmin",           200                                  },
        {"C9 parameters",                       "/a;v=1/b;w",           200                                  },
        {"C11 trailing dot and blank",          "/a./b%20",             200                                  },
        {"letters that need no escape keep it", "/%7Euser/%41",         200                                  },
        {"C32 8,000 octets",                    "/" + std::string(8000, 'a'),                                  200},
        {"query bytes",                                     "/a?x=%zz&y=%00&z=//../;#",                                               400                     },
        {"query bytes without a fragment",                                     "/a?x=%zz&y=%00&z=//../;'\"",                            200},
        {"the staff's page stays closed",                                     "/staff/x",                             403                                        },
        {"C8 encoded",                                     "/%73taff/x",                                                403},
        {"C5 with an encoded slash",                                     "/staff%2fx",                                  400                          },
        {"C4 behind a double slash",                                     "//staff/x",                                  400},
        {"C9 with a parameter",                                     "/staff;x/y",                                       400                              },
        {"C11 with a dot",                                     "/staff./y",                                            400   },
        {"C11 with an encoded blank",                                     "/staff%20/y",                                 400                 },
        {"C9 with an empty parameter segment",                                     "/;x/staff/y",                        400},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        stage.app.forget();
        const auto answer = stage.ask(stage.request("GET " + row.target, cookie));
        CHECK(answer.status() == row.status);
        CHECK(stage.app.count() == (row.status == 200 ? 1 : 0));
        if (row.status == 200) CHECK(stage.app.last().target() == row.target);
    }
    CHECK_MESSAGE(stage.ask(stage.request("GET /" + std::string(64 * 1024, 'a'))).status() == 414,
                  "C32");
}

TEST_CASE("C22 CVE-2025-54576 GHSA-7rh7-c77v-6434 the end of a rule is the end of the path") {
    Stage stage({.rules = "[{path: /api/**/status, access: public}, {path: /*.css, access: "
                          "public}, {path: /**, access: login}]"});
    struct Row {
        std::string name;
        std::string target;
        bool open;
    };
    const Row rows[] = {
        {"the path itself",         "/api/a/status",          true },
        {"the end in the query",    "/api/private?x=/status", false},
        {"more behind the end",     "/api/a/statusx",         false},
        {"a segment behind it",     "/api/a/status/private",  false},
        {"another beginning",       "/private/api/a/status",  false},
        {"a suffix in the query",   "/private?x.css",         false},
        {"a suffix further down",   "/private/x.css",         false},
        {"a suffix in its segment", "/x.css",                 true },
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        CHECK(stage.ask(stage.request("GET " + row.target)).status() == (row.open ? 200 : 401));
    }
}

TEST_CASE("C24 a rule's methods decide, and no override field does") {
    Stage stage({.rules = "[{path: /api/**, methods: [GET], access: public}, {path: /**, access: "
                          "login}]"});
    struct Row {
        std::string name;
        std::string method;
        bool open;
    };
    const Row rows[] = {
        {"GET",                   "GET",      true },
        {"GET covers HEAD",       "HEAD",     true },
        {"POST",                  "POST",     false},
        {"a method nobody knows", "PROPFIND", false},
        {"OPTIONS",               "OPTIONS",  false},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        stage.app.forget();
        const auto answer = stage.ask(
            stage.request(row.method + " /api/x", "X-HTTP-Method-Override: GET\r\n"), row.method);
        CHECK(answer.status() == (row.open ? 200 : 401));
        CHECK(stage.app.count() == (row.open ? 1 : 0));
    }
    // Frameworks make capitals of them; a rule for GET would not have judged them.
    stage.app.forget();
    for (const auto* folded : {"get", "Get", "gET", "post", "delete"}) {
        CAPTURE(std::string(folded));
        CHECK(stage.ask(stage.request(std::string(folded) + " /api/x")).status() == 400);
    }
    CHECK(stage.app.count() == 0);
    CHECK_MESSAGE(stage.ask(stage.request("TRACE /api/x", "Cookie: a=b\r\n")).status() == 405,
                  "A14");
    CHECK_MESSAGE(stage.ask("CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n").status() == 405,
                  "A13");
}

TEST_CASE("hosts choose among the applications that are configured, and nothing else") {
    Upstream wiki;
    Stage stage({.rules = "[{path: /**, access: public}]"});
    // A second configuration in the same folder: two hosts, two applications.
    auto yaml = stage.yaml(stage.port());
    const auto one = "upstreams: [{url: '" + stage.app.url() + "'}]";
    const auto two = "upstreams: [{url: '" + stage.app.url() +
                     "', host: app.example.com}, {url: '" + wiki.url() +
                     "', host: wiki.example.com}]";
    yaml.replace(yaml.find(one), one.size(), two);
    REQUIRE(stage.stop_gate() == 0);
    stage.folder.write("hosts.yaml", yaml);
    Daemon gate(stage.folder.path(), "hosts.yaml");

    struct Row {
        std::string name;
        std::string start, host;
        int status;
        int reached;  ///< 1: the app, 2: the wiki
    };
    const Row rows[] = {
        {"the app",                                                 "GET /x",                          "app.example.com",                  200, 1},
        {"the wiki",                                                "GET /x",                          "wiki.example.com",                 200, 2},
        {"C26 CVE-2026-77560 CVE-2026-48794 case and trailing dot", "GET /x",                          "WIKI.Example.Com.",
         200,                                                                                                                                   2},
        {"C26 with a port",                                         "GET /x",                          "wiki.example.com:80",              200, 2},
        {"A22 CVE-2026-25748 unknown host",                         "GET /x",                          "evil.example",                     421, 0},
        {"A22 CVE-2026-28512 a name that ends alike",               "GET /x",                          "evilwiki.example.com",             421, 0},
        {"A21 CVE-2026-41569 userinfo",                             "GET /x",                          "wiki.example.com@evil.example",    400, 0},
        {"A21 a list",                                              "GET /x",                          "app.example.com,wiki.example.com", 400, 0},
        {"A21 bad port",                                            "GET /x",                          "app.example.com:99999",            400, 0},
        {"A24 C25 absolute form wins over Host",                    "GET http://wiki.example.com/x",   "app.example.com",
         200,                                                                                                                                   2},
        {"A25 userinfo in absolute form",                           "GET http://a@wiki.example.com/x", "app.example.com",                  400,
         0                                                                                                                                       },
        {"A25 another scheme",                                      "GET ftp://wiki.example.com/x",    "wiki.example.com",                 400, 0},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        stage.app.forget();
        wiki.forget();
        const auto answer = stage.ask(row.start + " HTTP/1.1\r\nHost: " + row.host + "\r\n\r\n");
        CHECK(answer.status() == row.status);
        CHECK(stage.app.count() == (row.reached == 1 ? 1 : 0));
        CHECK(wiki.count() == (row.reached == 2 ? 1 : 0));
        if (row.reached == 2) CHECK(wiki.last().target() == "/x");
    }
    CHECK(gate.stop() == 0);
}
