#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <list>
#include <sstream>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/manual_upstream.hpp"
#include "tests/support/resident.hpp"
#include "tests/support/stage.hpp"

// How much, and how slowly: group J. Time-outs are set short; what a test waits for is
// the time-out itself, never a guess.

using namespace cordgate;
using namespace cordgate::test;

namespace {

using Steady = std::chrono::steady_clock;

std::string times(std::size_t n, const std::string& piece) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += piece;
    return out;
}

std::string get(const std::string& target = "/public/x", const std::string& fields = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

/// The status of what `client` is answered while `wire` goes on sending `piece` ten times a
/// second; 0 when nothing came as long as patience lasted.
int status_while_dripping(Wire& wire, std::string_view piece, Wire& client) {
    std::atomic<bool> done = false;
    int status = 0;
    std::thread reader([&] {
        try {
            status = client.read_response().status();
            done = true;
        } catch (const std::runtime_error&) {  // patience has ended here first
        }
    });
    const auto end = Steady::now() + patience;
    while (!done && Steady::now() < end) {
        wire.send(piece);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    const bool ended = done;
    if (!ended) client.shut_down();
    reader.join();
    return ended ? status : 0;
}

/// Listens, and accepts nobody: its queue is full, so that a connect hangs.
class FullListener {
public:
    FullListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* where = reinterpret_cast<sockaddr*>(&address);
        ::bind(fd_, where, size);
        ::listen(fd_, 0);
        ::getsockname(fd_, where, &size);
        port_ = ntohs(address.sin_port);
        for (int i = 0; i < 8; ++i) {
            const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            ::connect(filler, reinterpret_cast<sockaddr*>(&address), sizeof address);
            fillers_.push_back(filler);
        }
    }
    ~FullListener() {
        for (const int filler : fillers_) ::close(filler);
        ::close(fd_);
    }
    FullListener(const FullListener&) = delete;
    FullListener& operator=(const FullListener&) = delete;
    int port() const { return port_; }

private:
    int fd_;
    int port_ = 0;
    std::vector<int> fillers_;
};

}  // namespace

TEST_CASE(
    "J1 J2 J3 J4 J6 A56 what is too large is refused at the limit, and what meets it is served") {
    struct Row {
        std::string id;
        std::string bytes;
        int status;
    };
    const auto post = [](const std::string& length, const std::string& more = "") {
        return "POST /public/x HTTP/1.1\r\nHost: a\r\n" + more + "Content-Length: " + length +
               "\r\n\r\n";
    };
    // clang-format off
    const Row rows[] = {
        {"J1 request line", get("/public/" + std::string(2000, 'a')), 414},
        {"J1 without an end", "GET /" + std::string(100000, 'a'), 414},
        {"J2 one field", get("/public/x", "X: " + std::string(100000, 'a') + "\r\n"), 431},
        {"J2 all fields", get("/public/x", times(60, "X: " + std::string(200, 'a') + "\r\n")), 431},
        {"J2 many fields", get("/public/x", times(10000, "X: 1\r\n")), 431},
        {"J2 one field more than may be", get("/public/x", times(64, "X: 1\r\n")), 431},
        {"J6 as many fields as may be", get("/public/x", times(63, "X: 1\r\n")), 200},
        {"J3 a name without an end", "GET /public/x HTTP/1.1\r\nHost: a\r\n" + std::string(100000, 'x'), 431},
        {"J4 body", post("1025"), 413},
        {"J4 body, asked for first", post("1025", "Expect: 100-continue\r\n"), 413},
        {"J6 body", post("1024") + std::string(1024, 'x'), 200},
        {"J6 target", get("/public/" + std::string(1016, 'a')), 200},
        {"J1 target, one byte more", get("/public/" + std::string(1017, 'a')), 414},
    };
    // clang-format on
    Stage stage(
        {.limits = "header_bytes: 8KiB, headers: 64, target_bytes: 1KiB, body_bytes: 1KiB"});
    for (const auto& row : rows) {
        CAPTURE(row.id);
        stage.app.forget();
        Wire wire(stage.port());
        // A56: whatever stands behind it is not looked at.
        wire.send(row.bytes + (row.status == 200 ? "" : get("/public/behind")));
        const auto answer = wire.read_response();
        CHECK(answer.status() == row.status);
        CHECK(stage.app.count() == (row.status == 200 ? 1 : 0));
        if (row.status == 200) continue;
        wire.finish_sending();
        CHECK_MESSAGE(wire.read_until_close().empty(), "and nothing more is read");
    }
}

