#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "tests/support/contains.hpp"
#include "tests/support/manual_upstream.hpp"
#include "tests/support/stage.hpp"

// What reaches the application of bytes that are no plain request: group A, row by
// row, against the daemon. The same tables hold for the parsers in tests/proxy; here
// they hold for whatever reads a connection.

using namespace cordgate;
using namespace cordgate::test;

namespace {

using namespace std::string_literals;

std::string times(std::size_t n, const std::string& piece) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += piece;
    return out;
}

/// "POST /public/x" with these field lines and what follows the head.
std::string post(const std::string& fields, const std::string& body) {
    return "POST /public/x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

std::string chunked(const std::string& body) {
    return post("Transfer-Encoding: chunked\r\n", body);
}

std::string get(const std::string& target, const std::string& fields = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

struct Row {
    std::string id;
    std::string bytes;
    int status;  ///< of the answer; 0: none comes until the client ends
    std::string because;
};

}  // namespace

TEST_CASE("A1-A54 what two parsers could read differently reaches no application") {
    const std::string cl = "Content-Length: ";
    const std::string te = "Transfer-Encoding: ";
    const std::string last = "0\r\n\r\n";
    // clang-format off
    const Row rows[] = {
        {"A1 LF ends the request line", "GET /public/x HTTP/1.1\nHost: a\r\n\r\n", 400, "RFC 9112, 2.2"},
        {"A2 LF ends a field line", "GET /public/x HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400, "RFC 9112, 2.2"},
        {"A3 CR in a value", get("/public/x", "X: a\rb\r\n"), 400, "RFC 9112, 2.2"},
        {"A4 CR is the only line end", "GET /public/x HTTP/1.1\rHost: a\r\r", 400, "RFC 9112, 2.2"},
        {"A5 many empty lines in front", "\r\n\r\n\r\n" + get("/public/x"), 400, "one is ignored"},
        {"A6 white space before the first field", "GET /public/x HTTP/1.1\r\n Host: a\r\n\r\n", 400, "RFC 9112, 2.2"},
        {"A7 several spaces", "GET  /public/x  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 3"},
        {"A7 vertical tab", "GET\x0b/public/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 3"},
        {"A7 two spaces", "GET  /public/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 3"},
        {"A7 tab", "GET\t/public/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 3"},
        {"A7 space at the end", "GET /public/x HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "RFC 9112, 3"},
        {"A8 HTTP/0.9", "GET /public/x\r\n\r\n", 400, "RFC 9112, 2.3"},
        {"A9 HTTP/1.2", "GET /public/x HTTP/1.2\r\nHost: a\r\n\r\n", 505, "RFC 9110, 15.6.6"},
        {"A9 HTTP/1", "GET /public/x HTTP/1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 2.3"},
        {"A9 more behind it", "GET /public/x HTTP/1.1 x\r\nHost: a\r\n\r\n", 400, "RFC 9112, 3"},
        {"A9 HTTP/2.0", "GET /public/x HTTP/2.0\r\nHost: a\r\n\r\n", 505, "RFC 9112, 2.3"},
        {"A9 HTTP/01.1", "GET /public/x HTTP/01.1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 2.3"},
        {"A9 small letters", "GET /public/x http/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112, 2.3"},
        {"A10 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "RFC 9113, 3.4"},
        {"A12 method is no token", "G@T /public/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9110, 9.1"},
        {"A12 NUL in the method", "GET\0 /public/x HTTP/1.1\r\nHost: a\r\n\r\n"s, 400, "RFC 9110, 9.1"},
        {"A12 endless method", std::string(100000, 'G'), 414, "cut at the limit"},
        {"A13 CONNECT", "CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", 405, "no tunnels"},
        {"A14 TRACE", "TRACE /public/x HTTP/1.1\r\nHost: a\r\nCookie: a=reflected\r\nX-Discord-User-Id: reflected\r\n\r\n", 405, "reflects cookies"},
        {"A16 GET *", get("*"), 400, "RFC 9112, 3.2"},
        {"A16 relative", get("foo"), 400, "RFC 9112, 3.2"},
        {"A16 authority form", get("evil.com:80"), 400, "RFC 9112, 3.2"},
        {"A17 glued to the upstream", get("@evil/"), 400, "CVE-2011-3368"},
        {"A17 glued as a port", get(":80/x"), 400, "CVE-2011-3368"},
        {"A18 fragment", get("/public#/../admin"), 400, "CVE-2023-45539"},
        {"A19 space", get("/public/a b"), 400, "RFC 3986, 2"},
        {"A19 NUL", get("/public/\0"s), 400, "RFC 3986, 2"},
        {"A19 control", get("/public/\x01"), 400, "RFC 3986, 2"},
        {"A19 DEL", get("/public/\x7f"), 400, "RFC 3986, 2"},
        {"A19 8-bit", get("/public/\xc0\xaf"), 400, "RFC 3986, 2"},
        {"A20 no Host", "GET /public/x HTTP/1.1\r\n\r\n", 400, "RFC 9112, 3.2"},
        {"A20 two equal ones", get("/public/x", "Host: a\r\n"), 400, "RFC 9112, 3.2"},
        {"A20 two", get("/public/x", "Host: b\r\n"), 400, "RFC 9112, 3.2"},
        {"A20 empty", "GET /public/x HTTP/1.1\r\nHost:\r\n\r\n", 400, "RFC 9112, 3.2"},
        {"A20 list", "GET /public/x HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "RFC 9112, 3.2"},
        {"A21 userinfo", "GET /public/x HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "RFC 9110, 7.2"},
        {"A21 path", "GET /public/x HTTP/1.1\r\nHost: a/x\r\n\r\n", 400, "RFC 9110, 7.2"},
        {"A21 query", "GET /public/x HTTP/1.1\r\nHost: a?x\r\n\r\n", 400, "RFC 9110, 7.2"},
        {"A21 space", "GET /public/x HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "RFC 9110, 7.2"},
        {"A21 NUL", "GET /public/x HTTP/1.1\r\nHost: a\0b\r\n\r\n"s, 400, "RFC 9110, 5.5"},
        {"A21 comma", "GET /public/x HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, "RFC 9110, 7.2"},
        {"A21 port", "GET /public/x HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400, "RFC 9110, 7.2"},
        {"A25 another scheme", get("ftp://a/"), 400, "RFC 9110, 4.2.4"},
        {"A25 userinfo", get("http://u:p@a/"), 400, "RFC 9110, 4.2.4"},
        {"A26 no colon", get("/public/x", "Foo\r\n"), 400, "RFC 9112, 5"},
        {"A26 empty name", get("/public/x", ": x\r\n"), 400, "CVE-2023-25725"},
        {"A27 space before the colon", post("Content-Length : 5\r\n", "hello"), 400, "RFC 9112, 5.1"},
        {"A27 tab before the colon", post("Content-Length\t: 5\r\n", "hello"), 400, "RFC 9112, 5.1"},
        {"A28 brackets in a name", get("/public/x", "X[1]: a\r\n"), 400, "RFC 9110, 5.1"},
        {"A28 8-bit in a name", get("/public/x", "X\x80Y: a\r\n"), 400, "RFC 9110, 5.1"},
        {"A28 NUL in a name", get("/public/x", "X\0: a\r\n"s), 400, "RFC 9110, 5.1"},
        {"A29 NUL", get("/public/x", "X: a\0b\r\n"s), 400, "CVE-2019-9900"},
        {"A29 control", get("/public/x", "X: \x01\r\n"), 400, "RFC 9110, 5.5"},
        {"A29 DEL", get("/public/x", "X: \x7f\r\n"), 400, "RFC 9110, 5.5"},
        {"A30 folded", get("/public/x", "X: a\r\n b\r\n"), 400, "RFC 9112, 5.2"},
        {"A31 folded coding", post(te + "\r\n chunked\r\n", last), 400, "RFC 9112, 5.2"},
        {"A31 folded behind a coding", post(te + "chunked\r\n , identity\r\n", last), 400, "RFC 9112, 5.2"},
        {"A31 folded length", post(cl + "\r\n 5\r\n", "hello"), 400, "RFC 9112, 5.2"},
        {"A31 folded behind a length", post(cl + "5\r\n 0\r\n", "hello"), 400, "RFC 9112, 5.2"},
        {"A32 both framings", post(cl + "5\r\n" + te + "chunked\r\n", last), 400, "RFC 9112, 6.1"},
        {"A32 in the other order", post(te + "chunked\r\n" + cl + "5\r\n", last), 400, "RFC 9112, 6.1"},
        {"A33 two lengths", post(cl + "5\r\n" + cl + "6\r\n", "hello!"), 400, "RFC 9112, 6.3"},
        {"A34 a list of equal lengths", post(cl + "5, 5\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A34 the same twice", post(cl + "5\r\n" + cl + "5\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A35 plus", post(cl + "+5\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A35 minus", post(cl + "-1\r\n", ""), 400, "RFC 9110, 8.6"},
        {"A35 decimal point", post(cl + "5.0\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A35 underscore", post(cl + "1_0\r\n", "hellohello"), 400, "RFC 9110, 8.6"},
        {"A35 space within", post(cl + "5 5\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A35 quotes", post(cl + "''\r\n", ""), 400, "RFC 9110, 8.6"},
        {"A35 minus zero", post(cl + "-0\r\n", ""), 400, "RFC 9110, 8.6"},
        {"A35 hexadecimal", post(cl + "0x5\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A35 empty", post(cl + "\r\n", ""), 400, "CVE-2023-40225"},
        {"A35 other digits", post(cl + "\xd9\xa5\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A36 2^63", post(cl + "9223372036854775808\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A36 2^64", post(cl + "18446744073709551616\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A36 2^64+5", post(cl + "18446744073709551621\r\n", "hello"), 400, "CVE-2021-40346"},
        {"A36 forty digits", post(cl + std::string(40, '9') + "\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A37 leading zeros", post(cl + "0005\r\n", "hello"), 400, "RFC 9110, 8.6"},
        {"A37 one leading zero", post(cl + "0200\r\n", std::string(200, 'x')), 400, "128 in octal"},
        {"A38 chunks in HTTP/1.0", "POST /public/x HTTP/1.0\r\nHost: a\r\n" + te + "chunked\r\n\r\n" + last, 400, "RFC 9112, 6.1"},
        {"A39 identity", post(te + "identity\r\n", last), 501, "RFC 9112, 6.1"},
        {"A39 gzip", post(te + "gzip\r\n", last), 501, "RFC 9112, 6.1"},
        {"A39 identity behind it", post(te + "chunked, identity\r\n", last), 501, "RFC 9112, 6.1"},
        {"A39 unknown", post(te + "xchunked\r\n", last), 501, "RFC 9112, 6.1"},
        {"A39 parameter", post(te + "chunked;q=1\r\n", last), 501, "RFC 9112, 7"},
        {"A39 quoted", post(te + "\"chunked\"\r\n", last), 501, "RFC 9112, 7"},
        {"A39 comma in front", post(te + ", chunked\r\n", last), 501, "RFC 9112, 7"},
        {"A39 vertical tab", post(te + "chunked\x0b\r\n", last), 400, "RFC 9112, 7"},
        {"A39 empty", post(te + "\r\n", last), 400, "RFC 9112, 7"},
        {"A40 chunked twice", post(te + "chunked\r\n" + te + "chunked\r\n", last), 400, "RFC 9112, 6.1"},
        {"A40 chunked twice in one", post(te + "chunked, chunked\r\n", last), 501, "RFC 9112, 6.1"},
        {"A40 gzip in another field", post(te + "gzip\r\n" + te + "chunked\r\n", last), 501, "RFC 9112, 6.1"},
        {"A40 gzip too", post(te + "gzip, chunked\r\n", last), 501, "RFC 9112, 6.1"},
        {"A42 0x", chunked("0x5\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 plus", chunked("+5\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 minus", chunked("-5\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 space in front", chunked(" 5\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 no digit", chunked("G\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 17 digits", chunked("00000000000000005\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 space", chunked("5 \r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 underscore", chunked("5_0\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 empty", chunked("\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A42 2^64", chunked("10000000000000000\r\nhello\r\n"), 400, "RFC 9112, 7.1"},
        {"A43 LF ends a size", chunked("5\nhello\r\n" + last), 400, "CVE-2025-22871"},
        {"A43 CR ends a size", chunked("5\rhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A43 LF ends an extension", chunked("5;a\nhello\r\n" + last), 400, "TERM.EXT"},
        {"A43 LF ends the data", chunked("5\r\nhello\n" + last), 400, "EXT.TERM"},
        {"A43 CR CR LF", chunked("5\r\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A44 bare semicolon", chunked("5;\r\nhello\r\n" + last), 400, "RFC 9112, 7.1.1"},
        {"A44 NUL", chunked("5;\0a\r\nhello\r\n"s + last), 400, "RFC 9112, 7.1.1"},
        {"A44 CR", chunked("5;a\rb\r\nhello\r\n" + last), 400, "RFC 9112, 7.1.1"},
        {"A44 LF in quotes", chunked("5;a=\"\n\"\r\nhello\r\n" + last), 400, "RFC 9112, 7.1.1"},
        {"A44 open quotes", chunked("5;a=\"\r\nhello\r\n" + last), 400, "RFC 9112, 7.1.1"},
        {"A45 a long extension", chunked("5;a=" + std::string(65536, 'b') + "\r\nhello\r\n" + last), 400, "CVE-2023-39326"},
        {"A45 many extensions", chunked(times(3000, "1;a=bcdef\r\nx\r\n") + last), 400, "CVE-2023-39326"},
        {"A45 tiny chunks with long extensions", chunked(times(20, "1;a=" + std::string(8000, 'b') + "\r\nx\r\n") + last), 400, "CVE-2023-39326"},
        {"A46 more than the size", chunked("5\r\nhello!!\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A46 two bytes in the place of the line end", chunked("5\r\nhelloXX5\r\nworld\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A46 less than the size", chunked("6\r\nhello\r\n" + last), 400, "RFC 9112, 7.1"},
        {"A47 no last chunk", chunked("5\r\nhello\r\n"), 0, "RFC 9112, 8"},
        {"A47 ends in a chunk", chunked("5\r\nhel"), 0, "RFC 9112, 8"},
        {"A48 a request where the trailers end", chunked("5\r\nhello\r\n0\r\n" + get("/public/2")), 400, "RFC 9112, 7.1.2"},
        {"A48 LF ends the trailers", chunked("5\r\nhello\r\n0\r\nX: 1\n\n"), 400, "RFC 9112, 7.1.2"},
        {"A53 another expectation", post("Expect: x\r\nContent-Length: 5\r\n", "hello"), 417, "RFC 9110, 10.1.1"},
        {"A53 disguised", post("Expect: y 100-continue\r\nContent-Length: 5\r\n", "hello"), 417, "RFC 9110, 10.1.1"},
        {"A54 a Host hidden by white space", get("/public/x", " Host: evil\r\n"), 400, "seen by one of two"},
        {"A54 a name split by CR", get("/public/x", "Ho\rst: evil\r\n"), 400, "seen by one of two"},
        {"A54 a line split by CR", get("/public/x", "X: 1\rContent-Length: 5\r\n"), 400, "seen by one of two"},
        {"A54 a field hidden by white space", "GET /public/x HTTP/1.1\r\n\tX: 1\r\nHost: a\r\n\r\n", 400, "seen by one of two"},
    };
    // clang-format on
    Stage stage;
    for (const auto& row : rows) {
        CAPTURE(row.id);
        CAPTURE(row.because);
        stage.app.forget();
        Wire wire(stage.port());
        // A56: whatever stands behind it is not looked at.
        wire.send(row.bytes + (row.status == 0 ? "" : get("/public/behind")));
        wire.finish_sending();
        const auto answer = wire.read_response();
        CHECK(answer.status() == row.status);
        if (row.status != 0) CHECK(answer.field("Connection") == "close");
        CHECK_FALSE(contains(answer.head + answer.body, "reflected"));
        CHECK(wire.read_until_close().empty());
        for (const auto& seen : stage.app.requests()) {
            CHECK_MESSAGE(!seen.complete, "what came through: ", seen.head);
            CHECK(seen.target() == "/public/x");
        }
    }
}

TEST_CASE("A4 A8 what can never become a head is refused while its client still waits") {
    Stage stage({.server = "timeouts: {header: 1h}"});
    for (const std::string bytes : {"GET /public/x HTTP/1.1\rHost: a\r\r", "GET /public/x\r\n",
                                    "GET /public/x\n", "GET /public/x HTTP/1.1\r\nHost: a\rX: 1"}) {
        CAPTURE(bytes);
        Wire wire(stage.port());
        wire.send(bytes);
        CHECK(wire.read_response().status() == 400);
        wire.finish_sending();
        CHECK(wire.read_until_close().empty());
    }
    CHECK(stage.app.count() == 0);
}

TEST_CASE("A5-A54 what is odd but clear goes on in its plain form") {
    struct Plain {
        std::string id;
        std::string bytes;
        std::string start_line;  ///< as the application sees it
        std::string body;
    };
    // clang-format off
    const Plain rows[] = {
        {"A5 one empty line in front", "\r\n" + get("/public/x"), "GET /public/x HTTP/1.1", ""},
        {"A15 OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "", ""},
        {"A23 HTTP/1.0 without Host", "GET /public/x HTTP/1.0\r\n\r\n", "GET /public/x HTTP/1.1", ""},
        {"A24 absolute form", get("http://other/public/x?y"), "GET /public/x?y HTTP/1.1", ""},
        {"A24 absolute form without a path", get("http://other?y", "X: 1\r\n"), "", ""},
        {"A41 Content_Length", get("/public/x", "Content_Length: 5\r\nTransfer_Encoding: chunked\r\nTransfer.Encoding: chunked\r\n"),
         "GET /public/x HTTP/1.1", ""},
        {"A44 an extension", chunked("5;a=\"b\"\r\nhello\r\n0\r\n\r\n"), "POST /public/x HTTP/1.1", "hello"},
        {"A49 trailers", chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nHost: evil\r\nAuthorization: Bearer x\r\nCookie: a=1\r\nX-Discord-User-Id: 1\r\n\r\n"),
         "POST /public/x HTTP/1.1", "hello"},
        {"A50 GET with a body", get("/public/x", "Content-Length: 5\r\n") + "hello", "GET /public/x HTTP/1.1", "hello"},
        {"A50 DELETE with a body", "DELETE /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "DELETE /public/x HTTP/1.1", "hello"},
        {"A50 HEAD with a body", "HEAD /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "HEAD /public/x HTTP/1.1", "hello"},
        {"A50 OPTIONS with a body", "OPTIONS /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "OPTIONS /public/x HTTP/1.1", "hello"},
        {"A51 POST without a length", post("", ""), "POST /public/x HTTP/1.1", ""},
        {"A54 a name that is nearly another", get("/public/x", "Xhost: evil\r\n"), "GET /public/x HTTP/1.1", ""},
    };
    // clang-format on
    Stage stage;
    for (const auto& row : rows) {
        CAPTURE(row.id);
        stage.app.forget();
        Wire wire(stage.port());
        wire.send(row.bytes);
        const auto answer = wire.read_response(row.bytes.starts_with("HEAD ") ? "HEAD" : "GET");
        if (row.start_line.empty()) {
            // Answered here, or judged by the rules like any other path: not public.
            CHECK((answer.status() == 401 || answer.status() == 204));
            CHECK(stage.app.count() == 0);
            continue;
        }
        CHECK(answer.status() == 200);
        REQUIRE(stage.app.count() == 1);
        const auto seen = stage.app.last();
        CHECK(seen.start_line == row.start_line);
        CHECK(seen.body == row.body);
        CHECK(seen.count("Host") == 1);
        CHECK(seen.count("Content-Length") + seen.count("Transfer-Encoding") <= 1);
        for (const char* name : {"Content_Length", "Transfer_Encoding", "Transfer.Encoding",
                                 "Cookie", "Authorization", "(trailer)", "X-Discord-User-Id"}) {
            CHECK_FALSE(seen.has(name));
        }
        if (row.id.starts_with("A24")) CHECK(seen.field("Host") == "other");
        if (row.id.starts_with("A54")) CHECK(seen.field("Host") == "a");
        if (contains(row.bytes, "HTTP/1.0")) continue;
        wire.send(get("/public/next"));
        CHECK_MESSAGE(wire.read_response().body.ends_with("/public/next\n"), "in step");
    }
}

TEST_CASE("A22 A24 a Host that nobody serves is a 421, and no answer is made of it") {
    Stage stage;
    Upstream app;
    auto yaml = stage.yaml(stage.port());
    const auto any = "[{url: '" + stage.app.url() + "'}]";
    yaml.replace(yaml.find(any), any.size(), "[{url: '" + app.url() + "', host: app.example}]");
    REQUIRE(stage.stop_gate() == 0);
    stage.folder.write("named.yaml", yaml);
    Daemon gate(stage.folder.path(), "named.yaml");
    struct Asked {
        std::string id;
        std::string target;
        std::string host;
        int status;
    };
    const Asked rows[] = {
        {"A22 evil",                      "/public/x",                   "evil",             421},
        {"A22 a navigation",              "/private",                    "evil",             421},
        {"A22 a longer name",             "/public/x",                   "app.example.evil", 421},
        {"A24 its authority is not ours", "http://evil/public/x",        "app.example",      421},
        {"A24 its authority is ours",     "http://app.example/public/x", "evil",             200},
        {"A22 ours",                      "/public/x",                   "APP.example:1",    200},
    };
    for (const auto& row : rows) {
        CAPTURE(row.id);
        app.forget();
        const auto answer = stage.ask("GET " + row.target + " HTTP/1.1\r\nHost: " + row.host +
                                      "\r\nAccept: text/html\r\n\r\n");
        CHECK(answer.status() == row.status);
        CHECK_FALSE(answer.has("Location"));
        CHECK_FALSE(contains(answer.head + answer.body, "evil"));
        CHECK(app.count() == (row.status == 200 ? 1 : 0));
        if (row.id.starts_with("A24") && row.status == 200) {
            CHECK(app.last().target() == "/public/x");
            CHECK(app.last().all("Host") == std::vector<std::string>{"app.example"});
        }
    }
    const auto login = stage.ask("GET /login HTTP/1.1\r\nHost: evil\r\n\r\n");
    CHECK(login.status() == 302);
    CHECK(parameter(login.field("Location"), "redirect_uri") == stage.home() + "/callback");
    CHECK(login.has("Set-Cookie"));
    CHECK_FALSE(contains(login.head, "evil"));
    CHECK_FALSE(contains(login.head, "Domain"));
    CHECK(gate.stop() == 0);
}

TEST_CASE("A44 A49 B15 of chunks their data goes on, and nothing that stands around it") {
    ManualUpstream app;
    Stage stage({.upstreams = app.setting()});
    Wire client(stage.port());
    client.send(
        chunked("5;dropped=1;x=\"dropped\"\r\nhello\r\n0;dropped\r\nDropped: 1\r\n"
                "Content-Length: 9\r\nX-Discord-User-Id: 1\r\n\r\n"));
    auto upstream = app.accept();
    std::string wire;
    while (!contains(wire, "0\r\n\r\n")) {
        const auto piece = upstream.read_some();
        REQUIRE_FALSE(piece.empty());
        wire += piece;
    }
    CHECK(wire.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    CHECK_FALSE(contains(wire, "ropped"));
    CHECK_FALSE(contains(wire, "X-Discord"));
    CHECK_FALSE(contains(wire, "Content-Length"));
    upstream.send(response("200 OK", "", "ok"));
    CHECK(client.read_response().status() == 200);
}

TEST_CASE("A50 A51 a body that nobody reads is never the next request, whoever answers") {
    Stage stage;
    const std::string smuggled = get("/public/smuggled");
    const auto length = "Content-Length: " + std::to_string(smuggled.size()) + "\r\n";
    for (const std::string start :
         {"GET /_cordgate/ping", "GET /login", "GET /callback", "GET /logout", "GET /private",
          "GET /staff/x", "HEAD /private", "DELETE /private", "OPTIONS /private", "OPTIONS *",
          "GET /%00", "GET /_cordgate/nothing", "POST /login"}) {
        for (const bool is_chunked : {false, true}) {
            CAPTURE(start);
            CAPTURE(is_chunked);
            stage.app.forget();
            Wire wire(stage.port());
            const auto head = start + " HTTP/1.1\r\nHost: a\r\n";
            char size[8];
            std::snprintf(size, sizeof size, "%zx\r\n", smuggled.size());
            wire.send(is_chunked ? head + "Transfer-Encoding: chunked\r\n\r\n" + size + smuggled +
                                       "\r\n0\r\n\r\n"
                                 : head + length + "\r\n" + smuggled);
            wire.send(get("/public/next"));
            const auto first = wire.read_response(start.substr(0, start.find(' ')));
            CHECK(first.status() != 0);
            const auto second = wire.read_response();
            const bool closes = first.field("Connection") == "close";
            CHECK(second.status() == (closes ? 0 : 200));
            if (!closes) CHECK(second.body.ends_with("/public/next\n"));
            for (const auto& seen : stage.app.requests()) CHECK(seen.target() == "/public/next");
        }
    }
}

TEST_CASE("A52 a body that is expected, sent at once or never, stays a body") {
    const std::string head = post("Expect: 100-continue\r\nContent-Length: 36\r\n", "");
    const std::string body = "GET /staff/x HTTP/1.1\r\nHost: a\r\nX: \r";
    REQUIRE(body.size() == 36);

    SUBCASE("sent at once") {
        Stage stage;
        Wire client(stage.port());
        client.send(head + body + get("/public/2"));
        auto answer = client.read_response();
        if (answer.status() == 100) answer = client.read_response();
        CHECK(answer.body.ends_with("/public/x\n"));
        CHECK_MESSAGE(client.read_response().body.ends_with("/public/2\n"),
                      "one answer for each request");
        const auto seen = stage.app.requests();
        REQUIRE(seen.size() == 2);
        CHECK(seen[0].body == body);
        CHECK(seen[1].target() == "/public/2");
    }
    SUBCASE("never sent: the answer comes, and the connection is nobody else's") {
        ManualUpstream app;
        Stage stage({.upstreams = app.setting()});
        Wire client(stage.port());
        client.send(head);
        auto upstream = app.accept();
        const auto answer = client.read_response();
        CHECK(answer.status() == 100);
        CHECK(upstream.read_bytes(21) == "POST /public/x HTTP/1");
        upstream.send(response("403 Forbidden", "", "no"));
        CHECK(client.read_response().status() == 403);
        CHECK(client.is_closed());
        upstream.read_until_close();
    }
}

TEST_CASE("J25 a HEAD that is refused gets no content, wherever it is refused") {
    Stage stage;
    for (const std::string fields : {"Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
                                     "Host: a\nX: 1\r\n\r\n", "\r\n", "Host: a\r\nX : 1\r\n\r\n"}) {
        CAPTURE(fields);
        Wire client(stage.port());
        client.send("HEAD /public/x HTTP/1.1\r\n" + fields);
        const auto answer = client.read_until_close();
        CHECK(answer.starts_with("HTTP/1.1 400 "));
        CHECK(answer.find("\r\n\r\n") == answer.size() - 4);
    }
}

TEST_CASE("A55 an answer before the body was read ends the connection, and no body is a request") {
    Stage stage({.limits = "body_bytes: 1MiB"});
    for (const std::string length : {"Content-Length: 100000000\r\n", "Content-Length: 36\r\n"}) {
        CAPTURE(length);
        stage.app.forget();
        Wire wire(stage.port());
        wire.send("POST /private HTTP/1.1\r\nHost: a\r\n" + length + "\r\n");
        const auto refused = wire.read_response();
        CHECK((refused.status() == 401 || refused.status() == 413));
        CHECK(refused.field("Connection") == "close");
        wire.send(get("/public/smuggled") + "  ");
        wire.finish_sending();
        CHECK(wire.read_until_close().find("200 OK") == std::string::npos);
        CHECK(stage.app.count() == 0);
    }
}

TEST_CASE("A55 a client that goes on sending what nobody wants is cut off") {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto client = Wire::adopt(fd);
    Stage stage;
    sockaddr_in gate{};
    gate.sin_family = AF_INET;
    gate.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    gate.sin_port = htons(static_cast<std::uint16_t>(stage.port()));
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&gate), sizeof gate) == 0);
    client.send("POST /private HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    REQUIRE(client.read_response().status() == 401);
    bool cut = false;
    SUBCASE("fast") {
        const std::string piece(1 << 20, 'x');
        for (int i = 0; i < 1000 && !cut; ++i) {
            cut = ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL) < 0;
        }
    }
    SUBCASE("slowly") {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!cut && std::chrono::steady_clock::now() < end) {
            cut = ::send(fd, "x", 1, MSG_NOSIGNAL) < 0;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
    CHECK(cut);
    CHECK(stage.app.count() == 0);
}

TEST_CASE("A57 A59 pipelined requests are answered in order, each with its own answer") {
    Stage stage;
    Wire wire(stage.port());
    std::string all;
    for (int i = 0; i < 50; ++i) all += get("/public/" + std::to_string(i));
    wire.send(all);
    for (int i = 0; i < 50; ++i) {
        const auto answer = wire.read_response();
        CHECK(answer.status() == 200);
        CHECK(answer.body.ends_with("/public/" + std::to_string(i) + "\n"));
    }
}

TEST_CASE("A60-A64 what an upstream may not say reaches no client") {
    using namespace std::string_literals;
    // clang-format off
    const Row rows[] = {
        {"A61 both framings", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nmarker\r\n0\r\n\r\n", 502, "RFC 9112, 6.3"},
        {"A61 two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 5\r\n\r\nmarker", 502, "RFC 9112, 6.3"},
        {"A61 bad length", "HTTP/1.1 200 OK\r\nContent-Length: 0x6\r\n\r\nmarker", 502, "RFC 9112, 6.3"},
        {"A61 unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nmarker", 502, "RFC 9112, 6.3"},
        {"A62 two spaces", "HTTP/1.1  200 OK\r\nContent-Length: 6\r\n\r\nmarker", 502, "RFC 9112, 4"},
        {"A62 version", "HTTP/9.9 200 OK\r\nContent-Length: 6\r\n\r\nmarker", 502, "RFC 9112, 4"},
        {"A62 another protocol", "ICY 200 OK\r\n\r\nmarker", 502, "RFC 9112, 4"},
        {"A62 garbage", "\x16\x03\x01 marker\r\n\r\n", 502, "RFC 9112, 4"},
        {"A63 NUL", "HTTP/1.1 200 OK\r\nX: marker\0\r\nContent-Length: 0\r\n\r\n"s, 502, "RFC 9112, 5"},
        {"A63 bare CR", "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: marker\r\nContent-Length: 0\r\n\r\n", 502, "RFC 9112, 11.1"},
        {"A63 folded", "HTTP/1.1 200 OK\r\nX: a\r\n marker\r\nContent-Length: 0\r\n\r\n", 502, "RFC 9112, 5.2"},
        {"A63 space before the colon", "HTTP/1.1 200 OK\r\nX : marker\r\nContent-Length: 0\r\n\r\n", 502, "RFC 9112, 5.1"},
        {"A64 101 unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: marker\r\n\r\n", 502, "RFC 9110, 7.8"},
        {"A64 endless 1xx", times(10000, "HTTP/1.1 102 Processing\r\n\r\n"), 502, "RFC 9110, 15.2"},
    };
    // clang-format on
    ManualUpstream app;
    Stage stage({.upstreams = app.setting()});
    for (const auto& row : rows) {
        CAPTURE(row.id);
        CAPTURE(row.because);
        Wire client(stage.port());
        client.send(get("/public/x"));
        auto upstream = app.accept();
        upstream.read_request();
        upstream.send(row.bytes);
        auto answer = client.read_response();
        while (answer.status() >= 100 && answer.status() < 200) answer = client.read_response();
        CHECK(answer.status() == row.status);
        CHECK((answer.head + answer.body).find("marker") == std::string::npos);
        CHECK_MESSAGE((upstream.is_closed() || upstream.was_reset()), "it serves nobody else");
    }

    SUBCASE("A60 what follows an answer is nobody's") {
        Wire client(stage.port());
        client.send(get("/public/1"));
        auto first = app.accept();
        first.read_request();
        first.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" +
                   response("200 OK", "", "marker"));
        CHECK(client.read_response().body == "ok");
        client.send(get("/public/2"));
        auto second = app.accept();
        second.read_request();
        second.send(response("200 OK", "", "two"));
        CHECK(client.read_response().body == "two");
    }
}
