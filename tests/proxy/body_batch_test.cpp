#include "proxy/body_batch.hpp"

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

http::MessageFields framed(http::Framing framing, std::uint64_t length = 0) {
    http::MessageFields head;
    head.framing = framing;
    head.content_length = length;
    return head;
}

std::string text_of(const BodyBatch& batch) {
    std::string text;
    for (const auto part : batch.parts()) text += part;
    return text;
}

/// A body of which everything is in the buffer already.
struct Body {
    Body(std::string_view bytes, const http::MessageFields& head)
        : reader(pair.stream, buffer, head, ErrorSource::upstream, 1s) {
        buffer.append(bytes);
    }
    Pair pair;
    Buffer buffer;
    BodyReader reader;
};

}  // namespace

TEST_CASE("a batch is all that is here of a body, framed for the other side, J22 I14 I15") {
    struct Case {
        std::string_view name;
        http::Framing framing;
        std::string_view bytes;
        bool chunked;
        std::string_view sent;
        bool ended;
    };
    using http::Framing;
    // clang-format off
    const Case cases[] = {
        {"a length passes as it is", Framing::length, "hello", false, "HEAD hello", true},
        {"and what is behind it stays", Framing::length, "hello, next", false, "HEAD hello", true},
        {"a part of it", Framing::length, "hel", false, "HEAD hel", false},
        {"small chunks become one", Framing::chunked, "1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n", true,
         "HEAD 5\r\nhello\r\n0\r\n\r\n", true},
        {"chunks for who knows none", Framing::chunked, "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", false, "HEAD hello", true},
        {"chunks without their end", Framing::chunked, "3\r\nhel\r\n2\r\nl", true, "HEAD 4\r\nhell\r\n", false},
        {"an empty body in chunks", Framing::chunked, "0\r\n\r\n", true, "HEAD 0\r\n\r\n", true},
        {"until the end of the connection", Framing::until_close, "hello", true, "HEAD 5\r\nhello\r\n", false},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        Body body(c.bytes, framed(c.framing, 5));
        BodyBatch batch(c.chunked);
        batch.fill("HEAD ", body.reader.next_buffered(), body.reader);
        CHECK(text_of(batch) == c.sent);
        CHECK(batch.ended() == c.ended);
        CHECK_FALSE(batch.failure());
    }
}

TEST_CASE("more chunks than one write can take go out in several, none lost") {
    std::string bytes, whole;
    for (int i = 0; i < 1000; ++i) {
        const char c = static_cast<char>('a' + i % 26);
        bytes += std::string("1\r\n") + c + "\r\n";
        whole += c;
    }
    Body body(bytes + "0\r\n\r\n", framed(http::Framing::chunked));
    BodyBatch batch(false);
    std::string sent;
    int writes = 0;
    while (!batch.ended()) {
        batch.fill({}, body.reader.next_buffered(), body.reader);
        sent += text_of(batch);
        ++writes;
    }
    CHECK(sent == whole);
    CHECK(writes < 100);
}

TEST_CASE("a body that breaks off gives what came, the failure, and no end, I8") {
    Body body("3\r\nhel\r\nxyz", framed(http::Framing::chunked));
    BodyBatch batch(true);
    batch.fill("HEAD ", body.reader.next_buffered(), body.reader);
    CHECK(text_of(batch) == "HEAD 3\r\nhel\r\n");
    REQUIRE(batch.failure());
    CHECK(batch.failure()->kind == ErrorKind::bad_request);
    CHECK(batch.ended());
}

TEST_CASE("trailers are kept where they are asked for, but for those that may not pass, I16 A49") {
    const std::string_view bytes =
        "2\r\nhi\r\n0\r\nX-Sum:  1 \r\nX-Discord-User: 1\r\nContent-Length: 9\r\nHost: a\r\n"
        "If-Match: 1\r\nSet-Cookie: a=b\r\nGrpc-Status: 0\r\n\r\n";
    const HeaderPolicy policy;
    for (const bool kept : {true, false}) {
        Body body(bytes, framed(http::Framing::chunked));
        if (kept) body.reader.keep_trailers(policy);
        BodyBatch batch(true);
        batch.fill({}, body.reader.next_buffered(), body.reader);
        CHECK(text_of(batch) == (kept ? "2\r\nhi\r\n0\r\nX-Sum: 1\r\nGrpc-Status: 0\r\n\r\n"
                                      : "2\r\nhi\r\n0\r\n\r\n"));
    }
}

}  // namespace cordgate::proxy::test
