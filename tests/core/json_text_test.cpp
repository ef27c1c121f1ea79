#include "core/json_text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

using cordgate::json_quote;
using namespace std::string_view_literals;

TEST_CASE("json_quote: what it writes is pure printable ASCII (B19)") {
    struct Row {
        std::string_view text;
        std::string_view quoted;
    };
    const Row rows[] = {
        {"",                 R"("")"                        },
        {"plain",            R"("plain")"                   },
        {"a\"b\\c/d",        R"("a\"b\\c/d")"               },
        {"x\r\nX-Admin: 1",  R"("x\u000d\u000aX-Admin: 1")" },
        {"nul\0!"sv,         R"("nul\u0000!")"              },
        {"\x7f",             R"("\u007f")"                  },
        {"Zo\xc3\xab",       R"("Zo\u00eb")"                },
        {"\xe2\x80\xae",     R"("\u202e")"                  }, // right-to-left override
        {"\xf0\x9f\x98\x80", R"("\ud83d\ude00")"            },
        {"\xf4\x8f\xbf\xbf", R"("\udbff\udfff")"            },
        {"\x80",             R"("\ufffd")"                  }, // a continuation alone
        {"\xc0\xaf",         R"("\ufffd\ufffd")"            }, // overlong '/'
        {"\xe0\x80\xaf",     R"("\ufffd\ufffd\ufffd")"      },
        {"\xed\xa0\x80",     R"("\ufffd\ufffd\ufffd")"      }, // a surrogate
        {"\xf4\x90\x80\x80", R"("\ufffd\ufffd\ufffd\ufffd")"}, // beyond U+10FFFF
        {"\xf0\x9f\x98",     R"("\ufffd\ufffd\ufffd")"      }, // cut
        {"\xe2\x82"
         "A",       R"("\ufffd\ufffdA")"           },
        {"\xff",             R"("\ufffd")"                  },
    };
    for (const auto& row : rows) CHECK(json_quote(row.text) == row.quoted);
}

TEST_CASE("json_quote: no single or double byte leaves printable ASCII") {
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            const std::string text{static_cast<char>(first), static_cast<char>(second)};
            const std::string quoted = json_quote(text);
            CHECK(std::all_of(quoted.begin(), quoted.end(),
                              [](char c) { return c >= 0x20 && c < 0x7f; }));
        }
    }
}
