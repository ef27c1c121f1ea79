#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cordgate {

/// Percent-encodes all but RFC 3986's unreserved characters (2.3).
std::string percent_encode(std::string_view bytes);

/// Decodes once; nullopt on "%", "%2", "%zz". `plus_is_space` for form data.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

bool is_valid_utf8(std::string_view bytes);

/// A query string or form body, decoded (application/x-www-form-urlencoded).
class Query {
public:
    /// nullopt when an escape is broken. A pair without '=' has an empty value.
    static std::optional<Query> parse(std::string_view text);

    /// The value under `name`; nullopt when it is absent or given more than
    /// once: a repeated parameter is two answers to one question (RFC 6749, 3.1).
    std::optional<std::string> get(std::string_view name) const;
    std::size_t count(std::string_view name) const;

private:
    std::vector<std::pair<std::string, std::string>> pairs_;
};

/// Builds "a=1&b=x%20y" in the order given.
class QueryBuilder {
public:
    QueryBuilder& add(std::string_view name, std::string_view value);
    const std::string& str() const { return text_; }

private:
    std::string text_;
};

/// The scheme, host and port of an http(s) URL, with the default port filled in.
struct Origin {
    std::string scheme;  ///< "http" or "https"
    std::string host;    ///< lower case, without brackets and trailing dot
    std::uint16_t port = 0;

    /// Parses "https://host[:port]" with nothing behind it but an optional "/".
    static std::optional<Origin> parse(std::string_view text);
    /// As a browser sends it: the port only when it is not the scheme's own.
    std::string to_string() const;
    bool is_secure() const { return scheme == "https"; }
    /// localhost, *.localhost, 127.0.0.0/8 or ::1.
    bool is_loopback() const;
    bool operator==(const Origin&) const = default;
};

/// An http(s) URL split into origin and target ("/path?query", at least "/");
/// no userinfo, no fragment.
struct HttpUrl {
    Origin origin;
    std::string target;
    static std::optional<HttpUrl> parse(std::string_view text);
    std::string to_string() const { return origin.to_string() + target; }
};

}  // namespace cordgate
