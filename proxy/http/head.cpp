#include "proxy/http/head.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/ascii.hpp"

namespace cordgate::proxy::http {
namespace {

constexpr std::string_view crlf = "\r\n";

enum CharClass : unsigned char {
    token_char = 1,   ///< tchar
    value_char = 2,   ///< field-value: visible, obs-text, SP, HTAB
    target_char = 4,  ///< 0x21-0x7e but '#'
    host_char = 8,    ///< reg-name (RFC 3986, 3.2.2)
};

constexpr std::array<unsigned char, 256> make_classes() {
    std::array<unsigned char, 256> table{};
    for (int i = 0; i < 256; ++i) {
        const char c = static_cast<char>(i);
        const bool mark = std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
        unsigned char bits = 0;
        if (is_alnum(c) || (i < 128 && mark)) bits |= token_char;
        if (i == '\t' || (i >= 0x20 && i != 0x7f)) bits |= value_char;
        if (i > 0x20 && i < 0x7f && i != '#') bits |= target_char;
        // But for escapes, which two readers decode differently, the comma of
        // lists, and the quotes and brackets that end other texts.
        const bool in_name = std::string_view("-._~!$&*+;=").find(c) != std::string_view::npos;
        if (is_alnum(c) || (i < 128 && in_name)) bits |= host_char;
        table[static_cast<std::size_t>(i)] = bits;
    }
    return table;
}

constexpr auto classes = make_classes();

bool all_of(std::string_view text, CharClass wanted) {
    unsigned char bits = wanted;
    for (const char c : text) bits &= classes[static_cast<unsigned char>(c)];
    return bits != 0;
}

/// The length of what `text` begins with of the class `wanted`.
std::size_t span_of(std::string_view text, CharClass wanted) {
    const auto class_of = [&](std::size_t at) {
        return classes[static_cast<unsigned char>(text[at])];
    };
    std::size_t size = 0;
    for (; text.size() - size >= 4; size += 4) {
        if ((class_of(size) & class_of(size + 1) & class_of(size + 2) & class_of(size + 3) &
             wanted) == 0) {
            break;
        }
    }
    while (size < text.size() && (class_of(size) & wanted) != 0) ++size;
    return size;
}

/// span_of(text, value_char), eight bytes at a time: values are most of a head.
std::size_t span_of_value(std::string_view text) {
    constexpr std::uint64_t ones = 0x0101010101010101;
    constexpr std::uint64_t highs = ones * 0x80;
    std::size_t size = 0;
    for (; text.size() - size >= 8; size += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + size, 8);
        const auto del = word ^ (ones * 0x7f);
        // A byte below 0x20, or one that is 0x7f. The lowest that is found is one: only
        // from there on can a borrow make others look odd. HTAB is for the slow way.
        const auto odd = (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs;
        if (odd == 0) continue;
        if constexpr (std::endian::native == std::endian::little) {
            const auto at = size + static_cast<std::size_t>(std::countr_zero(odd)) / 8;
            if (text[at] != '\t') return at;
        }
        const auto plain = span_of(text.substr(size, 8), value_char);
        if (plain < 8) return size + plain;
    }
    return size + span_of(text.substr(size), value_char);
}

/// Without white space around it; most have one space in front.
std::string_view trim_value(std::string_view value) {
    if (value.size() > 1 && value[0] == ' ' && value[1] > ' ' && value.back() > ' ') {
        return {value.data() + 1, value.size() - 1};
    }
    return trim(value);
}

/// Where the first ':' of `text` is; of its first 32 bytes, which hold every name that
/// is known, and some value behind it where there is none.
std::size_t first_colon(std::string_view text) {
    constexpr std::uint64_t ones = 0x0101010101010101;
    std::size_t at = 0;
    if constexpr (std::endian::native == std::endian::little) {
        for (; at < 32 && text.size() - at >= 8; at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, text.data() + at, 8);
            const auto other = word ^ (ones * ':');
            const auto found = (other - ones) & ~other & (ones * 0x80);
            if (found != 0) return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
        }
    }
    while (at < std::min<std::size_t>(text.size(), 32) && text[at] != ':') ++at;
    return at;
}

Refusal refuse(std::string_view reason, int status = 400) {
    return {status, reason};
}

/// Content-Length = 1*DIGIT, one spelling per number, within 63 bits.
std::optional<std::uint64_t> parse_length(std::string_view text) {
    if (text.empty() || text.size() > 18) return std::nullopt;
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (!is_digit(c)) return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

template <class Visit>
void for_each_list_item(std::string_view list, Visit visit) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        const auto item = trim(list.substr(0, comma));
        if (!item.empty()) visit(item);
        if (comma == std::string_view::npos) return;
        list.remove_prefix(comma + 1);
    }
}

