#include "proxy/client_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/ascii.hpp"

namespace cordgate::proxy {
namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::string_view last_item(std::string_view& list) {
    const auto comma = list.rfind(',');
    const auto item = comma == std::string_view::npos ? list : list.substr(comma + 1);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(0, comma);
    return item;
}

/// Several fields of one name are one list (RFC 9110, 5.3).
std::string joined(const http::RequestHead& head, http::FieldName name) {
    std::string out;
    for (const auto& field : head.fields) {
        if (field.known != name || field.value.empty()) continue;
        if (!out.empty()) out += ", ";
        out += field.value;
    }
    return out;
}

/// The value of a field that must stand once and be one value.
std::string_view single(const http::RequestHead& head, http::FieldName name) {
    std::string_view value;
    for (const auto& field : head.fields) {
        if (field.known != name) continue;
        if (!value.empty()) return {};
        value = field.value;
    }
    return value.find(',') == std::string_view::npos ? value : std::string_view{};
}

bool is_request_id(std::string_view text) {
    if (text.empty() || text.size() > 128) return false;
    for (const char c : text) {
        if (!is_alnum(c) && c != '-' && c != '_' && c != '.') return false;
    }
    return true;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    unsigned value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (value == 0 || value > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

/// One element of X-Forwarded-For: an address, in quotes or brackets, with or
/// without a port (RFC 7239, 6 describes the same forms).
std::optional<IpAddress> parse_hop(std::string_view text) {
    text = trim(text);
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
        text = text.substr(1, text.size() - 2);
    }
    std::string_view rest;
    if (!text.empty() && text.front() == '[') {
        const auto bracket = text.find(']');
        if (bracket == std::string_view::npos) return std::nullopt;
        rest = text.substr(bracket + 1);
        text = text.substr(1, bracket - 1);
    } else if (const auto colon = text.find(':'); colon == text.rfind(':')) {
        rest = text.substr(std::min(colon, text.size()));
        text = text.substr(0, colon);
    }
    if (!rest.empty() && (rest.front() != ':' || !parse_port(rest.substr(1)))) return std::nullopt;
    return IpAddress::parse(text);
}

std::optional<std::uint16_t> port_of(std::string_view authority) {
    const auto colon = authority.rfind(':');
    if (colon == std::string_view::npos || authority.back() == ']') return std::nullopt;
    return parse_port(authority.substr(colon + 1));
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    char buffer[INET6_ADDRSTRLEN + 1];
    if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    std::memcpy(buffer, text.data(), text.size());
    buffer[text.size()] = '\0';
    IpAddress address;
    if (inet_pton(AF_INET6, buffer, address.bytes.data()) == 1) return address;
    if (inet_pton(AF_INET, buffer, address.bytes.data() + 12) == 1) {
        std::memcpy(address.bytes.data(), v4_prefix.data(), v4_prefix.size());
        return address;
    }
    return std::nullopt;
}

bool IpAddress::is_v4() const {
    return std::memcmp(bytes.data(), v4_prefix.data(), v4_prefix.size()) == 0;
}

std::string IpAddress::to_string() const {
    char buffer[INET6_ADDRSTRLEN];
    if (!is_v4()) {
        const auto* text = inet_ntop(AF_INET6, bytes.data(), buffer, sizeof buffer);
        return text ? text : "";
    }
    // Every request asks, and inet_ntop goes through printf.
    std::string text;
    for (std::size_t i = 12; i < bytes.size(); ++i) {
        if (i > 12) text += '.';
        char digits[4];
        text.append(digits, std::to_chars(digits, std::end(digits), bytes[i]).ptr);
    }
    return text;
}

std::string IpAddress::limit_key() const {
    if (is_v4()) return to_string();
    IpAddress network = *this;
    std::fill(network.bytes.begin() + 8, network.bytes.end(), std::uint8_t{0});
    return network.to_string() + "/64";
}

std::optional<IpRange> IpRange::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    IpRange range{*address, 128};
    if (slash == std::string_view::npos) return range;
    unsigned bits = 0;
    const auto digits = text.substr(slash + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (ec != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    if (bits > (address->is_v4() ? 32U : 128U)) return std::nullopt;
    range.prefix = address->is_v4() ? bits + 96 : bits;
    return range;
}

bool IpRange::contains(const IpAddress& address) const {
    const auto whole = prefix / 8;
    if (std::memcmp(base.bytes.data(), address.bytes.data(), whole) != 0) return false;
    const auto rest = prefix % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    return (base.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

TrustedProxies::TrustedProxies(const std::vector<std::string>& ranges) {
    for (const auto& text : ranges) {
        trusts_unix_ = trusts_unix_ || text == "unix";
        if (const auto range = IpRange::parse(text)) ranges_.push_back(*range);
    }
}

bool TrustedProxies::trusts(const IpAddress& address) const {
    for (const auto& range : ranges_) {
        if (range.contains(address)) return true;
    }
    return false;
}

Peer TrustedProxies::know(const std::optional<IpAddress>& address) const {
    if (!address) return {"unix", true, trusts_unix_};
    return {address->to_string(), false, trusts(*address)};
}

ClientInfo TrustedProxies::resolve(const Peer& peer, const http::RequestHead& head,
                                   bool public_secure) const {
    ClientInfo client;
    client.address = peer.address;
    client.forwarded_for = peer.is_unix ? "unknown" : peer.address;  // RFC 7239, 6.3
    client.host = head.host;
    client.secure = public_secure;

    if (peer.is_trusted) {
        const auto list = joined(head, http::FieldName::x_forwarded_for);
        for (std::string_view rest = list; !rest.empty();) {
            const auto hop = parse_hop(last_item(rest));
            if (!hop) break;
            client.address = hop->to_string();
            if (!trusts(*hop)) break;
        }
        if (!list.empty()) client.forwarded_for = list + ", " + client.forwarded_for;
        if (const auto proto = single(head, http::FieldName::x_forwarded_proto); !proto.empty()) {
            if (iequals(proto, "https")) client.secure = true;
            if (iequals(proto, "http")) client.secure = false;
        }
        const auto host = single(head, http::FieldName::x_forwarded_host);
        if (!host.empty() && http::is_valid_authority(host)) client.host = host;
        const auto id = single(head, http::FieldName::x_request_id);
        if (is_request_id(id)) client.request_id = id;
    }
    const auto standard = static_cast<std::uint16_t>(client.secure ? 443 : 80);
    client.port = port_of(client.host).value_or(standard);
    if (peer.is_trusted) {
        if (const auto port = parse_port(single(head, http::FieldName::x_forwarded_port)))
            client.port = *port;
    }
    return client;
}

}  // namespace cordgate::proxy
