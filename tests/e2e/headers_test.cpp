#include <doctest/doctest.h>

#include <algorithm>

#include "core/ascii.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/websocket.hpp"

// What reaches the application of what a client sends: byte for byte.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

/// A name as frameworks hand it over: letters, digits and '-'.
std::string folded(std::string_view name) {
    std::string out;
    for (const char c : name) out += is_alnum(c) ? to_lower(c) : '-';
    return out;
}

bool is_identity(const std::string& name) {
    const auto plain = folded(name);
    for (const char* prefix : {"x-discord", "http-x-discord", "remote-", "x-auth-request"}) {
        if (plain.starts_with(prefix)) return true;
    }
    return false;
}

/// Every field that tells an application who its visitor is, in whatever spelling.
Fields identity_of(const Message& request) {
    Fields out;
    for (const auto& field : request.fields) {
        if (is_identity(field.first)) out.push_back(field);
    }
    return out;
}

/// "a0, a1, ... ", each a name.
std::string names(int count) {
    std::string list;
    for (int i = 0; i < count; ++i) list += "a" + std::to_string(i) + ", ";
    return list;
}

constexpr const char* methods_and_paths[] = {"/public/x", "/feed", "/private"};

}  // namespace

TEST_CASE("B1-B17 B22 a client cannot say who it is, however it spells it") {
    struct Case {
        std::string name;
        std::string fields;
        int status;  ///< 200: forwarded without; 400: refused
    };
    using namespace std::string_literals;
    const Case cases[] = {
        {"B1 the header itself",                                                           "X-Discord-User-Id: 1\r\n",                                200},
        {"B2 several, in mixed case",
         "x-discord-USER-id: 1\r\nX-DISCORD-USER-ID: 2\r\nX-Discord-User-Id: 3\r\n",                                                                  200},
        {"B3 CVE-2022-31813 CVE-2021-32813 oauth2-proxy #2 nominated by Connection",
         "X-Discord-User-Id: 1\r\nConnection: X-Discord-User-Id\r\n",                                                                                 200},
        {"B3 CVE-2026-29054 CVE-2024-45410 GHSA-w9mr-28mw-j8hg nominated in another case",
         "Connection: x-DISCORD-user-ID, x-discord-user, X-Discord-Session\r\n",                                                                      200},
        {"B3 nominated beside close",                                                      "Connection: close, X-Discord-User-Id\r\n",                200},
        {"B5 nominated in quotes",                                                         "Connection: \"x-discord-user-id\"\r\n",                   0  },
        {"B5 nominated with tabs",                                                         "Connection: \tx-discord-user-id\t,\tclose\r\n",           200},
        {"B5 a thousand names",
         "X-Discord-User-Id: 1\r\nConnection: " + names(1000) + "X-Discord-User-Id\r\n",                                                              200},
        {"B5 many Connection fields",
         "Connection: a\r\nConnection: x-discord-user-id\r\nConnection: b\r\n",                                                                       200},
        {"B8 CVE-2025-64484 CVE-2026-39858 underscores",
         "X_Discord_User_Id: 1\r\nx_discord_user: {}\r\n",                                                                                            200},
        {"B9 mixed separators",
         "X-Discord_User-Id: 1\r\nX.Discord.User.Id: 1\r\nX~Discord~User~Id: 1\r\n"
         "X+Discord+User+Id: 1\r\nX!Discord#User$Id: 1\r\nX|Discord`User^Id: 1\r\n",                                                                  200},
        {"B10 as CGI spells it",                                                           "HTTP_X_DISCORD_USER_ID: 1\r\nHTTP-X-Discord-User: 1\r\n", 200},
        {"B11 a space before the colon",                                                   "X-Discord-User-Id : 1\r\n",                               400},
        {"B11 a tab before the colon",                                                     "X-Discord-User-Id\t: 1\r\n",                              400},
        {"B11 a vertical tab before the name",                                             "\x0bX-Discord-User-Id: 1\r\n",                            400},
        {"B11 a form feed behind the name",                                                "X-Discord-User-Id\x0c: 1\r\n",                            400},
        {"B11 a CR in the name",                                                           "X-Discord\r-User-Id: 1\r\n",                              400},
        {"B11 a LF in the name",                                                           "X-Discord\n-User-Id: 1\r\n",                              400},
        {"B11 a space in the name",                                                        "X-Discord -User-Id: 1\r\n",                               400},
        {"B11 the first 8-bit byte",                                                       "X-Discord\x80-User-Id: 1\r\n",                            400},
        {"B11 the last 8-bit byte",                                                        "\xffX-Discord-User-Id: 1\r\n",                            400},
        {"B11 NUL in the name",                                                            "X-Discord\0-User-Id: 1\r\n"s,                             400},
        {"B11 8-bit byte in the name",                                                     "X-Discord-User-Id\xa0: 1\r\n",                            400},
        {"B12 KELVIN SIGN",                                                                "X-Discord-User-I\xE2\x84\xAA: 1\r\n",                     400},
        {"B12 LONG S",
         "X-Di\xC5\xBF"
         "cord-User-Id: 1\r\n",                                                                                                                       400},
        {"B12 fullwidth letters",                                                          "\xEF\xBC\xB8-Discord-User-Id: 1\r\n",                     400},
        {"B13 behind a folded line",                                                       "X-A: 1\r\n X-Discord-User-Id: 1\r\n",                     400},
        {"B13 behind a folded line with a tab",                                            "X-A: 1\r\n\tX-Discord-User-Id: 1\r\n",                    400},
        {"B14 behind a bare CR",                                                           "X-A: 1\rX-Discord-User-Id: 1\r\n",                        400},
        {"B14 behind a bare LF",                                                           "X-A: 1\nX-Discord-User-Id: 1\r\n",                        400},
        {"B17 anything of the family",
         "X-Discord-: 1\r\nX-Discord-Anything: 1\r\nX-Discord-Login-Data: 1\r\n"
         "X-Discord-Access-Token: 1\r\nX-Discord-Stale: 1\r\nX-Discord-Session: 1\r\n",                                                               200},
        {"CVE-2026-30851 what this visitor has not",
         "X-Discord-User-Roles: 401000000000000001/501000000000000001\r\n"
         "X-Discord-User-Email: a@b\r\nX-Discord-User-Guilds-Truncated: 1\r\n",                                                                       200},
        {"the names of other proxies",
         "Remote-User: admin\r\nRemote_User: admin\r\nRemote-Groups: admins\r\nRemote-Name: a\r\n"
         "Remote-Email: a@b\r\nX-Auth-Request-User: admin\r\nX-Auth-Request-Email: a@b\r\n"
         "X-Auth-Request-Groups: x\r\n",                                                                                                              200},
    };
    Stage stage;
    auto pip = stage.browser_of(demo::pip);
    const auto cookie = pip.cookie_line();
    pip.get("/private");
    const auto honest = identity_of(stage.app.last());
    REQUIRE(honest.size() > 5);

    for (const auto& c : cases) {
        for (const char* path : methods_and_paths) {
            for (const bool signed_in : {false, true}) {
                CAPTURE(c.name);
                CAPTURE(path);
                CAPTURE(signed_in);
                stage.app.forget();
                const auto answer = stage.ask(stage.request(std::string("GET ") + path,
                                                            (signed_in ? cookie : "") + c.fields));
                if (c.status == 400) {
                    CHECK(answer.status() == 400);
                    CHECK(stage.app.count() == 0);
                    continue;
                }
                if (stage.app.count() == 0) {
                    const bool needs_login = std::string_view(path) == "/private" && !signed_in;
                    const bool refused = c.status == 0 && answer.status() == 400;
                    CHECK((needs_login || refused));
                    continue;
                }
                const bool named = signed_in && std::string_view(path) != "/public/x";
                CHECK(identity_of(stage.app.last()) == (named ? honest : Fields{}));
                CHECK_FALSE(stage.app.last().has("Connection"));
            }
        }
    }
}