TEST_CASE("J5 a body in chunks is cut at the limit, and the application sees no end of it") {
    ManualUpstream app;
    Stage stage({.limits = "body_bytes: 1KiB", .upstreams = app.setting()});
    Wire client(stage.port());
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    auto upstream = app.accept();
    client.send(times(9, "80\r\n" + std::string(128, 'x') + "\r\n") + "0\r\n\r\n");
    const auto answer = client.read_response();
    CHECK(answer.status() == 413);
    client.finish_sending();
    CHECK(client.read_until_close().empty());
    CHECK_FALSE(upstream.read_until_close().ends_with("0\r\n\r\n"));
}

TEST_CASE("J3 J7 J11 a head that does not come is waited for so long, and others are served") {
    Stage stage({.server = "timeouts: {header: 1s}"});
    std::list<Wire> silent;
    for (int i = 0; i < 100; ++i) silent.emplace_back(stage.port());
    std::list<Wire> slow;
    for (int i = 0; i < 100; ++i) {
        slow.emplace_back(stage.port());
        slow.back().send("GET /public/x HTTP/1.1\r\nHost: a\r\nX-");
    }
    CHECK_MESSAGE(stage.ask(get()).status() == 200, "others are served");
    const auto begin = Steady::now();
    Wire dripping(stage.port());
    dripping.send("GET /public/x HTTP/1.1\r\nX-");
    CHECK_MESSAGE(status_while_dripping(dripping, "x", dripping) == 408,
                  "J3 J7: counted from the first byte");
    CHECK(Steady::now() - begin >= std::chrono::milliseconds(900));
    for (auto& wire : slow) {
        CHECK(wire.read_response().status() == 408);
        CHECK(wire.is_closed());
    }
    for (auto& wire : silent)
        CHECK_MESSAGE(wire.read_until_close().find("200") == std::string::npos, "J11");
    CHECK(stage.ask(get()).status() == 200);
    CHECK(stage.app.count() == 2);
}

TEST_CASE("J8 J9 J18 a body that stands still is given up, whoever is slow") {
    ManualUpstream app;
    SUBCASE("J8 the client does not send") {
        Stage stage({.server = "timeouts: {body: 500ms}", .upstreams = app.setting()});
        Wire client(stage.port());
        client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
        auto upstream = app.accept();
        const auto answer = client.read_response();
        CHECK(answer.status() == 408);
        CHECK(client.is_closed());
        upstream.read_until_close();
    }
    SUBCASE("J8 a client that sends slowly is no silence of the application") {
        Stage stage({.server = "timeouts: {body: 10s, upstream: 2s}", .upstreams = app.setting()});
        Wire client(stage.port());
        client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
        auto upstream = app.accept();
        for (int i = 0; i < 10; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            client.send("x");
        }
        CHECK(upstream.read_request().body == std::string(10, 'x'));
        upstream.send(response("200 OK", "", "ok"));
        CHECK(client.read_response().status() == 200);
    }
    SUBCASE("J9 the client does not read") {
        Stage stage({.server = "timeouts: {body: 1s, upstream: 3s}", .upstreams = app.setting()});
        Wire client(stage.port());
        client.send(get());
        auto upstream = app.accept();
        upstream.read_request();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        // The gate stops reading, and gives up in time.
        const MemoryGrowth growth(stage.gate().process().pid());
        const auto begin = Steady::now();
        std::atomic<bool> closed = false;
        std::thread closing([&] {
            upstream.read_until_close();
            closed = true;
        });
        const std::string piece(1 << 20, 'x');
        while (!closed) upstream.send(piece);
        closing.join();
        CHECK(Steady::now() - begin >= std::chrono::milliseconds(900));
        CHECK(growth.stays_below(32));
    }
    SUBCASE("J9 I20 the client does not read what comes before the answer") {
        Stage stage({.server = "timeouts: {body: 1s, upstream: 1h}", .upstreams = app.setting()});
        // So little room that the hints have to wait.
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int room = 4096;
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        sockaddr_in gate{};
        gate.sin_family = AF_INET;
        gate.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        gate.sin_port = htons(static_cast<std::uint16_t>(stage.port()));
        REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&gate), sizeof gate) == 0);
        auto client = Wire::adopt(fd);
        client.send(get());
        auto upstream = app.accept();
        upstream.read_request();
        const auto begin = Steady::now();
        const auto hint =
            "HTTP/1.1 103 Early Hints\r\nX: " + std::string(120'000, 'x') + "\r\n\r\n";
        for (int i = 0; i < 60; ++i) upstream.send(hint);
        CHECK_MESSAGE(upstream.read_until_close().empty(), "given up");
        CHECK(Steady::now() - begin >= std::chrono::milliseconds(900));
    }
    SUBCASE("J18 the application does not send") {
        Stage stage({.server = "timeouts: {upstream: 2s}", .upstreams = app.setting()});
        Wire client(stage.port());
        client.send(get());
        auto upstream = app.accept();
        upstream.read_request();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
        const auto answer = client.read_response();
        CHECK(answer.body == "half");
        CHECK_FALSE(answer.complete);
        CHECK(upstream.is_closed());
    }
}

