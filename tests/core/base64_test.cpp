#include "core/base64.hpp"

#include <doctest/doctest.h>

namespace cordgate {

TEST_CASE("base64 knows the vectors of RFC 4648, 10") {
    struct Case {
        std::string_view plain;
        std::string_view padded;
        std::string_view url;
    };
    constexpr Case cases[] = {
        {"",             "",         ""        },
        {"f",            "Zg==",     "Zg"      },
        {"fo",           "Zm8=",     "Zm8"     },
        {"foo",          "Zm9v",     "Zm9v"    },
        {"foob",         "Zm9vYg==", "Zm9vYg"  },
        {"fooba",        "Zm9vYmE=", "Zm9vYmE" },
        {"foobar",       "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+",     "-__-"    },
    };
    for (const auto& c : cases) {
        CAPTURE(c.plain);
        CHECK(base64_encode(c.plain) == c.padded);
        CHECK(base64url_encode(c.plain) == c.url);
        CHECK(base64_decode(c.padded) == c.plain);
        CHECK(base64_decode(c.url) == c.plain);
        CHECK(base64url_decode(c.url) == c.plain);
    }
}

TEST_CASE("base64url_decode takes one spelling of a value only, D12") {
    for (const char* text :
         {"Zg==", "Zh", "Zm9", "Z", "Zm9vY", "+//+", "Zm 9", "Zm9v\n", "Zm9v=", "Zm9\xc3"}) {
        CAPTURE(text);
        CHECK_FALSE(base64url_decode(text));
    }
    CHECK_FALSE(base64url_decode(std::string_view("Zg\0\0", 4)));
}

TEST_CASE("base64_decode refuses what is no base64 at all") {
    for (const char* text : {"=", "====", "Z===", "Zg=", "Zg==Zg==", "Zm9vYmFy=", "Z!", "Zh=="}) {
        CAPTURE(text);
        CHECK_FALSE(base64_decode(text));
    }
}

TEST_CASE("every byte survives, at every length") {
    std::string bytes;
    for (int i = 0; i < 256; ++i) {
        CHECK(base64url_decode(base64url_encode(bytes)) == bytes);
        CHECK(base64_decode(base64_encode(bytes)) == bytes);
        bytes += static_cast<char>(255 - i);
    }
}

}  // namespace cordgate