TEST_CASE("B15 B16 CVE-2024-7207 forged identity is removed on every way into the application") {
    struct Case {
        std::string name;
        std::string bytes;
        std::string method = "GET";
    };
    Stage stage;
    stage.app.echoes("/public/socket");
    const auto head = [&](const std::string& start, const std::string& fields) {
        return stage.request(start, "X-Discord-User-Id: 1\r\nX_Discord_User_Id: 1\r\n" + fields);
    };
    const Case cases[] = {
        {"B15 CVE-2026-88004 in a trailer",
         head("POST /public/x",                                    "Transfer-Encoding: chunked\r\nTrailer: X-Discord-User-Id\r\n") +
             "2\r\nhi\r\n0\r\nX-Discord-User-Id: 1\r\nX-Kept: no\r\n\r\n"                                             },
        {"B16 in a chunk extension",        head("POST /public/x", "Transfer-Encoding: chunked\r\n") +
                                         "2;X-Discord-User-Id=1\r\nhi\r\n0\r\n\r\n"},
        {"HEAD",                            head("HEAD /public/x", ""),                                                                                "HEAD"},
        {"OPTIONS",                                 head("OPTIONS /public/x",                                              "")                                                                       },
        {"a method nobody knows",                                 head("BREW /public/x",                                "")},
        {"B16 a handshake",                                 head("GET /public/socket",                                      websocket_handshake)                                                                         },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.forget();
        const auto answer = stage.ask(c.bytes, c.method);
        CHECK((answer.status() == 200 || answer.status() == 101));
        REQUIRE(stage.app.count() == 1);
        CHECK(identity_of(stage.app.last()) == Fields{});
        CHECK_FALSE(stage.app.last().has("(trailer)"));
        CHECK_FALSE(stage.app.last().has("Trailer"));
    }

    SUBCASE("A57 B16 and a second request in the same segment is judged for itself") {
        stage.app.forget();
        auto fern = stage.browser_of(demo::fern);
        stage.app.forget();
        const auto cookie = fern.cookie_line();
        Wire wire(stage.port());
        wire.send(stage.request("GET /private", cookie) + stage.request("GET /private", "") +
                  stage.request("GET /feed", "X-Discord-User-Id: 1\r\n"));
        CHECK(wire.read_response().status() == 200);
        CHECK_MESSAGE(wire.read_response().status() == 401, "A58: no trust by connection");
        CHECK(wire.read_response().status() == 200);
        const auto seen = stage.app.requests();
        REQUIRE(seen.size() == 2);
        CHECK(seen[0].field("X-Discord-User-Id") == demo::fern.to_string());
        CHECK(identity_of(seen[1]) == Fields{});
    }
}