TEST_CASE("J10 an idle connection ends without a word") {
    Stage stage({.server = "timeouts: {idle: 500ms}"});
    Wire wire(stage.port());
    wire.send(get() + get());
    for (int i = 0; i < 2; ++i) CHECK(wire.read_response().complete);
    CHECK(wire.read_until_close().empty());
    CHECK_FALSE(wire.was_reset());
}

TEST_CASE("J12 connections beyond the limit are refused with a word, and the others go on") {
    for (const char* limit : {"connections: 4", "connections_per_client: 4"}) {
        CAPTURE(std::string(limit));
        Stage stage({.limits = limit});
        std::list<Wire> held;
        for (int i = 0; i < 4; ++i) {
            held.emplace_back(stage.port());
            held.back().send(get());
            REQUIRE(held.back().read_response().status() == 200);
        }
        stage.app.forget();
        {
            Wire refused(stage.port());
            const auto answer = refused.read_response();
            CHECK(answer.status() == 503);
            CHECK(answer.complete);
            CHECK(answer.field("Content-Type") == "application/problem+json");
            CHECK(answer.has("Retry-After"));
            CHECK(refused.is_closed());
            CHECK(stage.gate().process().says("more clients than server.limits allow"));
            held.back().send(get("/public/held"));
            CHECK(held.back().read_response().status() == 200);
            for (const auto& seen : stage.app.requests()) CHECK(seen.target() == "/public/held");
        }
        held.clear();
        CHECK_MESSAGE(comes_true([&] { return stage.ask(get()).status() == 200; }),
                      "there is room again");
    }
}

TEST_CASE("J12 a trusted proxy brings many clients, and is not counted as one") {
    Stage stage(
        {.server = "trusted_proxies: ['127.0.0.1']", .limits = "connections_per_client: 2"});
    std::list<Wire> held;
    for (int i = 0; i < 6; ++i) {
        held.emplace_back(stage.port());
        held.back().send(get("/public/x", "X-Forwarded-For: 192.0.2.1\r\n"));
        CHECK(held.back().read_response().status() == 200);
    }
}

TEST_CASE("J13 a connection may have as many requests as it likes") {
    Stage stage;
    Wire wire(stage.port());
    int served = 0;
    for (int i = 0; i < 3000; ++i) {
        wire.send(get());
        const auto answer = wire.read_response();
        served += answer.status() == 200 && !answer.has("Connection");
    }
    CHECK(served == 3000);
}

namespace {

/// Clock ticks that a process has used the CPU for.
long ticks_of(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    long user = 0, system = 0;
    fields >> user >> system;
    return user + system;
}

}  // namespace

TEST_CASE("O1 without descriptors new clients wait, and who is served finds an application") {
    Stage stage({.limits = "", .descriptors = 96});
    CHECK_MESSAGE(contains(stage.gate().log(), "only 96 file descriptors are allowed"), "at start");
    stage.app.holds("/public/slow");
    std::list<Wire> clients;
    for (int i = 0; i < 200; ++i) {
        clients.emplace_back(stage.port());
        clients.back().send(get("/public/slow"));
    }
    REQUIRE(stage.gate().process().says("new clients wait until others have gone"));
    const auto comes_to_rest = [&, pid = stage.gate().process().pid()] {
        const auto ticks = ticks_of(pid);
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        return ticks_of(pid) - ticks < 20;  // of fifty
    };
    CHECK_MESSAGE(comes_true(comes_to_rest), "waiting is no spinning");
    stage.app.wait_for(8);
    // Those who are served keep their connections; idle ones make room for who waits.
    stage.app.release();
    int served = 0;
    for (auto& client : clients) served += client.read_response().status() == 200;
    CHECK(served == 200);
    CHECK_MESSAGE(!contains(stage.gate().log(), "status=503"), "none for want of descriptors");
    clients.clear();
    CHECK(stage.ask(get()).status() == 200);
}

