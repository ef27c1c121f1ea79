#include "core/path.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace cordgate {

using namespace std::string_view_literals;

TEST_CASE("Path::parse refuses what two servers could read as different places") {
    struct Case {
        const char* name;
        std::string_view raw;
        bool accepted;
    };
    constexpr Case cases[] = {
        {"root",                                          "/",                                 true },
        {"plain",                                         "/inbox/today.html",                 true },
        {"hidden file",                                   "/.well-known/x",                    true },
        {"sub-delims and at",                             "/a!$&'()*+,=:@~_-/b",               true },
        {"legacy bytes of browsers",                      "/a|b^{c}",                          true },
        {"C32 long path",                                 "/0123456789abcdef0123456789abcdef", true },
        {"C1 CVE-2026-42274 traversal",                   "/public/../admin",                  false},
        {"C1 single dot",                                 "/public/./admin",                   false},
        {"C1 dot at the end",                             "/public/.",                         false},
        {"C2 CVE-2026-33494 CVE-2026-42274 encoded dots", "/public/%2e%2e/admin",              false},
        {"C2 half encoded dots",                          "/public/.%2E/admin",                false},
        {"C3 above the root",                             "/../../admin",                      false},
        {"C3 ends above the root",                        "/..",                               false},
        {"C4 dots behind a double slash",                 "/public//../admin",                 false},
        {"C4 double slash is judged twice",               "//admin",                           true },
        {"C5 CVE-2021-29492 encoded slashes",             "/public%2f..%2fadmin",              false},
        {"C5 CVE-2021-31920 dots before one",             "/public/..%2fadmin",                false},
        {"C5 encoded slash alone",                        "/a%2Fb",                            true },
        {"C6 raw backslash",                              "/public\\..\\admin",                false},
        {"C6 CVE-2021-31920 encoded backslash",           "/public/..%5cadmin",                false},
        {"C6 encoded backslash alone",                    "/a%5Cb",                            true },
        {"C7 double",                                     "/public/%252e%252e/admin",          true },
        {"C9 dots with parameters",                       "/public/..;/admin",                 false},
        {"C9 dots with a parameter value",                "/public/..;x=1/admin",              false},
        {"C9 dots with encoded parameters",               "/public/..%3bx/admin",              false},
        {"C9 dots behind parameters",                     "/a;x%2f../admin",                   false},
        {"C9 parameters",                                 "/admin;x=1",                        true },
        {"C11 dots and blanks",                           "/public/..%20/admin",               false},
        {"C11 blank and dots",                            "/public/%20../admin",               false},
        {"C11 three dots",                                "/public/.../admin",                 false},
        {"C11 trailing dot",                              "/admin.",                           true },
        {"C11 trailing blank",                            "/admin%20",                         true },
        {"C11 trailing tab",                              "/admin%09",                         false},
        {"C13 escaped NUL",                               "/admin%00.css",                     false},
        {"C13 raw NUL",                                   "/admin\0"sv,                        false},
        {"C14 escaped newline",                           "/a%0a",                             false},
        {"C14 escaped CR",                                "/a%0D",                             false},
        {"C14 escaped DEL",                               "/a%7f",                             false},
        {"C14 escaped ESC",                               "/a%1b",                             false},
        {"C14 raw DEL",                                   "/a\x7f",                            false},
        {"C15 overlong slash",                            "/a%c0%af",                          false},
        {"C15 overlong dots",                             "/%c0%ae%c0%ae/a",                   false},
        {"C15 overlong in three bytes",                   "/%e0%80%af",                        false},
        {"C15 never UTF-8",                               "/%ff",                              false},
        {"C15 surrogate",                                 "/%ed%a0%80",                        false},
        {"C15 above U+10FFFF",                            "/%f4%90%80%80",                     false},
        {"C15 cut off",                                   "/%e2%9c",                           false},
        {"C15 good UTF-8",                                "/%e2%9c%93",                        true },
        {"A19 raw 8-bit",                                 "/\xc3\xa9",                         false},
        {"A19 raw space",                                 "/a b",                              false},
        {"A19 raw tab",                                   "/a\tb",                             false},
        {"C18 CVE-2021-32637 lone percent",               "/%",                                false},
        {"C18 one digit",                                 "/%2",                               false},
        {"C18 no digits",                                 "/%zz",                              false},
        {"C18 IIS escapes",                               "/%u002f",                           false},
        {"C19 GHSA-7rh7-c77v-6434 query",                 "/admin?x=/public/",                 false},
        {"C20 escaped question mark is a byte",           "/admin%3f/public/",                 true },
        {"C21 GHSA-pxq7-h93f-9jrg fragment",              "/admin#/public/",                   false},
        {"CVE-2026-41059 escaped fragment",               "/admin%23/public",                  true },
        {"A16 not rooted",                                "admin",                             false},
        {"A17 glued to the authority",                    "@evil/",                            false},
        {"empty",                                         "",                                  false},
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto path = Path::parse(c.raw);
        CHECK(path.has_value() == c.accepted);
        if (path) {
            CHECK(path->raw() == c.raw);
        } else {
            CHECK(path.error().kind == ErrorKind::bad_request);
            CHECK(path.error().source == ErrorSource::client);
        }
    }
}

