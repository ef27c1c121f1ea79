#include "core/timestamp.hpp"

#include <doctest/doctest.h>

using namespace cordgate;
using namespace std::chrono_literals;

TEST_CASE("timestamps: Discord's forms name the instant they say") {
    const TimePoint noon{1'729'262'573s};  // 2024-10-18T14:42:53Z
    for (const char* text :
         {"2024-10-18T14:42:53Z", "2024-10-18T14:42:53", "2024-10-18T14:42:53+00:00",
          "2024-10-18T16:42:53+02:00", "2024-10-18T09:12:53-05:30", "2024-10-18t14:42:53z"}) {
        CAPTURE(text);
        CHECK(parse_timestamp(text) == noon);
    }
    CHECK(parse_timestamp("2024-10-18T14:42:53.064834+00:00") == noon + 64834us);
    // What 64 bits of nanoseconds cannot say is as late, or as early, as they can.
    CHECK(parse_timestamp("5623-10-18T14:42:53+00:00") > parse_timestamp("2262-01-01T00:00:00Z"));
    CHECK(parse_timestamp("9999-12-31T23:59:59-23:59") == parse_timestamp("2300-01-01T00:00:00Z"));
    CHECK(parse_timestamp("0001-01-01T00:00:00+23:59") < parse_timestamp("1678-01-01T00:00:00Z"));
    CHECK(format_timestamp(noon) == "2024-10-18T14:42:53Z");
    CHECK(format_timestamp(noon + 64ms) == "2024-10-18T14:42:53.064Z");
    CHECK(format_timestamp(TimePoint()) == "1970-01-01T00:00:00Z");
    for (const char* text :
         {"", "2024-10-18", "2024-13-18T14:42:53Z", "2024-02-30T14:42:53Z", "2024-10-18T25:42:53Z",
          "2024-10-18T14:42:53.Z", "2024-10-18T14:42:53+2:00", "2024-10-18T14:42:53Zx",
          "2024-10-18 14:42:53Z", "-024-10-18T14:42:53Z", "2024-10-18T14:42:53.1234567890123Z"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_timestamp(text));
    }
}