void read_connection(std::string_view value, MessageFields& out) {
    for_each_list_item(value, [&](std::string_view option) {
        if (iequals(option, "close")) {
            out.connection_close = true;
        } else if (iequals(option, "keep-alive")) {
            out.connection_keep_alive = true;
        } else if (iequals(option, "upgrade")) {
            out.connection_upgrade = true;
        } else {
            out.nominated.push_back(option);
        }
    });
}

/// Names in Connection, each of which is compared with every field.
constexpr std::size_t max_nominated = 1024;

/// What decides the framing, gathered while the fields go by.
struct FramingFields {
    bool has_length = false;
    bool has_encoding = false;
    std::uint64_t length = 0;
};

constexpr std::uint64_t bit(FieldName name) {
    return std::uint64_t{1} << static_cast<unsigned>(name);
}
static_assert(known_name_count <= 64);

bool decides_framing(FieldName name) {
    return bit(name) & (bit(FieldName::upgrade) | bit(FieldName::connection) |
                        bit(FieldName::content_length) | bit(FieldName::transfer_encoding));
}

/// Fields that more than one parser acts upon; anything doubtful is refused.
std::optional<Refusal> read_framing_field(const Field& field, FramingFields& framing,
                                          MessageFields& out) {
    switch (field.known) {
        case FieldName::upgrade:
            if (!out.upgrade.empty()) return refuse("more than one Upgrade field");
            out.upgrade = field.value;
            break;
        case FieldName::connection:
            read_connection(field.value, out);
            if (out.nominated.size() > max_nominated) return refuse("too many connection options");
            break;
        case FieldName::content_length: {
            if (framing.has_length) return refuse("more than one Content-Length");
            const auto length = parse_length(field.value);
            if (!length) return refuse("Content-Length is not a plain number");
            framing.has_length = true;
            framing.length = *length;
            break;
        }
        case FieldName::transfer_encoding:
            if (framing.has_encoding) return refuse("more than one Transfer-Encoding");
            if (!iequals(field.value, "chunked")) {
                return refuse("Transfer-Encoding other than chunked",
                              field.value.empty() ? 400 : 501);
            }
            framing.has_encoding = true;
            break;
        default: break;
    }
    return std::nullopt;
}

/// Not a refusal: the head goes on behind what is here.
Refusal incomplete() {
    return {0, "incomplete"};
}

/// Takes the field lines and the empty line behind them off `text`.
std::optional<Refusal> parse_fields(std::string_view& text, const HeadLimits& limits,
                                    FramingFields& framing, MessageFields& out) {
    while (!text.starts_with(crlf)) {
        if (text.empty()) return incomplete();
        // A line that starts with white space continues the one before: an old
        // form (obs-fold) that some parsers join and some do not. RFC 9112, 5.2.
        if (text.front() == ' ' || text.front() == '\t') return refuse("folded field line");
        auto colon = first_colon(text);
        const auto known = field_name_of(text.substr(0, colon));
        if (known == FieldName::other) colon = span_of(text, token_char);
        if (colon == text.size()) return incomplete();
        if (colon == 0 || text[colon] != ':') {
            const auto line = text.substr(0, text.find(crlf));
            return refuse(line.find(':') == std::string_view::npos ? "field line without a colon"
                                                                   : "field name is not a token");
        }
        const auto name = text.substr(0, colon);
        text.remove_prefix(colon + 1);
        const auto size = span_of_value(text);
        if (text.size() - size < crlf.size()) return incomplete();
        if (text[size] != '\r' || text[size + 1] != '\n') {
            return refuse("control character in a field value");
        }
        const Field field(name, trim_value({text.data(), size}), known);
        text.remove_prefix(size + crlf.size());
        if (out.fields.size() == limits.headers) return refuse("too many header fields", 431);
        out.fields.push_back(field);
        if (!decides_framing(known)) continue;
        if (auto refusal = read_framing_field(field, framing, out)) return refusal;
    }
    text.remove_prefix(crlf.size());
    if (framing.has_length && framing.has_encoding) {
        return refuse("both Content-Length and Transfer-Encoding");
    }
    if (framing.has_encoding) {
        out.framing = Framing::chunked;
    } else if (framing.has_length) {
        out.framing = Framing::length;
        out.content_length = framing.length;
    }
    return std::nullopt;
}

