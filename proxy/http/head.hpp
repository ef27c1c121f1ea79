#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/http/field_name.hpp"

// Heads of HTTP/1.1 messages (RFC 9110, RFC 9112), strict by construction: what
// two parsers could read differently is refused, never repaired. No I/O here;
// every view points into the buffer that was parsed.

namespace cordgate::proxy::http {

struct Field {
    Field() = default;
    Field(std::string_view token, std::string_view text)
        : Field(token, text, field_name_of(token)) {}
    Field(std::string_view token, std::string_view text, FieldName which)
        : name(token), value(text), known(which) {}

    std::string_view name;
    std::string_view value;              ///< without white space around it
    FieldName known = FieldName::other;  ///< what `name` is, where it is known
};

/// How the end of a body is found (RFC 9112, 6.3).
enum class Framing {
    none,         ///< there is no body
    length,       ///< Content-Length bytes
    chunked,      ///< Transfer-Encoding: chunked, and nothing else
    until_close,  ///< responses only
};

struct HeadLimits {
    std::size_t header_bytes = 32 * 1024;  ///< the whole head
    std::size_t headers = 128;
    std::size_t target_bytes = 16 * 1024;
};

/// Why a head is refused, and with which status; `reason` is for the log and,
/// being ours and constant, may be shown.
struct Refusal {
    int status = 400;
    std::string_view reason;
};

/// What a parser made of the bytes so far.
struct ParseResult {
    std::size_t size = 0;            ///< bytes of a complete head; 0: more are needed
    std::optional<Refusal> refusal;  ///< refused: answer, close, parse nothing more
};

/// The fields shared by both kinds of head, as found in Connection, Content-Length ...
struct MessageFields {
    std::vector<Field> fields;
    /// Names that Connection lists besides close, keep-alive and upgrade.
    std::vector<std::string_view> nominated;
    Framing framing = Framing::none;
    std::uint64_t content_length = 0;
    bool connection_close = false;
    bool connection_keep_alive = false;
    bool connection_upgrade = false;
    std::string_view upgrade;  ///< value of Upgrade; empty when absent

    /// The first field called `name` (any case), or nullptr.
    const Field* find(std::string_view name) const;
    const Field* find(FieldName name) const;
    /// Its value; empty when absent.
    std::string_view value(std::string_view name) const;
    void clear();
};

struct RequestHead : MessageFields {
    std::string_view method;
    std::string_view path;   ///< origin form, "/..."; "*" only with OPTIONS
    std::string_view query;  ///< with the '?'; empty when there is none
    std::string_view host;   ///< authority, checked; empty only for HTTP/1.0 without Host
    int minor_version = 1;   ///< 0 or 1
    bool expect_continue = false;

    bool keep_alive() const {
        return !connection_close && (minor_version == 1 || connection_keep_alive);
    }
    /// An upgrade we may pass on: HTTP/1.1, both fields, no body, not h2c (RFC 9110,
    /// 7.8), and to WebSocket only with a whole handshake (RFC 6455, 4.1).
    bool wants_upgrade() const;
};

struct ResponseHead : MessageFields {
    int status = 0;
    std::string_view reason;
    int minor_version = 1;

    bool keep_alive() const {
        return !connection_close && (minor_version == 1 || connection_keep_alive);
    }
};

/// Finds the end of a head, however it is fed. A bare CR or LF is refused where it
/// stands, so a client cannot make us wait for a CRLF that never comes; so are a
/// first byte that begins no method and a first line without a version.
class HeadScanner {
public:
    /// `bytes` is everything from the start of the head, as far as it came.
    /// Sizes count from there. One empty line in front is part of the head
    /// (RFC 9112, 2.2); parse_response_head refuses it, since before an answer
    /// it can only be left over from the one before.
    ParseResult scan(std::string_view bytes, const HeadLimits& limits);
    void reset() {
        line_start_ = scanned_ = 0;
        first_line_seen_ = false;
    }

private:
    std::optional<Refusal> check_size(std::size_t size, const HeadLimits& limits) const;

    std::size_t line_start_ = 0;
    std::size_t scanned_ = 0;
    bool first_line_seen_ = false;
};

/// Parses a whole head as HeadScanner found it; reuses `out`'s memory.
std::optional<Refusal> parse_request_head(std::string_view bytes, const HeadLimits& limits,
                                          RequestHead& out);

/// The same for an upstream's answer; every refusal means 502. `request_method`
/// decides whether a body can follow (RFC 9112, 6.3).
std::optional<Refusal> parse_response_head(std::string_view bytes, const HeadLimits& limits,
                                           std::string_view request_method, ResponseHead& out);

/// Parses the head that `bytes` begin with, and returns its size. 0: it is not whole, larger
/// than a limit or to be refused, which HeadScanner and the functions above tell apart.
/// What is taken here is what they take.
std::size_t parse_request_at_once(std::string_view bytes, const HeadLimits& limits,
                                  RequestHead& out);
std::size_t parse_response_at_once(std::string_view bytes, const HeadLimits& limits,
                                   std::string_view request_method, ResponseHead& out);

/// token = 1*tchar (RFC 9110, 5.6.2).
bool is_token(std::string_view text);

/// uri-host [ ":" port ] as Host may hold it: no userinfo, list, path, space,
/// escape or empty label.
bool is_valid_authority(std::string_view text);

}  // namespace cordgate::proxy::http
