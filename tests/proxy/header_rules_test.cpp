#include "proxy/header_rules.hpp"

#include <algorithm>
#include <set>

#include "core/ascii.hpp"
#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

std::string replaced(std::string text, char from, std::string_view to) {
    std::string out;
    for (const char c : text) {
        if (c == from) {
            out += to;
        } else {
            out += c;
        }
    }
    return out;
}

std::string uppercase(std::string text) {
    for (char& c : text) {
        if (is_lower(c)) c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

/// What some server hands to an application under the name that `name` has.
std::vector<std::string> spellings(const std::string& name) {
    std::vector<std::string> out{name, uppercase(name)};
    for (const std::string_view mark :
         {"_", ".", "~", "+", "!", "#", "$", "%", "&", "'", "*", "^", "`", "|"}) {
        out.push_back(replaced(name, '-', mark));
    }
    out.push_back(uppercase(replaced(name, '-', "_")));
    out.push_back("HTTP_" + uppercase(replaced(name, '-', "_")));
    out.push_back("http-" + name);
    const auto half = name.find('-');
    if (half != std::string::npos)
        out.push_back(name.substr(0, half) + "_" + name.substr(half + 1));
    return out;
}

}  // namespace

TEST_CASE("every header rule has a folded name, its own row, an effect and a reason") {
    std::set<std::string_view> names;
    const auto check = [&](const HeaderRule& rule) {
        CAPTURE(rule.name);
        CHECK_FALSE(rule.name.empty());
        CHECK(std::all_of(rule.name.begin(), rule.name.end(),
                          [](char c) { return is_digit(c) || is_lower(c) || c == '-'; }));
        CHECK(rule.because.size() >= 10);
        CHECK((rule.drop_from_request || rule.drop_from_response));
        CHECK(names.insert(rule.name).second);
    };
    for (const auto& rule : header_rules) check(rule);
    for (const auto& rule : header_prefix_rules) {
        check(rule);
        CHECK(rule.name.back() == '-');
    }
}

TEST_CASE(
    "every header rule holds in every spelling that a framework folds to it, "
    "B1 B2 B6-B10 B18 B26 B28 CVE-2025-64484 CVE-2026-52845 CVE-2026-88011 CVE-2023-27487 "
    "CVE-2024-7207 CVE-2026-39858 CVE-2026-54763") {
    const HeaderPolicy policy;
    for (const auto& rule : header_rules) {
        for (const auto& name : spellings(std::string(rule.name))) {
            CAPTURE(name);
            CHECK(policy.drop_from_request(name) == rule.drop_from_request);
            CHECK(policy.drop_from_response(name) == rule.drop_from_response);
        }
    }
    for (const auto& rule : header_prefix_rules) {
        for (const std::string rest : {"", "user-id", "anything", "user-id-and-more"}) {
            for (const auto& name : spellings(std::string(rule.name) + rest)) {
                CAPTURE(name);
                CHECK(policy.drop_from_request(name) == rule.drop_from_request);
                CHECK(policy.drop_from_response(name) == rule.drop_from_response);
            }
        }
    }
}

TEST_CASE("header names are judged by their letters, and neighbours pass") {
    struct Case {
        std::string_view name;
        bool from_request;
        bool from_response;
        std::string_view because;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"X-Discord-User-Id", true, true, "B1: an identity"},
        {"x-discord-USER-id", true, true, "B2: case"},
        {"X_Discord_User_Id", true, true, "B8 CVE-2025-64484 GHSA-vjrc-mh2v-45x6"},
        {"X-Discord_User-Id", true, true, "B9: mixed separators"},
        {"X.Discord.User.Id", true, true, "B9 CVE-2026-88011"},
        {"HTTP_X_DISCORD_USER_ID", true, true, "B10: RFC 3875, 4.1.18"},
        {"X-Discord-Anything", true, true, "B17: the family"},
        {"X-Discord-", true, true, "B17: the family"},
        {"X-Discord", false, false, "not of the family"},
        {"X-Discordia-User", false, false, "not of the family"},
        {"XX-Discord-User", false, false, "another name"},
        {"Proxy", true, false, "B28 CVE-2016-5385"},
        {"HTTP_PROXY", true, false, "B28 CVE-2016-5385"},
        {"Proxy-Authorization", true, false, "B7"},
        {"Proxy-Authenticate", false, true, "B7"},
        {"Content_Length", true, true, "A41: an alias of framing"},
        {"Transfer.Encoding", true, true, "A41: an alias of framing"},
        {"X-Auth-Request-User", true, false, "of another gate"},
        {"X-Forwarded-Prefix", true, false, "CVE-2024-52003"},
        {"X-Forwarded-Port", true, false, "CVE-2026-54764"},
        {"Forwarded", true, false, "B26"},
        {"X-Original-URL", true, false, "B26 CVE-2026-40575 GHSA-7x63-xv5r-3p2x"},
        {"Authorization", false, false, "B31: the application's"},
        {"Accept-Encoding", false, false, "B35"},
        {"Range", false, false, "B35"},
        {"If-None-Match", false, false, "B35"},
        {"Cache-Control", false, false, "B35"},
        {"Set-Cookie", false, false, "B36"},
        {"X-HTTP-Method-Override", true, false, "B29: rules have judged the real method"},
        {"X-Method-Override", true, false, "B29"},
        {"X-Forwarded-Anything", true, false, "B26: the whole family"},
        {"Sec-WebSocket-Key", false, false, "an upgrade needs it"},
        {"X-Real", false, false, "shorter than a rule"},
        {"X-Real-IPs", false, false, "longer than a rule"},
        {"", false, false, "LESSONS 2.5 CVE-2024-21493: empty"},
        {"-", false, false, "one character"},
        {"HTTP_", false, false, "nothing behind it"},
    };
    // clang-format on
    const HeaderPolicy policy;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CAPTURE(c.because);
        CHECK(policy.drop_from_request(c.name) == c.from_request);
        CHECK(policy.drop_from_response(c.name) == c.from_response);
    }
    CHECK_FALSE(policy.drop_from_request(std::string(10000, 'x')));
    CHECK(policy.drop_from_request("X-Discord-" + std::string(10000, 'x')));
}

