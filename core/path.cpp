#include "core/path.hpp"

#include <algorithm>
#include <array>

#include "core/ascii.hpp"
#include "core/url.hpp"

namespace cordgate {
namespace {

enum class Class : unsigned char { plain, special, refused };

// What a byte of a raw path means: most need no thought. "Special" ones make
// the path go through every reading.
constexpr std::array<Class, 256> classify() {
    std::array<Class, 256> table{};
    for (std::size_t c = 0; c < table.size(); ++c) {
        const bool visible = c > 0x20 && c < 0x7f;
        const bool cuts = c == '\\' || c == '#' || c == '?';
        table[c] = visible && !cuts ? Class::plain : Class::refused;
    }
    table['%'] = Class::special;
    table[';'] = Class::special;
    return table;
}
constexpr auto classes = classify();

// Stand for "%2f", "%5c" and "%3b" in a decoded path: decoded controls are refused, so
// that these bytes are free.
constexpr char encoded_slash = '\x01';
constexpr char encoded_backslash = '\x02';
constexpr char encoded_semicolon = '\x03';

constexpr char stand_in_for(int byte) {
    switch (byte) {
        case '/': return encoded_slash;
        case '\\': return encoded_backslash;
        case ';': return encoded_semicolon;
        default: return static_cast<char>(byte);
    }
}

bool is_blank_or_dot(char c) {
    return c == '.' || c == ' ';
}

// "." and "..", and what Windows or a servlet container makes of ".. " or
// "..;x": only dots and blanks, with a dot among them.
bool is_dot_segment(std::string_view segment) {
    constexpr char parameters[] = {';', encoded_semicolon, '\0'};
    segment = segment.substr(0, segment.find_first_of(parameters));
    return segment.find('.') != std::string_view::npos &&
           std::all_of(segment.begin(), segment.end(), is_blank_or_dot);
}

template <class Visit>
void for_each_segment(std::string_view text, std::string_view separators, Visit visit) {
    while (true) {
        const auto end = text.find_first_of(separators);
        visit(text.substr(0, end));
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

struct Decoded {
    std::string text;             // with the stand-ins
    const char* fault = nullptr;  // why it is refused
};

Decoded decode(std::string_view raw) {
    Decoded out;
    out.text.reserve(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '%') {
            out.text += raw[i];
            continue;
        }
        const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
        const int low = i + 2 < raw.size() ? hex_value(raw[i + 2]) : -1;
        if (high < 0 || low < 0) return {{}, "broken escape"};
        const int byte = high * 16 + low;
        if (byte < 0x20 || byte == 0x7f) return {{}, "escaped control"};
        out.text += stand_in_for(byte);
        i += 2;
    }
    if (!is_valid_utf8(out.text)) out.fault = "not UTF-8";
    return out;
}

// The ways in which servers differ; each bit may be on or off for itself.
enum Habit : unsigned {
    merges_slashes = 1,
    splits_at_encoded_slash = 2,
    splits_at_encoded_backslash = 4,
    drops_parameters = 8,
    drops_trailing_dots = 16,
    drops_encoded_parameters = 32,  // who decodes before looking for them
    every_habit = 63,
};

// Habits that can make a difference to this path.
unsigned relevant_habits(std::string_view decoded) {
    const auto has = [&](char c) { return decoded.find(c) != std::string_view::npos; };
    unsigned habits = merges_slashes;
    if (has(encoded_slash)) habits |= splits_at_encoded_slash;
    if (has(encoded_backslash)) habits |= splits_at_encoded_backslash;
    if (has(';')) habits |= drops_parameters;
    if (has(encoded_semicolon)) habits |= drops_encoded_parameters;
    if (has('.') || has(' ')) habits |= drops_trailing_dots;
    return habits;
}

}  // namespace

Result<Path> Path::parse(std::string_view raw) {
    Path path;
    if (auto done = path.assign(raw); !done) return done.error();
    return path;
}

Result<void> Path::assign(std::string_view raw) {
    readings_.resize(std::min<std::size_t>(readings_.size(), 1));  // keeps its memory
    texts_.clear();
    raw_ = raw;
    if (raw.empty() || raw.front() != '/') return fail("does not start with a slash");
    if (readings_.empty()) readings_.emplace_back();
    auto& plain = readings_.front();
    plain.clear();
    bool special = false;
    std::size_t begin = 1;
    for (std::size_t at = 1; at < raw.size(); ++at) {
        const char c = raw[at];
        const auto kind = classes[static_cast<unsigned char>(c)];
        if (kind == Class::refused) return fail("holds a byte that has to be escaped");
        const char before = raw[at - 1];
        special =
            special || kind == Class::special || (c == '/' && (before == '/' || before == '.'));
        if (c != '/') continue;
        plain.push_back(raw.substr(begin, at - begin));
        begin = at + 1;
    }
    plain.push_back(raw.substr(begin));
    if (special || raw.back() == '.') return read_every_way(raw.substr(1));
    return {};
}

Error Path::fail(const char* why) {
    readings_.clear();
    return Error{ErrorKind::bad_request, ErrorSource::client, std::string("path: ") + why};
}

Result<void> Path::read_every_way(std::string_view text) {
    const auto decoded = decode(text);
    if (decoded.fault != nullptr) return fail(decoded.fault);
    // Split at everything that anybody splits at: what is no dot segment here
    // is none in any reading.
    bool dots = false;
    constexpr char separators[] = {'/', encoded_slash, encoded_backslash, '\0'};
    for_each_segment(decoded.text, separators,
                     [&](std::string_view segment) { dots = dots || is_dot_segment(segment); });
    if (dots) return fail("holds a dot segment");
    readings_.clear();
    const unsigned relevant = relevant_habits(decoded.text);
    for (unsigned habits = 0; habits <= every_habit; ++habits) {
        if ((habits & ~relevant) == 0) add_reading(decoded.text, habits);
    }
    return {};
}

// What a server with these habits makes of a decoded path, unless it is there already.
void Path::add_reading(std::string_view decoded, unsigned habits) {
    auto& text = texts_.emplace_front(decoded);
    const char slash = (habits & splits_at_encoded_backslash) != 0 ? '/' : '\\';
    std::replace(text.begin(), text.end(), encoded_backslash, slash);
    if ((habits & splits_at_encoded_slash) != 0) {
        std::replace(text.begin(), text.end(), encoded_slash, '/');
    }
    // Whoever sees it decoded sees all of them.
    const bool decodes_first = (habits & drops_encoded_parameters) != 0;
    if (decodes_first) std::replace(text.begin(), text.end(), encoded_semicolon, ';');
    const bool drops = decodes_first || (habits & drops_parameters) != 0;

    PathReading segments;
    for_each_segment(text, "/", [&](std::string_view segment) {
        if (drops) segment = segment.substr(0, segment.find(';'));
        if ((habits & drops_trailing_dots) != 0) {
            while (!segment.empty() && is_blank_or_dot(segment.back())) segment.remove_suffix(1);
        }
        segments.push_back(segment);
    });
    std::replace(text.begin(), text.end(), encoded_slash, '/');
    std::replace(text.begin(), text.end(), encoded_semicolon, ';');
    if ((habits & merges_slashes) != 0) {  // but for the one at the end
        const auto empty = [](std::string_view segment) { return segment.empty(); };
        segments.erase(std::remove_if(segments.begin(), segments.end() - 1, empty),
                       segments.end() - 1);
    }
    if (std::find(readings_.begin(), readings_.end(), segments) == readings_.end()) {
        readings_.push_back(std::move(segments));
    } else {
        texts_.pop_front();
    }
}

}  // namespace cordgate
