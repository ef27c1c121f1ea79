#include "core/cookie.hpp"

#include <doctest/doctest.h>

namespace cordgate {

using namespace std::string_view_literals;
using Values = std::vector<std::string_view>;

TEST_CASE("cookie_values finds every cookie of exactly that name, oauth2-proxy #15") {
    struct Case {
        const char* name;
        std::string_view header;
        Values values;
    };
    const Case cases[] = {
        {"nothing",                       "",                         {}              },
        {"one",                           "s=1",                      {"1"}           },
        {"among others",                  "a=0; s=1; b=2",            {"1"}           },
        {"D5 tossed twice",               "s=evil; s=good",           {"evil", "good"}},
        {"D7 another case",               "S=1",                      {}              },
        {"D7 longer name",                "ss=1; s1=2; xs=3",         {}              },
        {"D7 blanks around the pair go",  " \ts=1\t ;  s=2 ",         {"1", "2"}      },
        {"D7 blank before the sign",      "s =1",                     {}              },
        {"D7 U+2000 in front",            "\xe2\x80\x80s=1",          {}              },
        {"D7 vertical tab in front",      "\x0bs=1",                  {}              },
        {"D7 escaped name",               "%73=1",                    {}              },
        {"D8 quotes belong to the value", "s=\"1\"",                  {"\"1\""}       },
        {"D8 no RFC 2109",                "$Version=1; s=1; $Path=/", {"1"}           },
        {"D8 semicolon within quotes",    "a=\"x; s=1; y\"",          {"1"}           },
        {"D9 without a name",             "=x; s; ;;; s=",            {""}            },
        {"D9 nothing but separators",     ";;;",                      {}              },
        {"D10 NUL in the value",          "s=a\0b"sv,                 {"a\0b"sv}      },
        {"more signs",                    "s=a=b==",                  {"a=b=="}       },
        {"comma is a byte",               "s=1, s=2",                 {"1, s=2"}      },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK(cookie_values(c.header, "s") == c.values);
    }
    CHECK(cookie_values("=x; s=1", "").empty());
}

TEST_CASE("without_cookies takes ours out and leaves the others byte for byte, B32") {
    struct Case {
        const char* name;
        std::string_view header;
        std::string_view left;
    };
    constexpr Case cases[] = {
        {"CVE-2023-28625 nothing",         "",                  ""                 },
        {"CVE-2023-28625 only separators", ";; ;",              ""                 },
        {"only ours",                      "s=1",               ""                 },
        {"both of ours",                   "s=1; t=2",          ""                 },
        {"ours first",                     "s=1; a=2; b=3",     "a=2; b=3"         },
        {"ours in the middle",             "a=1; s=2; b=3",     "a=1; b=3"         },
        {"ours last",                      "a=1; s=2",          "a=1"              },
        {"ours twice",                     "s=1; a=2; s=3",     "a=2"              },
        {"none of ours",                   "a=1;b=\"x\" ;  c",  "a=1;b=\"x\" ;  c" },
        {"no blanks",                      "a=1;s=2;b=3",       "a=1;b=3"          },
        {"end kept open",                  "a=1; s=2;",         "a=1;"             },
        {"ours with an end kept open",     "s=2;",              ""                 },
        {"D8 hidden between quotes",       "a=\"x; s=2; y\"",   "a=\"x; y\""       },
        {"almost ours",                    "ss=1; S=2; s ; =s", "ss=1; S=2; s ; =s"},
        {"8-bit bytes",                    "a=\xff; s=1",       "a=\xff"           },
        {"ours, with blanks",              "s = 1; a=2; t\t=3", "a=2"              },
        {"ours, without a name",           "a=2; =s=1; = s=1",  "a=2"              },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto left = without_cookies(c.header, {"s", "t"});
        CHECK(left == c.left);
        CHECK(cookie_values(left, "s").empty());
    }
    CHECK(without_cookies("s=1", {}) == "s=1");
}

TEST_CASE("a cookie is cleared with the attributes it was set with, D16, CVE-2025-55162") {
    using std::chrono::seconds;
    const CookieAttributes host{"__Host-cordgate", "", "/", "Lax", true};
    CHECK(set_cookie(host, "v", seconds(0)) ==
          "__Host-cordgate=v; Path=/; HttpOnly; Secure; SameSite=Lax");
    CHECK(set_cookie(host, "v", seconds(3600)) ==
          "__Host-cordgate=v; Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=Lax");
    CHECK(clear_cookie(host) ==
          "__Host-cordgate=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; HttpOnly; "
          "Secure; SameSite=Lax");
    const CookieAttributes shared{"cordgate", "example.com", "/app", "Strict", false};
    CHECK(set_cookie(shared, "v", seconds(0)) ==
          "cordgate=v; Path=/app; Domain=example.com; HttpOnly; SameSite=Strict");
}

TEST_CASE("set_cookie_name is the name under which the browser will send it back") {
    struct Case {
        const char* name;
        std::string_view header;
        std::string_view cookie;
    };
    constexpr Case cases[] = {
        {"plain",                               "s=1; Path=/",  "s"},
        {"blanks around",                       " \t s \t = 1", "s"},
        {"other case is another cookie",        "S=1",          "S"},
        {"without a name, but with one inside", "=s=1",         "s"},
        {"the same with blanks",                " = s=1",       "s"},
        {"no sign at all",                      "s",            "" },
        {"sign behind the attributes",          "s; a=1",       "" },
        {"empty",                               "",             "" },
        {"only a sign",                         "=",            "" },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK(set_cookie_name(c.header) == c.cookie);
    }
}

}  // namespace cordgate
