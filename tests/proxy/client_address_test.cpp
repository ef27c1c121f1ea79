#include "proxy/client_address.hpp"

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

const TrustedProxies trusted({"10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48"});

ClientInfo resolve(const TrustedProxies& proxies, std::string_view peer,
                   const OwnedRequest& request, bool public_secure = true) {
    return proxies.resolve(proxies.know(IpAddress::parse(peer)), request.head, public_secure);
}

}  // namespace

TEST_CASE("IpAddress::parse takes addresses and nothing that only looks like one") {
    struct Case {
        std::string_view text;
        std::string_view canonical;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"2001:DB8::0:1", "2001:db8::1"},
        {"::", "::"},
        {"", ""},
        {"192.0.2", ""},
        {"192.0.2.256", ""},
        {"192.0.2.01", ""},
        {"0x7f.0.0.1", ""},
        {"2130706433", ""},
        {" 192.0.2.1", ""},
        {"192.0.2.1:80", ""},
        {"fe80::1%eth0", ""},
        {"[::1]", ""},
        {"unknown", ""},
        {"192.0.2.1\0x"sv, ""},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", ""},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.text);
        const auto address = IpAddress::parse(c.text);
        CHECK(address.has_value() == !c.canonical.empty());
        if (address) CHECK(address->to_string() == c.canonical);
    }
}

TEST_CASE("limits count an IPv4 address and an IPv6 network, J14 CVE-2025-24806") {
    const auto key = [](std::string_view text) { return IpAddress::parse(text)->limit_key(); };
    CHECK(key("192.0.2.1") == "192.0.2.1");
    CHECK(key("::ffff:192.0.2.1") == key("192.0.2.1"));
    CHECK(key("2001:db8::1") == key("2001:db8::ffff:ffff:ffff:ffff"));
    CHECK(key("2001:db8::1") != key("2001:db8:0:1::1"));
    CHECK(key("2001:db8::1") == "2001:db8::/64");
}

TEST_CASE("IpRange contains exactly what its prefix says") {
    struct Case {
        std::string_view range;
        std::string_view address;
        bool contained;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", true},
        {"10.128.0.0/9", "10.127.255.255", false},
        {"10.128.0.0/9", "10.128.0.0", true},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.4", false},
        {"10.1.2.3/32", "10.1.2.2", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "10.0.0.1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::1", "::2", false},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.range);
        CAPTURE(c.address);
        const auto range = IpRange::parse(c.range);
        REQUIRE(range);
        CHECK(range->contains(*IpAddress::parse(c.address)) == c.contained);
    }
    for (const std::string_view bad :
         {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/ 8",
          "10.0.0.0/8x", "10.0.0/8", "10.0.0.0/8/8"}) {
        CAPTURE(bad);
        CHECK_FALSE(IpRange::parse(bad));
    }
}