std::optional<Refusal> parse_version(std::string_view text, int& minor) {
    if (text.size() != 8 || text.substr(0, 5) != "HTTP/" || !is_digit(text[5]) || text[6] != '.' ||
        !is_digit(text[7])) {
        return refuse("not an HTTP version");
    }
    if (text[5] != '1' || text[7] > '1') return refuse("HTTP version not supported", 505);
    minor = text[7] - '0';
    return std::nullopt;
}

/// Splits the target, and takes the authority out of an absolute form, where it
/// overrules Host (RFC 9112, 3.2.2).
std::optional<Refusal> parse_target(std::string_view target, RequestHead& out,
                                    std::string_view& authority) {
    if (target == "*") {
        if (out.method != "OPTIONS") return refuse("\"*\" is for OPTIONS only");
        out.path = target;
        return std::nullopt;
    }
    if (target.front() != '/') {
        const auto scheme_end = target.find("://");
        if (scheme_end == std::string_view::npos) return refuse("target is not a path");
        const auto scheme = target.substr(0, scheme_end);
        if (!iequals(scheme, "http") && !iequals(scheme, "https")) {
            return refuse("target has a scheme other than http");
        }
        target.remove_prefix(scheme_end + 3);
        const auto end = target.find_first_of("/?");
        authority = target.substr(0, end);
        if (!is_valid_authority(authority)) return refuse("target has a bad authority");
        target = end == std::string_view::npos ? std::string_view() : target.substr(end);
    }
    const auto question = target.find('?');
    out.path = target.substr(0, question);
    if (out.path.empty()) out.path = "/";  // RFC 9110, 4.2.3
    out.query = question == std::string_view::npos ? std::string_view{} : target.substr(question);
    return std::nullopt;
}

/// Takes "method SP target SP version CRLF", with exactly these two spaces, off `text`.
std::optional<Refusal> parse_request_line(std::string_view& text, const HeadLimits& limits,
                                          RequestHead& out, std::string_view& authority) {
    const auto method = span_of(text, token_char);
    if (method == text.size()) return incomplete();
    if (method == 0 || text[method] != ' ') return refuse("malformed request line");
    out.method = text.substr(0, method);
    text.remove_prefix(method + 1);
    const auto size = span_of(text, target_char);
    const auto target = text.substr(0, size);
    if (size == text.size()) return incomplete();
    if (text[size] != ' ') return refuse("character not allowed in the target");
    text.remove_prefix(size + 1);
    const auto version = text.substr(0, text.find('\r'));
    text.remove_prefix(version.size());
    if (text.size() < crlf.size()) return incomplete();
    if (size == 0 || !text.starts_with(crlf)) return refuse("malformed request line");
    text.remove_prefix(crlf.size());
    if (auto refusal = parse_version(version, out.minor_version)) return refusal;
    if (method > 32) return refuse("malformed method");
    // Methods are case-sensitive, and rules name them in capitals; frameworks that
    // fold "post" to "POST" would serve what no rule for POST has judged.
    for (const char c : out.method) {
        if (is_lower(c)) return refuse("method in lower case");
    }
    if (out.method == "CONNECT") return refuse("CONNECT is for forward proxies", 405);
    if (out.method == "TRACE") return refuse("TRACE is not served", 405);
    if (out.method == "PRI") return refuse("PRI is no method (RFC 9113, 11.6)", 405);
    if (size > limits.target_bytes) return refuse("target too long", 414);
    return parse_target(target, out, authority);
}