TEST_CASE(
    "names that an operator injects are removed from requests in every spelling, B23 "
    "CVE-2026-33433") {
    const std::string long_name = "X-" + std::string(62, 'a');
    const std::string longer_name = "X-Long-" + std::string(100, 'b');
    const HeaderPolicy policy({"x-tEAM", "Secret", long_name, longer_name, ""});
    for (const std::string name : {"X-Team", "x_team", "X.TEAM", "HTTP_X_TEAM", "SECRET"}) {
        CAPTURE(name);
        CHECK(policy.drop_from_request(name));
        CHECK_FALSE(policy.drop_from_response(name));
    }
    for (const auto& name : spellings(long_name)) CHECK(policy.drop_from_request(name));
    for (const auto& name : spellings(longer_name)) CHECK(policy.drop_from_request(name));
    CHECK_FALSE(policy.drop_from_request("X-Teams"));
    CHECK_FALSE(HeaderPolicy().drop_from_request("X-Team"));
    // One that has a rule already does not lose it, and gains the other half.
    const HeaderPolicy both({"Proxy-Authenticate"});
    CHECK(both.drop_from_request("Proxy-Authenticate"));
    CHECK(both.drop_from_response("Proxy-Authenticate"));
}

TEST_CASE(
    "Connection may nominate an extension but nothing that others rely on, B3-B5 "
    "CVE-2022-31813 CVE-2021-32813 CVE-2024-45410 GHSA-w9mr-28mw-j8hg oauth2-proxy #2") {
    for (const std::string_view name :
         {"Host", "cookie", "CONTENT-LENGTH", "Content-Type", "Transfer-Encoding", "Authorization",
          "Origin", "Expect", "Date", "Cache-Control"}) {
        CAPTURE(name);
        CHECK_FALSE(HeaderPolicy::may_be_nominated(name));
    }
    for (const std::string_view name : {"X-Hop", "Keep-Alive", "Proxy-Connection", "TE"}) {
        CAPTURE(name);
        CHECK(HeaderPolicy::may_be_nominated(name));
    }
    // Whatever it says of ours does not matter: a client's copy goes anyway, and
    // ours is written behind all that is removed.
    const HeaderPolicy policy;
    CHECK(policy.drop_from_request("X-Forwarded-For"));
    CHECK(policy.drop_from_request("x-discord-user-id"));
}

}  // namespace cordgate::proxy::test
