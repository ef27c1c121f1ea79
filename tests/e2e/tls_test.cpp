#include <doctest/doctest.h>

#include <httplib.h>
#include <poll.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/stage.hpp"

// TLS on both sides: group K. Certificates are made here with Debian's openssl.

using namespace cordgate;
using namespace cordgate::test;

namespace {

/// What a shell command says; its exit code is asked for where it matters.
std::string shell(const std::string& command) {
    std::string out;
    FILE* const pipe = ::popen(("exec 2>&1; " + command).c_str(), "r");
    char piece[4096];
    while (const auto size = std::fread(piece, 1, sizeof piece, pipe)) out.append(piece, size);
    ::pclose(pipe);
    return out;
}

/// A self-signed certificate and its key in `folder`.
void make_certificate(const TemporaryFolder& folder, const std::string& name,
                      const std::string& host, const std::string& days = "30") {
    shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days " +
          days + " -subj /CN=" + host + " -addext subjectAltName=DNS:" + host +
          ",IP:127.0.0.1 -keyout " + folder.file(name + ".key") + " -out " +
          folder.file(name + ".pem"));
    std::filesystem::permissions(
        folder.file(name + ".key"),
        std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

/// A folder with a certificate in it.
struct Certified : TemporaryFolder {
    Certified() { make_certificate(*this, "gate", "app.example"); }
};

/// The same certificate, whose time was over yesterday.
void let_expire(const TemporaryFolder& folder, const std::string& name) {
    const auto pem = folder.file(name + ".pem");
    shell("openssl x509 -in " + pem + " -signkey " + folder.file(name + ".key") +
          " -days -1 -out " + pem + ".new && mv " + pem + ".new " + pem);
}

/// Answers everything, over TLS 1.0 only: as everybody did twenty years ago.
class AncientServer {
public:
    AncientServer(const std::string& cert, const std::string& key)
        : server_([&](SSL_CTX& context) {
              SSL_CTX_set_security_level(&context, 0);
              SSL_CTX_set_min_proto_version(&context, TLS1_VERSION);
              SSL_CTX_set_max_proto_version(&context, TLS1_VERSION);
              return SSL_CTX_use_certificate_chain_file(&context, cert.c_str()) == 1 &&
                     SSL_CTX_use_PrivateKey_file(&context, key.c_str(), SSL_FILETYPE_PEM) == 1;
          }) {
        server_.set_pre_routing_handler([this](const httplib::Request&, httplib::Response& out) {
            ++asked;
            out.set_content("{}", "application/json");
            return httplib::Server::HandlerResponse::Handled;
        });
        port = server_.bind_to_any_port("127.0.0.1");
        thread_ = std::thread([this] { server_.listen_after_bind(); });
        const auto lax = shell(
            "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 20 openssl s_client -ign_eof -tls1 "
            "-cipher ALL:@SECLEVEL=0 -connect 127.0.0.1:" +
            std::to_string(port));
        CHECK_MESSAGE(contains(lax, "200 OK"), lax);
        asked = 0;
    }
    ~AncientServer() {
        server_.stop();
        thread_.join();
    }
    std::atomic<int> asked = 0;
    int port = 0;

private:
    httplib::SSLServer server_;
    std::thread thread_;
};

/// A gate that speaks TLS.
struct Secure {
    explicit Secure(const std::string& more = "")
        : stage({.public_url = "https://app.example",
                 .server = "tls: {cert_file: '" + folder.file("gate.pem") + "', key_file: '" +
                           folder.file("gate.key") + "'}" + more}) {}

    Certified folder;
    Stage stage;

    /// openssl s_client with these options, which asks for /public/x.
    std::string client(const std::string& options) const {
        return shell(
            "printf 'GET /public/x HTTP/1.1\\r\\nHost: app.example\\r\\nConnection: "
            "close\\r\\n\\r\\n' | timeout 20 openssl s_client -ign_eof -connect 127.0.0.1:" +
            std::to_string(stage.port()) + " -CAfile " + folder.file("gate.pem") + " " + options);
    }
};

}  // namespace

TEST_CASE("K1 K5 K7 K8 a listener with a certificate speaks TLS 1.2 and 1.3, and nothing older") {
    struct Row {
        std::string id;
        std::string options;
        std::string says;
    };
    const std::string served = "HTTP/1.1 200 OK";
    // clang-format off
    const Row rows[] = {
        {"K1 TLS 1.3", "-tls1_3", served},
        {"K1 TLS 1.2", "-tls1_2", served},
        {"K1 TLS 1.1", "-tls1_1 -cipher ALL:@SECLEVEL=0", "alert protocol version"},
        {"K1 TLS 1.0", "-tls1 -cipher ALL:@SECLEVEL=0", "alert protocol version"},
        {"K1 verified", "-servername app.example -verify_hostname app.example", "Verify return code: 0 (ok)"},
        {"K5 no name", "-noservername", served},
        {"K5 unknown name", "-servername other.example", served},
        {"K5 upper case", "-servername APP.EXAMPLE", served},
        {"K5 trailing dot", "-servername app.example.", served},
        {"K5 an address", "-servername 127.0.0.1", served},
        {"K7 HTTP/1.1", "-alpn http/1.1", served},
        {"K8 secure renegotiation is offered, and early data is not", "-tls1_3", "Max Early Data: 0"},
    };
    // clang-format on
    Secure secure;
    for (const auto& row : rows) {
        CAPTURE(row.id);
        const auto said = secure.client(row.options);
        CHECK_MESSAGE(contains(said, row.says), said);
        if (contains(row.says, "alert")) CHECK_FALSE(contains(said, served));
    }
    SUBCASE("K7 a client that only speaks h2 gets HTTP/1.1 or no connection") {
        const auto said = secure.client("-alpn h2");
        CHECK((contains(said, "no application protocol") || contains(said, served)));
        CHECK_FALSE(contains(said, "ALPN protocol: h2"));
    }
    SUBCASE("K8 a renegotiation that the client asks for is refused") {
        // It may end with its input, before the answer has come.
        CHECK(comes_true([&] {
            const auto said = shell(
                "(printf 'R\\n'; sleep 1) | timeout 20 openssl s_client -tls1_2 -connect "
                "127.0.0.1:" +
                std::to_string(secure.stage.port()));
            return contains(said, "RENEGOTIATING") &&
                   (contains(said, "no renegotiation") || contains(said, "unexpected message") ||
                    contains(said, "handshake failure") || contains(said, ":error:"));
        }));
    }
    CHECK(secure.stage.app.count() >= 8);
}

TEST_CASE("K2 K9 another protocol, or half of a handshake, ends and leaves the others alone") {
    SUBCASE("K2 HTTP on the port of TLS") {
        Secure secure;
        Wire wire(secure.stage.port());
        wire.send("GET /public/x HTTP/1.1\r\nHost: app.example\r\n\r\n");
        wire.finish_sending();
        const auto answer = wire.read_until_close();
        CHECK(contains(answer, "HTTP/1.1 400 "));
        CHECK(contains(answer, "try https:// instead"));
        CHECK(secure.stage.app.count() == 0);
        CHECK(secure.stage.gate().process().says("speaks HTTP without TLS where TLS is spoken"));
        CHECK(contains(secure.client(""), "200 OK"));
    }
    SUBCASE("K2 TLS on the port of HTTP") {
        Stage stage({.server = "timeouts: {header: 1h}"});
        Wire wire(stage.port());
        wire.send(std::string_view("\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03", 11));
        CHECK_MESSAGE(wire.read_response().status() == 400, "at once, not in an hour");
        CHECK(stage.gate().process().says("a TLS handshake where no TLS is spoken"));
        wire.finish_sending();
        CHECK(wire.read_until_close().empty());
    }
    SUBCASE("K9 half of a ClientHello") {
        Secure secure(", timeouts: {header: 3s}");
        Wire wire(secure.stage.port());
        wire.send(std::string_view("\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03", 11));
        CHECK(contains(secure.client(""), "200 OK"));
        wire.read_until_close();
        CHECK(secure.stage.app.count() == 1);
    }
}

TEST_CASE("K3 a certificate that cannot be used keeps the daemon from starting, and is named") {
    struct Row {
        std::string id;
        std::string prepare;  ///< in the folder
        std::string says;
    };
    // clang-format off
    const Row rows[] = {
        {"K3 missing", "rm gate.pem", "gate.pem"},
        {"K3 no certificate", "echo nonsense > gate.pem", "gate.pem"},
        {"K3 another's key", "openssl ecparam -genkey -name prime256v1 -noout > gate.key", "gate.key"},
        {"K3 expired", "openssl x509 -in gate.pem -signkey gate.key -days -1 -out old.pem && mv old.pem gate.pem", "gate.pem has expired"},
        {"K3 encrypted key", "openssl ec -in gate.key -aes256 -passout pass:x -out other.key && mv other.key gate.key", "gate.key"},
    };
    // clang-format on
    for (const auto& row : rows) {
        CAPTURE(row.id);
        TemporaryFolder folder;
        make_certificate(folder, "gate", "app.example");
        shell("cd " + folder.path().string() + " && " + row.prepare);
        folder.write("cordgate.yaml",
                     "server: {listen: ['127.0.0.1:0'], public_url: 'https://app.example', tls: "
                     "{cert_file: gate.pem, key_file: gate.key}}\n"
                     "discord: {client_id: '1100000000000000001', client_secret: 'a-secret-of-"
                     "this-table'}\nupstreams: [{url: 'http://127.0.0.1:3000'}]\n"
                     "session: {store: 'memory:'}\ninternal: {listen: '127.0.0.1:0'}\n");
        const auto finished = run(folder.path(), {"serve", "--config", "cordgate.yaml"});
        CHECK((finished.code == 1 || finished.code == 78));
        CHECK_MESSAGE(contains(finished.output, row.says), finished.output);
    }
    SUBCASE("K3 a key that others may read is named, too") {
        Secure secure;
        std::filesystem::permissions(secure.folder.file("gate.key"),
                                     std::filesystem::perms::others_read,
                                     std::filesystem::perm_options::add);
        const auto checked =
            run(secure.stage.folder.path(), {"check", "--config", "cordgate.yaml"});
        CHECK_MESSAGE(contains(checked.output, "gate.key can be read by every user"),
                      checked.output);
    }
}

TEST_CASE("K4 SIGHUP takes a new certificate up, and a broken one leaves the old in place") {
    Secure secure;
    const auto serial = [&] {
        return shell("timeout 20 openssl s_client -connect 127.0.0.1:" +
                     std::to_string(secure.stage.port()) +
                     " < /dev/null 2> /dev/null | openssl x509 -noout -serial");
    };
    const auto hang_up = [&](std::string_view said) {
        secure.stage.gate().process().signal(SIGHUP);
        return secure.stage.gate().process().says(said);
    };
    const auto old = serial();
    REQUIRE(contains(old, "serial="));
    // A connection that began under the old certificate goes on.
    const auto pem = secure.folder.file("gate.pem");
    std::filesystem::copy_file(pem, secure.folder.file("old.pem"));
    make_certificate(secure.folder, "gate", "app.example");
    REQUIRE(hang_up("settings and certificates are taken up"));
    const auto fresh = serial();
    CHECK(contains(fresh, "serial="));
    CHECK(fresh != old);
    secure.folder.write("gate.pem", "no certificate");
    REQUIRE(hang_up("the old settings stay"));
    CHECK(serial() == fresh);
    CHECK(contains(secure.stage.gate().log(), "gate.pem"));
    make_certificate(secure.folder, "gate", "app.example");
    std::filesystem::copy_file(secure.folder.file("old.pem"), pem,
                               std::filesystem::copy_options::overwrite_existing);
    secure.stage.gate().process().signal(SIGHUP);
    REQUIRE(secure.stage.gate().process().says("does not belong to the certificate"));
    CHECK(serial() == fresh);
}

TEST_CASE("K12 an https application is believed by its certificate") {
    TemporaryFolder folder;
    make_certificate(folder, "app", "app.internal");
    make_certificate(folder, "other", "other.internal");
    httplib::SSLServer server(folder.file("app.pem").c_str(), folder.file("app.key").c_str());
    server.Get("/public/x", [](const httplib::Request&, httplib::Response& out) {
        out.set_content("by TLS", "text/plain");
    });
    const int port = server.bind_to_any_port("127.0.0.1");
    std::thread thread([&] { server.listen_after_bind(); });
    struct Row {
        std::string id;
        std::string tls;
        int status;
        std::string discord = {};
    };
    const auto ca = "ca_file: '" + folder.file("app.pem") + "'";
    // clang-format off
    const Row rows[] = {
        {"K12 its CA and its name", ca + ", server_name: app.internal", 200},
        {"K12 its CA and its address", ca, 200},
        {"K12 nobody vouches for it", "server_name: app.internal", 502},
        {"K12 another's CA", "ca_file: '" + folder.file("other.pem") + "', server_name: app.internal", 502},
        {"K12 another name", ca + ", server_name: other.internal", 502},
        {"oauth2-proxy #6 whom Discord's CA vouches for", "server_name: app.internal", 502, ca},
        {"K12 any certificate, as was asked for", "insecure_skip_verify: true", 200},
    };
    // clang-format on
    for (const auto& row : rows) {
        CAPTURE(row.id);
        Stage stage({.upstreams = "[{url: 'https://127.0.0.1:" + std::to_string(port) +
                                  "', tls: {" + row.tls + "}}]",
                     .discord = row.discord});
        const auto answer = stage.ask(stage.request("GET /public/x", "Connection: close\r\n"));
        CHECK(answer.status() == row.status);
        if (row.status == 200) CHECK(answer.body == "by TLS");
        if (contains(row.id, "any")) CHECK(contains(stage.gate().log(), "insecure_skip_verify"));
    }
    server.stop();
    thread.join();

    SUBCASE("K12 expired, or of a TLS that nobody should speak") {
        const auto asked = [&](int at, const std::string& tls) {
            Stage stage({.upstreams = "[{url: 'https://127.0.0.1:" + std::to_string(at) +
                                      "', tls: {" + tls + "}}]"});
            return stage.ask(stage.request("GET /public/x", "Connection: close\r\n")).status();
        };
        make_certificate(folder, "old", "app.internal");
        let_expire(folder, "old");
        httplib::SSLServer expired(folder.file("old.pem").c_str(), folder.file("old.key").c_str());
        expired.Get("/public/x", [](const httplib::Request&, httplib::Response& out) {
            out.set_content("by TLS", "text/plain");
        });
        const int expired_port = expired.bind_to_any_port("127.0.0.1");
        std::thread serving([&] { expired.listen_after_bind(); });
        CHECK(asked(expired_port, "ca_file: '" + folder.file("old.pem") + "'") == 502);
        CHECK(asked(expired_port, "insecure_skip_verify: true") == 200);
        expired.stop();
        serving.join();

        AncientServer ancient(folder.file("app.pem"), folder.file("app.key"));
        CHECK(asked(ancient.port, ca) == 502);
        CHECK_MESSAGE(asked(ancient.port, "insecure_skip_verify: true") == 502, "not even then");
        CHECK(ancient.asked == 0);
    }
}

namespace {

/// An application by TLS that says more than its answer to /public/first, less than all of it
/// to /public/cut, and to any other request on which connection it came. It tells when there is
/// no more to come for a first one.
constexpr const char* odd_application = R"py(
import os, socket, ssl, sys, threading, time
how = sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], os.getpid(), flush=True)
def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
def serve(plain, number):
    try:
        wire = context.wrap_socket(plain, server_side=True)
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                piece = wire.recv(65536)
                if not piece: return
                data += piece
            head, data = data.split(b"\r\n\r\n", 1)
            if b" /public/cut " in head:
                wire.sendall(b"HTTP/1.0 200 OK\r\n\r\nhalf")
                wire.close()  # and no close_notify
                return
            elif b" /public/first " in head:
                surplus = answer(b"somebody else's")
                try:
                    if how == "one record": wire.sendall(answer(b"first") + surplus)
                    if how == "its own record": wire.sendall(answer(b"first")); wire.sendall(surplus)
                    if how == "part of a record": wire.sendall(answer(b"first") + b"H")
                    if how == "later": wire.sendall(answer(b"first")); time.sleep(0.2); wire.sendall(surplus)
                finally:
                    print("said all", flush=True)
            else:
                wire.sendall(answer(b"connection %d" % number))
    except OSError:
        pass
