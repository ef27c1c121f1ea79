#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

struct Row {
    std::string_view name;
    std::string bytes;
    int status;
    std::string data;
};

/// The same outcome however the bytes are cut; cut in two at every position.
void check(const Row& row) {
    CAPTURE(row.name);
    const auto whole = feed_chunked(row.bytes, row.bytes.size());
    CAPTURE(whole.reason);
    CHECK(whole.status == row.status);
    if (row.status == accepted) CHECK(whole.data == row.data);
    for (const std::size_t step : {1, 2, 3, 5}) {
        CAPTURE(step);
        CHECK(feed_chunked(row.bytes, step) == whole);
    }
}

std::string times(std::size_t count, std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("ChunkedDecoder takes the coding off and refuses every second reading, A42-A49, B15") {
    // clang-format off
    const Row rows[] = {
        {"one chunk", "5\r\nhello\r\n0\r\n\r\n", accepted, "hello"},
        {"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", accepted, "hello world"},
        {"no chunk", "0\r\n\r\n", accepted, ""},
        {"size in both cases", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", accepted,
         "01234567890123456789"},
        {"leading zeros", "0005\r\nhello\r\n000\r\n\r\n", accepted, "hello"},
        {"data looks like coding", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", accepted, "0\r\n\r\n"},
        {"A42 0x", "0x5\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 plus", "+5\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 minus", "-5\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 space before", " 5\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 space behind", "5 \r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 tab behind", "5\t\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 underscore", "5_0\r\n", 400, ""},
        {"A42 empty", "\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 empty before an extension", ";a=b\r\n", 400, ""},
        {"A42 not hexadecimal", "G\r\n", 400, ""},
        {"A42 not hexadecimal, and no end of the line", "%s", 400, ""},
        {"A42 too many digits, and no end of the line", "0000000000000000", 400, ""},
        {"A42 15 digits", "fffffffffffffff\r\n", incomplete, ""},
        {"A42 16 digits", "ffffffffffffffff\r\n", 400, ""},
        {"A42 17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A42 2^64", "10000000000000000\r\n", 400, ""},
        {"A43 LF ends the size", "5\nhello\r\n0\r\n\r\n", 400, ""},
        {"A43 CR ends the size", "5\rhello\r\n0\r\n\r\n", 400, ""},
        {"A43 CR CR LF", "5\r\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A43 LF behind the data", "5\r\nhello\n0\r\n\r\n", 400, ""},
        {"A43 CR behind the data", "5\r\nhello\r0\r\n\r\n", 400, ""},
        {"A43 CVE-2025-22871 LF in an extension", "5;a\nhello\r\n0\r\n\r\n", 400, ""},
        {"A43 LF ends the last chunk", "0\n\r\n", 400, ""},
        {"A44 extension", "5;a\r\nhello\r\n0\r\n\r\n", accepted, "hello"},
        {"A44 extensions with values", "5;a=b;c=\"d;\\\"e\"\r\nhello\r\n0;x\r\n\r\n", accepted,
         "hello"},
        {"A44 blanks around it", "5; a = b\r\nhello\r\n0\r\n\r\n", accepted, "hello"},
        {"A44 blanks before it", "5 \t;a\r\nhello\r\n0 ; b = c\r\n\r\n", accepted, "hello"},
        {"A44 blanks before nothing", "5 \t\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 blanks within the size", "5 0;a\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 bare semicolon", "5;\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 NUL", std::string("5;\0a\r\nhello\r\n0\r\n\r\n"sv), 400, ""},
        {"A44 CR within", "5;a\rb\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 CR within quotes", "5;a=\"\r\"\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 CR escaped within quotes", "5;a=\"\\\r\"\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 escaped quotes do not close", "5;a=\"\\\"\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 escaped backslash before the end", "5;a=\"\\\\\"\r\nhello\r\n0\r\n\r\n", accepted,
         "hello"},
        {"A44 open quotes", "5;a=\"\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 no value", "5;a=\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 a second semicolon", "5;a;;b\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 quotes behind a token", "5;a=b\"c\"\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A44 no name", "5;=a\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A45 one long extension", "5;a=" + std::string(64 * 1024, 'b') + "\r\nhello\r\n0\r\n\r\n",
         400, ""},
        {"A45 extension longer than a line",
         "5;a=" + std::string(9 * 1024, 'b') + "\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"A45 a size without an end", std::string(64 * 1024, '0'), 400, ""},
        {"A45 CVE-2023-39326 many extensions",
         times(100, "1;" + std::string(1024, 'a') + "\r\nx\r\n"), 400, ""},
        {"A46 more data than said", "5\r\nhello!!\r\n0\r\n\r\n", 400, ""},
        {"A46 two bytes for the line end", "5\r\nhelloXX5\r\nworld\r\n0\r\n\r\n", 400, ""},
        {"A46 one byte for the LF", "5\r\nhello\rX5\r\nworld\r\n0\r\n\r\n", 400, ""},
        {"A46 one byte for the CR", "5\r\nhelloX\n5\r\nworld\r\n0\r\n\r\n", 400, ""},
        {"A46 less data than said", "5\r\nhell\r\n0\r\n\r\n", 400, ""},
        {"A47 ends in the data", "5\r\nhel", incomplete, "hel"},
        {"A47 ends behind a chunk", "5\r\nhello\r\n", incomplete, "hello"},
        {"A48 no line behind the last chunk", "0\r\n", incomplete, ""},
        {"A48 the next request is no trailer", "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
        {"A48 trailers end in LF", "0\r\nX: 1\n\r\n", 400, ""},
        {"A48 LF is the empty line", "0\r\n\n", 400, ""},
        {"A49 trailers are dropped", "0\r\nX-Discord-User-Id: 1\r\nContent-Length: 5\r\n\r\n",
         accepted, ""},
        {"B15 CVE-2026-88004 identity in a trailer", "1\r\nx\r\n0\r\nx-discord-user: 1\r\n\r\n",
         accepted, "x"},
        {"A49 128 trailers", "0\r\n" + times(128, "X: 1\r\n") + "\r\n", accepted, ""},
        {"A49 more trailers than fields may be", "0\r\n" + times(130, "X: 1\r\n") + "\r\n", 400, ""},
        {"A49 trailer without a colon", "0\r\nX\r\n\r\n", 400, ""},
        {"A49 folded trailer", "0\r\nX: 1\r\n y\r\n\r\n", 400, ""},
        {"A49 space before the colon", "0\r\nX : 1\r\n\r\n", 400, ""},
        {"A49 NUL in a trailer", std::string("0\r\nX: \0\r\n\r\n"sv), 400, ""},
        {"A49 CR in a trailer", "0\r\nX: a\rb\r\n\r\n", 400, ""},
        {"A49 too many trailers", "0\r\n" + times(3000, "X: 1\r\n"), 400, ""},
        {"A49 a trailer without an end", "0\r\nX: " + std::string(64 * 1024, 'x'), 400, ""},
    };
    // clang-format on
    for (const auto& row : rows) check(row);
}

TEST_CASE("ChunkedDecoder leaves the next request in the buffer, A46, A57") {
    const std::string body = "5;a=b\r\nhello\r\n0\r\nX: 1\r\n\r\n";
    const std::string next = "GET / HTTP/1.1\r\n";
    for (const std::size_t step : {std::size_t{1}, std::size_t{4}, body.size() + next.size()}) {
        const auto out = feed_chunked(body + next, step);
        CHECK(out.status == accepted);
        CHECK(out.size == body.size());
    }
}

TEST_CASE("ChunkedDecoder stays done and asks for nothing more") {
    http::ChunkedDecoder decoder;
    CHECK(decoder.next("0\r\n").consumed == 3);
    CHECK(decoder.next("\r\n").done);
    const auto again = decoder.next("5\r\nhello");
    CHECK(again.done);
    CHECK(again.consumed == 0);
    CHECK(again.data.empty());
}

TEST_CASE("a chunk header says the size in hexadecimal, and is decoded again") {
    for (const std::size_t size : {1, 15, 16, 255, 4096, 65536}) {
        std::string coded;
        http::append_chunk_header(coded, size);
        const std::string data(size, 'd');
        coded += data + "\r\n0\r\n\r\n";
        CHECK(feed_chunked(coded, coded.size()).data == data);
    }
    std::string header;
    http::append_chunk_header(header, 0x1a2b);
    CHECK(header == "1a2b\r\n");
}

TEST_CASE("small chunks cost no memory and no quadratic time, J22") {
    http::ChunkedDecoder decoder;
    std::size_t total = 0;
    for (int i = 0; i < 200000; ++i) {
        for (std::string_view left = "1\r\nx\r\n"; !left.empty();) {
            const auto step = decoder.next(left);
            REQUIRE_FALSE(step.refusal);
            total += step.data.size();
            left.remove_prefix(step.consumed);
        }
    }
    CHECK(total == 200000);
}

}  // namespace cordgate::proxy::test
