// An accepted path has no dot segment in any reading, and stays what it is when
// it is sent.

#include <algorithm>
#include <string>

#include "core/path.hpp"
#include "core/rule.hpp"
#include "support.hpp"

using namespace cordgate;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto raw = fuzz::as_text(data, size);
    const auto path = Path::parse(raw);
    if (!path) {
        require(path.error().kind == ErrorKind::bad_request &&
                    path.error().source == ErrorSource::client,
                "kind of the error");
        return 0;
    }
    require(path->raw() == raw, "the raw path changed");
    require(!raw.empty() && raw.front() == '/', "not rooted");
    for (const char c : raw) {
        require(c > ' ' && c < 0x7f && c != '\\' && c != '#' && c != '?', "raw byte");
    }
    const auto& readings = path->readings();
    require(!readings.empty() && readings.size() <= 32, "number of readings");
    for (const auto& reading : readings) {
        require(!reading.empty(), "a reading without a segment");
        for (const auto& segment : reading) {
            require(segment != "." && segment != "..", "C1: dot segment");
            require(std::none_of(segment.begin(), segment.end(),
                                 [](char c) {
                                     const auto byte = static_cast<unsigned char>(c);
                                     return byte < 0x20 || byte == 0x7f;
                                 }),
                    "C14: control in a segment");
        }
    }
    // A pattern that was written as this path matches it.
    if (const auto glob = PathGlob::parse(raw); glob && raw.find('*') == std::string_view::npos) {
        require(glob->matches(readings.front()), "a path does not match itself");
    }
    return 0;
}