TEST_CASE(
    "the client is the right-most hop that is not a trusted proxy, B24 B25 "
    "CVE-2023-36456 CVE-2026-33495 CVE-2024-21494 CVE-2024-21498 CVE-2024-47070") {
    struct Case {
        std::string_view name;
        std::string_view peer;
        std::string_view fields;
        std::string_view address;
        std::string_view forwarded_for;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"nothing said", "203.0.113.9", "", "203.0.113.9", "203.0.113.9"},
        {"B24 CVE-2024-21494 said by a stranger", "203.0.113.9", "X-Forwarded-For: 1.2.3.4\r\n",
         "203.0.113.9", "203.0.113.9"},
        {"B24 a stranger claims a proxy", "203.0.113.9", "X-Forwarded-For: 10.0.0.1\r\n",
         "203.0.113.9", "203.0.113.9"},
        {"B25 one hop", "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4", "1.2.3.4, 10.0.0.1"},
        {"B25 the client lied to the proxy", "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n",
         "1.2.3.4", "6.6.6.6, 1.2.3.4, 10.0.0.1"},
        {"B25 chain of trusted ones", "10.0.0.1",
         "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 192.0.2.1,10.9.9.9\r\n", "1.2.3.4",
         "6.6.6.6, 1.2.3.4, 192.0.2.1,10.9.9.9, 10.0.0.1"},
        {"B25 all are trusted", "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3",
         "10.0.0.3, 10.0.0.2, 10.0.0.1"},
        {"B25 several fields", "10.0.0.1",
         "X-Forwarded-For: 6.6.6.6\r\nX-FORWARDED-FOR: 1.2.3.4, 10.0.0.2\r\n", "1.2.3.4",
         "6.6.6.6, 1.2.3.4, 10.0.0.2, 10.0.0.1"},
        {"B25 an empty field among them", "10.0.0.1",
         "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For:\r\n", "1.2.3.4", "1.2.3.4, 10.0.0.1"},
        {"B25 nothing in it", "10.0.0.1", "X-Forwarded-For:\r\n", "10.0.0.1", "10.0.0.1"},
        {"B25 port", "10.0.0.1", "X-Forwarded-For: 1.2.3.4:5678\r\n", "1.2.3.4",
         "1.2.3.4:5678, 10.0.0.1"},
        {"B25 IPv6", "10.0.0.1", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7",
         "2001:db8::7, 10.0.0.1"},
        {"B25 IPv6 in brackets", "10.0.0.1", "X-Forwarded-For: [2001:db8::7]\r\n", "2001:db8::7",
         "[2001:db8::7], 10.0.0.1"},
        {"B25 IPv6 with a port, quoted", "10.0.0.1", "X-Forwarded-For: \"[2001:db8::7]:80\"\r\n",
         "2001:db8::7", "\"[2001:db8::7]:80\", 10.0.0.1"},
        {"B25 mapped", "10.0.0.1", "X-Forwarded-For: ::ffff:1.2.3.4\r\n", "1.2.3.4",
         "::ffff:1.2.3.4, 10.0.0.1"},
        {"B25 IPv6 proxy", "2001:db8:1::5", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4",
         "1.2.3.4, 2001:db8:1::5"},
        {"B25 IPv6 stranger", "2001:db8:2::5", "X-Forwarded-For: 1.2.3.4\r\n", "2001:db8:2::5",
         "2001:db8:2::5"},
        {"B25 unknown", "10.0.0.1", "X-Forwarded-For: 1.2.3.4, unknown\r\n", "10.0.0.1",
         "1.2.3.4, unknown, 10.0.0.1"},
        {"B25 unknown behind a proxy",
         "10.0.0.1", "X-Forwarded-For: 1.2.3.4, unknown, 10.0.0.2\r\n",
         "10.0.0.2", "1.2.3.4, unknown, 10.0.0.2, 10.0.0.1"},
        {"B25 CVE-2024-47070 garbage", "10.0.0.1", "X-Forwarded-For: <script>\r\n", "10.0.0.1",
         "<script>, 10.0.0.1"},
        {"B25 obfuscated", "10.0.0.1", "X-Forwarded-For: _hidden\r\n", "10.0.0.1",
         "_hidden, 10.0.0.1"},
        {"B25 bracket left open", "10.0.0.1", "X-Forwarded-For: [2001:db8::7\r\n", "10.0.0.1",
         "[2001:db8::7, 10.0.0.1"},
        {"B25 more behind the bracket", "10.0.0.1", "X-Forwarded-For: [2001:db8::7]x\r\n",
         "10.0.0.1", "[2001:db8::7]x, 10.0.0.1"},
        {"B25 port of letters", "10.0.0.1", "X-Forwarded-For: 1.2.3.4:x\r\n", "10.0.0.1",
         "1.2.3.4:x, 10.0.0.1"},
        {"B25 empty elements", "10.0.0.1", "X-Forwarded-For: 1.2.3.4,,\r\n", "10.0.0.1",
         "1.2.3.4,,, 10.0.0.1"},
        {"B25 only a comma", "10.0.0.1", "X-Forwarded-For: ,\r\n", "10.0.0.1", ",, 10.0.0.1"},
        {"B26 other names say nothing", "10.0.0.1",
         "Forwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nTrue-Client-IP: 1.2.3.4\r\n", "10.0.0.1",
         "10.0.0.1"},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const OwnedRequest request(c.fields);
        const auto client = resolve(trusted, c.peer, request);
        CHECK(client.address == c.address);
        CHECK(client.forwarded_for == c.forwarded_for);
        // Who trusts nobody hears nobody.
        CHECK(resolve(TrustedProxies{}, c.peer, request).address == c.peer);
        CHECK(resolve(TrustedProxies{}, c.peer, request).forwarded_for == c.peer);
    }
}

TEST_CASE("a long chain is walked in bounded time, B25 J2") {
    std::string list;
    for (int i = 0; i < 2000; ++i) list += "10.0.0.2, ";
    const OwnedRequest request("X-Forwarded-For: " + list + "10.0.0.3\r\n");
    CHECK(resolve(trusted, "10.0.0.1", request).address == "10.0.0.2");
}