TEST_CASE(
    "B6 B7 B28 B29 B32 B35 the head that reaches the application is this one, byte for byte") {
    Stage stage;
    const auto answer = stage.ask(
        "POST /public/form?a=b&a=c%20d HTTP/1.1\r\nHost: " + stage.authority() +
        "\r\nUser-Agent: test\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\n"
        "If-None-Match: \"x\"\r\nCache-Control: no-cache\r\nX-Odd:   two  blanks \t\r\n"
        "X-Empty:\r\nCookie: a=1; cordgate=forged; b=\"2\"\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
        "X-HTTP-Method-Override: DELETE\r\nX-Request-Id: chosen-by-the-client\r\n"
        "TE: trailers\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
        "Proxy-Authorization: Basic eDp5\r\nProxy: http://evil.example\r\n"
        "Connection: keep-alive, X-Nominated\r\nX-Nominated: gone\r\nContent-Length: 3\r\n\r\nabc");
    CHECK(answer.status() == 200);
    const auto seen = stage.app.last();
    CHECK(seen.body == "abc");
    const auto id = seen.field("X-Request-Id");
    CHECK(id.size() >= 16);
    CHECK(seen.head == "POST /public/form?a=b&a=c%20d HTTP/1.1\r\nHost: " + stage.authority() +
                           "\r\nUser-Agent: test\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\n"
                           "If-None-Match: \"x\"\r\nCache-Control: no-cache\r\n"
                           "X-Odd: two  blanks\r\nX-Empty: \r\nX-Twice: 1\r\nX-Twice: 2\r\n"
                           "Cookie: a=1; b=\"2\"\r\nContent-Length: 3\r\n"
                           "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
                           "X-Forwarded-Host: " +
                           stage.authority() + "\r\nX-Forwarded-Port: " +
                           std::to_string(stage.port()) + "\r\nX-Request-Id: " + id + "\r\n\r\n");
}

