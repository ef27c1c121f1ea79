// Percent-coding, queries and URLs: what is decoded was encoded, and what is
// parsed can be written and parsed again.

#include "core/url.hpp"
#include "support.hpp"

using namespace cordgate;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    const auto encoded = percent_encode(text);
    require(percent_decode(encoded) == text, "encoded and decoded, it differs");
    for (const char c : encoded) require(c > ' ' && c < 0x7f, "encoded byte");
    if (const auto decoded = percent_decode(text)) {
        require(decoded->size() <= size, "decoding grows");
        require(percent_decode(percent_encode(*decoded)) == decoded, "not stable");
    }
    (void)percent_decode(text, true);
    (void)is_valid_utf8(text);

    if (const auto query = Query::parse(text)) {
        for (const std::string_view name : {"rd", "code", "state", ""}) {
            require(query->get(name).has_value() == (query->count(name) == 1),
                    "E6: a repeated parameter has a value");
        }
    }
    QueryBuilder builder;
    builder.add("a", text).add("b", "x");
    const auto built = Query::parse(builder.str());
    require(built && built->get("a") == text && built->get("b") == "x", "built, but not parsed");

    if (const auto origin = Origin::parse(text)) {
        require(Origin::parse(origin->to_string()) == origin, "origin");
        require(origin->port != 0, "port zero");
    }
    if (const auto url = HttpUrl::parse(text)) {
        require(url->target.starts_with('/'), "target");
        require(url->target.find_first_of("# \r\n") == std::string::npos, "bytes of the target");
        const auto again = HttpUrl::parse(url->to_string());
        require(again && again->origin == url->origin && again->target == url->target, "url");
    }
    return 0;
}
