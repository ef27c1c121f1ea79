#include "core/snowflake.hpp"

#include <doctest/doctest.h>

namespace cordgate {

TEST_CASE("Snowflake::parse takes the one decimal spelling of 64 bits, F24") {
    CHECK(Snowflake::parse("0")->value() == 0);
    CHECK(Snowflake::parse("197038439483310086")->to_string() == "197038439483310086");
    CHECK(Snowflake::parse("18446744073709551615")->value() == UINT64_MAX);
    for (const char* text :
         {"", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "abc",
          "18446744073709551616", "99999999999999999999", "100000000000000000000", "\xd9\xa5"}) {
        CAPTURE(text);
        CHECK_FALSE(Snowflake::parse(text));
    }
    CHECK_FALSE(Snowflake::parse(std::string_view("1\0", 2)));
}

TEST_CASE("Snowflake::created_at reads the time out of an id") {
    // The example of Discord's reference, "Snowflakes": 2016-04-30 11:18:25.796 UTC.
    const auto since = Snowflake(175928847299117063ULL).created_at().time_since_epoch();
    CHECK(std::chrono::duration_cast<std::chrono::milliseconds>(since).count() == 1462015105796);
    CHECK(Snowflake(UINT64_MAX).created_at() > Snowflake(0).created_at());
}

TEST_CASE("Snowflakes are ordered by number, so by age") {
    CHECK(Snowflake(9) < Snowflake(10));
    CHECK(Snowflake(10) == *Snowflake::parse("10"));
}

}  // namespace cordgate