TEST_CASE("hop-by-hop fields end here, and Connection cannot take what others rely on") {
    struct Case {
        std::string name;
        std::string fields;
        std::string kept;     ///< a line that must arrive
        std::string removed;  ///< a name that must not
    };
    Stage stage;
    const Case cases[] = {
        {"B4 Host",                                                "Connection: close, Host\r\n",                              "Host: " + stage.authority(),                       "Connection"      },
        {"B4 Cookie",                                              "Connection: Cookie\r\nCookie: a=1\r\n",                    "Cookie: a=1",                                      "Connection"      },
        {"B4 Authorization",                                       "Connection: authorization\r\nAuthorization: Bearer x\r\n",
         "Authorization: Bearer x",                                                                                                                                                "Connection"      },
        {"B4 X-Forwarded-For",                                     "Connection: X-Forwarded-For\r\n",                          "X-Forwarded-For: 127.0.0.1",
         "Connection"                                                                                                                                                                                },
        {"B6 Keep-Alive",                                          "Keep-Alive: timeout=9\r\n",                                "",                                                 "Keep-Alive"      },
        {"B6 Proxy-Connection",                                    "Proxy-Connection: keep-alive\r\n",                         "",                                                 "Proxy-Connection"},
        {"B6 TE",                                                  "TE: trailers, deflate\r\n",                                "",                                                 "TE"              },
        {"B6 Upgrade without Connection",                          "Upgrade: websocket\r\n",                                   "",                                                 "Upgrade"         },
        {"A11 h2c",
         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",                                "",
         "HTTP2-Settings"                                                                                                                                                                            },
        {"B7 Proxy-Authorization",                                 "Proxy-Authorization: Basic eDp5\r\n",                      "",
         "Proxy-Authorization"                                                                                                                                                                       },
        {"B28 Proxy",                                              "Proxy: http://evil.example\r\n",                           "",                                                 "Proxy"           },
        {"B35 conditional and range fields are the application's",
         "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n",                                                               "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT", "Connection"      },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK(stage.ask(stage.request("GET /public/x", c.fields)).status() == 200);
        CHECK(contains(stage.app.last().head, c.kept + (c.kept.empty() ? "" : "\r\n")));
        CHECK_FALSE(stage.app.last().has(c.removed));
    }
    std::string many = "Connection: a";
    for (int i = 0; i < 2000; ++i) many += ",t" + std::to_string(i);
    stage.app.forget();
    CHECK_MESSAGE(stage.ask(stage.request("GET /public/x", many + "\r\n")).status() == 400,
                  "B5 more names than are compared");
    CHECK(stage.app.count() == 0);
    // B4: what frames a body is not the client's to take away either.
    const std::string bodies[] = {
        "Connection: Content-Length, Content-Type\r\nContent-Length: 5\r\n\r\nhello",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"};
    for (const auto& rest : bodies) {
        CAPTURE(rest);
        const auto head = "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\n";
        CHECK(stage.ask(head + rest).status() == 200);
        const auto seen = stage.app.last();
        CHECK(seen.body == "hello");
        CHECK(seen.complete);
        CHECK(seen.count("Content-Length") + seen.count("Transfer-Encoding") == 1);
        CHECK(seen.field("Content-Type") == "a/b");
        CHECK_FALSE(seen.has("Connection"));
    }
}

TEST_CASE("B24 B26 from a peer that is not trusted no forwarded field is believed") {
    struct Case {
        std::string name;
        const char* field;
    };
    const Case cases[] = {
        {"B24 CVE-2024-21494 X-Forwarded-For",                     "X-Forwarded-For: 1.2.3.4"                            },
        {"B24 X_Forwarded_For",                                    "X_Forwarded_For: 1.2.3.4"                            },
        {"B26 X-Forwarded-Proto",                                  "X-Forwarded-Proto: https"                            },
        {"B26 X-Forwarded-Host",                                   "X-Forwarded-Host: evil.example"                      },
        {"B26 X-Forwarded-Port",                                   "X-Forwarded-Port: 1"                                 },
        {"B26 CVE-2026-35051 X-Forwarded-Prefix",                  "X-Forwarded-Prefix: //evil.example"                  },
        {"B26 CVE-2026-40575 GHSA-7x63-xv5r-3p2x X-Forwarded-Uri", "X-Forwarded-Uri: /public/x"                          },
        {"B26 X-Forwarded-Method",                                 "X-Forwarded-Method: OPTIONS"                         },
        {"B26 X-Forwarded-Server",                                 "X-Forwarded-Server: evil.example"                    },
        {"B26 X-Forwarded-Scheme",                                 "X-Forwarded-Scheme: https"                           },
        {"B26 X-Forwarded-Ssl",                                    "X-Forwarded-Ssl: on"                                 },
        {"B26 Forwarded",                                          "Forwarded: for=1.2.3.4;host=evil.example;proto=https"},
        {"B26 X-Real-IP",                                          "X-Real-IP: 1.2.3.4"                                  },
        {"B26 X-Original-URL",                                     "X-Original-URL: /public/x"                           },
        {"B26 X-Rewrite-URL",                                      "X-Rewrite-URL: /public/x"                            },
        {"B26 X-Client-IP",                                        "X-Client-IP: 1.2.3.4"                                },
        {"B26 True-Client-IP",                                     "True-Client-IP: 1.2.3.4"                             },
        {"B26 CF-Connecting-IP",                                   "CF-Connecting-IP: 1.2.3.4"                           },
    };
    Stage stage;
    const auto port = std::to_string(stage.port());
    const auto cookies_of = [](const Message& login) {
        auto cookies = login.all("Set-Cookie");
        for (auto& cookie : cookies) {
            const auto value = cookie.find('=');
            cookie.erase(value, cookie.find(';') - value);
        }
        return cookies;
    };
    const auto plain = cookies_of(stage.ask(stage.request("GET /login")));
    REQUIRE_FALSE(plain.empty());
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto field = std::string(c.field) + "\r\n";
        CHECK(stage.ask(stage.request("GET /public/x", field)).status() == 200);
        const auto seen = stage.app.last();
        CHECK(seen.all("X-Forwarded-For") == std::vector<std::string>{"127.0.0.1"});
        CHECK(seen.all("X-Forwarded-Proto") == std::vector<std::string>{"http"});
        CHECK(seen.all("X-Forwarded-Host") == std::vector<std::string>{stage.authority()});
        CHECK(seen.all("X-Forwarded-Port") == std::vector<std::string>{port});
        CHECK_FALSE(contains(seen.head, std::string(c.field)));
        const auto value = field.substr(field.find(' ') + 1);
        CHECK_FALSE(contains(seen.head, ": " + value));
        CHECK_MESSAGE(stage.ask(stage.request("GET /private", field)).status() == 401,
                      "and no rule is judged by it");
        const auto login = stage.ask(stage.request("GET /login", field));
        CHECK(parameter(login.field("Location"), "redirect_uri") == stage.home() + "/callback");
        CHECK_MESSAGE(cookies_of(login) == plain, "no cookie is made otherwise");
    }
}

