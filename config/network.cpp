#include "config/network.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

#include "core/ascii.hpp"

namespace cordgate::config {
namespace {

struct Address {
    std::array<unsigned char, 16> bytes{};
    int bits = 0;  // 32 or 128
};

std::optional<Address> parse_address(std::string_view text) {
    Address out;
    const std::string copy(text);
    if (::inet_pton(AF_INET, copy.c_str(), out.bytes.data()) == 1) {
        out.bits = 32;
        return out;
    }
    if (::inet_pton(AF_INET6, copy.c_str(), out.bytes.data()) == 1) {
        out.bits = 128;
        return out;
    }
    return std::nullopt;
}

std::string to_text(const Address& address) {
    char buffer[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(address.bits == 32 ? AF_INET : AF_INET6, address.bytes.data(), buffer,
                sizeof buffer);
    return buffer;
}

void clear_host_bits(Address& address, int prefix) {
    for (int bit = prefix; bit < address.bits; ++bit)
        address.bytes[static_cast<std::size_t>(bit / 8)] &=
            static_cast<unsigned char>(~(0x80 >> (bit % 8)));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit))
        return std::nullopt;
    const int port = std::stoi(std::string(text));
    if (port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(port);
}

bool is_wildcard(const std::string& host) {
    return host == "0.0.0.0" || host == "::";
}

bool is_loopback(std::string_view host) {
    const auto address = parse_address(host);
    if (!address) return host == "localhost" || host.ends_with(".localhost");
    if (address->bits == 32) return address->bytes[0] == 127;
    return to_text(*address) == "::1";
}

}  // namespace

Parsed<Endpoint> parse_endpoint(std::string_view text) {
    constexpr std::string_view help = "write host:port, [v6]:port or unix:/path";
    const auto problem = [&](std::string_view what) {
        return std::string(what) + "; " + std::string(help);
    };
    Endpoint out;
    if (text.starts_with("unix:")) {
        out.unix_path = text.substr(5);
        if (!out.unix_path.starts_with('/')) return problem("needs an absolute path behind unix:");
        if (out.unix_path.size() >= sizeof(sockaddr_un::sun_path))
            return problem("has a path longer than a unix socket can have (107 bytes)");
        return out;
    }
    if (text.find("://") != text.npos) return problem("is a URL; an address is wanted here");
    const auto colon = text.rfind(':');
    if (colon == text.npos) {
        if (parse_port(text))
            return problem("has no address; for every interface: 0.0.0.0:" + std::string(text) +
                           " or [::]:" + std::string(text));
        return problem("has no port");
    }
    auto host = text.substr(0, colon);
    const auto port = parse_port(text.substr(colon + 1));
    if (host.find(':') != host.npos && !(host.starts_with('[') && host.ends_with(']'))) {
        if (parse_address(text)) return problem("is IPv6 without brackets and port");
        return problem("is IPv6 without brackets");
    }
    if (!port) return problem("has no port between 0 and 65535");
    if (host.empty())
        return problem("has no address; for every interface: 0.0.0.0" + std::string(text) +
                       " or [::]" + std::string(text));
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    const auto address = parse_address(host);
    if (!address) return problem("has no address of this machine (names are not looked up)");
    if (bracketed != (address->bits == 128)) return problem("has brackets around IPv4");
    out.host = to_text(*address);
    out.port = *port;
    return out;
}

Parsed<Cidr> parse_cidr(std::string_view text) {
    if (text == "unix") return Cidr{std::string(text)};
    const auto slash = text.find('/');
    auto address = parse_address(text.substr(0, slash));
    if (!address)
        return std::string(
            "is not an address range; write 10.0.0.0/8, fd00::/8, one address (names are not "
            "looked up), or unix for whoever connects to a unix socket");
    if (slash == text.npos) return Cidr{std::string(text)};
    const auto prefix = parse_port(text.substr(slash + 1));
    if (!prefix || *prefix > address->bits)
        return "needs a prefix length from 1 to " + std::to_string(address->bits);
    if (*prefix == 0)
        return std::string(
            "is every address: any client could then claim another's address and scheme; name the "
            "proxies in front of Cordgate");
    const auto before = address->bytes;
    clear_host_bits(*address, *prefix);
    if (address->bytes != before)
        return "has bits behind its prefix; did you mean " + to_text(*address) + "/" +
               std::to_string(*prefix) + "?";
    return Cidr{std::string(text)};
}

bool is_host_name(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    while (true) {
        const auto dot = text.find('.');
        const auto label = text.substr(0, dot);
        const bool good = !label.empty() && label.size() <= 63 && label.front() != '-' &&
                          label.back() != '-' &&
                          std::all_of(label.begin(), label.end(),
                                      [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
        if (!good) return false;
        if (dot == text.npos) return true;
        text.remove_prefix(dot + 1);
    }
}

bool is_ip_address(std::string_view text) {
    return parse_address(text).has_value();
}

bool is_local(const Endpoint& endpoint) {
    return !endpoint.unix_path.empty() || is_loopback(endpoint.host);
}

bool reaches(const std::string& host, std::uint16_t port, const std::string& unix_path,
             const Endpoint& endpoint) {
    if (!unix_path.empty() || !endpoint.unix_path.empty()) return unix_path == endpoint.unix_path;
    if (port != endpoint.port || port == 0) return false;
    if (host == endpoint.host) return true;
    // Connecting to 0.0.0.0 reaches loopback; a wildcard listener is everywhere on it.
    const bool to_self = is_loopback(host) || is_wildcard(host);
    return to_self && (is_wildcard(endpoint.host) || (host == "localhost" && is_local(endpoint)));
}

std::string Endpoint::to_string() const {
    if (!unix_path.empty()) return "unix:" + unix_path;
    const bool v6 = host.find(':') != host.npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace cordgate::config