number = 0
while True:
    plain = listener.accept()[0]
    number += 1
    threading.Thread(target=serve, args=(plain, number), daemon=True).start()
)py";

class OddApplication {
public:
    explicit OddApplication(const std::string& how) {
        make_certificate(folder_, "app", "app.internal");
        const auto program = folder_.write("application.py", odd_application);
        pipe_ = ::popen(("exec python3 " + program + " " + folder_.file("app.pem") + " " +
                         folder_.file("app.key") + " '" + how + "'")
                            .c_str(),
                        "r");
        REQUIRE(pipe_);
        std::setvbuf(pipe_, nullptr, _IONBF, 0);  // or poll would not see what has been read
        const auto line = read_line();
        port_ = std::atoi(line.c_str());
        pid_ = std::atoi(line.substr(line.find(' ') + 1).c_str());
        REQUIRE(pid_ > 0);
    }
    ~OddApplication() {
        ::kill(pid_, SIGKILL);
        ::pclose(pipe_);
    }
    OddApplication(const OddApplication&) = delete;
    OddApplication& operator=(const OddApplication&) = delete;

    std::string setting() const {
        return "[{url: 'https://127.0.0.1:" + std::to_string(port_) +
               "', tls: {insecure_skip_verify: true}}]";
    }
    /// Waits until it has sent all that it has for one more /public/first.
    bool has_said_all() const { return read_line() == "said all\n"; }

private:
    std::string read_line() const {
        pollfd wait{::fileno(pipe_), POLLIN, 0};
        const auto limit = std::chrono::milliseconds(patience).count();
        char line[64] = {};
        if (::poll(&wait, 1, static_cast<int>(limit)) <= 0) return "";
        return std::fgets(line, sizeof line, pipe_) ? line : "";
    }