TEST_CASE("B25 B27 from a trusted proxy the chain is read from its near end") {
    struct Case {
        std::string name;
        std::string fields;
        std::string forwarded_for, proto, host, port;
        std::string logged;  ///< client address in the log
    };
    Stage stage({.public_url = "https://app.example.com",
                 .server = "trusted_proxies: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8']"});
    const std::string app = "app.example.com";
    const Case cases[] = {
        {"nothing said",                           "",                                                         "127.0.0.1",              "https", app, "443",  "127.0.0.1"  },
        {"one hop",                                "X-Forwarded-For: 1.2.3.4\r\n",                             "1.2.3.4, 127.0.0.1",     "https", app, "443",
         "1.2.3.4"                                                                                                                                                          },
        {"the client's own claim is left of ours", "X-Forwarded-For: 6.6.6.6, 1.2.3.5\r\n",
         "6.6.6.6, 1.2.3.5, 127.0.0.1",                                                                                                  "https", app, "443",  "1.2.3.5"    },
        {"through a second trusted proxy",         "X-Forwarded-For: 1.2.3.6, 10.1.1.1\r\n",
         "1.2.3.6, 10.1.1.1, 127.0.0.1",                                                                                                 "https", app, "443",  "1.2.3.6"    },
        {"in two fields",                          "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.7\r\n",
         "6.6.6.6, 1.2.3.7, 127.0.0.1",                                                                                                  "https", app, "443",  "1.2.3.7"    },
        {"IPv6",                                   "X-Forwarded-For: 2001:db8::7\r\n",                         "2001:db8::7, 127.0.0.1", "https", app, "443",
         "2001:db8::7"                                                                                                                                                      },
        {"IPv6 with port",                         "X-Forwarded-For: \"[2001:db8::8]:5\"\r\n",
         "\"[2001:db8::8]:5\", 127.0.0.1",                                                                                               "https", app, "443",  "2001:db8::8"},
        {"with a port",                            "X-Forwarded-For: 1.2.3.8:99\r\n",                          "1.2.3.8:99, 127.0.0.1",  "https", app,
         "443",                                                                                                                                                "1.2.3.8"    },
        {"unknown",                                "X-Forwarded-For: unknown\r\n",                             "unknown, 127.0.0.1",     "https", app, "443",
         "127.0.0.1"                                                                                                                                                        },
        {"CVE-2024-47070 garbage",                 "X-Forwarded-For: ;drop table\r\n",                         ";drop table, 127.0.0.1",
         "https",                                                                                                                                 app, "443",  "127.0.0.1"  },
        {"garbage nearer than an address",         "X-Forwarded-For: 1.2.3.4, x\r\n",
         "1.2.3.4, x, 127.0.0.1",                                                                                                        "https", app, "443",  "127.0.0.1"  },
        {"plain http",                             "X-Forwarded-Proto: http\r\n",                              "127.0.0.1",              "http",  app, "80",   "127.0.0.1"  },
        {"nonsense as scheme",                     "X-Forwarded-Proto: javascript\r\n",                        "127.0.0.1",              "https", app,
         "443",                                                                                                                                                "127.0.0.1"  },
        {"a port",                                 "X-Forwarded-Port: 8443\r\n",                               "127.0.0.1",              "https", app, "8443", "127.0.0.1"  },
        {"B27 another host",                       "X-Forwarded-Host: wiki.example.com\r\n",                   "127.0.0.1",              "https",
         "wiki.example.com",                                                                                                                           "443",  "127.0.0.1"  },
        {"B27 userinfo in the host",               "X-Forwarded-Host: evil:443@app.example.com\r\n",           "127.0.0.1",
         "https",                                                                                                                                 app, "443",  "127.0.0.1"  },
        {"B27 a list of hosts",                    "X-Forwarded-Host: app.example.com, evil.example\r\n",      "127.0.0.1",
         "https",                                                                                                                                 app, "443",  "127.0.0.1"  },
        {"B27 a path in the host",                 "X-Forwarded-Host: evil.example/x\r\n",                     "127.0.0.1",              "https",
         app,                                                                                                                                          "443",  "127.0.0.1"  },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto answer = stage.ask(stage.request("GET /public/x", c.fields));
        REQUIRE(answer.status() == 200);
        const auto seen = stage.app.last();
        CHECK(seen.all("X-Forwarded-For") == std::vector<std::string>{c.forwarded_for});
        CHECK(seen.all("X-Forwarded-Proto") == std::vector<std::string>{c.proto});
        CHECK(seen.all("X-Forwarded-Host") == std::vector<std::string>{c.host});
        CHECK(seen.all("X-Forwarded-Port") == std::vector<std::string>{c.port});
        CHECK(stage.gate().process().says("client=" + c.logged +
                                          " request_id=" + seen.field("X-Request-Id")));
    }

    SUBCASE("P14 oauth2-proxy #14 a request id is taken over when it is one") {
        stage.ask(stage.request("GET /public/x", "X-Request-Id: from-the-proxy_1.2\r\n"));
        CHECK(stage.app.last().field("X-Request-Id") == "from-the-proxy_1.2");
        for (const char* junk : {"a b", "\"quoted\"", "x=y", "<b>"}) {
            CAPTURE(junk);
            stage.ask(
                stage.request("GET /public/x", "X-Request-Id: " + std::string(junk) + "\r\n"));
            CHECK(stage.app.last().field("X-Request-Id") != junk);
        }
    }
}