TEST_CASE(
    "host, scheme, port and request id are a trusted proxy's to say, once and well-formed, "
    "B26 B27 CVE-2026-40575 GHSA-7x63-xv5r-3p2x CVE-2026-35051 CVE-2026-54764 CVE-2024-21499") {
    struct Case {
        std::string_view name;
        std::string_view fields;
        std::string_view host;
        bool secure;
        int port;
        std::string_view request_id;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"nothing said", "", "app.example.com", true, 443, ""},
        {"all of them",
         "X-Forwarded-Host: b.example:8443\r\nX-Forwarded-Proto: http\r\nX-Request-Id: a-B_1.2\r\n",
         "b.example:8443", false, 8443, "a-B_1.2"},
        {"scheme sets the port", "X-Forwarded-Proto: HTTP\r\n", "app.example.com", false, 80, ""},
        {"port said", "X-Forwarded-Port: 8443\r\n", "app.example.com", true, 8443, ""},
        {"B27 list of hosts", "X-Forwarded-Host: a, evil\r\n", "app.example.com", true, 443, ""},
        {"B27 two hosts", "X-Forwarded-Host: a\r\nX-Forwarded-Host: evil\r\n", "app.example.com",
         true, 443, ""},
        {"B27 userinfo", "X-Forwarded-Host: evil:443@a\r\n", "app.example.com", true, 443, ""},
        {"B27 path", "X-Forwarded-Host: a/b\r\n", "app.example.com", true, 443, ""},
        {"yitech empty host", "X-Forwarded-Host:\r\n", "app.example.com", true, 443, ""},
        {"IPv6 host", "X-Forwarded-Host: [::1]\r\n", "[::1]", true, 443, ""},
        {"IPv6 host and port", "X-Forwarded-Host: [::1]:81\r\n", "[::1]", true, 81, ""},
        {"list of schemes", "X-Forwarded-Proto: http, https\r\n", "app.example.com", true, 443, ""},
        {"unknown scheme", "X-Forwarded-Proto: ftp\r\n", "app.example.com", true, 443, ""},
        {"port zero", "X-Forwarded-Port: 0\r\n", "app.example.com", true, 443, ""},
        {"port too large", "X-Forwarded-Port: 65536\r\n", "app.example.com", true, 443, ""},
        {"port with a sign", "X-Forwarded-Port: +80\r\n", "app.example.com", true, 443, ""},
        {"oauth2-proxy #14 id with a space", "X-Request-Id: a b\r\n", "app.example.com", true, 443,
         ""},
        {"oauth2-proxy #14 id in quotes", "X-Request-Id: \"a\"\r\n", "app.example.com", true, 443,
         ""},
        {"two ids", "X-Request-Id: a\r\nX-Request-Id: b\r\n", "app.example.com", true, 443, ""},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const OwnedRequest request(c.fields);
        const auto client = resolve(trusted, "10.0.0.1", request);
        CHECK(client.host.starts_with(c.host));
        CHECK(client.secure == c.secure);
        CHECK(client.port == c.port);
        CHECK(client.request_id == c.request_id);

        const auto stranger = resolve(trusted, "203.0.113.9", request);
        CHECK(stranger.host == "app.example.com");
        CHECK(stranger.secure);
        CHECK(stranger.port == 443);
        CHECK(stranger.request_id.empty());
    }
    const OwnedRequest long_id("X-Request-Id: " + std::string(129, 'a') + "\r\n");
    CHECK(resolve(trusted, "10.0.0.1", long_id).request_id.empty());
    CHECK_FALSE(resolve(trusted, "203.0.113.9", OwnedRequest("X-Forwarded-Proto: https\r\n"), false)
                    .secure);
}

TEST_CASE("B24 a unix socket's peer is trusted where that is said, whoever else is") {
    const OwnedRequest request("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n");
    const TrustedProxies unix_too({"10.0.0.0/8", "unix"});
    const auto behind = unix_too.resolve(unix_too.know(std::nullopt), request.head, false);
    CHECK(behind.address == "1.2.3.4");
    CHECK(behind.secure);
    for (const auto& proxies : {trusted, TrustedProxies{}}) {
        const auto alone = proxies.resolve(proxies.know(std::nullopt), request.head, false);
        CHECK(alone.address == "unix");
        CHECK_FALSE(alone.secure);
    }
    CHECK_FALSE(TrustedProxies({"unix"}).know(IpAddress::parse("127.0.0.1")).is_trusted);
}

}  // namespace cordgate::proxy::test
