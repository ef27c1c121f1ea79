#include "core/discord/permissions.hpp"

#include <doctest/doctest.h>

#include <set>

namespace cordgate::discord {

TEST_CASE("Permissions keep the string and judge the low 64 bits of any width") {
    struct Case {
        const char* text;
        std::uint64_t bits;
    };
    constexpr Case cases[] = {
        {"0",                                       0               },
        {"8",                                       8               },
        {"2147483647",                              2147483647      },
        {"4503599627370495",                        4503599627370495},
        {"18446744073709551615",                    UINT64_MAX      },
        {"18446744073709551624",                    8               }, // 2^64 + 8
        {"340282366920938463463374607431768211464", 8               }, // 2^128 + 8
    };
    for (const auto& c : cases) {
        CAPTURE(c.text);
        const auto parsed = Permissions::parse(c.text);
        REQUIRE(parsed);
        CHECK(parsed->bits() == c.bits);
        CHECK(parsed->raw() == c.text);
    }
    for (const char* text : {"", "-1", "+8", " 8", "8 ", "0x8", "8.0", "1e3"}) {
        CAPTURE(text);
        CHECK_FALSE(Permissions::parse(text));
    }
}

TEST_CASE("quartcord G9: permission names are Discord's, each with a bit of its own") {
    CHECK(permission_bit("CREATE_INSTANT_INVITE") == 1);
    CHECK(permission_bit("ADMINISTRATOR") == administrator);
    CHECK(permission_bit("MANAGE_GUILD") == 0x20);
    CHECK(permission_bit("USE_APPLICATION_COMMANDS") == 0x80000000);
    CHECK(permission_bit("MODERATE_MEMBERS") == 0x10000000000);
    CHECK(permission_bit("SEND_POLLS") == 0x2000000000000);
    CHECK_FALSE(permission_bit("manage_guild"));
    CHECK_FALSE(permission_bit("MANAGE_SERVER"));
    CHECK_FALSE(permission_bit(""));

    std::set<std::uint64_t> bits;
    for (const auto name : permission_names()) bits.insert(*permission_bit(name));
    CHECK(bits.size() == permission_names().size());
    CHECK(Permissions(UINT64_MAX).names() == permission_names());
}

TEST_CASE("Permissions::names lists known bits, lowest first, and skips the future") {
    const Permissions some((1ULL << 63) | (1ULL << 47) | (1ULL << 5) | 8);
    CHECK(some.names() == std::vector<std::string_view>{"ADMINISTRATOR", "MANAGE_GUILD"});
    CHECK(some.contains(8));
    CHECK(some.contains(0));
    CHECK_FALSE(some.contains(8 | 4));
    CHECK(Permissions().names().empty());
}

}  // namespace cordgate::discord
