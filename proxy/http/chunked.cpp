#include "proxy/http/chunked.hpp"

#include <algorithm>
#include <charconv>

#include "core/ascii.hpp"

namespace cordgate::proxy::http {
namespace {

constexpr std::size_t max_line = 8 * 1024;
constexpr std::size_t max_extension_bytes = 16 * 1024;
constexpr std::size_t max_trailer_bytes = 16 * 1024;
constexpr std::size_t max_trailers = 128;

ChunkedDecoder::Step refuse(std::string_view reason) {
    ChunkedDecoder::Step step;
    step.refusal = Refusal{400, reason};
    return step;
}

/// The line at the start of `bytes`, or nullopt when its end has not come.
struct Line {
    std::string_view text;
    bool refused = false;
};

std::optional<Line> take_line(std::string_view bytes) {
    const auto newline = bytes.find('\n');
    if (newline == std::string_view::npos) {
        // A CR must be followed by LF at once, or two parsers may disagree.
        const auto cr = bytes.find('\r');
        if (cr != std::string_view::npos && cr + 1 < bytes.size()) return Line{{}, true};
        if (bytes.size() > max_line) return Line{{}, true};
        return std::nullopt;
    }
    if (newline > max_line) return Line{{}, true};
    if (newline == 0 || bytes[newline - 1] != '\r') return Line{{}, true};
    return Line{bytes.substr(0, newline - 1)};
}

void skip_blanks(std::string_view& text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

/// Takes a token off the front.
bool take_token(std::string_view& text) {
    std::size_t size = 0;
    while (size < text.size() && is_token(text.substr(size, 1))) ++size;
    text.remove_prefix(size);
    return size > 0;
}

/// Takes a quoted-string off the front (RFC 9110, 5.6.4).
bool take_quoted(std::string_view& text) {
    bool escaped = false;
    for (std::size_t i = 1; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
        if (!escaped && byte == '"') {
            text.remove_prefix(i + 1);
            return true;
        }
        escaped = !escaped && byte == '\\';
    }
    return false;
}

/// chunk-ext from its first ';' on (RFC 9112, 7.1.1). It is dropped, but what
/// is none might end elsewhere for somebody else.
bool is_extension(std::string_view text) {
    while (!text.empty()) {
        if (text.front() != ';') return false;
        text.remove_prefix(1);
        skip_blanks(text);
        if (!take_token(text)) return false;
        skip_blanks(text);
        if (!text.starts_with('=')) continue;
        text.remove_prefix(1);
        skip_blanks(text);
        if (!(text.starts_with('"') ? take_quoted(text) : take_token(text))) return false;
        skip_blanks(text);
    }
    return true;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::read_size_line(std::string_view bytes) {
    // What is no size is refused before its line ends.
    const auto digits = bytes.substr(0, bytes.find_first_of("; \t\r\n"));
    if (digits.size() > 15) return refuse("malformed chunk size");
    std::uint64_t size = 0;
    for (const char c : digits) {
        const int value = hex_value(c);
        if (value < 0) return refuse("malformed chunk size");
        size = size * 16 + static_cast<std::uint64_t>(value);
    }
    const auto line = take_line(bytes);
    if (!line) return {};
    if (line->refused) return refuse("malformed chunk line");
    auto extension = line->text.substr(digits.size());
    if (digits.empty()) return refuse("malformed chunk size");
    if (!extension.empty()) {
        extension_bytes_ += extension.size();
        // Blanks in front of an extension are part of it, others are of nothing.
        skip_blanks(extension);
        if (extension.empty()) return refuse("malformed chunk size");
        if (extension_bytes_ > max_extension_bytes) return refuse("too many chunk extensions");
        if (!is_extension(extension)) return refuse("malformed chunk extension");
    }
    left_ = size;
    state_ = size == 0 ? State::trailer : State::data;
    Step step;
    step.consumed = line->text.size() + 2;
    return step;
}

ChunkedDecoder::Step ChunkedDecoder::read_trailer_line(std::string_view bytes) {
    const auto line = take_line(bytes);
    if (!line) return {};
    if (line->refused) return refuse("malformed trailer");
    Step step;
    step.consumed = line->text.size() + 2;
    trailer_bytes_ += step.consumed;
    if (trailer_bytes_ > max_trailer_bytes || trailers_ > max_trailers) {
        return refuse("trailers too large");
    }
    if (line->text.empty()) {
        state_ = State::done;
        step.done = true;
        return step;
    }
    const auto colon = line->text.find(':');
    if (colon == std::string_view::npos || !is_token(line->text.substr(0, colon))) {
        return refuse("malformed trailer");
    }
    for (const char c : line->text.substr(colon)) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) return refuse("malformed trailer");
    }
    ++trailers_;
    step.trailer = {line->text.substr(0, colon), trim(line->text.substr(colon + 1))};
    return step;
}

ChunkedDecoder::Step ChunkedDecoder::next(std::string_view bytes) {
    Step step;
    switch (state_) {
        case State::size: return bytes.empty() ? step : read_size_line(bytes);
        case State::data:
            step.consumed = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
            step.data = bytes.substr(0, step.consumed);
            left_ -= step.consumed;
            if (left_ == 0) state_ = State::data_end;
            return step;
        case State::data_end:
            if (bytes.empty()) return step;
            if (bytes[0] != '\r' || (bytes.size() > 1 && bytes[1] != '\n')) {
                return refuse("chunk data longer than its size");
            }
            if (bytes.size() < 2) return step;
            state_ = State::size;
            step.consumed = 2;
            return step;
        case State::trailer: return bytes.empty() ? step : read_trailer_line(bytes);
        case State::done: step.done = true; return step;
    }
    return step;
}

void append_chunk_header(std::string& out, std::size_t size) {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, size, 16).ptr;
    out.append(digits, end);
    out.append("\r\n");
}

}  // namespace cordgate::proxy::http
