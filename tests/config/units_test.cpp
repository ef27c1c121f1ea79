#include "config/units.hpp"

#include <doctest/doctest.h>

using namespace cordgate::config;

TEST_CASE("a duration is a sum of numbers with units, and nothing else (N4)") {
    struct Case {
        std::string_view text;
        long long ms;  // -1: refused
    };
    constexpr Case cases[] = {
        {"0",                     0          },
        {"0s",                    0          },
        {"250ms",                 250        },
        {"10s",                   10'000     },
        {"15m",                   900'000    },
        {"24h",                   86'400'000 },
        {"7d",                    604'800'000},
        {"1h30m",                 5'400'000  },
        {"1d2h3m4s5ms",           93'784'005 },
        {"",                      -1         },
        {"15",                    -1         },
        {"5x",                    -1         },
        {"-1",                    -1         },
        {"-1s",                   -1         },
        {"+1s",                   -1         },
        {"1e99",                  -1         },
        {"1.5h",                  -1         },
        {"1 h",                   -1         },
        {" 1h",                   -1         },
        {"1h ",                   -1         },
        {"h",                     -1         },
        {"1H",                    -1         },
        {"30m1h",                 -1         },
        {"1h1h",                  -1         },
        {"1h30",                  -1         },
        {"inf",                   -1         },
        {"99999999999999999999s", -1         },
        {"9223372036854775807d",  -1         },
        {"106751991168d",         -1         },
    };
    for (const auto& c : cases) {
        CAPTURE(c.text);
        const auto parsed = parse_duration(c.text);
        const auto* const value = std::get_if<std::chrono::milliseconds>(&parsed);
        CHECK((value ? value->count() : -1) == c.ms);
    }
    CHECK(std::get<std::string>(parse_duration("15")).find("add a unit") != std::string::npos);
}

TEST_CASE("a size has one number and a binary unit (N4)") {
    struct Case {
        std::string_view text;
        long long bytes;  // -1: refused
    };
    constexpr Case cases[] = {
        {"0",                     0            },
        {"512B",                  512          },
        {"6KiB",                  6144         },
        {"10MiB",                 10'485'760   },
        {"1GiB",                  1'073'741'824},
        {"",                      -1           },
        {"1024",                  -1           },
        {"6KB",                   -1           },
        {"6K",                    -1           },
        {"6kib",                  -1           },
        {"6 KiB",                 -1           },
        {"1.5MiB",                -1           },
        {"-1B",                   -1           },
        {"1MiB1KiB",              -1           },
        {"8589934592GiB",         -1           },
        {"99999999999999999999B", -1           },
    };
    for (const auto& c : cases) {
        CAPTURE(c.text);
        const auto parsed = parse_size(c.text);
        const auto* const value = std::get_if<std::uint64_t>(&parsed);
        CHECK((value ? static_cast<long long>(*value) : -1) == c.bytes);
    }
    CHECK(std::get<std::string>(parse_size("6KB")).find("KiB") != std::string::npos);
    CHECK(std::get<std::string>(parse_size("1024")).find("add a unit") != std::string::npos);
}

TEST_CASE("what is formatted parses back to the same") {
    for (const long long ms : {0LL, 1LL, 999LL, 1'000LL, 5'400'000LL, 93'784'005LL}) {
        const std::chrono::milliseconds value{ms};
        const auto text = format_duration(value);
        CAPTURE(text);
        CHECK(std::get<std::chrono::milliseconds>(parse_duration(text)) == value);
    }
    for (const std::uint64_t bytes : {0ULL, 1ULL, 1023ULL, 1024ULL, 6144ULL, 1ULL << 40}) {
        const auto text = format_size(bytes);
        CAPTURE(text);
        CHECK(std::get<std::uint64_t>(parse_size(text)) == bytes);
    }
}
