#include "core/hex.hpp"

#include <doctest/doctest.h>

using namespace cordgate;

TEST_CASE("hex knows the vectors of RFC 4648, 10, in either case") {
    CHECK(hex_encode("").empty());
    CHECK(hex_encode("foobar") == "666f6f626172");
    CHECK(hex_encode(std::string("\x00\xff\x80", 3)) == "00ff80");
    CHECK(hex_decode("666F6f626172") == "foobar");
    CHECK(hex_decode("00ff80") == std::string("\x00\xff\x80", 3));
    CHECK(hex_decode("") == "");
}

TEST_CASE("hex refuses what is no whole byte and what is no digit") {
    for (const auto* const bad : {"6", "666", "6g", "g6", " 66", "66 ", "0x", "+6", "6\xc3\xa4"}) {
        CAPTURE(bad);
        CHECK_FALSE(hex_decode(bad));
    }
}