TEST_CASE("J15 J16 J17 an application that cannot be asked or does not answer has its own status") {
    SUBCASE("J15 nobody listens") {
        ReservedPort nobody;
        Stage stage({.upstreams = "[{url: 'http://127.0.0.1:" + nobody.text() + "'}]"});
        CHECK(stage.ask(get()).status() == 502);
        CHECK(stage.gate().process().says("127.0.0.1:" + nobody.text()));
    }
    SUBCASE("J16 connecting hangs") {
        FullListener full;
        Stage stage(
            {.server = "timeouts: {connect: 500ms}",
             .upstreams = "[{url: 'http://127.0.0.1:" + std::to_string(full.port()) + "'}]"});
        CHECK(stage.ask(get()).status() == 504);
    }
    SUBCASE("J17 a head that drips") {
        ManualUpstream app;
        Stage stage({.server = "timeouts: {upstream: 1s}", .upstreams = app.setting()});
        Wire client(stage.port());
        client.send(get());
        auto upstream = app.accept();
        upstream.read_request();
        upstream.send("HTTP/1.1 200 OK\r\nX-Drip: ");
        CHECK(status_while_dripping(upstream, "x", client) == 504);
        CHECK(upstream.is_closed());
    }
    SUBCASE("J17 a head that drips while the body is still sent") {
        ManualUpstream app;
        Stage stage({.server = "timeouts: {upstream: 1s, body: 1h}", .upstreams = app.setting()});
        Wire client(stage.port());
        client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
        auto upstream = app.accept();
        upstream.send("HTTP/1.1 200 OK\r\nX-Drip: ");
        CHECK(status_while_dripping(upstream, "x", client) == 504);
    }
    SUBCASE("J17 silence") {
        ManualUpstream app;
        Stage stage({.server = "timeouts: {upstream: 500ms}", .upstreams = app.setting()});
        Wire client(stage.port());
        client.send(get());
        auto upstream = app.accept();
        CHECK(client.read_response().status() == 504);
        upstream.read_request();
        CHECK_MESSAGE(upstream.is_closed(), "a late answer is nobody's");
    }
}

TEST_CASE("J19 an application that comes back is found without a restart of ours") {
    ReservedPort port;
    Stage stage({.upstreams = "[{url: 'http://127.0.0.1:" + port.text() + "'}]"});
    CHECK(stage.ask(get()).status() == 502);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port.number()));
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener, 8) == 0);
    std::thread application([&] {
        auto wire = Wire::adopt(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        wire.read_request();
        wire.send(response("200 OK", "", "back"));
        wire.read_until_close();
    });
    {
        Wire client(stage.port());
        client.send(get("/public/x", "Connection: close\r\n"));
        CHECK(client.read_response().body == "back");
    }
    CHECK(stage.stop_gate() == 0);
    application.join();
    ::close(listener);
}

TEST_CASE("J20 a name with several addresses is tried until one answers") {
    // "localhost" is ::1 and 127.0.0.1 on most machines; this application has only the latter.
    ManualUpstream app;
    Stage stage({.upstreams = app.setting("localhost")});
    Wire client(stage.port());
    client.send(get());
    auto upstream = app.accept();
    upstream.read_request();
    upstream.send(response("200 OK", "", "found"));
    CHECK(client.read_response().body == "found");
}

TEST_CASE("J21 a flood of pipelined requests is answered in order, as fast as it is read") {
    Stage stage;
    constexpr int requests = 10000;
    Wire wire(stage.port());
    std::string all;
    for (int i = 0; i < requests; ++i) all += get("/public/" + std::to_string(i));
    std::thread writer([&] { wire.send(all); });
    // Nothing is read until the gate has stopped asking the application, or has asked for all.
    stage.app.wait_for(100);
    int right = 0;
    for (int i = 0; i < requests; ++i) {
        right += wire.read_response().body.ends_with("/public/" + std::to_string(i) + "\n");
    }
    writer.join();
    CHECK(right == requests);
}

