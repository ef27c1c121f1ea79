#pragma once

#include <memory>
#include <string>

#include "store/redis_socket.hpp"

struct ssl_ctx_st;

namespace cordgate::redis {

/// TLS towards Redis: 1.2 or newer, the server's certificate and name verified.
/// Our own, because hiredis has none in Debian 12, and later ones check no name.
/// Immutable; safe from any thread.
class TlsContext {
public:
    /// `ca_file`: what is trusted; empty: the system's authorities. Throws
    /// std::runtime_error with a sentence for people.
    explicit TlsContext(const std::string& ca_file);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    /// Shakes hands over `socket` with whom `host` names, a name or an address.
    Result<std::unique_ptr<Stream>> connect(std::unique_ptr<Stream> socket, const std::string& host,
                                            Deadline deadline) const;

private:
    ssl_ctx_st* context_;
};

}  // namespace cordgate::redis
