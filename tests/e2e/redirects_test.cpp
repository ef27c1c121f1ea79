#include <doctest/doctest.h>

#include "core/url.hpp"
#include "tests/support/stage.hpp"

// Nobody leaves the site by way of a login: from /login?rd= to the last Location.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

struct Payload {
    std::string name;
    std::string value;  ///< what `rd` holds after one percent-decoding
    bool kept;
};

const Payload payloads[] = {
    {"R2 path and query",                                          "/a/b?c=d&e=f",                 true                                   },
    {"R4 escapes",                                                 "/a%20b/%E2%9C%93",             true                                   },
    {"R5 colon and at",                                            "/a:b@c",                       true                                   },
    {"R6 a URL in the query",                                      "/a?next=//evil.example",       true                                   },
    {"R7 a handle",                                                "/users/@me",                   true                                   },
    {"R9 empty",                                                   "",                             false                                  },
    {"R10 not rooted",                                             "a/b",                          false                                  },
    {"R14 our own login",                                          "/login",                       false                                  },
    {"R15 our own logout",                                         "/logout",                      false                                  },
    {"R16 our own callback",                                       "/callback?code=x&state=y",     false                                  },
    {"R17 GHSA-jm34-xm8m-w958 network path",                       "//evil.example",               false                                  },
    {"R18 three slashes",                                          "///evil.example",              false                                  },
    {"R20 express-style",                                          "//evil.example/%2f..",         false                                  },
    {"R25 CVE-2020-5233 GHSA-qqxw-m5fj-f7gv backslash",            "/\\evil.example",              false                                  },
    {"R27 two backslashes",                                        "\\\\evil.example",             false                                  },
    {"R31 CVE-2020-11053 GHSA-j7px-6hwj-hpjg tab between slashes", "/\t/evil.example",             false                                  },
    {"R32 LF between slashes",                                     "/\n/evil.example",             false                                  },
    {"R35 leading tab",                                            "\t//evil.example",             false                                  },
    {"R37 leading NUL",                                            std::string("\0//evil.example", 15),                                     false},
    {"R43 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv dot segment",                                                            "/./\\evil.example",                                        false},
    {"R46 folds into a network path",                                                            "/a/..//evil.example",                                                            false                  },
    {"R47 encoded dots",                                                            "/%2e%2e//evil.example",                                                                         false           },
    {"R51 absolute",                                                            "https://evil.example",                                                                             false                       },
    {"R54 scheme without slashes",                                                            "http:evil.example",                                                               false},
    {"R71 CVE-2026-41569 suffix",                                                            "http://127.0.0.1.evil.example/",                                                                false           },
    {"R84 javascript",                                                            "javascript:alert(1)",                                                                           false                      },
    {"R89 data",                                                            "data:text/html,<script>alert(1)</script>",                                                                                 false},
    {"R96 A65 response splitting",                                                            "/a\r\nSet-Cookie: x=1",                                                               false                       },
    {"R98 raw 8-bit",                                                            "/\xc3\xa9",                                                                            false                     },
    {"R103 E9 too long",                                                            "/" + std::string(9000,                                                                         'a'),          false},
    {"below the prefix",                                                       "/_cordgate/me",                                                                                     false                                                                                                 },
};

}  // namespace

TEST_CASE(
    "quartcord B19, GHSA-36f2-fcrx-fp4j CVE-2021-29651 CVE-2024-21497 CVE-2022-23527 a login or "
    "logout ends on "
    "this site, wherever rd points") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    for (const auto& payload : payloads) {
        CAPTURE(payload.name);
        auto browser = stage.browser();
        const auto login = browser.get("/login?rd=" + percent_encode(payload.value));
        REQUIRE(login.status() == 302);
        const auto back = browser.get(login.field("Location")).field("Location");
        const auto callback = browser.get(back);
        CHECK(callback.status() == 302);
        CHECK(callback.all("Location") ==
              std::vector<std::string>{payload.kept ? payload.value : "/"});
        CHECK_FALSE(callback.has("Set-Cookie: x"));
        CHECK_MESSAGE(callback.body.empty(), "E16");

        // Already signed in: the other way to the same redirect.
        const auto again = browser.get("/login?rd=" + percent_encode(payload.value));
        CHECK(again.all("Location") ==
              std::vector<std::string>{payload.kept ? payload.value : "/"});
        // The logout has the same guard.
        const auto out = browser.post_form("/logout?rd=" + percent_encode(payload.value));
        CHECK(out.all("Location") == std::vector<std::string>{payload.kept ? payload.value : "/"});
    }
}

TEST_CASE("CVE-2026-42849 every page of ours that links back links to this site") {
    Stage stage;
    stage.discord.deny_all();
    for (const auto& payload : payloads) {
        CAPTURE(payload.name);
        auto browser = stage.browser();
        const auto denied = browser.visit("/login?rd=" + percent_encode(payload.value));
        CHECK(denied.status() == 403);
        if (!payload.kept) CHECK(denied.body.find("evil") == std::string::npos);
        if (!payload.kept) CHECK(denied.body.find("alert") == std::string::npos);
    }
}