TEST_CASE("our cookies stay here, and the others pass byte for byte") {
    struct Case {
        std::string name;
        std::string cookie;  ///< whole lines
        std::string forwarded;
    };
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    const auto session = fern.cookie("cordgate");
    const Case cases[] = {
        {"B32 ours alone",                    "Cookie: cordgate=S\r\n",                                   ""                                    },
        {"B32 between others",                "Cookie: a=1; cordgate=S; b=2\r\n",                         "a=1; b=2"                            },
        {"B32 all three of ours",             "Cookie: cordgate-login=x; cordgate=S; cordgate-out=1\r\n", ""                                    },
        {"D5 twice, a bad one first",         "Cookie: cordgate=evil; cordgate=S\r\n",                    ""                                    },
        {"D5 twice, a bad one last",          "Cookie: cordgate=S; cordgate=evil\r\n",                    ""                                    },
        {"D6 oauth2-proxy #15 in two fields", "Cookie: a=1\r\nCookie: cordgate=S\r\n",                    "a=1"                                 },
        {"D7 another name by one byte",
         "Cookie: cordgate=S; Cordgate=x; cordgate2=y; xcordgate=z\r\n",                                  "Cordgate=x; cordgate2=y; xcordgate=z"},
        {"D8 quotes and $Version are bytes",
         "Cookie: $Version=1; cordgate=S; x=\"a; cordgate=evil; b\"\r\n",                                 "$Version=1; x=\"a; b\""              },
        {"D9 nameless and empty ones",        "Cookie: =x; dsess; ;;; e=; cordgate=S\r\n",
         "=x; dsess; ;;; e="                                                                                                                    },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        auto lines = c.cookie;
        lines.replace(lines.find("cordgate=S") + 9, 1, session);
        CHECK(stage.ask(stage.request("GET /private", lines)).status() == 200);
        const auto seen = stage.app.last();
        CHECK(seen.field("X-Discord-User-Id") == demo::fern.to_string());
        CHECK(seen.field("Cookie") == c.forwarded);
        CHECK(seen.count("Cookie") == (c.forwarded.empty() ? 0 : 1));
        CHECK_FALSE(contains(seen.head, session));
    }
}

TEST_CASE("only the exact session cookie is a session") {
    struct Case {
        std::string name;
        std::string cookie;
    };
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    const auto good = fern.cookie("cordgate");
    auto flipped = good;
    flipped[7] = flipped[7] == 'A' ? 'B' : 'A';
    std::string standard = good;
    std::replace(standard.begin(), standard.end(), '-', '+');
    const Case cases[] = {
        {"D12 one byte less",                     "cordgate=" + good.substr(1)      },
        {"D12 one byte more",                     "cordgate=" + good + "A"          },
        {"D12 padded",                            "cordgate=" + good + "="          },
        {"D12 twice over",                        "cordgate=" + good + good         },
        {"D12 percent-encoded",                   "cordgate=%" + good               },
        {"D8 in quotes",                          "cordgate=\"" + good + "\""       },
        {"D13 one character changed",             "cordgate=" + flipped             },
        {"G4 a stranger's",                       "cordgate=" + std::string(43,       'x')},
        {"D7 name in another case",                                       "Cordgate=" + good                                                },
        {"D7 name with a prefix",                                       "__Host-cordgate=" + good  },
        {"D7 name percent-encoded",                                       "%63ordgate=" + good                                              },
        {"D7 a Unicode blank before it",
         "\xE2\x80\x80"
         "cordgate=" +
             good},
        {"D9 empty",                                       "cordgate="                                                                  },
        {"D9 no value",                                       "cordgate"},
        {"G25 a quote",                                       "cordgate=' OR 1=1 --"                                                                  },
        {"G25 long",                                       "cordgate=" + std::string(10000,'a')},
        {"B31 as a token beside it",                                   "x=y\r\nAuthorization: Bearer " + good                                                                       },
        {"CVE-2024-47616 the handle is no cookie",
         "cordgate=" + stage.app.last().field("X-Discord-Session")},
    };
    stage.app.forget();
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto answer =
            stage.ask(stage.request("GET /private", "Cookie: " + c.cookie + "\r\n"));
        CHECK((answer.status() == 401 || answer.status() == 400));
        CHECK_FALSE(answer.has("Set-Cookie"));
    }
    CHECK(stage.app.count() == 0);
    CHECK_MESSAGE(stage.ask(stage.request("GET /private",
                                          "Cookie: cordgate=a\x01"
                                          "b\r\n"))
                          .status() == 400,
                  "D10");
    const auto bomb = stage.ask(
        stage.request("GET /private", "Cookie: a=" + std::string(64 * 1024, 'b') + "\r\n"));
    CHECK_MESSAGE(bomb.status() == 431, "D11");
    CHECK(bomb.count("Set-Cookie") == 3);
    CHECK(fern.get("/private").status() == 200);
}

