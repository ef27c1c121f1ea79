#include "core/return_path.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "core/ascii.hpp"

namespace cordgate {
namespace {

using namespace std::string_view_literals;

const ReturnPathPolicy policy{
    *Origin::parse("https://app.example.com"),
    {            },
    { "/login", "/callback", "/logout", "/_cordgate"}
};

// --- a browser ---------------------------------------------------------------
// What a browser makes of a Location, after the WHATWG URL standard's basic URL
// parser, as far as origins go. Shares no code with what it checks.

struct Place {
    std::string origin;  // empty: not a URL
    std::string path;
};

bool is_slash(char c) {
    return c == '/' || c == '\\';
}

std::string as_browsers_clean(std::string_view text) {
    const auto outer = [](char c) { return static_cast<unsigned char>(c) <= 0x20; };
    while (!text.empty() && outer(text.front())) text.remove_prefix(1);
    while (!text.empty() && outer(text.back())) text.remove_suffix(1);
    std::string out;
    for (const char c : text) {
        if (c != '\t' && c != '\n' && c != '\r') out += c;
    }
    return out;
}

// Ideographic full stops are dots; the rest of UTS 46 makes no host ours.
std::string as_browsers_read_host(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with("\xe3\x80\x82")) {
            out += '.';
            i += 2;
        } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                   hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += to_lower(text[i]);
        }
    }
    return out;
}

std::string as_browsers_resolve(std::string_view path) {
    std::vector<std::string> segments;
    const auto is_dots = [](std::string text, std::string_view dots) {
        for (auto at = text.find("%2e"); at != std::string::npos; at = text.find("%2e")) {
            text.replace(at, 3, ".");
        }
        return text == dots;
    };
    while (true) {
        const auto end = std::find_if(path.begin(), path.end(), is_slash);
        const std::string segment = lowercase({path.begin(), end});
        const bool last = end == path.end();
        if (is_dots(segment, "..")) {
            if (!segments.empty()) segments.pop_back();
            if (last) segments.emplace_back();
        } else if (is_dots(segment, ".")) {
            if (last) segments.emplace_back();
        } else {
            segments.push_back(segment);
        }
        if (last) break;
        path.remove_prefix(static_cast<std::size_t>(end - path.begin()) + 1);
    }
    std::string out;
    for (const auto& segment : segments) out += '/' + segment;
    return out;
}

Place with_authority(const std::string& scheme, std::string_view rest) {
    while (!rest.empty() && is_slash(rest.front())) rest.remove_prefix(1);
    const auto end = std::min(rest.find_first_of("/\\?#"), rest.size());
    auto authority = rest.substr(0, end);
    rest.remove_prefix(end);
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        authority.remove_prefix(at + 1);
    }
    std::string port = scheme == "https" ? "443" : "80";
    const auto colon = authority.find(':', std::min(authority.rfind(']'), authority.size()));
    const auto plain_colon = authority.starts_with('[') ? colon : authority.find(':');
    if (plain_colon != std::string_view::npos) {
        if (const auto given = authority.substr(plain_colon + 1); !given.empty()) {
            if (!std::all_of(given.begin(), given.end(), is_digit) || given.size() > 5 ||
                std::stoi(std::string(given)) > 65535) {
                return {};
            }
            port = given;
        }
        authority = authority.substr(0, plain_colon);
    }
    const auto host = as_browsers_read_host(authority);
    if (host.empty() || host.find_first_of("@/\\:?#<>^| %") != std::string::npos) {
        if (!host.starts_with('[')) return {};
    }
    if (!rest.empty() && is_slash(rest.front())) rest.remove_prefix(1);
    return {scheme + "://" + host + ':' + port,
            as_browsers_resolve(rest.substr(0, rest.find_first_of("?#")))};
}

