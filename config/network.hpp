#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "config/units.hpp"

namespace cordgate::config {

/// host:port, [v6]:port or unix:/path, or what is wrong with it. The host is an
/// address or "localhost", which becomes 127.0.0.1.
Parsed<Endpoint> parse_endpoint(std::string_view text);

/// An address or a range whose host bits are zero; ranges of everything are
/// refused: they would let any client say who it is.
Parsed<Cidr> parse_cidr(std::string_view text);

/// Letters, digits and hyphens between dots (RFC 952, RFC 1123); lower or upper case.
bool is_host_name(std::string_view text);
bool is_ip_address(std::string_view text);

/// Whether only this machine can reach it.
bool is_local(const Endpoint& endpoint);

/// Whether a connection to `host`:`port` or `unix_path` would reach `endpoint`.
bool reaches(const std::string& host, std::uint16_t port, const std::string& unix_path,
             const Endpoint& endpoint);

}  // namespace cordgate::config
