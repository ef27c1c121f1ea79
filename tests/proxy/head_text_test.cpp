#include "proxy/http/head_text.hpp"

#include <doctest/doctest.h>

#include <string>

namespace cordgate::proxy::http::test {
namespace {

/// The fields of a parsed response with these lines, written again.
std::string rewritten(const std::string& lines) {
    const std::string bytes = "HTTP/1.1 200 OK\r\n" + lines + "\r\n";
    ResponseHead head;
    const auto refusal = parse_response_head(bytes, {64 * 1024, 100, 16 * 1024}, "GET", head);
    if (refusal) return "refused: " + std::string(refusal->reason);
    HeadText text;
    for (const auto& field : head.fields) text.add(field);
    return std::string(text.view());
}

}  // namespace

TEST_CASE("a field leaves with one colon, one space and one line end, however it came") {
    struct Case {
        const char* lines;
        const char* written;
    };
    const Case cases[] = {
        {"A: b\r\n",                "A: b\r\n"               },
        {"A:b\r\n",                 "A: b\r\n"               },
        {"A:  b\r\n",               "A: b\r\n"               },
        {"A:\tb\r\n",               "A: b\r\n"               },
        {"A: b \r\n",               "A: b\r\n"               },
        {"A: b\t \r\n",             "A: b\r\n"               },
        {"A:\r\n",                  "A: \r\n"                },
        {"A: \r\n",                 "A: \r\n"                },
        {"A:   \r\n",               "A: \r\n"                },
        {"A: b\tc: d\r\n",          "A: b\tc: d\r\n"         },
        {"A:\r\nB: c\r\n",          "A: \r\nB: c\r\n"        },
        {"A: 12345678\r\nB:c \r\n", "A: 12345678\r\nB: c\r\n"},
    };
    for (const auto& c : cases) {
        CAPTURE(c.lines);
        CHECK(rewritten(c.lines) == c.written);
    }
}

TEST_CASE("a control character is found wherever it stands in a value") {
    for (std::size_t size = 1; size < 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string value(size, 'v');
                value[at] = static_cast<char>(byte);
                const bool refused =
                    rewritten("A: " + value + "\r\nB: c\r\n").starts_with("refused");
                const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
                if (refused != control) FAIL_CHECK("byte ", byte, " at ", at, " of ", size);
            }
        }
    }
}

TEST_CASE("a head is written whole, whatever its size") {
    HeadText text;
    text.request_line("GET", "/a?b");
    text.add_number("Content-Length", 18446744073709551615U);
    const std::string large(5000, 'x');
    text.add("Large", large);
    text.end();
    CHECK(text.view() == "GET /a?b HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nLarge: " +
                             large + "\r\n\r\n");
    text.clear();
    CHECK(text.empty());
    text.status_line(404, "");
    CHECK(text.view() == "HTTP/1.1 404 \r\n");
}

}  // namespace cordgate::proxy::http::test