TEST_CASE("what the application answers passes, but for what is ours") {
    struct Case {
        std::string name;
        std::string fields;
        std::vector<std::string> cookies;
        std::string removed;
    };
    const Case cases[] = {
        {"B18 identity in the answer",
         "X-Discord-User-Id: 1\r\nX_Discord_User: x\r\n",                     {},
         "X-Discord-User-Id"                                                                                                     },
        {"B36 three cookies stay three",
         "Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nSet-Cookie: a=3\r\n", {"a=1", "b=2; Path=/", "a=3"},
         "X-Discord-User-Id"                                                                                                     },
        {"B37 a session of its making",
         "Set-Cookie: cordgate=planted\r\nSet-Cookie: =cordgate=planted\r\n"
         "Set-Cookie: cordgate-login=planted\r\nSet-Cookie: a=1\r\n",         {"a=1"},
         "X-Discord-User-Id"                                                                                                     },
        {"B7 Proxy-Authenticate",        "Proxy-Authenticate: Basic\r\n",     {},                            "Proxy-Authenticate"},
        {"hop-by-hop fields",
         "Keep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n",        {},
         "X-Hop"                                                                                                                 },
    };
    Stage stage;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.answers(
            "/public/x",
            response("200 OK", c.fields + "X-Of-App: yes\r\nCache-Control: public\r\n", "body"));
        const auto answer = stage.ask(stage.request("GET /public/x"));
        CHECK(answer.status() == 200);
        CHECK(answer.body == "body");
        CHECK(answer.field("X-Of-App") == "yes");
        CHECK(answer.field("Cache-Control") == "public");
        CHECK(answer.all("Set-Cookie") == c.cookies);
        CHECK_FALSE(answer.has(c.removed));
        CHECK_FALSE(contains(answer.head, "planted"));
        if (c.name.starts_with("B37")) {
            CHECK(stage.gate().process().says(stage.app.url() +
                                              " tried to set a cookie of ours; dropped"));
        }
    }
}

TEST_CASE("B27 a host that a trusted proxy names is one of ours, or nobody's") {
    struct Case {
        std::string name;
        std::string fields;
        int status;
    };
    const Case cases[] = {
        {"nothing said",          "",                                                            421},
        {"ours",                  "X-Forwarded-Host: app.example\r\n",                           200},
        {"ours, with a port",     "X-Forwarded-Host: app.example:8443\r\n",                      200},
        {"another",               "X-Forwarded-Host: evil.example\r\n",                          421},
        {"B27 a list",            "X-Forwarded-Host: app.example, evil\r\n",                     421},
        {"B27 a list, ours last", "X-Forwarded-Host: evil, app.example\r\n",                     421},
        {"B27 twice",             "X-Forwarded-Host: app.example\r\nX-Forwarded-Host: evil\r\n", 421},
        {"B27 userinfo",          "X-Forwarded-Host: evil:443@app.example\r\n",                  421},
    };
    Upstream app;
    Stage stage({.server = "trusted_proxies: ['127.0.0.1']",
                 .upstreams = "[{url: '" + app.url() + "', host: app.example}]"});
    for (const auto& c : cases) {
        CAPTURE(c.name);
        app.forget();
        CHECK(stage.ask(stage.request("GET /public/x", c.fields)).status() == c.status);
        CHECK(app.count() == (c.status == 200 ? 1 : 0));
    }
}

