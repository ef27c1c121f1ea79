#include "proxy/tls.hpp"

#include <openssl/ssl.h>

#include <stdexcept>

#include "proxy/client_address.hpp"

namespace cordgate::proxy {
namespace ssl = boost::asio::ssl;
namespace {

[[noreturn]] void refuse(const std::string& key, const std::string& file,
                         const boost::system::error_code& error) {
    throw std::runtime_error(key + ": cannot use " + file + ": " + error.message());
}

}  // namespace

std::shared_ptr<ssl::context> make_server_tls(const config::Tls& tls) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    context->set_options(ssl::context::no_compression);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
    boost::system::error_code error;
    context->use_certificate_chain_file(tls.cert_file, error);
    if (error) refuse("server.tls.cert_file", tls.cert_file, error);
    context->use_private_key_file(tls.key_file, ssl::context::pem, error);
    if (error) refuse("server.tls.key_file", tls.key_file, error);
    if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
        throw std::runtime_error("server.tls: the key in " + tls.key_file +
                                 " does not belong to the certificate in " + tls.cert_file);
    }
    return context;
}

std::shared_ptr<ssl::context> make_client_tls(const std::string& ca_file) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    boost::system::error_code error;
    context->set_default_verify_paths(error);
    if (error) {
        throw std::runtime_error("cannot load the system's CA certificates: " + error.message());
    }
    if (!ca_file.empty()) context->load_verify_file(ca_file, error);
    if (error) refuse("upstreams: tls.ca_file", ca_file, error);
    return context;
}

bool is_drained(ssl_st& connection) {
    char byte = 0;
    const int got = SSL_peek(&connection, &byte, 1);
    return got <= 0 && SSL_get_error(&connection, got) == SSL_ERROR_WANT_READ;
}

void set_server_name(ssl_st& connection, const std::string& name) {
    if (IpAddress::parse(name)) return;
    SSL_ctrl(&connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(name.c_str()));
}

}  // namespace cordgate::proxy