TEST_CASE("J21 of a flood whose answers nobody reads no more is asked than fits on the way") {
    Stage stage;
    constexpr std::size_t requests = 2000;
    const std::string body(64 * 1024, 'x');
    stage.app.answers("/public/big", response("200 OK", "", body));
    const MemoryGrowth growth(stage.gate().process().pid());
    Wire wire(stage.port());
    wire.send(times(requests, get("/public/big")));
    // Until the application is left alone; a short look can only miss what comes later.
    stage.app.wait_for(1);
    for (std::size_t before = 0; before != stage.app.count();) {
        before = stage.app.count();
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    CHECK(stage.app.count() < requests);
    CHECK(growth.stays_below(16));
    std::size_t whole = 0;
    for (std::size_t i = 0; i < requests; ++i) whole += wire.read_response().body == body;
    CHECK(whole == requests);
    CHECK(stage.app.count() == requests);
}

TEST_CASE("J22 a body of tiny chunks does not grow on its way") {
    ManualUpstream app;
    Stage stage({.upstreams = app.setting()});
    Wire client(stage.port());
    const std::string sent = times(100000, "1\r\nx\r\n") + "0\r\n\r\n";
    std::thread writer([&] {
        client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                    sent);
        client.finish_sending();
    });
    auto upstream = app.accept();
    std::string arrived;
    while (!arrived.ends_with("\r\n0\r\n\r\n")) {
        const auto piece = upstream.read_some();
        if (piece.empty()) break;
        arrived += piece;
    }
    upstream.send(response("200 OK", "", "ok"));
    writer.join();
    CHECK(client.read_response().status() == 200);
    CHECK(arrived.size() < 2 * sent.size());
}

TEST_CASE("J23 a crowd of alike names costs no more than the same names in small groups") {
    Stage stage({.limits = "header_bytes: 1MiB, headers: 20000", .log = "access: false"});
    const auto ticks_for = [&](int requests, int names) {
        std::string fields, cookie = "Cookie: a=1";
        for (int i = 0; i < names; ++i) {
            fields += "X-" + std::to_string(10000 + i) + ": 1\r\n";
            cookie += "; cordgate" + std::to_string(10000 + i) + "=1";
        }
        const auto before = ticks_of(stage.gate().process().pid());
        for (int i = 0; i < requests; ++i) {
            CHECK(stage.ask(get("/public/x", fields)).status() == 200);
            CHECK(stage.ask(get("/public/x", cookie + "\r\n")).status() == 200);
        }
        return ticks_of(stage.gate().process().pid()) - before;
    };
    // The same number of names; twenty times as dear if each met all others.
    const auto few = ticks_for(200, 500);
    const auto many = ticks_for(10, 10000);
    CHECK_MESSAGE(many < 4 * few + 5, many, " ticks of CPU for many, ", few, " for few");
}

TEST_CASE("J25 every refusal says what it is in the client's own format, and tells nothing else") {
    ReservedPort nobody;
    Stage stage({.limits = "body_bytes: 1KiB, header_bytes: 4KiB, target_bytes: 512B",
                 .upstreams = "[{url: 'http://127.0.0.1:" + nobody.text() + "'}]"});
    struct Row {
        std::string id;
        std::string start;
        std::string fields;
        int status;
    };
    // clang-format off
    const Row rows[] = {
        {"bad", "GET /%00", "", 400},
        {"a second host", "GET /public/x", "Host: b\r\n", 400},
        {"framing", "POST /public/x", "Content-Length: x\r\n", 400},
        {"a method that is not served", "TRACE /public/x", "", 405},
        {"a target", "GET /public/" + std::string(600, 'a'), "", 414},
        {"an expectation", "GET /public/x", "Expect: x\r\n", 417},
        {"fields", "GET /public/x", "X: " + std::string(5000, 'a') + "\r\n", 431},
        {"a coding", "POST /public/x", "Transfer-Encoding: gzip\r\n", 501},
        {"nobody signed in", "POST /private", "", 401},
        {"a page of ours that is not there", "GET /_cordgate/nothing", "", 404},
        {"a body", "POST /public/x", "Content-Length: 1025\r\n", 413},
        {"the application is down", "GET /public/x", "", 502},
    };
    // clang-format on
    for (const auto& row : rows) {
        for (const char* accept : {"text/html", "application/json"}) {
            CAPTURE(row.id);
            CAPTURE(std::string(accept));
            const auto answer = stage.ask(
                stage.request(row.start, "Accept: " + std::string(accept) + "\r\n" + row.fields));
            CHECK(answer.status() == row.status);
            CHECK(answer.field("Cache-Control") == "no-store");
            CHECK(answer.has("X-Request-Id"));
            // Who is no navigation is told in JSON to sign in.
            CHECK(contains(answer.field("Content-Type"),
                           std::string(accept) == "text/html" && row.status != 401
                               ? "text/html"
                               : "application/problem+json"));
            CHECK_FALSE(contains(answer.head, "Server:"));
            CHECK_FALSE(contains(answer.body, nobody.text()));
        }
    }
    const auto head = stage.ask(stage.request("HEAD /public/x"), "HEAD");
    CHECK(head.status() == 502);
    Wire wire(stage.port());
    wire.send(stage.request("HEAD /public/x", "Connection: close\r\n"));
    CHECK_MESSAGE(wire.read_until_close().ends_with("\r\n\r\n"), "HEAD has no body");
}
