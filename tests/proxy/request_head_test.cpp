#include "support.hpp"

// Rows are named after CHECKLIST group A. Every input is fed whole and byte by
// byte: where the network cut a request may not decide what it means.

namespace cordgate::proxy::test {
namespace {

using http::Framing;
using http::RequestHead;

struct Row {
    std::string_view name;
    std::string bytes;
    int status;
    std::string_view because;
};

void check(const Row& row, std::string_view bytes, const http::HeadLimits& limits = {}) {
    CAPTURE(row.name);
    CAPTURE(row.because);
    const auto whole = feed_request(bytes, bytes.size(), limits);
    CAPTURE(whole.reason);
    CHECK(whole.status == row.status);
    for (const std::size_t step : {1, 2, 3, 7}) {
        CAPTURE(step);
        CHECK(feed_request(bytes, step, limits) == whole);
    }
}

std::string times(std::size_t count, std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("a request head with doubtful line ends is refused, A1-A8, A54") {
    // clang-format off
    const Row rows[] = {
        {"A1 bare LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400,
         "RFC 9112, 2.2"},
        {"A2 bare LF ends a field line", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400,
         "RFC 9112, 2.2"},
        {"A2 bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "RFC 9112, 2.2"},
        {"A1 only LFs", "GET / HTTP/1.1\nHost: a\n\n", 400, "RFC 9112, 2.2"},
        {"A1 LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 2.2"},
        {"A4 CR is the only line end", "GET / HTTP/1.1\rHost: a\r\r", 400, "RFC 9112, 2.2"},
        {"A4 CR that may be half of a line end", "GET / HTTP/1.1\r", incomplete, "RFC 9112, 2.2"},
        {"A4 CR within a line that does not end", "GET / HTTP/1.1\r\nHost: a\rb", 400, "RFC 9112, 2.2"},
        {"A4 CR CR LF ends a line", "GET / HTTP/1.1\r\nHost: a\r\r\n", 400, "RFC 9112, 2.2"},
        {"A4 CR ends the first lines", "GET / HTTP/1.1\rHost: a\r\r\r\n\r\n", 400, "RFC 9112, 2.2"},
        {"A5 one empty line in front", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", accepted,
         "RFC 9112, 2.2: some clients"},
        {"A5 two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400,
         "one is enough"},
        {"A5 CR CR LF in front", "\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bare CR"},
        {"A6 space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400,
         "RFC 9112, 2.2"},
        {"A54 tab before the first field", "GET / HTTP/1.1\r\n\tX: 1\r\nHost: a\r\n\r\n", 400,
         "hidden from one parser"},
        {"A8 no version", "GET /\r\nHost: a\r\n\r\n", 400, "HTTP/0.9, RFC 9112, 2.3"},
        {"A8 no version and no field", "GET /\r\n\r\n", 400, "HTTP/0.9"},
        {"A8 no version, and nothing more comes", "GET /\r\n", 400, "refused before the head ends"},
        {"A8 another protocol", "EHLO example\r\n", 400, "refused before the head ends"},
        {"K2 TLS on this port", "\x16\x03\x01\x02", 400, "refused before its line ends"},
        {"a space first", " GET", 400, "refused before its line ends"},
        {"a control behind the empty line", "\r\n\x01", 400, "refused before its line ends"},
        {"no start line at all", "Host: a\r\n\r\n", 400, "the first line is the request line"},
    };
    // clang-format on
    for (const auto& row : rows) check(row, row.bytes);
}

TEST_CASE("a request line is method, target and version with one space between, A7-A19") {
    // clang-format off
    const Row rows[] = {
        {"plain", "GET / HTTP/1.1", accepted, ""},
        {"A7 two spaces", "GET  / HTTP/1.1", 400, "RFC 9112, 3"},
        {"A7 two spaces before the version", "GET /  HTTP/1.1", 400, "RFC 9112, 3"},
        {"A7 tab", "GET\t/\tHTTP/1.1", 400, "RFC 9112, 3"},
        {"A7 vertical tab", "GET\x0b/ HTTP/1.1", 400, "RFC 9112, 3"},
        {"A7 trailing space", "GET / HTTP/1.1 ", 400, "RFC 9112, 3"},
        {"A7 leading space", " GET / HTTP/1.1", 400, "RFC 9112, 3"},
        {"A9 HTTP/1.2", "GET / HTTP/1.2", 505, "RFC 9110, 15.6.6"},
        {"A9 HTTP/2.0", "GET / HTTP/2.0", 505, "RFC 9110, 15.6.6"},
        {"A9 HTTP/0.9", "GET / HTTP/0.9", 505, "RFC 9110, 15.6.6"},
        {"A9 leading zero", "GET / HTTP/01.1", 400, "RFC 9112, 2.3: one digit"},
        {"A9 no minor version", "GET / HTTP/1", 400, "RFC 9112, 2.3"},
        {"A9 lower case", "GET / http/1.1", 400, "RFC 9112, 2.3: case-sensitive"},
        {"A9 more behind it", "GET / HTTP/1.1 x", 400, "RFC 9112, 3"},
        {"A9 two minor digits", "GET / HTTP/1.10", 400, "RFC 9112, 2.3"},
        {"A10 preface of HTTP/2", "PRI * HTTP/2.0", 505, "RFC 9113, 3.4"},
        {"A12 at in the method", "G@T / HTTP/1.1", 400, "RFC 9110, 9.1: a token"},
        {"A12 NUL in the method", std::string("GET\0 / HTTP/1.1"sv), 400, "RFC 9110, 9.1"},
        {"A12 method of 33 bytes", std::string(33, 'M') + " / HTTP/1.1", 400, "no such method"},
        {"C24 method in lower case", "post / HTTP/1.1", 400, "frameworks make POST of it"},
        {"C24 method in mixed case", "Delete / HTTP/1.1", 400, "frameworks make DELETE of it"},
        {"A12 unknown method", "PROPFIND / HTTP/1.1", accepted, "the application knows"},
        {"A13 CONNECT", "CONNECT evil:443 HTTP/1.1", 405, "no tunnels"},
        {"A10 PRI", "PRI /x HTTP/1.1", 405, "RFC 9113, 11.6"},
        {"A14 TRACE", "TRACE / HTTP/1.1", 405, "reflects cookies"},
        {"A15 OPTIONS *", "OPTIONS * HTTP/1.1", accepted, "RFC 9112, 3.2.4"},
        {"A16 GET *", "GET * HTTP/1.1", 400, "RFC 9112, 3.2.4"},
        {"A16 not rooted", "GET foo HTTP/1.1", 400, "RFC 9112, 3.2"},
        {"A16 authority form", "GET evil.com:80 HTTP/1.1", 400, "RFC 9112, 3.2.3: CONNECT only"},
        {"A17 userinfo trick", "GET @evil/ HTTP/1.1", 400, "CVE-2011-3368"},
        {"A17 port trick", "GET :80/x HTTP/1.1", 400, "CVE-2011-3368"},
        {"A18 fragment", "GET /public#/../admin HTTP/1.1", 400, "CVE-2023-47106"},
        {"A18 fragment in the query", "GET /a?b#c HTTP/1.1", 400,
         "CVE-2026-41059 GHSA-pxq7-h93f-9jrg"},
        {"A19 space", "GET /a b HTTP/1.1", 400, "RFC 9112, 3.2"},
        {"A19 NUL", std::string("GET /\0 HTTP/1.1"sv), 400, "RFC 3986, 2"},
        {"A19 overlong slash, raw", "GET /\xc0\xaf HTTP/1.1", 400, "RFC 3986, 2"},
        {"A19 control", "GET /\x01 HTTP/1.1", 400, "RFC 3986, 2"},
        {"A19 DEL", "GET /\x7f HTTP/1.1", 400, "RFC 3986, 2"},
        {"A19 8-bit in the query", "GET /?q=\xc3\xa9 HTTP/1.1", 400, "RFC 3986, 2"},
        {"A24 absolute form", "GET http://a/x HTTP/1.1", accepted, "RFC 9112, 3.2.2"},
        {"A24 absolute form without a path", "GET http://a HTTP/1.1", accepted, "RFC 9112, 3.2.2"},
        {"A24 absolute form, only a query", "GET http://a?x HTTP/1.1", accepted, "RFC 9110, 4.2.3"},
        {"A25 another scheme", "GET ftp://app/ HTTP/1.1", 400, "RFC 9110, 4.2.4"},
        {"A25 userinfo", "GET http://u:p@app/ HTTP/1.1", 400, "RFC 9110, 4.2.4"},
        {"A25 no authority", "GET http:/// HTTP/1.1", 400, "RFC 9110, 4.2.1"},
        {"A65 escapes are no line ends", "GET /?rd=/a%0d%0aX:1 HTTP/1.1", accepted,
         "stays a byte string"},
    };
    // clang-format on
    for (const auto& row : rows) check(row, row.bytes + "\r\nHost: a\r\n\r\n");
}

TEST_CASE("a Host is one authority and nothing else, A20-A23") {
    // clang-format off
    const Row rows[] = {
        {"name", "Host: a\r\n", accepted, ""},
        {"name and port", "Host: a.example:8080\r\n", accepted, ""},
        {"address", "Host: 127.0.0.1:80\r\n", accepted, ""},
        {"IPv6", "Host: [2001:db8::1]:80\r\n", accepted, ""},
        {"marks of a reg-name", "Host: 0.0.0.0=5000\r\n", accepted, "RFC 3986, 3.2.2"},
        {"dot behind it", "Host: a.example.\r\n", accepted, "the root"},
        {"A21 empty label", "Host: a..example\r\n", 400, "no name between two dots"},
        {"A21 dot in front", "Host: .example\r\n", 400, "no name before the dot"},
        {"A21 only a dot", "Host: .\r\n", 400, "no name"},
        {"A21 quote", "Host: a'b\r\n", 400, "ends other texts"},
        {"A20 none", "", 400, "RFC 9112, 3.2"},
        {"A20 two", "Host: a\r\nHost: b\r\n", 400, "RFC 9112, 3.2"},
        {"A20 two equal ones", "Host: a\r\nHost: a\r\n", 400, "RFC 9112, 3.2"},
        {"A20 two in other case", "Host: a\r\nhOST: a\r\n", 400, "RFC 9112, 3.2"},
        {"A20 empty", "Host:\r\n", 400, "we are no origin without a name"},
        {"A20 list", "Host: a,b\r\n", 400, "RFC 9110, 7.2"},
        {"A21 userinfo", "Host: u@a\r\n", 400, "RFC 9110, 7.2"},
        {"A21 path", "Host: a/x\r\n", 400, "RFC 9110, 7.2"},
        {"A21 query", "Host: a?x\r\n", 400, "RFC 9110, 7.2"},
        {"A21 fragment", "Host: a#x\r\n", 400, "RFC 9110, 7.2"},
        {"A21 space", "Host: a b\r\n", 400, "RFC 9110, 7.2"},
        {"A21 NUL", std::string("Host: a\0b\r\n"sv), 400, "RFC 9110, 5.5"},
        {"A21 backslash", "Host: a\\b\r\n", 400, "RFC 9110, 7.2"},
        {"A21 port too large", "Host: a:99999\r\n", 400, "RFC 3986, 3.2.3"},
        {"A21 port zero", "Host: a:0\r\n", 400, "nobody listens there"},
        {"A21 port of letters", "Host: a:b\r\n", 400, "RFC 3986, 3.2.3"},
        {"A21 empty port", "Host: a:\r\n", accepted, "RFC 3986, 3.2.3"},
        {"A21 two ports", "Host: a:1:2\r\n", 400, "RFC 3986, 3.2.3"},
        {"A21 port only", "Host: :80\r\n", 400, "RFC 9110, 7.2"},
        {"A21 open bracket", "Host: [::1\r\n", 400, "RFC 3986, 3.2.2"},
        {"A21 behind the bracket", "Host: [::1]x\r\n", 400, "RFC 3986, 3.2.2"},
        {"A21 zone", "Host: [fe80::1%25eth0]\r\n", 400, "RFC 9110, 4.2.2: not on the wire"},
        {"A21 escape", "Host: a%2fb\r\n", 400, "RFC 9110, 7.2"},
        {"A21 8-bit", "Host: \xc3\xa9\r\n", 400, "comes as xn--"},
    };
    // clang-format on
    for (const auto& row : rows) check(row, "GET / HTTP/1.1\r\n" + row.bytes + "\r\n");
    check({"A23 HTTP/1.0 without Host", "", accepted, "RFC 9112, 3.2"}, "GET / HTTP/1.0\r\n\r\n");
    check({"A23 HTTP/1.0 with two", "", 400, "RFC 9112, 3.2"},
          "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
    check({"A24 a bad Host behind an absolute form", "", 400, "RFC 9112, 3.2"},
          "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n");
    check({"A24 absolute form without Host", "", 400, "RFC 9112, 3.2"},
          "GET http://a/ HTTP/1.1\r\n\r\n");
}

TEST_CASE("a field line is token, colon and value, A3, A26-A31, B11-B14") {
    // clang-format off
    const Row rows[] = {
        {"plain", "X: 1\r\n", accepted, ""},
        {"empty value", "X:\r\n", accepted, "RFC 9110, 5.5"},
        {"tab within a value", "X: a\tb\r\n", accepted, "RFC 9110, 5.5"},
        {"8-bit in a value", "X: \xc3\xa9\r\n", accepted, "RFC 9110, 5.5: obs-text"},
        {"A3 bare CR in a value", "X: a\rb\r\n", 400, "RFC 9110, 5.5"},
        {"A3 bare CR at the end", "X: a\r\r\n", 400, "RFC 9112, 2.2"},
        {"B14 another field behind a bare CR", "X-A: 1\rX-Discord-User-Id: 1\r\n", 400,
         "RFC 9110, 5.5"},
        {"A26 no colon", "Foo\r\n", 400, "RFC 9112, 5"},
        {"A26 empty name", ": x\r\n", 400, "CVE-2023-25725"},
        {"A27 space before the colon", "Content-Length : 5\r\n", 400, "RFC 9112, 5.1"},
        {"A27 tab before the colon", "X\t: 5\r\n", 400, "RFC 9112, 5.1"},
        {"A28 bracket", "X[1]: 1\r\n", 400, "RFC 9110, 5.1"},
        {"A28 8-bit name", "X\x80Y: 1\r\n", 400, "RFC 9110, 5.1"},
        {"A28 NUL in the name", std::string("X\0: 1\r\n"sv), 400, "RFC 9110, 5.1"},
        {"B11 space in the name", "X-Discord User-Id: 1\r\n", 400, "RFC 9112, 5.1"},
        {"B11 vertical tab before the name", "\x0bX-Discord-User-Id: 1\r\n", 400, "RFC 9112, 5.1"},
        {"B11 form feed behind the name", "X-Discord-User-Id\x0c: 1\r\n", 400, "RFC 9112, 5.1"},
        {"B12 KELVIN SIGN", "X-Discord-\xe2\x84\xaa: 1\r\n", 400, "RFC 9110, 5.1"},
        {"B12 LONG S", "X-Di\xc5\xbf" "cord-User: 1\r\n", 400, "RFC 9110, 5.1"},
        {"A29 NUL in a value", std::string("X: a\0b\r\n"sv), 400, "CVE-2019-9900"},
        {"A29 control in a value", "X: \x01\r\n", 400, "RFC 9110, 5.5"},
        {"A29 DEL in a value", "X: \x7f\r\n", 400, "RFC 9110, 5.5"},
        {"A30 obs-fold", "X: a\r\n b\r\n", 400, "RFC 9112, 5.2"},
        {"B13 an identity in an obs-fold", "X-A: 1\r\n X-Discord-User-Id: 1\r\n", 400,
         "RFC 9112, 5.2"},
        {"A30 obs-fold with a tab", "X: a\r\n\tb\r\n", 400, "RFC 9112, 5.2"},
        {"A31 obs-fold on Transfer-Encoding", "Transfer-Encoding:\r\n chunked\r\n", 400,
         "an empty coding comes first"},
        {"A31 obs-fold behind a coding", "Transfer-Encoding: chunked\r\n , identity\r\n", 400,
         "RFC 9112, 5.2"},
        {"A31 obs-fold on Content-Length", "Content-Length:\r\n 5\r\n", 400, "RFC 9112, 5.2"},
        {"A31 obs-fold behind a length", "Content-Length: 5\r\n 0\r\n", 400, "RFC 9112, 5.2"},
    };
    // clang-format on
    for (const auto& row : rows) check(row, "GET / HTTP/1.1\r\nHost: a\r\n" + row.bytes + "\r\n");
}

TEST_CASE("a name with a byte that no name has is refused, wherever it stands, A28 B11 B12") {
    const std::string name = "X-Discord-User-Id";
    for (int byte = 0; byte < 256; ++byte) {
        const std::string odd(1, static_cast<char>(byte));
        if (http::is_token(odd)) continue;
        CAPTURE(byte);
        for (const std::size_t at : {std::size_t{0}, std::size_t{9}, name.size()}) {
            // A colon ends the name, which is then a shorter one, or empty.
            if (odd == ":" && at > 0) continue;
            auto line = name;
            line.insert(at, odd);
            const auto bytes = "GET / HTTP/1.1\r\nHost: a\r\n" + line + ": 1\r\n\r\n";
            CHECK(feed_request(bytes, bytes.size()).status == 400);
            CHECK(feed_request(bytes, 1).status == 400);
        }
    }
}

TEST_CASE("a body has one length that nobody can read differently, A32-A41, A50, A51") {
    struct Framed {
        std::string_view name;
        std::string lines;
        int status;
        std::string_view because;
        Framing framing;
        std::uint64_t length;
    };
    // clang-format off
    const Framed rows[] = {
        {"A51 neither", "", accepted, "RFC 9112, 6.3: no body", Framing::none, 0},
        {"length", "Content-Length: 5\r\n", accepted, "", Framing::length, 5},
        {"length zero", "Content-Length: 0\r\n", accepted, "", Framing::length, 0},
        {"length of 18 digits", "Content-Length: 999999999999999999\r\n", accepted, "",
         Framing::length, 999999999999999999},
        {"white space around it", "Content-Length: \t5 \r\n", accepted, "RFC 9110, 5.5",
         Framing::length, 5},
        {"chunked", "Transfer-Encoding: chunked\r\n", accepted, "", Framing::chunked, 0},
        {"chunked in capitals", "TRANSFER-ENCODING: Chunked\r\n", accepted, "RFC 9112, 7",
         Framing::chunked, 0},
        {"A41 alias of Content-Length", "Content_Length: 5\r\n", accepted,
         "not the field; dropped later", Framing::none, 0},
        {"A41 alias of Transfer-Encoding", "Transfer.Encoding: chunked\r\n", accepted,
         "dropped later", Framing::none, 0},
        {"A32 length, then coding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400,
         "RFC 9112, 6.3", Framing::none, 0},
        {"A32 coding, then length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400,
         "RFC 9112, 6.3", Framing::none, 0},
        {"A33 two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", 400, "RFC 9112, 6.3",
         Framing::none, 0},
        {"A34 two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", 400,
         "RFC 9110, 8.6", Framing::none, 0},
        {"A34 list of equal lengths", "Content-Length: 5, 5\r\n", 400, "RFC 9110, 8.6",
         Framing::none, 0},
        {"A35 plus", "Content-Length: +5\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 minus", "Content-Length: -1\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 minus zero", "Content-Length: -0\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 hexadecimal", "Content-Length: 0x5\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 decimal point", "Content-Length: 5.0\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 underscore", "Content-Length: 1_0\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 space within", "Content-Length: 5 5\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 empty", "Content-Length:\r\n", 400, "CVE-2023-40225", Framing::none, 0},
        {"A35 quotes", "Content-Length: ''\r\n", 400, "RFC 9110, 8.6", Framing::none, 0},
        {"A35 Arabic digit", "Content-Length: \xd9\xa5\r\n", 400, "RFC 9110, 8.6", Framing::none,
         0},
        {"A36 2^63", "Content-Length: 9223372036854775808\r\n", 400, "CVE-2021-40346",
         Framing::none, 0},
        {"A36 2^64", "Content-Length: 18446744073709551616\r\n", 400, "CVE-2021-40346",
         Framing::none, 0},
        {"A36 2^64 + 5", "Content-Length: 18446744073709551621\r\n", 400, "CVE-2021-40346",
         Framing::none, 0},
        {"A36 40 digits", "Content-Length: " + std::string(40, '9') + "\r\n", 400,
         "CVE-2021-40346", Framing::none, 0},
        {"A37 leading zeros", "Content-Length: 0005\r\n", 400, "octal to some", Framing::none, 0},
        {"A37 one leading zero", "Content-Length: 0200\r\n", 400, "128 in octal", Framing::none,
         0},
        {"A37 two zeros", "Content-Length: 00\r\n", 400, "one spelling for each number",
         Framing::none, 0},
        {"A39 identity", "Transfer-Encoding: identity\r\n", 501, "RFC 9112, 6.1", Framing::none, 0},
        {"A39 gzip", "Transfer-Encoding: gzip\r\n", 501, "RFC 9112, 6.1", Framing::none, 0},
        {"A39 xchunked", "Transfer-Encoding: xchunked\r\n", 501, "RFC 9112, 6.1", Framing::none, 0},
        {"A39 parameter", "Transfer-Encoding: chunked;q=1\r\n", 501, "RFC 9112, 7", Framing::none,
         0},
        {"A39 quoted", "Transfer-Encoding: \"chunked\"\r\n", 501, "RFC 9112, 7", Framing::none, 0},
        {"A39 chunked, then identity", "Transfer-Encoding: chunked, identity\r\n", 501,
         "RFC 9112, 6.1", Framing::none, 0},
        {"A39 comma first", "Transfer-Encoding: , chunked\r\n", 501, "RFC 9112, 6.1",
         Framing::none, 0},
        {"A39 vertical tab", "Transfer-Encoding: chunked\x0b\r\n", 400, "RFC 9110, 5.5",
         Framing::none, 0},
        {"A39 empty", "Transfer-Encoding:\r\n", 400, "RFC 9112, 6.1", Framing::none, 0},
        {"A40 twice in one", "Transfer-Encoding: chunked, chunked\r\n", 501, "RFC 9112, 6.1",
         Framing::none, 0},
        {"A40 two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400,
         "RFC 9112, 6.1", Framing::none, 0},
        {"A40 gzip and chunked", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501,
         "RFC 9112, 6.1", Framing::none, 0},
    };
    // clang-format on
    // A50: what a method means has no part in it.
    for (const std::string method : {"POST", "GET", "HEAD", "DELETE", "OPTIONS"}) {
        for (const auto& c : rows) {
            CAPTURE(method);
            const auto bytes = method + " / HTTP/1.1\r\nHost: a\r\n" + c.lines + "\r\n";
            check({c.name, {}, c.status, c.because}, bytes);
            RequestHead head;
            if (http::parse_request_head(bytes, {}, head)) continue;
            CAPTURE(c.name);
            CHECK(head.framing == c.framing);
            CHECK(head.content_length == c.length);
        }
    }
    check({"A38 Transfer-Encoding in HTTP/1.0", "", 400, "RFC 9112, 6.1"},
          "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST_CASE("Expect, Connection and Upgrade are read once and strictly, A11, A53, B5") {
    // clang-format off
    const Row rows[] = {
        {"A53 100-continue", "Expect: 100-Continue\r\n", accepted, ""},
        {"A53 unknown", "Expect: x\r\n", 417, "RFC 9110, 10.1.1"},
        {"A53 disguised", "Expect: y 100-continue\r\n", 417, "not forwarded"},
        {"A53 second is unknown", "Expect: 100-continue\r\nExpect: x\r\n", 400, "RFC 9110, 5.3"},
        {"two Authorization", "Authorization: a\r\nAuthorization: a\r\n", 400, "RFC 9110, 5.3"},
        {"two Content-Type", "Content-Type: a/b\r\nCONTENT-TYPE: c/d\r\n", 400, "RFC 9110, 5.3"},
        {"two Range", "Range: bytes=0-1\r\nRange: bytes=2-3\r\n", 400, "RFC 9110, 5.3"},
        {"two dates", "If-Modified-Since: a\r\nIf-Modified-Since: a\r\n", 400, "RFC 9110, 5.3"},
        {"lists may come in parts", "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n"
         "Accept: a/b\r\nAccept: c/d\r\n", accepted, "RFC 9110, 5.3"},
        {"A53 empty", "Expect:\r\n", 417, "RFC 9110, 10.1.1"},
        {"B5 1,000 names", "Connection: " + times(1000, "x,") + "\r\n", accepted, "bounded work"},
        {"B5 2,000 names", "Connection: " + times(2000, "x,") + "\r\n", 400, "bounded work"},
        {"B5 100 fields", times(100, "Connection: " + times(10, "x,") + "\r\n"), accepted, "RFC 9110, 5.3"},
        {"two Upgrade fields", "Upgrade: websocket\r\nUpgrade: h2c\r\n", 400, "two readings"},
    };
    // clang-format on
    for (const auto& row : rows) check(row, "GET / HTTP/1.1\r\nHost: a\r\n" + row.bytes + "\r\n");

    struct Upgrade {
        std::string_view name;
        const char* lines;
        bool wanted;
    };
    // clang-format off
    constexpr Upgrade upgrades[] = {
        {"another protocol", "Connection: keep-alive, Upgrade\r\nUpgrade: foo/1\r\n", true},
        {"H5 WebSocket without a key", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\n", false},
        {"H5 with a short key", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n", false},
        {"H5 with a key of other letters", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ.==\r\n", false},
        {"H5 of an old version", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", false},
        {"H5 with two keys", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", false},
        {"a protocol that is no token", "Connection: Upgrade\r\nUpgrade: web socket\r\n", false},
        {"a version that is no token", "Connection: Upgrade\r\nUpgrade: foo/\r\n", false},
        {"an empty body", "Connection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 0\r\n", true},
        {"a body", "Connection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 1\r\n", false},
        {"without Connection", "Upgrade: websocket\r\n", false},
        {"without Upgrade", "Connection: Upgrade\r\n", false},
        {"empty", "Connection: Upgrade\r\nUpgrade:\r\n", false},
        {"A11 h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", false},
        {"A11 H2C in capitals", "Connection: Upgrade\r\nUpgrade: H2C\r\n", false},
        {"A11 h2c-14", "Connection: Upgrade\r\nUpgrade: h2c-14\r\n", false},
        {"A11 h2c behind another", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", false},
    };
    // clang-format on
    for (const auto& c : upgrades) {
        CAPTURE(c.name);
        CHECK(OwnedRequest(c.lines).head.wants_upgrade() == c.wanted);
        CHECK_FALSE(OwnedRequest(c.lines, "GET / HTTP/1.0").head.wants_upgrade());
    }
    // Docker and Kubernetes attach to a process by POST.
    const char* const tcp = "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n";
    CHECK(OwnedRequest(tcp, "POST / HTTP/1.1").head.wants_upgrade());
}

TEST_CASE("an accepted head says what the bytes said, A24, B4, B5") {
    const OwnedRequest absolute("", "GET http://Evil.example:80/x?y=1 HTTP/1.1");
    CHECK(absolute.head.host == "Evil.example:80");
    CHECK(absolute.head.path == "/x");
    CHECK(absolute.head.query == "?y=1");
    const OwnedRequest pathless("", "GET http://a?y HTTP/1.1");
    CHECK(pathless.head.path == "/");
    CHECK(pathless.head.query == "?y");
    CHECK(absolute.head.find("host")->value == "app.example.com");

    const OwnedRequest star("", "OPTIONS * HTTP/1.1");
    CHECK(star.head.path == "*");
    CHECK(star.head.query.empty());

    const OwnedRequest bare("", "GET http://a HTTP/1.1");
    CHECK(bare.head.path == "/");
    const OwnedRequest empty_query("", "GET /a? HTTP/1.1");
    CHECK(empty_query.head.path == "/a");
    CHECK(empty_query.head.query == "?");

    const OwnedRequest options(
        "Connection: close , \"x-discord-user-id\",\tX-A\r\nCONNECTION: Host,, keep-alive\r\n"
        "Expect: 100-continue\r\nX-A: \t v \t\r\n");
    const auto& head = options.head;
    CHECK(head.connection_close);
    CHECK(head.connection_keep_alive);
    CHECK_FALSE(head.keep_alive());
    CHECK(head.expect_continue);
    CHECK(head.value("x-a") == "v");
    CHECK(head.value("x-b").empty());
    CHECK(head.nominated == std::vector<std::string_view>{"\"x-discord-user-id\"", "X-A", "Host"});

    CHECK_FALSE(OwnedRequest("", "GET / HTTP/1.0").head.keep_alive());
    CHECK(OwnedRequest("Connection: keep-alive\r\n", "GET / HTTP/1.0").head.keep_alive());
    CHECK_FALSE(OwnedRequest("Expect: 100-continue\r\n", "POST / HTTP/1.0").head.expect_continue);
}

TEST_CASE("a head used again keeps nothing of the request before, A58") {
    RequestHead head;
    REQUIRE_FALSE(http::parse_request_head(
        "POST /a?b HTTP/1.1\r\nHost: a\r\nConnection: close, x, upgrade\r\nUpgrade: y\r\n"
        "Content-Length: 5\r\nExpect: 100-continue\r\nCookie: s=1\r\n\r\n",
        {}, head));
    REQUIRE_FALSE(http::parse_request_head("GET / HTTP/1.1\r\nHost: b\r\n\r\n", {}, head));
    CHECK(head.fields.size() == 1);
    CHECK(head.host == "b");
    CHECK(head.query.empty());
    CHECK(head.nominated.empty());
    CHECK(head.upgrade.empty());
    CHECK(head.framing == Framing::none);
    CHECK(head.content_length == 0);
    CHECK(head.keep_alive());
    CHECK_FALSE(head.expect_continue);
    CHECK_FALSE(head.wants_upgrade());
}

TEST_CASE("limits of a head hold to the byte, however it is fed, A12, J1-J3, J6, J23") {
    const http::HeadLimits limits{1000, 5, 100};
    const auto head = [](std::size_t target, std::string_view fields) {
        return "GET /" + std::string(target - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n" +
               std::string(fields) + "\r\n";
    };
    const auto of_size = [&](std::size_t size) {
        const auto rest = size - head(1, "X: \r\n").size();
        return head(1, "X: " + std::string(rest, 'v') + "\r\n");
    };
    REQUIRE(of_size(1000).size() == 1000);
    // clang-format off
    const Row rows[] = {
        {"J6 target of the limit", head(100, ""), accepted, ""},
        {"J1 target one byte longer", head(101, ""), 414, "RFC 9112, 3"},
        {"J1 far longer target", head(5000, ""), 414, "RFC 9112, 3"},
        {"J1 target without an end", "GET /" + std::string(5000, 'a'), 414, "not read to its end"},
        {"A12 method without an end", std::string(100000, 'M'), 414, "not read to its end"},
        {"A12 long method", std::string(500, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n", 414,
         "not read to its end"},
        {"J6 five fields", head(1, times(4, "X: 1\r\n")), accepted, ""},
        {"J2 six fields", head(1, times(5, "X: 1\r\n")), 431, "RFC 6585, 5"},
        {"J6 head of the limit", of_size(1000), accepted, ""},
        {"J2 head one byte longer", of_size(1001), 431, "RFC 6585, 5"},
        {"J2 one huge field", of_size(90000), 431, "RFC 6585, 5"},
        {"J3 a name without an end", "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(100000, 'x'),
         431, "not read to its end"},
        {"J2 line feeds behind the limit", of_size(1001) + "\n\n", 431, "what comes first decides"},
        {"J23 10,000 fields", head(1, times(10000, "X: 1\r\n")), 431, "RFC 6585, 5"},
    };
    // clang-format on
    for (const auto& row : rows) check(row, row.bytes, limits);

    const http::HeadLimits narrow{50, 5, 100};  // less than one target
    check({"head smaller than its target", "", 431, ""}, head(100, ""), narrow);
    check({"and without an end", "", 431, ""}, "GET /" + std::string(500, 'a'), narrow);
}

TEST_CASE("a scanner leaves the next request alone and can begin again, A56, A57") {
    const std::string one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string both = one + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(feed_request(both, both.size()).size == one.size());
    http::HeadScanner scanner;
    CHECK(scanner.scan(both, {}).size == one.size());
    scanner.reset();
    CHECK(scanner.scan(std::string_view(both).substr(one.size()), {}).size == one.size());
    // The empty line that some clients send behind a body belongs to the next head.
    CHECK(feed_request("\r\n" + one, 1).size == one.size() + 2);
}

TEST_CASE("tokens and authorities are what the RFCs say and no more") {
    CHECK(http::is_token("!#$%&'*+-.^_`|~09azAZ"));
    for (int i = 0; i < 256; ++i) {
        const char c = static_cast<char>(i);
        const bool mark = i < 128 && "!#$%&'*+-.^_`|~"sv.find(c) != std::string_view::npos;
        const bool alnum =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        CAPTURE(i);
        CHECK(http::is_token(std::string(1, c)) == (mark || alnum));
    }
    CHECK_FALSE(http::is_token(""));
    CHECK(http::is_valid_authority(std::string(255, 'a')));
    CHECK_FALSE(http::is_valid_authority(std::string(256, 'a')));
    CHECK_FALSE(http::is_valid_authority(""));
    CHECK_FALSE(http::is_valid_authority("[]"));
    CHECK(http::is_valid_authority("[::]:65535"));
    CHECK_FALSE(http::is_valid_authority("a:65536"));
}

TEST_CASE("an upgrade is passed on only without a body, in HTTP/1.1, and never to h2c") {
    const auto wants = [](std::string_view lines, std::string_view start = "GET / HTTP/1.1") {
        return OwnedRequest(lines, start).head.wants_upgrade();
    };
    constexpr std::string_view upgrade =
        "Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    CHECK(wants(upgrade));
    CHECK_FALSE_MESSAGE(wants(upgrade, "POST / HTTP/1.1"), "H5: a handshake is a GET");
    CHECK_FALSE(wants(std::string(upgrade) + "Content-Length: 5\r\n"));
    CHECK_FALSE(wants(std::string(upgrade) + "Transfer-Encoding: chunked\r\n"));
    CHECK_FALSE(wants(upgrade, "GET / HTTP/1.0"));
    CHECK_FALSE(wants("Connection: Upgrade\r\nUpgrade: h2c\r\n"));
    CHECK_FALSE(wants("Upgrade: websocket\r\n"));
}

}  // namespace cordgate::proxy::test