    TemporaryFolder folder_;
    FILE* pipe_ = nullptr;
    int port_ = 0;
    int pid_ = 0;
};

}  // namespace

TEST_CASE("K10 the end of an https application without close_notify is a cut") {
    const OddApplication app("");
    Stage stage({.upstreams = app.setting()});
    const auto answer = stage.ask(stage.request("GET /public/cut"));
    CHECK(answer.body == "half");
    CHECK_FALSE(answer.complete);
}

TEST_CASE("A60 K10 what an https application says behind its answer is nobody's") {
    for (const std::string how : {"one record", "its own record", "part of a record", "later"}) {
        CAPTURE(how);
        const OddApplication app(how);
        Stage stage({.upstreams = app.setting()});
        for (int i = 0; i < 5; ++i) {
            Wire wire(stage.port());
            wire.send(stage.request("GET /public/first"));
            CHECK(wire.read_response().body == "first");
            // What is not here yet when the next request goes out nobody can see.
            if (how == "later" || how == "its own record") {
                REQUIRE(app.has_said_all());
                std::this_thread::sleep_for(std::chrono::milliseconds(300));
            }
            // Pipelined behind it, and by others.
            wire.send(stage.request("GET /public/second"));
            CHECK(contains(wire.read_response().body, "connection "));
            const auto other = stage.ask(stage.request("GET /public/third"));
            CHECK(contains(other.body, "connection "));
        }
    }
}