/// Fields of a request that are no lists, so that two of them are an error
/// (RFC 9110, 5.3), of which some applications take the first and some the last.
constexpr std::uint64_t singletons = bit(FieldName::host) | bit(FieldName::expect) |
                                     bit(FieldName::authorization) | bit(FieldName::content_type) |
                                     bit(FieldName::range) | bit(FieldName::content_range) |
                                     bit(FieldName::if_range) | bit(FieldName::if_modified_since) |
                                     bit(FieldName::if_unmodified_since);

/// Finds Host and Expect, each at most once.
std::optional<Refusal> read_singletons(const RequestHead& head, const Field*& host,
                                       const Field*& expect) {
    std::uint64_t seen = 0;
    for (const auto& field : head.fields) {
        const auto name = bit(field.known) & singletons;
        if (name & seen) return refuse("a field twice that may be there once");
        seen |= name;
        if (field.known == FieldName::host) host = &field;
        if (field.known == FieldName::expect) expect = &field;
    }
    return std::nullopt;
}

std::optional<Refusal> check_host(const Field* host, std::string_view authority, RequestHead& out) {
    if (!host) {
        if (out.minor_version == 1) return refuse("no Host field");
        out.host = authority;
        return std::nullopt;
    }
    if (!is_valid_authority(host->value)) return refuse("malformed Host");
    out.host = authority.empty() ? host->value : authority;
    return std::nullopt;
}

/// Takes the first line off `text`.
std::optional<Refusal> parse_status_line(std::string_view& text, ResponseHead& out) {
    const auto end = text.find('\r');
    if (end == std::string_view::npos || end + 1 == text.size()) return incomplete();
    if (text[end + 1] != '\n') return refuse("malformed status line");
    const auto line = text.substr(0, end);
    text.remove_prefix(end + crlf.size());
    if (line.size() < 12 || line[8] != ' ') return refuse("malformed status line");
    if (auto refusal = parse_version(line.substr(0, 8), out.minor_version)) return refusal;
    const auto code = line.substr(9, 3);
    if (!is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2]) || code[0] == '0') {
        return refuse("malformed status code");
    }
    out.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    if (line.size() > 12 && line[12] != ' ') return refuse("malformed status line");
    out.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
    if (!out.reason.empty() && !all_of(out.reason, value_char)) {
        return refuse("control character in the reason");
    }
    return std::nullopt;
}

}  // namespace

const Field* MessageFields::find(std::string_view name) const {
    for (const auto& field : fields) {
        if (iequals(field.name, name)) return &field;
    }
    return nullptr;
}

const Field* MessageFields::find(FieldName name) const {
    for (const auto& field : fields) {
        if (field.known == name) return &field;
    }
    return nullptr;
}

std::string_view MessageFields::value(std::string_view name) const {
    const auto* field = find(name);
    return field ? field->value : std::string_view{};
}

void MessageFields::clear() {
    fields.clear();
    nominated.clear();
    framing = Framing::none;
    content_length = 0;
    connection_close = connection_keep_alive = connection_upgrade = false;
    upgrade = {};
}

namespace {

/// The opening handshake of RFC 6455, 4.1. Without one of these no server may
/// agree, and a gate that passes it on has a tunnel to lose (H5).
bool is_websocket_handshake(const RequestHead& head) {
    const auto key = head.value("sec-websocket-key");
    const auto is_key = [](const Field& field) { return iequals(field.name, "sec-websocket-key"); };
    if (std::ranges::count_if(head.fields, is_key) != 1) return false;  // 11.3.1
    if (head.method != "GET" || head.value("sec-websocket-version") != "13") return false;
    if (key.size() != 24 || !key.ends_with("==")) return false;
    for (const char c : key.substr(0, 22)) {
        if (!is_alnum(c) && c != '+' && c != '/') return false;
    }
    return true;
}

/// protocol = protocol-name ["/" protocol-version], of which we take one (RFC 9110, 7.8).
bool is_protocol(std::string_view text) {
    const auto slash = text.find('/');
    return is_token(text.substr(0, slash)) &&
           (slash == std::string_view::npos || is_token(text.substr(slash + 1)));
}

}  // namespace