// Where the browser goes that is at https://app.example.com/login.
Place go(std::string_view location) {
    const std::string own = "https://app.example.com:443";
    const std::string text = as_browsers_clean(location);
    std::string_view rest = text;
    const auto in_scheme = [](char c) { return is_alnum(c) || c == '+' || c == '-' || c == '.'; };
    const auto end = std::find_if_not(text.begin(), text.end(), in_scheme);
    if (end != text.end() && *end == ':' && end != text.begin() && is_alpha(text.front())) {
        const std::string scheme = lowercase({text.begin(), end});
        rest.remove_prefix(scheme.size() + 1);
        if (scheme != "http" && scheme != "https") return {scheme + ':', {}};
        if (scheme != "https" || rest.starts_with("//")) return with_authority(scheme, rest);
    }
    if (rest.size() > 1 && is_slash(rest[0]) && is_slash(rest[1])) {
        return with_authority("https", rest);
    }
    if (!rest.empty() && is_slash(rest.front())) rest.remove_prefix(1);
    return {own, as_browsers_resolve(rest.substr(0, rest.find_first_of("?#")))};
}

bool stays(const Place& place) {
    return place.origin == "https://app.example.com:443";
}

// --- the tables --------------------------------------------------------------

constexpr bool keep = true;
constexpr bool refuse = false;
enum Browser { leaves, fails, does_stay };

struct Row {
    const char* name;
    std::string_view raw;
    bool kept;
    Browser browser;
};

