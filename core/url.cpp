#include "core/url.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include "core/ascii.hpp"

namespace cordgate {
namespace {

bool is_unreserved(char c) {
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// What no URL holds unescaped, and what browsers repair: refused instead.
bool is_url_byte(char c) {
    return c > 0x20 && c < 0x7f && c != '\\';
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    unsigned port = 0;
    if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) {
        return std::nullopt;
    }
    std::from_chars(text.data(), text.data() + text.size(), port);
    if (port == 0 || port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(port);
}

std::uint16_t default_port(std::string_view scheme) {
    return scheme == "https" ? 443 : 80;
}

bool is_ipv4(const std::string& host) {
    in_addr address{};
    return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

// The address in its one canonical spelling (RFC 5952); no zones.
std::optional<std::string> canonical_ipv6(std::string_view text) {
    in6_addr address{};
    if (inet_pton(AF_INET6, std::string(text).c_str(), &address) != 1) return std::nullopt;
    char buffer[INET6_ADDRSTRLEN];
    if (inet_ntop(AF_INET6, &address, buffer, sizeof buffer) == nullptr) return std::nullopt;
    return std::string(buffer);
}

// A DNS name, with the underscore of container names, or a dotted IPv4 address.
// Browsers read "2130706433" and "0x7f.1" as addresses too (WHATWG URL, "ends
// in a number"); names like these are refused.
std::optional<std::string> parse_name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > 253) return std::nullopt;
    std::string host = lowercase(text);

    std::string_view rest = host;
    std::string_view label;
    while (true) {
        const auto dot = rest.find('.');
        label = rest.substr(0, dot);
        const auto allowed = [](char c) { return is_alnum(c) || c == '-' || c == '_'; };
        if (label.empty() || label.size() > 63) return std::nullopt;
        if (!std::all_of(label.begin(), label.end(), allowed)) return std::nullopt;
        if (dot == std::string_view::npos) break;
        rest.remove_prefix(dot + 1);
    }
    const bool numeric =
        std::all_of(label.begin(), label.end(), is_digit) ||
        (label.starts_with("0x") &&
         std::all_of(label.begin() + 2, label.end(), [](char c) { return hex_value(c) >= 0; }));
    if (numeric && !is_ipv4(host)) return std::nullopt;
    return host;
}

// "host", "host:port", "[v6]" or "[v6]:port".
std::optional<Origin> parse_authority(std::string scheme, std::string_view text) {
    Origin origin{std::move(scheme), {}, 0};
    std::string_view port;
    std::optional<std::string> host;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        host = canonical_ipv6(text.substr(1, end - 1));
        port = text.substr(end + 1);
    } else {
        const auto colon = std::min(text.find(':'), text.size());
        host = parse_name(text.substr(0, colon));
        port = text.substr(colon);
    }
    if (!host) return std::nullopt;
    origin.host = std::move(*host);
    origin.port = default_port(origin.scheme);
    if (port.empty()) return origin;
    const auto number = port.front() == ':' ? parse_port(port.substr(1)) : std::nullopt;
    if (!number) return std::nullopt;
    origin.port = *number;
    return origin;
}

struct SplitUrl {
    Origin origin;
    std::string_view rest;  // from the first '/', '?' or '#'
};

std::optional<SplitUrl> split(std::string_view text) {
    if (!std::all_of(text.begin(), text.end(), is_url_byte)) return std::nullopt;
    const auto colon = text.find("://");
    if (colon == std::string_view::npos) return std::nullopt;
    std::string scheme = lowercase(text.substr(0, colon));
    if (scheme != "http" && scheme != "https") return std::nullopt;
    text.remove_prefix(colon + 3);
    const auto end = std::min(text.find_first_of("/?#"), text.size());
    auto origin = parse_authority(std::move(scheme), text.substr(0, end));
    if (!origin) return std::nullopt;
    return SplitUrl{std::move(*origin), text.substr(end)};
}

}  // namespace

std::string percent_encode(std::string_view bytes) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(bytes.size());
    for (const char c : bytes) {
        if (is_unreserved(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += plus_is_space && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_value(text[i + 1]);
        const int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

// RFC 3629, 4: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_valid_utf8(std::string_view bytes) {
    std::size_t i = 0;
    const auto at = [&](std::size_t index) {
        return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0U;
    };
    const auto continues = [&](std::size_t index) { return (at(index) & 0xc0U) == 0x80U; };
    while (i < bytes.size()) {
        const unsigned lead = at(i);
        const unsigned second = at(i + 1);
        if (lead < 0x80) {
            i += 1;
        } else if (lead >= 0xc2 && lead <= 0xdf) {
            if (!continues(i + 1)) return false;
            i += 2;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            if (!continues(i + 1) || !continues(i + 2)) return false;
            if (lead == 0xe0 && second < 0xa0) return false;
            if (lead == 0xed && second > 0x9f) return false;
            i += 3;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            if (!continues(i + 1) || !continues(i + 2) || !continues(i + 3)) return false;
            if (lead == 0xf0 && second < 0x90) return false;
            if (lead == 0xf4 && second > 0x8f) return false;
            i += 4;
        } else {
            return false;
        }
    }
    return true;
}

std::optional<Query> Query::parse(std::string_view text) {
    Query query;
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto pair = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (pair.empty()) continue;
        const auto equals = std::min(pair.find('='), pair.size());
        auto name = percent_decode(pair.substr(0, equals), true);
        auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
        if (!name || !value) return std::nullopt;
        query.pairs_.emplace_back(std::move(*name), std::move(*value));
    }
    return query;
}

std::optional<std::string> Query::get(std::string_view name) const {
    const std::string* found = nullptr;
    for (const auto& [key, value] : pairs_) {
        if (key != name) continue;
        if (found != nullptr) return std::nullopt;
        found = &value;
    }
    if (found == nullptr) return std::nullopt;
    return *found;
}

std::size_t Query::count(std::string_view name) const {
    const auto named = [&](const auto& pair) { return pair.first == name; };
    return static_cast<std::size_t>(std::count_if(pairs_.begin(), pairs_.end(), named));
}

QueryBuilder& QueryBuilder::add(std::string_view name, std::string_view value) {
    if (!text_.empty()) text_ += '&';
    text_ += percent_encode(name) + '=' + percent_encode(value);
    return *this;
}

std::optional<Origin> Origin::parse(std::string_view text) {
    auto url = split(text);
    if (!url || (!url->rest.empty() && url->rest != "/")) return std::nullopt;
    return std::move(url->origin);
}

std::string Origin::to_string() const {
    const bool v6 = host.find(':') != std::string::npos;
    std::string text = scheme + "://" + (v6 ? '[' + host + ']' : host);
    if (port != default_port(scheme)) text += ':' + std::to_string(port);
    return text;
}

bool Origin::is_loopback() const {
    return host == "localhost" || host.ends_with(".localhost") || host == "::1" ||
           (host.starts_with("127.") && is_ipv4(host));
}

std::optional<HttpUrl> HttpUrl::parse(std::string_view text) {
    auto url = split(text);
    if (!url || url->rest.find('#') != std::string_view::npos) return std::nullopt;
    std::string target(url->rest);
    if (!target.starts_with('/')) target.insert(0, "/");
    return HttpUrl{std::move(url->origin), std::move(target)};
}

}  // namespace cordgate
