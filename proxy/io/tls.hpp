#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "config/settings.hpp"

// OpenSSL, as far as streams need it (RFC 8446, RFC 9325). Nothing here waits:
// descriptors are non-blocking, and who calls comes again when they are ready.

struct ssl_ctx_st;
struct ssl_st;

namespace cordgate::proxy {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

/// TLS 1.2 and 1.3 for a server, HTTP/1.1 only (ALPN), no renegotiation, no
/// compression, no early data. Throws std::runtime_error that names the file.
TlsContext make_server_tls(const config::Tls& tls);

/// For connections to upstreams: the system's CAs, and `ca_file` where given.
/// Throws std::runtime_error that names the file.
TlsContext make_client_tls(const std::string& ca_file);

/// One connection's TLS over a non-blocking descriptor that it does not own.
/// Not thread-safe.
class TlsSession {
public:
    enum class Step {
        done,   ///< what was asked has happened
        again,  ///< the descriptor was not ready
        ended,  ///< the peer has finished, and said so (close_notify)
        failed  ///< see problem(); the session is of no further use
    };

    /// As the server of a connection.
    TlsSession(const TlsContext& context, int fd);
    /// As its client. `server_name` for SNI (RFC 6066, 3) and, with `verify`, for
    /// what the certificate must say (RFC 9525).
    TlsSession(const TlsContext& context, int fd, const std::string& server_name, bool verify);

    Step handshake();
    /// At least one byte. An end without close_notify is a failure: it may be an
    /// attacker's (RFC 9112, 9.8).
    Step read(std::span<char> into, std::size_t& size);
    /// Some of `bytes`; after `again` with the same bytes, maybe elsewhere.
    Step write(std::string_view bytes, std::size_t& size);
    /// Something can be read, without taking it.
    Step peek();
    /// Says close_notify, and does not wait for the peer's.
    void finish();

    const std::string& problem() const { return problem_; }
    /// The handshake failed because the peer speaks HTTP without TLS.
    bool heard_plain_http() const { return heard_plain_http_; }

private:
    struct Free {
        void operator()(ssl_st* session) const;
    };

    Step outcome(int result, std::string_view what);

    TlsContext context_;
    std::unique_ptr<ssl_st, Free> session_;
    std::string problem_;
    bool heard_plain_http_ = false;
};

}  // namespace cordgate::proxy
