#include "proxy/tunnel.hpp"
#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

/// A frame (RFC 6455, 5.2) with a payload of `size` bytes.
std::string frame(std::size_t size, bool masked) {
    std::string out = "\x82";
    const char mask = masked ? '\x80' : '\0';
    if (size < 126) {
        out += static_cast<char>(mask | static_cast<char>(size));
    } else {
        const std::size_t extended = size < 65536 ? 2 : 8;
        out += static_cast<char>(mask | (extended == 2 ? 126 : 127));
        for (std::size_t i = extended; i > 0; --i) {
            out += static_cast<char>(size >> (8 * (i - 1)));
        }
    }
    if (masked) out += "mask";
    // Bytes that look like the head of a close frame.
    for (std::size_t i = 0; i < size; ++i) out += i % 2 == 0 ? '\x88' : '\x02';
    return out;
}

}  // namespace

TEST_CASE("FrameBorders knows the border of every length form, masked or not, byte by byte") {
    for (const std::size_t size : {0, 1, 125, 126, 127, 65535, 65536, 70000}) {
        for (const bool masked : {false, true}) {
            CAPTURE(size);
            CAPTURE(masked);
            const auto bytes = frame(size, masked) + frame(3, masked);
            const auto first = frame(size, masked).size();
            FrameBorders borders;
            CHECK(borders.at_border());
            bool right = true;
            for (std::size_t i = 0; i < bytes.size(); ++i) {
                borders.feed(std::string_view(bytes).substr(i, 1));
                const bool expected = i + 1 == first || i + 1 == bytes.size();
                right = right && borders.at_border() == expected;
            }
            CHECK(right);
            FrameBorders whole;
            whole.feed(bytes);
            CHECK(whole.at_border());
            FrameBorders cut;
            cut.feed(std::string_view(bytes).substr(0, bytes.size() - 1));
            CHECK_FALSE(cut.at_border());
        }
    }
}

TEST_CASE("FrameBorders never finds a border in a frame of 2^63 bytes") {
    FrameBorders borders;
    borders.feed("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"sv);
    for (int i = 0; i < 1000; ++i) {
        borders.feed(frame(100, false));
        CHECK_FALSE(borders.at_border());
    }
}

}  // namespace cordgate::proxy::test
