#include <doctest/doctest.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "support.hpp"

using namespace cordgate;
using namespace cordgate::test;

namespace {

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

/// A certificate that vouches for itself, for the names in `names`.
void make_certificate(const std::string& cert_path, const std::string& key_path,
                      const std::string& names) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    REQUIRE(key);
    X509* const cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600L * 24);
    X509_set_pubkey(cert, key);
    auto* const name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(cert, name);
    for (const auto& [kind, value] : {
             std::pair<int, std::string>{NID_subject_alt_name,  names             },
             {NID_basic_constraints, "critical,CA:TRUE"}
    }) {
        auto* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
        REQUIRE(extension);
        X509_add_ext(cert, extension, -1);
        X509_EXTENSION_free(extension);
    }
    REQUIRE(X509_sign(cert, key, EVP_sha256()) > 0);
    const auto write = [](const std::string& path, auto put) {
        BIO* const file = BIO_new_file(path.c_str(), "w");
        REQUIRE(file);
        REQUIRE(put(file) == 1);
        BIO_free(file);
    };
    write(cert_path, [&](BIO* file) { return PEM_write_bio_X509(file, cert); });
    write(key_path, [&](BIO* file) {
        return PEM_write_bio_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    X509_free(cert);
    EVP_PKEY_free(key);
}

}  // namespace

TEST_CASE("L26 over TLS Redis is believed only with the right certificate and name") {
    const TempDir directory;
    const auto cert = directory.file("cert.pem");
    const auto other = directory.file("other.pem");
    const auto key = directory.file("key.pem");
    make_certificate(other, key, "DNS:localhost,IP:127.0.0.1");
    make_certificate(cert, key, "DNS:localhost,IP:127.0.0.1");
    const auto port = free_port();
    const auto start = [&] {
        return std::vector<std::string>{"--tls-port",
                                        std::to_string(port),
                                        "--bind",
                                        "127.0.0.1",
                                        "--tls-cert-file",
                                        cert,
                                        "--tls-key-file",
                                        key,
                                        "--tls-ca-cert-file",
                                        cert,
                                        "--tls-auth-clients",
                                        "no"};
    };
    const auto url_of = [&](const std::string& scheme, const std::string& host,
                            const std::string& ca) {
        const auto url = RedisUrl::parse(scheme + host + ":" + std::to_string(port) + "/1" +
                                         (ca.empty() ? "" : "?ca_file=" + ca));
        REQUIRE(url);
        return *url;
    };
    const auto warning = [&](const RedisUrl& url, std::chrono::milliseconds time = patience) {
        auto options = at_noon();
        options.connect_timeout = options.command_timeout = time;
        const RedisStore store(url, options);
        const auto& all = store.warnings();
        return all.empty() ? std::string() : all.front();
    };
    RedisServer server(start());

    SUBCASE("the right one") {
        RedisStore store(url_of("rediss://", "localhost", cert), at_noon());
        for (int i = 0; i < 20; ++i) {
            auto row = session_row(std::to_string(i));
            row.sealed = std::string(static_cast<std::size_t>(i) * 5000, 's');  // many TLS records
            REQUIRE(store.insert(row));
            CHECK(store.find(row.key)->value().sealed == row.sealed);
        }
        CHECK(store.list("", "", 100)->rows.size() == 20);
        RedisEvents events(url_of("rediss://", "127.0.0.1", cert));
        std::atomic<int> heard{0};
        const auto subscription = events.subscribe([&](const std::string&) { ++heard; });
        REQUIRE(comes_true(
            [&] { return events.heard_since(std::chrono::steady_clock::now()).has_value(); }));
        REQUIRE(*store.erase(sha256("1")));
        CHECK(comes_true([&] { return heard > 0; }));
        server.kill();
        CHECK_FALSE(store.ping());
        server.start();
        CHECK(comes_true([&] { return store.ping().has_value(); }));
    }
    SUBCASE("one that nobody vouches for") {
        CHECK(contains(warning(url_of("rediss://", "localhost", "")), "certificate verify failed"));
        CHECK(contains(warning(url_of("rediss://", "localhost", other)),
                       "certificate verify failed"));
    }
    SUBCASE("one for another name") {
        server.kill();
        make_certificate(cert, key, "DNS:redis.example,IP:192.0.2.1");
        server.start();
        CHECK(contains(warning(url_of("rediss://", "localhost", cert)), "ostname mismatch"));
        CHECK(contains(warning(url_of("rediss://", "127.0.0.1", cert)), "IP address mismatch"));
    }
    SUBCASE("TLS here and none there, and the other way round") {
        CHECK_FALSE(warning(url_of("redis://", "127.0.0.1", ""), 2s).empty());
        const auto plain = free_port();
        RedisServer without({"--port", std::to_string(plain), "--bind", "127.0.0.1"});
        auto url = url_of("rediss://", "127.0.0.1", cert);
        url.port = static_cast<std::uint16_t>(plain);
        CHECK(contains(warning(url, 2s), "Redis"));
    }
    SUBCASE("a file that holds no certificate") {
        const auto why =
            complaint([&] { RedisStore store(url_of("rediss://", "localhost", key), at_noon()); });
        CHECK(contains(why, key));
    }
}
