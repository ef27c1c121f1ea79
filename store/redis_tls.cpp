#include "store/redis_tls.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <stdexcept>

namespace cordgate::redis {
namespace {

std::string openssl_text() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown reason";
    const char* const reason = ERR_reason_error_string(code);
    return reason ? reason : "error " + std::to_string(code);
}

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};

/// Encrypts into memory and sends that itself, so that the deadlines are the
/// socket's.
class TlsStream final : public Stream {
public:
    TlsStream(std::unique_ptr<Stream> socket, SSL* ssl) : socket_(std::move(socket)), ssl_(ssl) {
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl);
    }

    Result<void> shake_hands(Deadline deadline) {
        return until_done([&] { return SSL_do_handshake(ssl_.get()); }, deadline);
    }

    Result<void> write(std::string_view bytes, Deadline deadline) override {
        std::size_t written = 0;
        while (!bytes.empty()) {
            auto done = until_done(
                [&] { return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written); },
                deadline);
            if (!done) return done.error();
            bytes.remove_prefix(written);
        }
        return {};
    }

    Result<std::size_t> read(char* buffer, std::size_t size, Deadline deadline) override {
        std::size_t got = 0;
        auto done =
            until_done([&] { return SSL_read_ex(ssl_.get(), buffer, size, &got); }, deadline);
        if (!done) return done.error();
        return got;
    }

    // A record that came unasked is not always data (session tickets of TLS 1.3):
    // what it is shows when it is read; until then the connection counts as quiet.
    bool is_quiet() const override {
        if (SSL_pending(ssl_.get()) > 0) return false;
        if (socket_->is_quiet()) return true;
        auto* const self = const_cast<TlsStream*>(this);
        char byte = 0;
        const auto got = self->read(&byte, 1, SteadyClock::now());
        return !got && got.error().kind == ErrorKind::timed_out;
    }

private:
    // Whatever `step` wants to send or has to hear first.
    template <class Step>
    Result<void> until_done(Step step, Deadline deadline) {
        for (;;) {
            ERR_clear_error();
            const int result = step();
            const int code = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
            const auto why = code == SSL_ERROR_SSL ? describe() : std::string();
            if (auto sent = flush(deadline); !sent) return sent.error();
            if (code == SSL_ERROR_NONE) return {};
            if (code == SSL_ERROR_ZERO_RETURN) {
                return store_error(ErrorKind::closed, "Redis closed the TLS connection");
            }
            if (code != SSL_ERROR_WANT_READ) {
                return store_error(ErrorKind::unavailable, "Redis: TLS: " + why);
            }
            std::array<char, 16 * 1024> buffer;
            const auto got = socket_->read(buffer.data(), buffer.size(), deadline);
            if (!got) return got.error();
            BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(*got));
        }
    }

    Result<void> flush(Deadline deadline) {
        char* bytes = nullptr;
        BIO* const out = SSL_get_wbio(ssl_.get());
        const auto size = BIO_get_mem_data(out, &bytes);
        if (size <= 0) return {};
        const std::string sealed(bytes, static_cast<std::size_t>(size));
        (void)BIO_reset(out);
        return socket_->write(sealed, deadline);
    }

    std::string describe() const {
        const auto verdict = SSL_get_verify_result(ssl_.get());
        auto text = openssl_text();
        if (verdict != X509_V_OK) {
            text += " (" + std::string(X509_verify_cert_error_string(verdict)) + ")";
        }
        return text;
    }

    std::unique_ptr<Stream> socket_;
    std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace

TlsContext::TlsContext(const std::string& ca_file) : context_(SSL_CTX_new(TLS_client_method())) {
    if (!context_) throw std::runtime_error("TLS cannot be used: " + openssl_text());
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    const bool loaded =
        ca_file.empty() ? SSL_CTX_set_default_verify_paths(context_) == 1
                        : SSL_CTX_load_verify_locations(context_, ca_file.c_str(), nullptr) == 1;
    if (!loaded) {
        const auto why = openssl_text();
        SSL_CTX_free(context_);
        throw std::runtime_error("session.store: the certificates in " +
                                 (ca_file.empty() ? "the system's store" : ca_file) +
                                 " cannot be used: " + why);
    }
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

Result<std::unique_ptr<Stream>> TlsContext::connect(std::unique_ptr<Stream> socket,
                                                    const std::string& host,
                                                    Deadline deadline) const {
    SSL* const ssl = SSL_new(context_);
    if (!ssl) return store_error(ErrorKind::internal, "Redis: TLS: " + openssl_text());
    auto stream = std::make_unique<TlsStream>(std::move(socket), ssl);
    const bool named =
        is_address(host)
            ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
            : SSL_set1_host(ssl, host.c_str()) == 1 &&
                  SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                           const_cast<char*>(host.c_str())) == 1;
    if (!named) return store_error(ErrorKind::internal, "Redis: TLS: " + openssl_text());
    if (auto done = stream->shake_hands(deadline); !done) return done.error();
    return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace cordgate::redis
