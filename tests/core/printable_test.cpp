#include "core/printable.hpp"

#include <doctest/doctest.h>

#include <utility>

using namespace cordgate;

TEST_CASE("P12 nothing that a name holds is a command to a terminal, and names stay readable") {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"Zo\u00eb \U0001f98a \u0645", "Zo\u00eb \U0001f98a \u0645"},
        {"a\x1b[31mb\nc\x7f",          "a?[31mb?c?"                },
        {"a\xc2\x9b"
         "31mb\xc2\x9d"
         "0;x",               "a?31mb?0;x"                },
        {"\u202egnp.exe\u2066",        "?gnp.exe?"                 },
        {"\u00a0\u202f\u2065",         "\u00a0\u202f\u2065"        },
        {"\xe2\x80",                   "\xe2\x80"                  },
        {"\xc2",                       "\xc2"                      },
        {"",                           ""                          },
    };
    for (const auto& [text, shown] : cases) {
        CAPTURE(text);
        CHECK(printable(text) == shown);
    }
}