TEST_CASE(
    "GHSA-qvp4-rpmr-xwrr CVE-2021-32701 CVE-2026-33496 who was let in once is judged anew for each "
    "rule") {
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    for (int i = 0; i < 3; ++i) {
        CHECK(fern.get("/private").status() == 200);
        CHECK(fern.get("/staff/x").status() == 403);
    }
    CHECK(stage.browser_of(demo::robin).get("/staff/x").status() == 200);
    CHECK(fern.get("/staff/x").status() == 403);
}

TEST_CASE("B23 headers that are turned on are ours alone as well") {
    Stage stage({.headers = "remote_user: true, x_forwarded_user: true, x_auth_request: true, "
                            "inject: {'X-Team': 'team-{user.id}'}"});
    auto robin = stage.browser_of(demo::robin);
    const auto cookie = robin.cookie_line();
    const std::string forged =
        "Remote-User: a\r\nREMOTE_USER: a\r\nremote-groups: a\r\nX-Forwarded-User: a\r\n"
        "X_Forwarded_User: a\r\nX-Auth-Request-User: a\r\nX-Team: a\r\nx_team: a\r\nX.Team: a\r\n"
        "Connection: X-Team, Remote-User\r\n";
    CHECK(stage.ask(stage.request("GET /private", cookie + forged)).status() == 200);
    const auto seen = stage.app.last();
    CHECK(seen.all("Remote-User") == std::vector<std::string>{"robin.keeper"});
    CHECK(seen.all("X-Forwarded-User") == std::vector<std::string>{"301000000000000002"});
    CHECK(seen.all("X-Auth-Request-User") == std::vector<std::string>{"301000000000000002"});
    CHECK(seen.all("X-Team") == std::vector<std::string>{"team-301000000000000002"});
    CHECK_FALSE(contains(seen.head, ": a\r\n"));

    CHECK(stage.ask(stage.request("GET /public/x", forged)).status() == 200);
    CHECK_FALSE(contains(stage.app.last().head, ": a\r\n"));
}

TEST_CASE("B33 no Via is added, one that is there passes, and it is taken for no loop") {
    Stage stage;
    stage.app.answers("/public/via", response("200 OK", "Via: 1.1 theirs\r\n", "x"));
    const auto plain = stage.ask(stage.request("GET /public/x"));
    CHECK(plain.status() == 200);
    CHECK_FALSE(plain.has("Via"));
    CHECK_FALSE(stage.app.last().has("Via"));
    const std::string chain = "1.1 cordgate, 1.1 front, 1.1 cordgate";
    const auto answer = stage.ask(stage.request("GET /public/via", "Via: " + chain + "\r\n"));
    CHECK(answer.status() == 200);
    CHECK(answer.all("Via") == std::vector<std::string>{"1.1 theirs"});
    CHECK(stage.app.last().all("Via") == std::vector<std::string>{chain});
}

TEST_CASE("D11 CVE-2024-24814 of a crowd of session cookies only the first few are tried") {
    struct Case {
        std::string name;
        int before;  ///< well-formed cookies of nobody before the good one
        int status;
    };
    const Case cases[] = {
        {"three before",         3,    200},
        {"four before",          4,    401},
        {"a hundred before",     100,  401},
        {"more than a head may", 5000, 431},
    };
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    for (const auto& c : cases) {
        CAPTURE(c.name);
        std::string cookie = "Cookie: ";
        for (int i = 0; i < c.before; ++i) cookie += "cordgate=" + std::string(43, 'A') + "; ";
        cookie += "cordgate=" + fern.cookie("cordgate") + "\r\n";
        CHECK(stage.ask(stage.request("GET /private", cookie)).status() == c.status);
    }
}

TEST_CASE("A58 A59 who asks is who shows the session, not who asked before on the connection") {
    Stage stage;
    const auto users = {demo::fern, demo::robin};
    std::vector<std::string> cookies;
    for (const auto user : users) {
        cookies.push_back(stage.browser_of(user).cookie_line());
    }
    stage.app.forget();
    const auto before = stage.app.connections();
    Wire front(stage.port());
    // As behind a proxy that keeps its connections: one and the other, nobody, both.
    const std::vector<std::string> shown = {cookies[0], cookies[1], cookies[0],
                                            "",         cookies[1], cookies[1]};
    int asked = 0;
    for (const auto& fields : shown) {
        const auto path = "/?" + std::to_string(asked++);
        front.send(stage.request("GET " + path, fields));
        const auto answer = front.read_response();
        CHECK(answer.status() == (fields.empty() ? 401 : 200));
        CHECK(answer.body.ends_with(" for " + path + "\n") == !fields.empty());
    }
    const auto requests = stage.app.requests();
    REQUIRE(requests.size() == 5);
    CHECK_MESSAGE(stage.app.connections() - before < 5, "they share connections");
    const std::vector<Snowflake> expected = {demo::fern, demo::robin, demo::fern, demo::robin,
                                             demo::robin};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(requests[i].field("X-Discord-User-Id") == expected[i].to_string());
    }
}
