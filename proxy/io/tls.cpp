#include "proxy/io/tls.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace cordgate::proxy {
namespace {

/// What OpenSSL has to say, and nothing of it is left for the next call.
std::string take_openssl_error() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown reason";
    if (const auto* reason = ERR_reason_error_string(code)) return reason;
    if (ERR_SYSTEM_ERROR(code)) return std::strerror(static_cast<int>(ERR_GET_REASON(code)));
    return "OpenSSL error " + std::to_string(code);
}

[[noreturn]] void refuse(const std::string& key, const std::string& file) {
    throw std::runtime_error(key + ": cannot use " + file + ": " + take_openssl_error());
}

TlsContext make_context(const SSL_METHOD* method) {
    TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
    if (!context) throw std::runtime_error("cannot use OpenSSL: " + take_openssl_error());
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    // An idle connection keeps no buffers.
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    return context;
}

/// RFC 7301, 3.2: a client that names protocols, but not ours, is refused.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
    static constexpr unsigned char http11[] = "\x08http/1.1";
    unsigned char* out = nullptr;
    if (SSL_select_next_proto(&out, size, http11, sizeof http11 - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = out;
    return SSL_TLSEXT_ERR_OK;
}

/// SNI does not allow addresses, and certificates name them in another field.
bool is_ip_address(const std::string& name) {
    in6_addr address{};
    return ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

/// A key that is encrypted cannot be asked for: there is nobody at a terminal.
int no_passphrase(char*, int, int, void*) {
    return 0;
}

}  // namespace

TlsContext make_server_tls(const config::Tls& tls) {
    auto context = make_context(TLS_server_method());
    auto* const raw = context.get();
    SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
    SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
    if (SSL_CTX_use_certificate_chain_file(raw, tls.cert_file.c_str()) != 1) {
        refuse("server.tls.cert_file", tls.cert_file);
    }
    // One that was renewed, but not here, is found out before any browser is turned away.
    const auto* const ends = X509_get0_notAfter(SSL_CTX_get0_certificate(raw));
    if (X509_cmp_current_time(ends) < 0) {
        throw std::runtime_error("server.tls.cert_file: " + tls.cert_file + " has expired");
    }
    const bool usable =
        SSL_CTX_use_PrivateKey_file(raw, tls.key_file.c_str(), SSL_FILETYPE_PEM) == 1;
    const bool another = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    if (!usable && !another) refuse("server.tls.key_file", tls.key_file);
    if (another || SSL_CTX_check_private_key(raw) != 1) {
        ERR_clear_error();
        throw std::runtime_error("server.tls: the key in " + tls.key_file +
                                 " does not belong to the certificate in " + tls.cert_file);
    }
    return context;
}

TlsContext make_client_tls(const std::string& ca_file) {
    auto context = make_context(TLS_client_method());
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1) {
        throw std::runtime_error("cannot load the system's CA certificates: " +
                                 take_openssl_error());
    }
    if (!ca_file.empty() &&
        SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1) {
        refuse("upstreams: tls.ca_file", ca_file);
    }
    return context;
}

void TlsSession::Free::operator()(ssl_st* session) const {
    SSL_free(session);
}

TlsSession::TlsSession(const TlsContext& context, int fd)
    : context_(context), session_(SSL_new(context.get())) {
    if (!session_ || SSL_set_fd(session_.get(), fd) != 1) problem_ = take_openssl_error();
    if (session_) SSL_set_accept_state(session_.get());
}

TlsSession::TlsSession(const TlsContext& context, int fd, const std::string& server_name,
                       bool verify)
    : context_(context), session_(SSL_new(context.get())) {
    if (!session_ || SSL_set_fd(session_.get(), fd) != 1) problem_ = take_openssl_error();
    if (!session_) return;
    SSL_set_connect_state(session_.get());
    const bool is_address = is_ip_address(server_name);
    if (!is_address) {
        SSL_ctrl(session_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(server_name.c_str()));
    }
    if (!verify) return;
    SSL_set_verify(session_.get(), SSL_VERIFY_PEER, nullptr);
    auto* const expected = SSL_get0_param(session_.get());
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set =
        is_address ? X509_VERIFY_PARAM_set1_ip_asc(expected, server_name.c_str())
                   : X509_VERIFY_PARAM_set1_host(expected, server_name.c_str(), server_name.size());
    if (set != 1) problem_ = take_openssl_error();
}

TlsSession::Step TlsSession::outcome(int result, std::string_view what) {
    const int saved = errno;
    switch (SSL_get_error(session_.get(), result)) {
        case SSL_ERROR_NONE: return Step::done;
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: return Step::again;
        case SSL_ERROR_ZERO_RETURN: return Step::ended;
        case SSL_ERROR_SYSCALL:
            problem_ = std::string(what) + ": " + (saved ? std::strerror(saved) : "cut off");
            ERR_clear_error();
            return Step::failed;
        default: {
            heard_plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
            const auto verdict = SSL_get_verify_result(session_.get());
            problem_ = std::string(what) + ": " + take_openssl_error();
            if (verdict != X509_V_OK) {
                problem_ += std::string(" (") + X509_verify_cert_error_string(verdict) + ")";
            }
            return Step::failed;
        }
    }
}

TlsSession::Step TlsSession::handshake() {
    if (!problem_.empty()) return Step::failed;
    ERR_clear_error();
    errno = 0;
    return outcome(SSL_do_handshake(session_.get()), "TLS handshake");
}

TlsSession::Step TlsSession::read(std::span<char> into, std::size_t& size) {
    ERR_clear_error();
    errno = 0;
    return outcome(SSL_read_ex(session_.get(), into.data(), into.size(), &size), "TLS read");
}

TlsSession::Step TlsSession::write(std::string_view bytes, std::size_t& size) {
    ERR_clear_error();
    errno = 0;
    return outcome(SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &size), "TLS write");
}

TlsSession::Step TlsSession::peek() {
    ERR_clear_error();
    errno = 0;
    char byte = 0;
    std::size_t size = 0;
    return outcome(SSL_peek_ex(session_.get(), &byte, 1, &size), "TLS read");
}

void TlsSession::finish() {
    ERR_clear_error();
    // A session that failed must not be shut down, says SSL_shutdown(3).
    if (problem_.empty()) SSL_shutdown(session_.get());
    ERR_clear_error();
}

}  // namespace cordgate::proxy
