#include "core/printable.hpp"

namespace cordgate {
namespace {

/// How many bytes at the beginning of `text` are one such character.
std::size_t size_of_command(std::string_view text) {
    const auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
    if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return 2;
    const bool is_embedding = byte(1) == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae;
    const bool is_isolate = byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
    return byte(0) == 0xe2 && (is_embedding || is_isolate) ? 3 : 0;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto size = size_of_command(text);
        out += size > 0 ? '?' : text.front();
        text.remove_prefix(size > 0 ? size : 1);
    }
    return out;
}

}  // namespace cordgate
