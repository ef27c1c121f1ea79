#include "core/url.hpp"

#include <doctest/doctest.h>

namespace cordgate {

using namespace std::string_view_literals;

TEST_CASE("percent_encode leaves only unreserved characters, percent_decode undoes it") {
    CHECK(percent_encode("AZaz09-._~") == "AZaz09-._~");
    CHECK(percent_encode(" /?#[]@!$&'()*+,;=%") ==
          "%20%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25");
    CHECK(percent_encode("\xe2\x9c\x93\r\n\0"sv) == "%E2%9C%93%0D%0A%00");
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    CHECK(percent_decode(percent_encode(all)) == all);

    CHECK(percent_decode("%2f%2F") == "//");
    CHECK(percent_decode("%2561") == "%61");
    CHECK(percent_decode("a+b") == "a+b");
    CHECK(percent_decode("a+b%2b", true) == "a b+");
    for (const char* text : {"%", "%2", "%zz", "a%", "%2g", "%%20", "%u002f", "% 1"}) {
        CAPTURE(text);
        CHECK_FALSE(percent_decode(text));
    }
}

TEST_CASE("is_valid_utf8 draws the borders where RFC 3629 does, C15") {
    for (const auto text :
         {""sv, "a\0b"sv, "\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv,
          "\xee\x80\x80"sv, "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv}) {
        CHECK(is_valid_utf8(text));
    }
    for (const auto text :
         {"\x80"sv, "\xbf"sv, "\xc0\xaf"sv, "\xc1\xbf"sv, "\xc2"sv, "\xc2\x7f"sv, "\xc2\xc2"sv,
          "\xe0\x9f\xbf"sv, "\xe2\x9c"sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xf0\x8f\xbf\xbf"sv,
          "\xf0\x90\x80"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv,
          "a\xe2\x28\xa1"sv}) {
        CHECK_FALSE(is_valid_utf8(text));
    }
}

TEST_CASE("Query reads forms, and a repeated parameter has no value, F15, E6") {
    const auto query = Query::parse("a=1&b=x+y%26&&c&a=2&d==&=e&%66=g");
    REQUIRE(query);
    CHECK_FALSE(query->get("a"));
    CHECK(query->count("a") == 2);
    CHECK(query->get("b") == "x y&");
    CHECK(query->get("c") == "");
    CHECK(query->get("d") == "=");
    CHECK(query->get("") == "e");
    CHECK(query->get("f") == "g");
    CHECK_FALSE(query->get("A"));
    CHECK(query->count("z") == 0);
    CHECK(Query::parse("")->count("") == 0);
    CHECK_FALSE(Query::parse("a=1&b=%"));
    CHECK_FALSE(Query::parse("%zz=1"));
}

TEST_CASE("QueryBuilder writes what Query reads") {
    QueryBuilder builder;
    builder.add("scope", "identify guilds").add("redirect_uri", "https://a/?b&c=d").add("e", "");
    CHECK(builder.str() ==
          "scope=identify%20guilds&redirect_uri=https%3A%2F%2Fa%2F%3Fb%26c%3Dd&e=");
    const auto query = Query::parse(builder.str());
    CHECK(query->get("redirect_uri") == "https://a/?b&c=d");
}

TEST_CASE("Origin::parse takes an origin and nothing more") {
    struct Case {
        std::string_view text;
        std::string_view origin;  // empty: refused
    };
    constexpr Case cases[] = {
        {"https://app.example.com",        "https://app.example.com"},
        {"https://app.example.com/",       "https://app.example.com"},
        {"HTTPS://App.Example.COM",        "https://app.example.com"},
        {"https://app.example.com.",       "https://app.example.com"},
        {"https://a:443",                  "https://a"              },
        {"http://a:80",                    "http://a"               },
        {"http://a:443",                   "http://a:443"           },
        {"https://a:8443",                 "https://a:8443"         },
        {"https://a:0443",                 "https://a"              },
        {"http://my_app:3000",             "http://my_app:3000"     },
        {"http://127.0.0.1:1",             "http://127.0.0.1:1"     },
        {"http://[::1]:3000",              "http://[::1]:3000"      },
        {"http://[0:0:0::1]",              "http://[::1]"           },
        {"https://[2001:DB8::A]",          "https://[2001:db8::a]"  },
        {"https://",                       ""                       },
        {"https:///",                      ""                       },
        {"https://.",                      ""                       },
        {"https://a..b",                   ""                       },
        {"https://.a",                     ""                       },
        {"https://a/b",                    ""                       },
        {"https://a//",                    ""                       },
        {"https://a?b",                    ""                       },
        {"https://a#b",                    ""                       },
        {"https://u@a",                    ""                       },
        {"https://u:p@a",                  ""                       },
        {"https://a:",                     ""                       },
        {"https://a:0",                    ""                       },
        {"https://a:65536",                ""                       },
        {"https://a:99999999999999999999", ""                       },
        {"https://a:-1",                   ""                       },
        {"https://a:8x",                   ""                       },
        {"https://a:80:80",                ""                       },
        {"https://[::1",                   ""                       },
        {"https://[::1]x",                 ""                       },
        {"https://[]",                     ""                       },
        {"https://[fe80::1%25eth0]",       ""                       },
        {"https://[v1.x]",                 ""                       },
        {"https://::1",                    ""                       },
        {"https://2130706433",             ""                       },
        {"https://0x7f000001",             ""                       },
        {"https://127.1",                  ""                       },
        {"https://0177.0.0.1",             ""                       },
        {"https://256.0.0.1",              ""                       },
        {"https://a b",                    ""                       },
        {" https://a",                     ""                       },
        {"https://a\n",                    ""                       },
        {"https://a\\b",                   ""                       },
        {"https://a%2eb",                  ""                       },
        {"https://caf\xc3\xa9",            ""                       },
        {"https:/a",                       ""                       },
        {"https:a",                        ""                       },
        {"//a",                            ""                       },
        {"a",                              ""                       },
        {"",                               ""                       },
        {"ftp://a",                        ""                       },
        {"javascript://a",                 ""                       },
    };
    for (const auto& c : cases) {
        CAPTURE(c.text);
        const auto origin = Origin::parse(c.text);
        CHECK((origin ? origin->to_string() : "") == c.origin);
    }
    CHECK_FALSE(Origin::parse("https://a\0"sv));
    CHECK_FALSE(Origin::parse("https://" + std::string(64, 'a')));
    CHECK_FALSE(Origin::parse("https://" + std::string(254, 'a')));
    CHECK(Origin::parse("https://a:443") == Origin::parse("https://A/"));
    CHECK_FALSE(Origin::parse("https://a") == Origin::parse("http://a"));
}

TEST_CASE("Origin::is_loopback knows this machine's names and no look-alikes") {
    for (const char* text : {"http://localhost", "http://app.localhost:3000", "http://127.0.0.1",
                             "http://127.8.9.10", "http://[::1]"}) {
        CAPTURE(text);
        CHECK(Origin::parse(text)->is_loopback());
    }
    for (const char* text :
         {"http://localhost.example.com", "http://notlocalhost", "http://127.0.0.1.example.com",
          "http://128.0.0.1", "http://[::2]", "http://0.0.0.0"}) {
        CAPTURE(text);
        CHECK_FALSE(Origin::parse(text)->is_loopback());
    }
}

TEST_CASE("HttpUrl::parse splits origin and target") {
    struct Case {
        std::string_view text;
        std::string_view origin;
        std::string_view target;  // empty: refused
    };
    constexpr Case cases[] = {
        {"https://discord.com/api/v10", "https://discord.com", "/api/v10"},
        {"https://discord.com",         "https://discord.com", "/"       },
        {"https://discord.com?a=b",     "https://discord.com", "/?a=b"   },
        {"http://[::1]:8080/a?b=//c",   "http://[::1]:8080",   "/a?b=//c"},
        {"https://a/b@c:d",             "https://a",           "/b@c:d"  },
        {"https://a/b#c",               "",                    ""        },
        {"https://u@a/b",               "",                    ""        },
        {"https://a/b c",               "",                    ""        },
        {"https://a/b\r\nX: 1",         "",                    ""        },
        {"https://a\\@b/",              "",                    ""        },
        {"ws://a/b",                    "",                    ""        },
    };
    for (const auto& c : cases) {
        CAPTURE(c.text);
        const auto url = HttpUrl::parse(c.text);
        CHECK((url ? url->target : "") == c.target);
        CHECK((url ? url->origin.to_string() : "") == c.origin);
    }
}

}  // namespace cordgate
