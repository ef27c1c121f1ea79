#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "config/settings.hpp"

namespace cordgate::proxy {

/// A server's context: TLS 1.2 and 1.3, no renegotiation, no compression, no
/// tickets across restarts. Throws std::runtime_error that names the file.
std::shared_ptr<boost::asio::ssl::context> make_server_tls(const config::Tls& tls);

/// A context for connections to upstreams: the system's CAs, and `ca_file` where
/// given. Throws std::runtime_error that names the file.
std::shared_ptr<boost::asio::ssl::context> make_client_tls(const std::string& ca_file);

/// Nothing that was decrypted, or can be from what was read, waits to be taken.
bool is_drained(ssl_st& connection);

/// SNI (RFC 6066, 3); nothing for addresses, which it does not allow.
void set_server_name(ssl_st& connection, const std::string& name);

}  // namespace cordgate::proxy