bool RequestHead::wants_upgrade() const {
    // h2c would start HTTP/2 behind our back, with requests that nobody judged.
    // A body beside it would be read as part of the new protocol by one side only.
    const bool has_body =
        framing != Framing::none && !(framing == Framing::length && content_length == 0);
    return connection_upgrade && minor_version == 1 && !has_body && is_protocol(upgrade) &&
           !iequals(upgrade.substr(0, 3), "h2c") &&
           (!iequals(upgrade, "websocket") || is_websocket_handshake(*this));
}

bool is_token(std::string_view text) {
    return !text.empty() && all_of(text, token_char);
}

bool is_valid_authority(std::string_view text) {
    if (text.empty()) return false;
    std::string_view port;
    if (text.front() == '[') {
        const auto bracket = text.find(']');
        if (bracket == std::string_view::npos || bracket < 3) return false;
        for (const char c : text.substr(1, bracket - 1)) {
            if (hex_value(c) < 0 && c != ':' && c != '.') return false;
        }
        port = text.substr(bracket + 1);
        if (!port.empty() && port.front() != ':') return false;
    } else {
        const auto size = span_of(text, host_char);
        if (size == 0 || size > 255) return false;
        if (size < text.size() && text[size] != ':') return false;
        // A name without a name between its dots; one dot may end it.
        char before = '.';
        for (const char c : text.substr(0, size)) {
            if (c == '.' && before == '.') return false;
            before = c;
        }
        port = text.substr(size);
    }
    if (port.empty()) return true;
    port.remove_prefix(1);
    if (port.empty()) return true;  // RFC 3986, 3.2.3: the default one
    if (port.size() > 5) return false;
    unsigned value = 0;
    for (const char c : port) {
        if (!is_digit(c)) return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value >= 1 && value <= 65535;
}

// What a head of `size` bytes, or more, is refused for. Depends on nothing but
// the bytes before `size`, so that it does not matter how they came.
std::optional<Refusal> HeadScanner::check_size(std::size_t size, const HeadLimits& limits) const {
    // Method, version, spaces and an empty line in front.
    const auto start_line = limits.target_bytes + 64;
    if (!first_line_seen_ && size > start_line && start_line < limits.header_bytes) {
        return refuse("target too long", 414);
    }
    if (size > limits.header_bytes) return refuse("header too large", 431);
    return std::nullopt;
}

ParseResult HeadScanner::scan(std::string_view bytes, const HeadLimits& limits) {
    // Who speaks TLS here, or another protocol, is told at once and not in time.
    const auto nonsense = [&]() -> std::optional<Refusal> {
        if (first_line_seen_ || line_start_ == bytes.size()) return std::nullopt;
        const char first = bytes[line_start_];
        if (first == '\r' || first == '\n' || is_token({&first, 1})) return std::nullopt;
        return refuse(first == '\x16' ? "a TLS handshake where no TLS is spoken"
                                      : "malformed request line");
    };
    if (auto refusal = nonsense()) return {0, refusal};
    // The same with a CR that ends no line: no head comes of it any more.
    const auto bare_cr = [&](std::size_t end) -> std::optional<Refusal> {
        const auto at = bytes.substr(0, end).find('\r', scanned_);
        if (at == std::string_view::npos) return std::nullopt;
        if (auto refusal = check_size(at + 2, limits)) return refusal;
        return refuse("bare carriage return");
    };
    while (scanned_ < bytes.size()) {
        const auto at = bytes.find('\n', scanned_);
        if (at == std::string_view::npos) break;
        if (auto refusal = bare_cr(std::max<std::size_t>(at, 1) - 1)) return {0, refusal};
        if (auto refusal = check_size(at + 1, limits)) return {0, refusal};
        if (at == line_start_ || bytes[at - 1] != '\r') return {0, refuse("bare line feed")};
        const bool empty = at == line_start_ + 1;
        const auto line = bytes.substr(line_start_, at - line_start_);
        if (!empty && !first_line_seen_ && line.find("HTTP/") == std::string_view::npos) {
            return {0, refuse("no HTTP version")};
        }
        scanned_ = at + 1;
        if (empty && first_line_seen_) return {scanned_, std::nullopt};
        if (empty && line_start_ > 0) return {0, refuse("empty lines before the request")};
        first_line_seen_ = first_line_seen_ || !empty;
        line_start_ = scanned_;
        if (auto refusal = nonsense()) return {0, refusal};
    }
    // The last byte may be half of a line's end, and is looked at once more.
    const auto known = bytes.size() - std::min<std::size_t>(bytes.size() - scanned_, 1);
    if (auto refusal = bare_cr(known)) return {0, refusal};
    scanned_ = known;
    // At least one byte more has to come.
    return {0, check_size(bytes.size() + 1, limits)};
}

namespace {

/// Takes the head that `text` begins with off it.
std::optional<Refusal> take_request_head(std::string_view& text, const HeadLimits& limits,
                                         RequestHead& out) {
    out.clear();
    out.method = out.path = out.query = out.host = {};
    out.minor_version = 1;
    out.expect_continue = false;

    // Some clients send an empty line behind a body (RFC 9112, 2.2).
    if (text.starts_with(crlf)) text.remove_prefix(crlf.size());
    std::string_view authority;
    FramingFields framing;
    if (auto refusal = parse_request_line(text, limits, out, authority)) return refusal;
    if (auto refusal = parse_fields(text, limits, framing, out)) return refusal;
    if (out.minor_version == 0 && framing.has_encoding) {
        return refuse("Transfer-Encoding in HTTP/1.0");
    }
    const Field* host = nullptr;
    const Field* expect = nullptr;
    if (auto refusal = read_singletons(out, host, expect)) return refusal;
    if (auto refusal = check_host(host, authority, out)) return refusal;
    if (expect && !iequals(expect->value, "100-continue")) {
        return refuse("unknown expectation", 417);
    }
    out.expect_continue = expect && out.minor_version == 1;
    return std::nullopt;
}

std::optional<Refusal> take_response_head(std::string_view& text, const HeadLimits& limits,
                                          std::string_view request_method, ResponseHead& out) {
    out.clear();
    out.status = 0;
    out.reason = {};
    out.minor_version = 1;

    FramingFields framing;
    if (auto refusal = parse_status_line(text, out)) return refusal;
    if (auto refusal = parse_fields(text, limits, framing, out)) return refusal;
    if (out.minor_version == 0 && framing.has_encoding) {
        return refuse("Transfer-Encoding in HTTP/1.0");
    }
    // 205 has no content either, but is framed like others (RFC 9110, 15.3.6): what one brings
    // is not passed on, since not every client takes it for a body.
    const bool bodiless = request_method == "HEAD" || out.status < 200 || out.status == 204 ||
                          out.status == 205 || out.status == 304;
    if (bodiless) {
        out.framing = Framing::none;
    } else if (out.framing == Framing::none) {
        out.framing = Framing::until_close;
    }
    return std::nullopt;
}

/// Of what is longer than either limit a scanner has to say which; no line is longer
/// than what it is part of.
std::string_view within(std::string_view bytes, const HeadLimits& limits) {
    return bytes.substr(0, std::min(limits.header_bytes, limits.target_bytes));
}

}  // namespace

std::optional<Refusal> parse_request_head(std::string_view bytes, const HeadLimits& limits,
                                          RequestHead& out) {
    return take_request_head(bytes, limits, out);
}

std::optional<Refusal> parse_response_head(std::string_view bytes, const HeadLimits& limits,
                                           std::string_view request_method, ResponseHead& out) {
    return take_response_head(bytes, limits, request_method, out);
}

std::size_t parse_request_at_once(std::string_view bytes, const HeadLimits& limits,
                                  RequestHead& out) {
    const auto all = within(bytes, limits);
    auto rest = all;
    return take_request_head(rest, limits, out) ? 0 : all.size() - rest.size();
}

std::size_t parse_response_at_once(std::string_view bytes, const HeadLimits& limits,
                                   std::string_view request_method, ResponseHead& out) {
    const auto all = within(bytes, limits);
    auto rest = all;
    return take_response_head(rest, limits, request_method, out) ? 0 : all.size() - rest.size();
}

}  // namespace cordgate::proxy::http
