#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

using http::Framing;
using http::ResponseHead;

struct Row {
    std::string_view name;
    std::string bytes;
    bool good;
    std::string_view because;
};

void check(const Row& row, const std::string& bytes) {
    CAPTURE(row.name);
    CAPTURE(row.because);
    const auto whole = feed_response(bytes, bytes.size());
    CAPTURE(whole.reason);
    CHECK((whole.status == accepted) == row.good);
    for (const std::size_t step : {1, 2, 7}) CHECK(feed_response(bytes, step) == whole);
}

}  // namespace

TEST_CASE("a status line is version, code and reason, A62") {
    // clang-format off
    const Row rows[] = {
        {"plain", "HTTP/1.1 200 OK", true, ""},
        {"HTTP/1.0", "HTTP/1.0 200 OK", true, ""},
        {"empty reason", "HTTP/1.1 200 ", true, "RFC 9112, 4"},
        {"no space behind the code", "HTTP/1.1 200", true, "many servers; one reading"},
        {"unknown code", "HTTP/1.1 799 Odd", true, "RFC 9110, 15: class decides"},
        {"reason of several words", "HTTP/1.1 404 Not  Found \xc3\xa9", true,
         "RFC 9112, 4: obs-text"},
        {"two spaces", "HTTP/1.1  200 OK", false, "RFC 9112, 4"},
        {"unknown version", "HTTP/9.9 200 OK", false, "RFC 9112, 2.3"},
        {"HTTP/2.0", "HTTP/2.0 200 OK", false, "RFC 9112, 2.3"},
        {"ICY", "ICY 200 OK", false, "RFC 9112, 4"},
        {"garbage", "hello, world, how are you", false, "RFC 9112, 4"},
        {"code of two digits", "HTTP/1.1 20 OK", false, "RFC 9112, 4"},
        {"code of four digits", "HTTP/1.1 2000 OK", false, "RFC 9112, 4"},
        {"code below 100", "HTTP/1.1 099 OK", false, "RFC 9110, 15"},
        {"code with a sign", "HTTP/1.1 +20 OK", false, "RFC 9112, 4"},
        {"code glued to the reason", "HTTP/1.1 200OK", false, "RFC 9112, 4"},
        {"tab behind the code", "HTTP/1.1 200\tOK", false, "RFC 9112, 4"},
        {"control in the reason", "HTTP/1.1 200 O\x01K", false, "RFC 9112, 4"},
        {"bare CR in the reason", "HTTP/1.1 200 O\rX: 1", false, "RFC 9112, 2.2"},
        {"only the version", "HTTP/1.1", false, "RFC 9112, 4"},
        {"empty", "", false, "RFC 9112, 4"},
    };
    // clang-format on
    for (const auto& row : rows) check(row, row.bytes + "\r\nX: 1\r\n\r\n");
    check({"A60 an empty line before the status line", "", false,
           "RFC 9112, 2.2 allows it to clients only: it would be left over from the answer before"},
          "\r\nHTTP/1.1 200 OK\r\nX: 1\r\n\r\n");
}

TEST_CASE("an upstream's field lines are as strict as a client's, A61, A63") {
    // clang-format off
    const Row rows[] = {
        {"plain", "X: 1\r\nContent-Length: 5\r\n", true, ""},
        {"A61 CL and TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", false,
         "RFC 9112, 6.3"},
        {"A61 two CL", "Content-Length: 5\r\nContent-Length: 5\r\n", false, "RFC 9112, 6.3"},
        {"A61 bad CL", "Content-Length: five\r\n", false, "RFC 9112, 6.3"},
        {"A61 list of CL", "Content-Length: 5, 5\r\n", false, "RFC 9112, 6.3"},
        {"A61 unknown TE", "Transfer-Encoding: gzip\r\n", false, "RFC 9112, 6.1"},
        {"A61 gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", false, "RFC 9112, 6.1"},
        {"A63 NUL", std::string("X: a\0b\r\n"sv), false, "RFC 9110, 5.5"},
        {"A63 bare CR", "X: a\rb\r\n", false, "RFC 9112, 2.2"},
        {"A63 bare LF", "X: a\nY: b\r\n", false, "RFC 9112, 2.2"},
        {"A63 obs-fold", "X: a\r\n b\r\n", false, "RFC 9112, 5.2"},
        {"A63 space before the colon", "X : a\r\n", false, "RFC 9112, 5.1"},
        {"A63 no colon", "X\r\n", false, "RFC 9112, 5"},
        {"B36 three Set-Cookie", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nSet-Cookie: c=3\r\n", true,
         ""},
    };
    // clang-format on
    for (const auto& row : rows) check(row, "HTTP/1.1 200 OK\r\n" + row.bytes + "\r\n");
    check({"A38 Transfer-Encoding in HTTP/1.0", "", false, "RFC 9112, 6.1"},
          "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    check({"A2 head ends in LF", "", false, "RFC 9112, 2.2"}, "HTTP/1.1 200 OK\r\nX: 1\r\n\n");
}

TEST_CASE("whether a body follows is told by method, status and fields, RFC 9112 6.3") {
    struct Case {
        std::string_view name;
        const char* method;
        const char* start;
        const char* lines;
        Framing framing;
        std::uint64_t length;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"length", "GET", "HTTP/1.1 200 OK", "Content-Length: 5\r\n", Framing::length, 5},
        {"chunked", "GET", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n", Framing::chunked,
         0},
        {"neither", "GET", "HTTP/1.1 200 OK", "", Framing::until_close, 0},
        {"HTTP/1.0", "GET", "HTTP/1.0 200 OK", "", Framing::until_close, 0},
        {"HEAD", "HEAD", "HTTP/1.1 200 OK", "Content-Length: 5\r\n", Framing::none, 5},
        {"HEAD of a chunked one", "HEAD", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n",
         Framing::none, 0},
        {"204", "GET", "HTTP/1.1 204 No Content", "", Framing::none, 0},
        {"304", "GET", "HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", Framing::none, 5},
        {"A64 101", "GET", "HTTP/1.1 101 Switching", "Upgrade: x\r\n", Framing::none, 0},
        {"A64 103", "GET", "HTTP/1.1 103 Early Hints", "", Framing::none, 0},
        {"I22 205", "GET", "HTTP/1.1 205 Reset", "Content-Length: 0\r\n", Framing::none, 0},
        {"I22 205 with a length", "GET", "HTTP/1.1 205 Reset", "Content-Length: 5\r\n",
         Framing::none, 5},
        {"I22 205 with chunks", "GET", "HTTP/1.1 205 Reset", "Transfer-Encoding: chunked\r\n",
         Framing::none, 0},
        {"head is another method", "head", "HTTP/1.1 200 OK", "Content-Length: 5\r\n",
         Framing::length, 5},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto bytes = std::string(c.start) + "\r\n" + c.lines + "\r\n";
        ResponseHead head;
        REQUIRE_FALSE(http::parse_response_head(bytes, {}, c.method, head));
        CHECK(head.framing == c.framing);
        CHECK(head.content_length == c.length);
    }
}

TEST_CASE("a response says whether its connection goes on, A59") {
    struct Case {
        const char* bytes;
        bool keep_alive;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nConnection: close, keep-alive\r\n\r\n", false},
    };
    // clang-format on
    ResponseHead head;
    for (const auto& c : cases) {
        CAPTURE(c.bytes);
        REQUIRE_FALSE(http::parse_response_head(c.bytes, {}, "GET", head));
        CHECK(head.keep_alive() == c.keep_alive);
    }
    CHECK(head.status == 200);
    CHECK(head.reason == "OK");
}

}  // namespace cordgate::proxy::test
