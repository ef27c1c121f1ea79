#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head.hpp"

namespace cordgate::proxy {

/// An IP address as 16 bytes; IPv4 is mapped (::ffff:a.b.c.d).
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};

    /// "192.0.2.1", "2001:db8::1"; nullopt for anything else.
    static std::optional<IpAddress> parse(std::string_view text);
    bool is_v4() const;
    std::string to_string() const;
    /// What limits count by: the address, or the /64 of an IPv6 one.
    std::string limit_key() const;
    bool operator==(const IpAddress&) const = default;
};

/// "10.0.0.0/8" or one address.
struct IpRange {
    IpAddress base;
    unsigned prefix = 128;  ///< in bits of the mapped form

    static std::optional<IpRange> parse(std::string_view text);
    bool contains(const IpAddress& address) const;
};

/// Whoever is at the other end of a socket: what does not change from request to request.
struct Peer {
    std::string address;  ///< "192.0.2.1"; "unix" for a unix socket
    bool is_unix = false;
    bool is_trusted = false;  ///< a proxy whose X-Forwarded-* fields are believed
};

/// Who a request comes from, as far as it can be believed.
struct ClientInfo {
    std::string address;        ///< the client itself; "unix" for a unix socket's peer
    std::string forwarded_for;  ///< value for X-Forwarded-For
    std::string_view host;      ///< what the browser asked for
    bool secure = false;        ///< the browser speaks https
    std::uint16_t port = 0;
    std::string_view request_id;  ///< from a trusted proxy; else empty
};

/// Believes X-Forwarded-* only from `server.trusted_proxies`. Immutable.
class TrustedProxies {
public:
    TrustedProxies() = default;
    /// "unix" stands for the peers of unix sockets. Ranges that do not parse are ignored:
    /// config has refused them before.
    explicit TrustedProxies(const std::vector<std::string>& ranges);

    bool trusts(const IpAddress& address) const;

    /// `address` is the socket's; nullopt: a unix socket.
    Peer know(const std::optional<IpAddress>& address) const;

    /// Walks X-Forwarded-For from the right, past trusted
    /// proxies; the first other address is the client. What does not parse ends
    /// the walk. `public_secure` is the scheme of server.public_url.
    ClientInfo resolve(const Peer& peer, const http::RequestHead& head, bool public_secure) const;

private:
    std::vector<IpRange> ranges_;
    bool trusts_unix_ = false;
};

}  // namespace cordgate::proxy