TEST_CASE("Path::readings holds every way a server may split the path, the plain one first") {
    struct Case {
        const char* name;
        std::string_view raw;
        std::vector<PathReading> readings;
    };
    const Case cases[] = {
        {"root",                                                    "/",          {{""}}                                    },
        {"plain",                                                   "/a/b.css",   {{"a", "b.css"}}                          },
        {"trailing slash",                                          "/a/",        {{"a", ""}}                               },
        {"C8 unreserved",                                           "/%61dmin",   {{"admin"}}                               },
        {"C7 decoded once",                                         "/%2561dmin", {{"%61dmin"}}                             },
        {"C16 fullwidth slash",
         "/a%ef%bc%8fb",                                                          {{"a\xef\xbc\x8f"
           "b"}}                                                                                    },
        {"C4 double slash",                                         "//admin",    {{"", "admin"}, {"admin"}}                },
        {"C4 slashes at the end",                                   "/a//",       {{"a", "", ""}, {"a", ""}}                },
        {"C5 encoded slash",                                        "/a%2fb",     {{"a/b"}, {"a", "b"}}                     },
        {"C6 encoded backslash",                                    "/a%5cb",     {{"a\\b"}, {"a", "b"}}                    },
        {"C9 parameters",                                           "/admin;x=1", {{"admin;x=1"}, {"admin"}}                },
        {"C9 only parameters",                                      "/;/admin",   {{";", "admin"}, {"", "admin"}, {"admin"}}},
        {"C9 escaped parameters",                                   "/a%3bx",     {{"a;x"}, {"a"}}                          },
        {"C9 parameters of a name that holds an escaped semicolon",
         "/a%3bb.json;x",                                                         {{"a;b.json;x"}, {"a;b.json"}, {"a"}}     },
        {"C11 trailing dot",                                        "/admin./x",  {{"admin.", "x"}, {"admin", "x"}}         },
        {"C11 trailing blank",                                      "/admin%20",  {{"admin "}, {"admin"}}                   },
        {"C11 dot before params",                                   "/a.;x",      {{"a.;x"}, {"a."}, {"a"}}                 },
        {"encoded, then plain slash",                               "/a%2f/b",    {{"a/", "b"}, {"a", "", "b"}, {"a", "b"}} },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto path = Path::parse(c.raw);
        REQUIRE(path);
        const auto& readings = path->readings();
        CHECK(readings.front() == c.readings.front());
        CHECK(readings.size() == c.readings.size());
        for (const auto& reading : c.readings) {
            CHECK(std::find(readings.begin(), readings.end(), reading) != readings.end());
        }
    }
}

TEST_CASE("a path with every peculiarity has at most 48 readings, all different") {
    const auto path = Path::parse("//a%2fb%5cc;d./e%20%3bj;k/f.;g/%2f%5c;/h");
    REQUIRE(path);
    auto readings = path->readings();
    CHECK(readings.size() <= 48);
    CHECK(readings.size() > 8);
    std::sort(readings.begin(), readings.end());
    CHECK(std::adjacent_find(readings.begin(), readings.end()) == readings.end());
}

TEST_CASE("no reading of an accepted path holds a dot segment, a control or an escape broken up") {
    constexpr std::string_view parts[] = {"/",   ".",   "..",  ";",   "%2e", "%2f",
                                          "%5c", "%20", "%3b", "%25", "a"};
    constexpr std::size_t count = std::size(parts);
    std::size_t total = 1;
    for (int length = 0; length < 5; ++length) total *= count;
    std::size_t accepted = 0;
    for (std::size_t n = 0; n < total; ++n) {
        std::string raw = "/";
        for (std::size_t rest = n, i = 0; i < 5; ++i, rest /= count) raw += parts[rest % count];
        const auto path = Path::parse(raw);
        if (!path) continue;
        ++accepted;
        for (const auto& reading : path->readings()) {
            for (const auto& segment : reading) {
                const bool dots = segment == "." || segment == "..";
                const bool stand_in = segment.find_first_of("\x01\x02\x03") != std::string::npos;
                if (!dots && !stand_in) continue;
                CAPTURE(raw);
                FAIL_CHECK("a reading leaves its folder");
            }
        }
    }
    CHECK(accepted > 1000);
}

TEST_CASE("the first reading is the plain one, C28") {
    const std::pair<std::string_view, PathReading> cases[] = {
        {"/%6cogin", {"login"}    },
        {"/login/",  {"login", ""}},
        {"/",        {""}         },
        {"//login",  {"", "login"}},
    };
    for (const auto& [raw, reading] : cases) {
        CAPTURE(raw);
        const auto path = Path::parse(raw);
        REQUIRE(path);
        CHECK(path->readings().front() == reading);
    }
}

}  // namespace cordgate