const std::vector<Row>& hostile_rows() {
    static const std::string too_long = '/' + std::string(9000, 'a');
    static const std::vector<Row> rows = {
        {"R1",                                     "/",                                           keep,   does_stay},
        {"R2",                                     "/a/b?c=d&e=f",                                keep,   does_stay},
        {"R3",                                     "/a#frag",                                     keep,   does_stay},
        {"R4",                                     "/a%20b/%E2%9C%93",                            keep,   does_stay},
        {"R5",                                     "/a:b@c",                                      keep,   does_stay},
        {"R6",                                     "/a?next=//evil.com",                          keep,   does_stay},
        {"R7",                                     "/users/@me",                                  keep,   does_stay},
        {"R8",                                     "https://app.example.com/x",                   keep,   does_stay},
        {"R9",                                     "",                                            refuse, does_stay},
        {"R10",                                    "a/b",                                         refuse, does_stay},
        {"R11",                                    "?x=1",                                        refuse, does_stay},
        {"R12",                                    "#x",                                          refuse, does_stay},
        {"R13",                                    ".",                                           refuse, does_stay},
        {"R14",                                    "/login",                                      refuse, does_stay},
        {"R15",                                    "/logout",                                     refuse, does_stay},
        {"R16",                                    "/callback?code=x&state=y",                    refuse, does_stay},
        {"R17 GHSA-jm34-xm8m-w958",                "//evil.com",                                  refuse, leaves   },
        {"R18 GHSA-jm34-xm8m-w958",                "///evil.com",                                 refuse, leaves   },
        {"R19 GHSA-jm34-xm8m-w958",                "////evil.com",                                refuse, leaves   },
        {"R20 GHSA-jm34-xm8m-w958",                "//evil.com/%2f..",                            refuse, leaves   },
        {"R21",                                    "//evil.com@app.example.com",                  refuse, does_stay},
        {"R22 GHSA-jm34-xm8m-w958",                "//app.example.com@evil.com",                  refuse, leaves   },
        {"R23",                                    "//app.example.com.evil.com",                  refuse, leaves   },
        {"R24",                                    "//app.example.com",                           refuse, does_stay},
        {"R25 CVE-2020-5233 GHSA-qqxw-m5fj-f7gv",  "/\\evil.com",                                 refuse, leaves   },
        {"R26 CVE-2020-5233 GHSA-qqxw-m5fj-f7gv",  "\\/evil.com",                                 refuse, leaves   },
        {"R27 CVE-2020-5233 GHSA-qqxw-m5fj-f7gv",  "\\\\evil.com",                                refuse, leaves   },
        {"R28 CVE-2020-5233 GHSA-qqxw-m5fj-f7gv",  "/\\/evil.com",                                refuse, leaves   },
        {"R29",                                    "\\evil.com",                                  refuse, does_stay},
        {"R30 CVE-2020-5233 GHSA-qqxw-m5fj-f7gv",  "/\\\\\\evil.com",                             refuse, leaves   },
        {"R31 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/\011/evil.com",                              refuse, leaves   },
        {"R32 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/\012/evil.com",                              refuse, leaves   },
        {"R33 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/\015/evil.com",                              refuse, leaves   },
        {"R34 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/\011\\evil.com",                             refuse, leaves   },
        {"R35 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "\011//evil.com",                              refuse, leaves   },
        {"R36 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", " //evil.com",                                 refuse, leaves   },
        {"R37 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "\000//evil.com"sv,                            refuse, leaves   },
        {"R38",                                    "\001https://evil.com",                        refuse, leaves   },
        {"R39 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/ /evil.com",                                 refuse, does_stay},
        {"R40 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/\013/evil.com",                              refuse, does_stay},
        {"R41 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/\014/evil.com",                              refuse, does_stay},
        {"R42 CVE-2020-11053 GHSA-j7px-6hwj-hpjg", "/\000/evil.com"sv,                            refuse, does_stay},
        {"R43 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/./\\evil.com",                               refuse, does_stay},
        {"R44 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/.//evil.com",                                refuse, does_stay},
        {"R45 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/..//evil.com",                               refuse, does_stay},
        {"R46 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/a/..//evil.com",                             refuse, does_stay},
        {"R47 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/%2e%2e//evil.com",                           refuse, does_stay},
        {"R48 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/.%2e//evil.com",                             refuse, does_stay},
        {"R49 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/./../../\\evil.com",                         refuse, does_stay},
        {"R50 CVE-2020-4037 GHSA-5m6c-jp6f-2vcv",  "/..;//evil.com",                              refuse, does_stay},
        {"R51",                                    "https://evil.com",                            refuse, leaves   },
        {"R52",                                    "http://evil.com/",                            refuse, leaves   },
        {"R53",                                    "HTTPS://EVIL.COM",                            refuse, leaves   },
        {"R54",                                    "http:evil.com",                               refuse, leaves   },
        {"R55",                                    "https:evil.com",                              refuse, does_stay},
        {"R56",                                    "https:/evil.com",                             refuse, does_stay},
        {"R57",                                    "https:///evil.com",                           refuse, leaves   },
        {"R58",                                    "https:\\\\evil.com",                          refuse, leaves   },
        {"R59",                                    "https:/\\evil.com",                           refuse, leaves   },
        {"R60",                                    "ht\012tps://evil.com",                        refuse, leaves   },
        {"R61",                                    "https\011://evil.com",                        refuse, leaves   },
        {"R62",                                    "http://app.example.com/x",                    refuse, leaves   },
        {"R63",                                    "https://app.example.com:8443/",               refuse, leaves   },
        {"R64",                                    "https://app.example.com:443/x",               keep,   does_stay},
        {"R65 CVE-2026-41569 CVE-2026-14336",      "https://app.example.com@evil.com",            refuse, leaves   },
        {"R66 CVE-2026-28512",                     "https://app.example.com%40evil.com",          refuse, fails    },
        {"R67",                                    "https://evil.com#app.example.com",            refuse, leaves   },
        {"R68",                                    "https://evil.com?app.example.com",            refuse, leaves   },
        {"R69",                                    "https://evil.com\\@app.example.com",          refuse, leaves   },
        {"R70",                                    "https://evil.com/app.example.com",            refuse, leaves   },
        {"R71 CVE-2026-41569 CVE-2026-14336",      "https://app.example.com.evil.com",            refuse, leaves   },
        {"R72 CVE-2026-41569 CVE-2026-14336",      "https://evilapp.example.com",                 refuse, leaves   },
        {"R73",                                    "https://app.example.com\343\200\202evil.com", refuse, leaves   },
        {"R74",                                    "https://evil\343\200\202com",                 refuse, leaves   },
        {"R75",                                    "https://\342\223\224vil.com",                 refuse, leaves   },
        {"R76",                                    "https://\320\260pp.example.com",              refuse, leaves   },
        {"R77",                                    "https://app.example.com\302\255.evil.com",    refuse, leaves   },
        {"R78",                                    "https://user:pass@app.example.com/x",         refuse, does_stay},
        {"R79",                                    "https://0x7f000001/",                         refuse, leaves   },
        {"R80",                                    "https://2130706433/",                         refuse, leaves   },
        {"R81",                                    "https://[::1]/",                              refuse, leaves   },
        {"R82",                                    "https://app.example.com:99999/",              refuse, fails    },
        {"R83",                                    "https://",                                    refuse, fails    },
        {"R84 CVE-2024-21496 CVE-2026-42849",      "javascript:alert(1)",                         refuse, leaves   },
        {"R85",                                    "JaVaScRiPt:alert(1)",                         refuse, leaves   },
        {"R86",                                    "java\012script:alert(1)",                     refuse, leaves   },
        {"R87",                                    "\031javascript:alert(1)",                     refuse, leaves   },
        {"R88",                                    "javascript://app.example.com/%0aalert(1)",    refuse, leaves   },
        {"R89",                                    "data:text/html,<script>alert(1)</script>",    refuse, leaves   },
        {"R90",                                    "vbscript:x",                                  refuse, leaves   },
        {"R91",                                    "file:///etc/passwd",                          refuse, leaves   },
        {"R92",                                    "blob:https://app.example.com/x",              refuse, leaves   },
        {"R93",                                    "view-source:https://app.example.com",         refuse, leaves   },
        {"R94",                                    "intent://evil.com#Intent;scheme=https;end",   refuse, leaves   },
        {"R95",                                    "mailto:a@b",                                  refuse, leaves   },
        {"R96 mod_auth_openidc #68",               "/a\015\012Set-Cookie: x=1",                   refuse, does_stay},
        {"R97",                                    "/a\012Location: //evil.com",                  refuse, does_stay},
        {"R98",                                    "/\303\251",                                   refuse, does_stay},
        {"R99",                                    "/\342\200\250/evil.com",                      refuse, does_stay},
        {"R100",                                   "/%0d%0aX:1",                                  keep,   does_stay},
        {"R101",                                   "/%2f%2fevil.com",                             keep,   does_stay},
        {"R102",                                   "/%5cevil.com",                                keep,   does_stay},
        {"R104",                                   "/;@evil.com",                                 keep,   does_stay},
        {"R105",                                   "/?//evil.com",                                keep,   does_stay},
        {"R106",                                   "/https://evil.com",                           refuse, does_stay},
        {"R107",                                   "/http:/evil.com",                             keep,   does_stay},
        {"R108",                                   "/a//b",                                       refuse, does_stay},
        {"R103",                                   too_long,                                      refuse, does_stay},
    };
    return rows;
}

}  // namespace

TEST_CASE(
    "ReturnPath::parse keeps and refuses what table R says, CVE-2022-23527 CVE-2021-29651 "
    "CVE-2024-21497") {
    CHECK(hostile_rows().size() == 108);
    for (const auto& row : hostile_rows()) {
        CAPTURE(row.name);
        const auto parsed = ReturnPath::parse(row.raw, policy);
        CHECK(parsed.has_value() == row.kept);
        if (!parsed) continue;
        const bool absolute = row.raw.starts_with("https:");
        CHECK(parsed->str() == (absolute ? "/x"sv : row.raw));
    }
}

TEST_CASE("the browser of this test goes where browsers were seen to go with table R") {
    for (const auto& row : hostile_rows()) {
        CAPTURE(row.name);
        const auto place = go(row.raw);
        CHECK(stays(place) == (row.browser == does_stay));
        CHECK(place.origin.empty() == (row.browser == fails));
    }
}

TEST_CASE("no accepted return path makes a browser leave, CVE-2020-4037, CVE-2017-1000070") {
    constexpr std::string_view parts[] = {
        "/",  "\\", ".", "..",  "\t",  "\n",   " ", "https:",          "http:",
        "//", "@",  ":", "%2e", "%2F", "%5c",  ";", "app.example.com", "evil.com",
        "?",  "#",  "a", "%09", "443", "\0"sv, "{", "\xe3\x80\x82",    "javascript:",
    };
    constexpr std::size_t count = std::size(parts);
    std::size_t accepted = 0;
    const auto check = [&](const std::string& raw) {
        const auto parsed = ReturnPath::parse(raw, policy);
        if (!parsed) return;
        ++accepted;
        const auto place = go(parsed->str());
        const bool ours = stays(place) && !place.path.starts_with("//");
        const auto again = ReturnPath::parse(parsed->str(), policy);
        if (ours && again == parsed && place.path.starts_with('/')) return;
        CAPTURE(raw);
        FAIL_CHECK("leaves the site, or changes when it is checked again");
    };

    for (std::size_t n = 0; n < count * count * count; ++n) {  // every three, ours before or not
        std::string raw(parts[n % count]);
        raw += parts[n / count % count];
        raw += parts[n / count / count];
        check(raw);
        check("/a" + raw);
        check("https://app.example.com" + raw);
    }
    std::mt19937 random(1);  // NOLINT: the same sequences in every run
    for (int round = 0; round < 100'000; ++round) {
        std::string raw = round % 2 == 0 ? "/" : "";
        for (auto left = random() % 8 + 1; left > 0; --left) raw += parts[random() % count];
        check(raw);
    }
    CHECK(accepted > 1000);
}

TEST_CASE("ReturnPath::parse refuses what is ours alone: E8, E10") {
    struct Case {
        const char* name;
        std::string_view raw;
        bool accepted;
    };
    constexpr Case cases[] = {
        {"E1 nothing",                                       "",                               refuse},
        {"E2 path and query",                                "/a/b?c=d",                       keep  },
        {"E8 logout",                                        "/logout",                        refuse},
        {"E8 login that loops",                              "/login?rd=/x",                   refuse},
        {"E8 callback",                                      "/callback?code=1",               refuse},
        {"E8 under the prefix",                              "/_cordgate/me",                  refuse},
        {"E8 the prefix itself",                             "/_cordgate",                     refuse},
        {"E8 escaped spelling",                              "/%6cogout",                      refuse},
        {"E8 escaped slash under the prefix",                "/_cordgate%2fme",                refuse},
        {"E8 as an absolute url",                            "https://app.example.com/logout", refuse},
        {"E8 fragment behind",                               "/logout#x",                      refuse},
        {"C28 another word that starts alike",               "/loginhelp",                     keep  },
        {"C28 another case",                                 "/LOGOUT",                        keep  },
        {"E10 escaped quote is fine",                        "/a?b=%22",                       keep  },
        {"E10 raw quote",                                    "/a?b=\"",                        refuse},
        {"E10 newline",                                      "/a\r\nX: 1",                     refuse},
        {"A65 escaped newline stays escaped",                "/a%0d%0aSet-Cookie:x=1",         keep  },
        {"broken escape in the path",                        "/a%zz",                          refuse},
        {"a percent sign in the query is data",              "/a?x=100%",                      keep  },
        {"E8 logout behind dots",                            "/a/../logout",                   refuse},
        {"E8 logout behind escaped dots",                    "/a/%2e%2E/logout",               refuse},
        {"C9 dots with parameters",                          "/..;x/logout",                   refuse},
        {"C5 dots before an escaped slash",                  "/..%2flogout",                   refuse},
        {"C6 dots before an escaped backslash",              "/a/..%5clogout",                 refuse},
        {"C11 dots and a blank",                             "/..%20/logout",                  refuse},
        {"dots within a name",                               "/a..b/.c/d.",                    keep  },
        {"dots in the query are data",                       "/a?b=/../c",                     keep  },
        {"CVE-2017-1000070 three slashes",                   "///evil.example",                refuse},
        {"CVE-2020-11053 byte order mark between slashes",   "/\xef\xbb\xbf/evil.example",     refuse},
        {"CVE-2020-11053 ideographic space between slashes", "/\xe3\x80\x80/evil.example",     refuse},
        {"CVE-2020-4037 GHSA-5m6c-jp6f-2vcv two tabs",       "/\t\t/evil.example",             refuse},
        {"CVE-2020-4037 three tabs and a backslash",         "/\t\t\t\\evil.example",          refuse},
        {"CVE-2020-4037 dots further in",                    "/x/..//evil.example",            refuse},
        {"mod_auth_openidc #357 only a scheme",              "https:",                         refuse},
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CHECK(ReturnPath::parse(c.raw, policy).has_value() == c.accepted);
    }
    CHECK(ReturnPath::root().str() == "/");
}

TEST_CASE("ReturnPath::parse takes at most 2048 bytes, E9") {
    const std::string longest = '/' + std::string(ReturnPath::max_size - 1, 'a');
    CHECK(ReturnPath::parse(longest, policy));
    CHECK_FALSE(ReturnPath::parse(longest + 'a', policy));
    CHECK_FALSE(ReturnPath::parse("/?" + std::string(1000, '|'), policy));  // grows when escaped
}

TEST_CASE("ReturnPath::parse escapes what browsers send raw but RFC 3986 does not know, E10") {
    CHECK(ReturnPath::parse("/a?f={b|c}", policy)->str() == "/a?f=%7Bb%7Cc%7D");
}

TEST_CASE(
    "allowed hosts are bound to labels, scheme and port: E3, E4, GHSA-4mf2-f3wh-gvf2, "
    "CVE-2021-21291") {
    auto wide = policy;
    wide.allowed_hosts = {"w.example.org",     "d.example.org:8443", ".example.com",
                          ".example.net:9000", "localhost:3000",     "[::1]:3000"};
    struct Case {
        const char* name;
        std::string_view raw;
        std::string_view to;  // empty: refused
    };
    constexpr Case cases[] = {
        {"listed",                                         "https://w.example.org/x?y#z",      "https://w.example.org/x?y#z" },
        {"without a path",                                 "https://w.example.org",            "https://w.example.org/"      },
        {"only a query",                                   "https://w.example.org?x",          "https://w.example.org/?x"    },
        {"in capitals",                                    "HTTPS://W.Example.org/X",          "https://w.example.org/X"     },
        {"its own port said",                              "https://w.example.org:443/",       "https://w.example.org/"      },
        {"another port",                                   "https://w.example.org:8443/",      ""                            },
        {"plain http",                                     "http://w.example.org/",            ""                            },
        {"port as listed",                                 "https://d.example.org:8443/",      "https://d.example.org:8443/" },
        {"port missing",                                   "https://d.example.org/",           ""                            },
        {"E4 under the name",                              "https://a.b.example.com/",         "https://a.b.example.com/"    },
        {"E4 the name itself",                             "https://example.com/",             ""                            },
        {"E4 CVE-2026-28512 no label border",              "https://evilexample.com/",         ""                            },
        {"E4 CVE-2026-41569 CVE-2026-14336 name in front", "https://example.com.evil/",        ""                            },
        {"E4 only a dot",                                  "https://.example.com/",            ""                            },
        {"E4 CVE-2026-14336 name in userinfo",             "https://a.example.com@evil/",      ""                            },
        {"E4 CVE-2021-21291 name and password",            "https://a.example.com:pass@evil/", ""                            },
        {"E4 CVE-2021-21291 a letter of another script",   "https://a.ex\xd0\xb0mple.com/",    ""                            },
        {"E4 CVE-2021-21291 as punycode",                  "https://a.xn--exmple-4nf.com/",    ""                            },
        {"E4 name in fragment",                            "https://evil#a.example.com",       ""                            },
        {"E4 with a port",                                 "https://a.example.net:9000/",      "https://a.example.net:9000/" },
        {"E4 with another port",                           "https://a.example.net/",           ""                            },
        {"http on localhost",                              "http://localhost:3000/",           "http://localhost:3000/"      },
        {"http on loopback",                               "http://[0::1]:3000/a",             "http://[::1]:3000/a"         },
        {"path is checked",                                "https://w.example.org/a/..//evil", ""                            },
        {"E5 network path",                                "//w.example.org/",                 ""                            },
        {"E5 userinfo",                                    "https://u@w.example.org/",         ""                            },
        {"not our /logout",                                "https://w.example.org/logout",     "https://w.example.org/logout"},
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto parsed = ReturnPath::parse(c.raw, wide);
        CHECK((parsed ? parsed->str() : "") == c.to);
        if (parsed) CHECK(ReturnPath::parse(parsed->str(), wide) == parsed);
        if (parsed) CHECK_FALSE(ReturnPath::parse(parsed->str(), policy));  // E11
    }
}

}  // namespace cordgate