TEST_CASE("K6 the name in the handshake decides nothing, and Host decides all") {
    Secure secure;
    CHECK(contains(secure.client("-servername other.example"), "HTTP/1.1 200 OK"));
    CHECK(secure.stage.app.last().field("Host") == "app.example");
    // Whoever names a host in the handshake that is served, and asks for one that is not.
    Certified folder;
    Stage stage({.public_url = "https://app.example",
                 .server = "tls: {cert_file: '" + folder.file("gate.pem") + "', key_file: '" +
                           folder.file("gate.key") + "'}",
                 .upstreams = "[{url: 'http://127.0.0.1:1', host: app.example}]"});
    const auto asked = [&](const std::string& host) {
        return shell("printf 'GET /public/x HTTP/1.1\\r\\nHost: " + host +
                     "\\r\\nConnection: close\\r\\n\\r\\n' | timeout 20 openssl s_client "
                     "-ign_eof -servername app.example -connect 127.0.0.1:" +
                     std::to_string(stage.port()));
    };
    CHECK(contains(asked("elsewhere.example"), "HTTP/1.1 421 "));
    CHECK(contains(asked("app.example"), "HTTP/1.1 502 "));
}

TEST_CASE("K11 a Discord that cannot prove who it is gets no code") {
    TemporaryFolder folder;
    make_certificate(folder, "other", "other.example");
    httplib::SSLServer server(folder.file("other.pem").c_str(), folder.file("other.key").c_str());
    std::atomic<int> asked = 0;
    server.set_pre_routing_handler([&](const httplib::Request&, httplib::Response&) {
        ++asked;
        return httplib::Server::HandlerResponse::Unhandled;
    });
    const auto port = std::to_string(server.bind_to_any_port("127.0.0.1"));
    std::thread thread([&] { server.listen_after_bind(); });
    AncientServer ancient(folder.file("other.pem"), folder.file("other.key"));
    make_certificate(folder, "old", "other.example");
    let_expire(folder, "old");
    httplib::SSLServer expired(folder.file("old.pem").c_str(), folder.file("old.key").c_str());
    expired.set_pre_routing_handler([&](const httplib::Request&, httplib::Response&) {
        ++asked;
        return httplib::Server::HandlerResponse::Unhandled;
    });
    const auto expired_port = std::to_string(expired.bind_to_any_port("127.0.0.1"));
    std::thread expired_thread([&] { expired.listen_after_bind(); });
    struct Row {
        std::string id;
        std::string host, ca;
        std::string port;
        std::string upstream = {};
    };
    const auto ca = "ca_file: '" + folder.file("other.pem") + "'";
    const auto old_ca = "ca_file: '" + folder.file("old.pem") + "'";
    // clang-format off
    const Row rows[] = {
        {"K11 self-signed, of an untrusted CA", "127.0.0.1", "", port},
        {"K11 another name", "localhost", ca, port},
        {"K11 expired", "127.0.0.1", old_ca, expired_port},
        {"K11 TLS 1.0 only", "127.0.0.1", ca, std::to_string(ancient.port)},
        {"oauth2-proxy #6 whom an application's CA vouches for", "127.0.0.1", "", port, ca},
        {"oauth2-proxy #6 any application is believed", "127.0.0.1", "", port, "insecure_skip_verify: true"},
    };
    // clang-format on
    for (const auto& row : rows) {
        CAPTURE(row.id);
        ReservedPort own;
        folder.write("cordgate.yaml",
                     "server: {listen: ['127.0.0.1:" + own.text() +
                         "'], public_url: 'http://127.0.0.1:" + own.text() +
                         "'}\ndiscord: {client_id: '1100000000000000001', client_secret: "
                         "'a-secret-of-this-table', api_url: 'https://" +
                         row.host + ":" + row.port + "/api/v10'" +
                         (row.ca.empty() ? "" : ", " + row.ca) +
                         "}\nupstreams: [{url: 'https://127.0.0.1:3000'" +
                         (row.upstream.empty() ? "" : ", tls: {" + row.upstream + "}") +
                         "}]\nsession: {store: 'memory:'}\n"
                         "internal: {listen: '127.0.0.1:0'}\n");
        Daemon gate(folder.path());
        Browser browser("http://127.0.0.1:" + own.text(), {own.number(), {}});
        const auto login = browser.get("/login");
        REQUIRE(login.status() == 302);
        const auto state = parameter(login.field("Location"), "state");
        const auto answer = browser.get("/callback?code=a-code-of-this-test&state=" + state);
        CHECK((answer.status() == 502 || answer.status() == 503));
        CHECK(browser.cookie("cordgate").empty());
        CHECK(gate.process().says("discord"));
    }
    server.stop();
    thread.join();
    expired.stop();
    expired_thread.join();
    CHECK_MESSAGE(asked + ancient.asked == 0, "not a byte of a request");
}