TEST_CASE("only rd in the query says where to go") {
    struct Case {
        std::string name;
        std::string query;
        std::string target;
    };
    Stage stage({.login = "allowed_redirect_hosts: [wiki.example.com, .example.org]"});
    stage.discord.approve_as(demo::fern);
    const Case cases[] = {
        {"E1 nothing",                                                                  "",                                                     "/"        },
        {"E2 a path",                                                                   "?rd=%2Fa%2Fb%3Fc%3Dd",                                 "/a/b?c=d" },
        {"E6 twice, the second evil",                                                   "?rd=/a&rd=//evil.example",                             "/"        },
        {"E6 twice, the first evil",                                                    "?rd=//evil.example&rd=/a",                             "/"        },
        {"E7 other names",                                                              "?redirect=/a&next=/b&return_to=/c&url=/d",             "/"        },
        {"E8 logout",                                                                   "?rd=/logout?rd=/a",                                    "/"        },
        {"E8 logout, encoded twice",                                                    "?rd=/%256cogout",                                      "/%6cogout"},
        {"R8 our own origin",                                                           "?rd=" + percent_encode(stage.home() + "/x"),           "/x"       },
        {"E3 an allowed host",                                                          "?rd=https%3A%2F%2Fwiki.example.com%2Fx",
         "https://wiki.example.com/x"                                                                                                                      },
        {"E3 an allowed host at another port",                                          "?rd=https%3A%2F%2Fwiki.example.com%3A8443%2Fx",
         "/"                                                                                                                                               },
        {"E3 an allowed host without TLS",                                              "?rd=http%3A%2F%2Fwiki.example.com%2Fx",                "/"        },
        {"E4 below an allowed domain",                                                  "?rd=https%3A%2F%2Fa.example.org%2Fx",
         "https://a.example.org/x"                                                                                                                         },
        {"E4 CVE-2021-21291 GHSA-4mf2-f3wh-gvf2 CVE-2026-28512 a name that ends alike",
         "?rd=https%3A%2F%2Fevilexample.org%2Fx",                                                                                               "/"        },
        {"E4 a name that begins alike",                                                 "?rd=https%3A%2F%2Fa.example.org.evil%2Fx",             "/"        },
        {"R65 CVE-2026-14336 userinfo",                                                 "?rd=https%3A%2F%2Fwiki.example.com%40evil.example%2F",
         "/"                                                                                                                                               },
        {"R69 a backslash behind the host",                                             "?rd=https%3A%2F%2Fevil.example%5C%40wiki.example.com",
         "/"                                                                                                                                               },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        auto browser = stage.browser();
        const auto login = browser.get("/login" + c.query);
        if (login.status() == 400) {
            CHECK(c.target == "/");  // refused altogether is as good
            continue;
        }
        const auto back = browser.get(login.field("Location")).field("Location");
        const auto target = browser.get(back).field("Location");
        if (c.name.starts_with("E8 logout, encoded")) {
            CHECK((target == c.target || target == "/"));
        } else {
            CHECK(target == c.target);
        }
    }
}

TEST_CASE("a visitor of another allowed host is sent back to it, of any other host to ours") {
    Script script;
    script.login = "allowed_redirect_hosts: [data.localhost]";
    Stage stage(script);
    const auto location = [&](const std::string& host) {
        const auto answer = stage.ask("GET /garden?x=1 HTTP/1.1\r\nHost: " + host +
                                      "\r\nAccept: text/html\r\n\r\n");
        return answer.field("Location");
    };
    CHECK(location("data.localhost") == "/login?rd=http%3A%2F%2Fdata.localhost%2Fgarden%3Fx%3D1");
    CHECK(location("evil.localhost") == "/login?rd=%2Fgarden%3Fx%3D1");
    CHECK(location(stage.authority()) == "/login?rd=%2Fgarden%3Fx%3D1");
}

TEST_CASE("E11 where a login may lead is checked again at its end") {
    Stage stage;
    stage.discord.approve_as(demo::fern);
    auto browser = stage.browser();
    const auto yaml = stage.yaml(stage.port());
    REQUIRE(stage.stop_gate() == 0);
    stage.folder.write("wide.yaml", yaml + "login: {allowed_redirect_hosts: [wiki.example.com]}\n");
    std::string back;
    {
        Daemon wide(stage.folder.path(), "wide.yaml");
        const auto login = browser.get("/login?rd=https%3A%2F%2Fwiki.example.com%2Fx");
        back = browser.get(login.field("Location")).field("Location");
        REQUIRE(wide.stop() == 0);
    }
    stage.start_gate();
    CHECK(browser.get(back).field("Location") == "/");
}
