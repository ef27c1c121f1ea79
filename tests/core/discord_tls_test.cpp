// Whom the client believes to be Discord.

#include <doctest/doctest.h>
#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "core/discord/calls.hpp"
#include "core/discord/client.hpp"

using namespace cordgate;
using namespace cordgate::discord;
using namespace std::chrono_literals;

namespace {

struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
};

/// A certificate that signs itself, for `names` ("DNS:localhost").
struct Certificate {
    Certificate(const std::string& names, long begins_in, long ends_in)
        : key(EVP_RSA_gen(2048)), x509(X509_new()) {
        X509_set_version(x509.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
        X509_gmtime_adj(X509_getm_notBefore(x509.get()), begins_in);
        X509_gmtime_adj(X509_getm_notAfter(x509.get()), ends_in);
        X509_set_pubkey(x509.get(), key.get());
        X509_NAME* const name = X509_get_subject_name(x509.get());
        const auto* const text = reinterpret_cast<const unsigned char*>("test");
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
        X509_set_issuer_name(x509.get(), name);
        X509_EXTENSION* const extension =
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
        REQUIRE(extension);
        X509_add_ext(x509.get(), extension, -1);
        X509_EXTENSION_free(extension);
        REQUIRE(X509_sign(x509.get(), key.get(), EVP_sha256()) > 0);
    }
    std::unique_ptr<EVP_PKEY, Free> key;
    std::unique_ptr<X509, Free> x509;
};

/// The certificate as a file, for ca_file.
class PemFile {
public:
    explicit PemFile(const Certificate& certificate) {
        char name[] = "/tmp/cordgate-test-XXXXXX";
        const int descriptor = ::mkstemp(name);
        REQUIRE(descriptor >= 0);
        path = name;
        FILE* const file = ::fdopen(descriptor, "w");
        REQUIRE(PEM_write_X509(file, certificate.x509.get()) == 1);
        std::fclose(file);
    }
    ~PemFile() { ::unlink(path.c_str()); }
    std::string path;
};

template <class Server>
class Running {
public:
    template <class... Arguments>
    explicit Running(Arguments... arguments) : server(arguments...) {
        server.Get(".*", [](const httplib::Request&, httplib::Response& response) {
            response.set_content(R"({"id":"7","username":"a"})", "application/json");
        });
        port = server.bind_to_any_port("127.0.0.1");
        thread = std::thread([this] { server.listen_after_bind(); });
        while (!server.is_running()) std::this_thread::yield();
    }
    ~Running() {
        server.stop();
        thread.join();
    }
    Server server;
    int port = 0;
    std::thread thread;
};

Result<User> ask(int port, const std::string& host, const std::string& ca_file) {
    ClientOptions options;
    options.api_url = "https://" + host + ":" + std::to_string(port);
    options.ca_file = ca_file;
    options.total_timeout = 5s;
    options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
        return std::vector<std::string>{"127.0.0.1"};
    };
    auto fetched = fetch_user(*make_client(options), Secret("at"));
    if (!fetched) return fetched.error();
    return std::move(fetched->value);
}

}  // namespace

TEST_CASE("client: M18 K11 only a certificate that is trusted, current and Discord's own will do") {
    struct Row {
        const char* names;
        long begins_in;
        long ends_in;
        bool is_trusted;
        bool works;
    };
    const Row rows[] = {
        {"DNS:discord.test",      -60,   3600, true,  true },
        {"DNS:*.test",            -60,   3600, true,  true },
        {"DNS:discord.test",      -60,   3600, false, false}, // nobody vouches for it
        {"DNS:evil.test",         -60,   3600, true,  false},
        {"DNS:evil.discord.test", -60,   3600, true,  false},
        {"IP:127.0.0.1",          -60,   3600, true,  false}, // the address is not the name
        {"DNS:discord.test",      -3600, -60,  true,  false},
        {"DNS:discord.test",      3600,  7200, true,  false},
    };
    for (const auto& row : rows) {
        CAPTURE(row.names);
        CAPTURE(row.ends_in);
        const Certificate certificate(row.names, row.begins_in, row.ends_in);
        const PemFile file(certificate);
        Running<httplib::SSLServer> discord(certificate.x509.get(), certificate.key.get());
        const auto user = ask(discord.port, "discord.test", row.is_trusted ? file.path : "");
        CHECK(user.has_value() == row.works);
        if (!user) CHECK(user.error().kind == ErrorKind::unavailable);
    }
}

TEST_CASE("client: M18 somebody who speaks no TLS is not Discord") {
    Running<httplib::Server> plain;
    const auto user = ask(plain.port, "discord.test", "");
    REQUIRE_FALSE(user);
    CHECK(
        (user.error().kind == ErrorKind::unavailable || user.error().kind == ErrorKind::timed_out));
}