TEST_CASE(
    "quartcord B5 C5, K14 K15: behind a terminator the public URL decides, and HSTS is not ours to "
    "promise") {
    Stage stage({.public_url = "https://app.example", .server = "trusted_proxies: ['127.0.0.1']"});
    const auto plain = stage.ask(
        "GET /private HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-Proto: "
        "https\r\nAccept: text/html\r\n\r\n");
    CHECK(plain.status() == 302);
    CHECK_FALSE(plain.has("Strict-Transport-Security"));
    const auto login = stage.ask(
        "GET /login HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Proto: "
        "https\r\nX-Forwarded-Host: app.example\r\n\r\n");
    CHECK(login.status() == 302);
    CHECK(contains(login.field("Location"), "redirect_uri=https%3A%2F%2Fapp.example%2Fcallback"));
    for (const auto& cookie : login.all("Set-Cookie")) CHECK(contains(cookie, "; Secure"));
}

TEST_CASE("K16 a client that resets while we write ends nothing but itself") {
    Secure secure;
    for (int i = 0; i < 20; ++i) {
        Wire wire(secure.stage.port());
        wire.send(std::string_view("\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03", 11));
    }
    for (int i = 0; i < 5; ++i) {
        shell(
            "printf 'GET /public/x HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | timeout -s KILL 0.2 "
            "openssl "
            "s_client -quiet -connect 127.0.0.1:" +
            std::to_string(secure.stage.port()));
    }
    CHECK(contains(secure.client(""), "200 OK"));
}
