#include <doctest/doctest.h>

#include <optional>
#include <thread>
#include <vector>

#include "tests/support/comes_true.hpp"
#include "tests/support/manual_upstream.hpp"
#include "tests/support/resident.hpp"
#include "tests/support/websocket.hpp"

// WebSocket through the gate: who may open one, and what passes.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

const std::string handshake = websocket_handshake +
                              "Sec-WebSocket-Protocol: chat\r\n"
                              "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// A masked frame with `payload`, as browsers send it (RFC 6455, 5.2).
std::string frame(std::string_view payload, char opcode = '\x01') {
    std::string out{static_cast<char>('\x80' | opcode)};
    if (payload.size() < 126) {
        out += static_cast<char>(0x80 | payload.size());
    } else if (payload.size() < 65536) {
        out += static_cast<char>(0x80 | 126);
        out += static_cast<char>(payload.size() >> 8);
        out += static_cast<char>(payload.size() & 0xff);
    } else {
        out += static_cast<char>(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            out += static_cast<char>((payload.size() >> shift) & 0xff);
        }
    }
    const char mask[] = {'\x37', '\xfa', '\x21', '\x3d'};
    out.append(mask, 4);
    for (std::size_t i = 0; i < payload.size(); ++i) {
        out += static_cast<char>(payload[i] ^ mask[i % 4]);
    }
    return out;
}

}  // namespace

TEST_CASE("H1 H4 H9 a signed-in visitor's socket carries every byte, and who it is") {
    Stage stage;
    stage.app.echoes("/socket");
    auto fern = stage.browser_of(demo::fern);
    Wire wire(stage.port());
    // H8: the first frame right behind the handshake.
    wire.send(stage.request("GET /socket", fern.cookie_line() + handshake + "Origin: " +
                                               stage.home() + "\r\nX-Discord-User-Id: 1\r\n") +
              frame("first"));
    const auto answer = wire.read_response();
    REQUIRE(answer.status() == 101);
    CHECK(answer.field("Sec-WebSocket-Accept") == "as-it-came");
    CHECK(answer.field("Upgrade") == "websocket");
    CHECK(answer.field("Connection") == "Upgrade");
    const auto seen = stage.app.last();
    CHECK(seen.all("X-Discord-User-Id") == std::vector<std::string>{demo::fern.to_string()});
    CHECK(seen.field("Sec-WebSocket-Protocol") == "chat");
    CHECK(seen.field("Sec-WebSocket-Extensions") == "permessage-deflate");
    CHECK(seen.field("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ==");
    CHECK(seen.field("Connection") == "Upgrade");

    CHECK(wire.read_bytes(frame("first").size()) == frame("first"));
    for (const std::size_t size : {0, 125, 126, 65535, 65536, 500000}) {
        CAPTURE(size);
        const auto sent = frame(std::string(size, 'x'), '\x02');
        wire.send(sent);
        CHECK(wire.read_bytes(sent.size()) == sent);
    }
    const auto ping = frame("are you there", '\x09');
    wire.send(ping);
    CHECK(wire.read_bytes(ping.size()) == ping);  // H12
    // H9: one frame that no buffer holds; it comes back while it is still sent.
    std::string bytes(16 << 20, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
    const auto huge = frame(bytes, '\x02');
    const MemoryGrowth growth(stage.gate().process().pid());
    std::thread writer([&] { wire.send(huge); });
    CHECK((wire.read_bytes(huge.size()) == huge));
    writer.join();
    CHECK(growth.stays_below(8));
    wire.finish_sending();
    CHECK(wire.is_closed());  // H14
}

TEST_CASE("who may open a socket") {
    struct Case {
        std::string name;
        std::string path;
        bool signed_in;
        std::string origin;  ///< a whole line
        int status;
    };
    Stage stage;
    stage.app.echoes("/socket").echoes("/public/socket");
    auto fern = stage.browser_of(demo::fern);
    const auto port = std::to_string(stage.port());
    const auto before = stage.app.connections();
    const Case cases[] = {
        {"H2 nobody without a session",    "/socket",        false, "",                                           401},
        {"H2 not even from our own pages", "/socket",        false, "Origin: " + stage.home() + "\r\n",
         401                                                                                                         },
        {"H2 nor as a page",               "/socket",        false, "Accept: text/html\r\n",                      401},
        {"our own pages",                  "/socket",        true,  "Origin: " + stage.home() + "\r\n",           101},
        {"programs, which name no origin", "/socket",        true,  "",                                           101},
        {"H3 CWE-1385 another site",       "/socket",        true,  "Origin: https://evil.example\r\n",           403},
        {"H3 an opaque origin",            "/socket",        true,  "Origin: null\r\n",                           403},
        {"H3 another port",                "/socket",        true,  "Origin: http://127.0.0.1:1\r\n",             403},
        {"H3 another scheme",              "/socket",        true,  "Origin: https://127.0.0.1:" + port + "\r\n", 403},
        {"H3 a name that begins alike",    "/socket",        true,
         "Origin: http://127.0.0.1:" + port + ".evil.example\r\n",                                                403},
        {"H3 nonsense",                    "/socket",        true,  "Origin: ws\r\n",                             403},
        {"H3 two origins",                 "/socket",        true,
         "Origin: " + stage.home() + "\r\nOrigin: https://evil.example\r\n",                                      403},
        {"a public socket is anybody's",   "/public/socket", false, "Origin: https://a.example\r\n",
         101                                                                                                         },
        {"who may not in",                 "/staff/socket",  true,  "",                                           403},
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.forget();
        const auto answer = stage.ask(stage.request(
            "GET " + c.path, (c.signed_in ? fern.cookie_line() : "") + handshake + c.origin));
        CHECK(answer.status() == c.status);
        CHECK(stage.app.count() == (c.status == 101 ? 1 : 0));
        if (c.status == 401) CHECK_MESSAGE(stage.app.connections() == before, "H2: nobody asked");
        const bool names_origin = answer.body.find("another site") != std::string::npos;
        CHECK(names_origin == (c.status == 403 && !c.origin.empty()));
        CHECK_FALSE(answer.has("Location"));
    }
}

TEST_CASE("a handshake with a body is no handshake, and nothing but its own bytes come back") {
    // Both directions once read into one buffer then, and memory of the gate was sent.
    Stage stage;
    stage.app.echoes("/public/socket")
        .answers("/public/odd",
                 "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
                 "websocket\r\n\r\n");
    for (const std::string framing : {"Content-Length: 5\r\n", "Content-Length: 200000\r\n",
                                      "Transfer-Encoding: chunked\r\n"}) {
        CAPTURE(framing);
        Wire wire(stage.port());
        wire.send(stage.request("GET /public/odd", handshake + framing) + std::string(200000, 'A'));
        const auto answer = wire.read_response();
        CHECK(answer.status() != 101);
        CHECK(answer.body.find("AAAA") == std::string::npos);
    }
    CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
}

TEST_CASE("H6 H7 only an agreed 101 makes a tunnel") {
    struct Case {
        std::string name;
        std::string answer;
        int status;
    };
    const Case cases[] = {
        {"H6 the application refuses",                  response("403 Forbidden", "",                            "no"), 403},
        {"H6 the application answers 200",                                          response("200 OK",                                                                  "Upgrade: websocket\r\n",                                                                "hm"), 200},
        {"H6 the application asks for another version",
         response("426 Upgrade Required","Sec-WebSocket-Version: 12\r\n",""), 426},
        {"H7 another protocol than was asked for",
         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",                                         502                                                                },
        {"H7 no protocol at all",                                          "HTTP/1.1 101 Switching Protocols\r\n\r\n",                                                                  502                                                       },
    };
    Stage stage;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.answers("/public/socket", c.answer);
        stage.app.forget();
        Wire wire(stage.port());
        // What follows would pass a tunnel as it is, and reach the staff's page.
        wire.send(stage.request("GET /public/socket", handshake));
        CHECK(wire.read_response().status() == c.status);
        wire.send(stage.request("GET /staff/secret"));
        const auto second = wire.read_response();
        CHECK((second.status() == 401 || second.status() == 0));
        CHECK(stage.app.count() == 1);
    }
}

TEST_CASE("H6 CVE-2026-71324 who was asked to upgrade, and did not, serves nobody else") {
    const std::string answers[] = {
        response("403 Forbidden", "", "no"),
        response("426 Upgrade Required", "Upgrade: websocket\r\n", ""),
        response("200 OK", "", "hm") + "\x81\x02hi",
    };
    ManualUpstream app;
    Stage stage({.upstreams = app.setting()});
    for (const auto& answer : answers) {
        CAPTURE(answer);
        Wire client(stage.port());
        client.send(stage.request("GET /public/socket", handshake));
        auto upstream = app.accept();
        CHECK(upstream.read_request().field("Upgrade") == "websocket");
        upstream.send(answer);
        const auto got = client.read_response();
        CHECK(answer.starts_with(got.start_line));
        CHECK_FALSE(got.has("Upgrade"));
        CHECK_MESSAGE(client.read_until_close().empty(), "nothing of what followed");
        CHECK_MESSAGE(upstream.read_until_close().empty(), "and nothing came to it");
    }
}

TEST_CASE("H5 what is no handshake opens nothing") {
    struct Case {
        std::string name;
        std::string start;
        std::string fields;
    };
    Stage stage;
    stage.app.echoes("/public/socket");
    const Case cases[] = {
        {"H5 HTTP/1.0",         "GET /public/socket HTTP/1.0",  handshake               },
        {"H5 no Connection",    "GET /public/socket HTTP/1.1",  "Upgrade: websocket\r\n"},
        {"A11 h2c",             "GET /public/socket HTTP/1.1",
         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
         "AAMAAABkAARAAAAAAAIAAAAA\r\n"                                                 },
        {"H5 POST",             "POST /public/socket HTTP/1.1", handshake               },
        {"H5 version 12",       "GET /public/socket HTTP/1.1",
         "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                              },
        {"H5 a bad key",        "GET /public/socket HTTP/1.1",
         "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: x\r\n"                                                     },
        {"H5 no key",           "GET /public/socket HTTP/1.1",
         "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"   },
        {"a list of protocols", "GET /public/socket HTTP/1.1",
         "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"                           },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto answer =
            stage.ask(c.start + "\r\nHost: " + stage.authority() + "\r\n" + c.fields + "\r\n");
        CHECK(answer.status() == 200);
        CHECK_FALSE(stage.app.last().has("Upgrade"));
        CHECK_FALSE(stage.app.last().has("HTTP2-Settings"));
    }
}

TEST_CASE("H5 H7 another protocol is the application's to agree to, and it alone") {
    struct Case {
        std::string name;
        std::string answer;
        int status;
    };
    const Case cases[] = {
        {"H5 the application does not know it", response("200 OK",                                "",                      "hm"), 200},
        {"H5 it names the protocols it knows",
         response("426 Upgrade Required",                                                                                  "Upgrade: foo/2\r\n",                                                                      ""), 426},
        {"H7 it agrees to WebSocket instead",
         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",502},
        {"H7 it agrees",
         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n", 101                                        },
    };
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    const std::string foo = "Connection: Upgrade\r\nUpgrade: foo\r\n";
    for (const auto& c : cases) {
        CAPTURE(c.name);
        stage.app.answers("/public/foo", c.answer).answers("/foo", c.answer);
        CHECK(stage.ask(stage.request("GET /public/foo", foo)).status() == c.status);
        CHECK(stage.app.last().field("Upgrade") == "foo");
        stage.app.forget();
        CHECK_MESSAGE(stage.ask(stage.request("GET /foo", foo)).status() == 401, "H2");
        const auto evil = fern.cookie_line() + "Origin: https://evil.example\r\n";
        CHECK_MESSAGE(stage.ask(stage.request("GET /foo", foo + evil)).status() == 403, "H3");
        CHECK(stage.app.count() == 0);
    }
}

namespace {

/// A tunnel of which the test holds both ends.
struct Tunnel {
    explicit Tunnel(const std::string& more = "", const std::string& server_setting = "")
        : stage({.server = server_setting, .upstreams = app.setting()}),
          client(stage.port()),
          server(open(more)) {}

    ManualUpstream app;
    Stage stage;
    Wire client;
    Message answer;
    Wire server;

private:
    Wire open(const std::string& more) {
        client.send("GET /public/socket HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n");
        auto out = app.accept();
        out.read_request();
        out.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: "
            "permessage-deflate; server_no_context_takeover\r\nSec-WebSocket-Protocol: chat\r\n"
            "\r\n" +
            more);
        answer = client.read_response();
        return out;
    }
};

}  // namespace

TEST_CASE("H8 H11 what was agreed passes unchanged, with what came in the same segment") {
    Tunnel tunnel("\x81\x02hi");
    CHECK(tunnel.answer.status() == 101);
    CHECK(tunnel.answer.field("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(tunnel.answer.field("Sec-WebSocket-Protocol") == "chat");
    CHECK(tunnel.answer.field("Sec-WebSocket-Extensions") ==
          "permessage-deflate; server_no_context_takeover");
    CHECK(tunnel.client.read_bytes(4) == "\x81\x02hi");
}

TEST_CASE("H10 H11 H12 H20 every byte passes at once, whatever it means") {
    struct Row {
        std::string id;
        std::string bytes;
    };
    // clang-format off
    const Row rows[] = {
        {"H10 fragments with a ping between", std::string("\x01\x02hi\x89\x00\x80\x01!", 9)},
        {"H11 a compressed frame", "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"},
        {"H12 pong", frame("here", '\x0a')},
        {"H20 unmasked", "\x81\x05hello"},
        {"H20 reserved bits", "\xf1\x01x"},
        {"H20 reserved opcode", "\x8f\x01x"},
        {"H20 bad UTF-8", "\x81\x02\xc0\xaf"},
        {"H20 a long control frame", "\x89\x7e\x01"},
    };
    // clang-format on
    for (const auto& row : rows) {
        CAPTURE(row.id);
        Tunnel tunnel;
        for (auto* const ends : {&tunnel.client, &tunnel.server}) {
            auto& other = ends == &tunnel.client ? tunnel.server : tunnel.client;
            for (const char byte : row.bytes) {
                ends->send(std::string(1, byte));
                REQUIRE_MESSAGE(other.read_bytes(1) == std::string(1, byte), "one by one");
            }
        }
        // And together.
        tunnel.client.send(row.bytes + row.bytes);
        CHECK(tunnel.server.read_bytes(2 * row.bytes.size()) == row.bytes + row.bytes);
    }
}

TEST_CASE("H13 close codes pass, and then both sides end") {
    for (const int code : {1000, 1001, 1008, 1011, 3000, 4999, 0}) {
        CAPTURE(code);
        const auto payload =
            code == 0 ? ""
                      : std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
        const auto sent = frame(payload, '\x08');
        Tunnel tunnel;
        tunnel.client.send(sent);
        CHECK(tunnel.server.read_bytes(sent.size()) == sent);
        tunnel.server.send(sent);
        tunnel.server.finish_sending();
        CHECK(tunnel.client.read_until_close() == sent);
        tunnel.client.shut_down();
        CHECK(tunnel.server.read_until_close().empty());
    }
}

TEST_CASE("H14 when one side goes, the other is told, and nothing is left of them") {
    SUBCASE("the application resets") {
        Tunnel tunnel;
        auto& gate = tunnel.stage.gate().process();
        const auto sockets = gate.sockets();
        tunnel.server.reset();
        CHECK(tunnel.client.read_until_close().empty());
        tunnel.client.shut_down();
        CHECK(gate.comes_down_to(sockets - 2));
    }
    SUBCASE("the visitor resets") {
        Tunnel tunnel;
        auto& gate = tunnel.stage.gate().process();
        const auto sockets = gate.sockets();
        tunnel.client.reset();
        CHECK(tunnel.server.read_until_close().empty());
        CHECK(gate.comes_down_to(sockets - 2));
    }
    SUBCASE("the visitor only stops sending") {
        Tunnel tunnel;
        auto& gate = tunnel.stage.gate().process();
        const auto sockets = gate.sockets();
        tunnel.client.finish_sending();
        CHECK(tunnel.server.read_until_close().empty());
        CHECK(tunnel.client.read_until_close().empty());
        CHECK(gate.comes_down_to(sockets - 2));
    }
    SUBCASE("the application crashes") {
        Tunnel tunnel;
        { const auto gone = std::move(tunnel.server); }
        CHECK(tunnel.client.read_until_close().empty());
    }
    SUBCASE("the visitor goes") {
        Tunnel tunnel;
        { const auto gone = std::move(tunnel.client); }
        CHECK(tunnel.server.read_until_close().empty());
    }
    SUBCASE("the application ends behind its last words") {
        Tunnel tunnel;
        tunnel.server.send("last words");
        tunnel.server.finish_sending();
        CHECK(tunnel.client.read_until_close() == "last words");
    }
}

TEST_CASE("H9 H15 who does not read holds back who writes, and costs no memory") {
    Tunnel tunnel;
    const MemoryGrowth growth(tunnel.stage.gate().process().pid());
    const std::string piece(1 << 20, 'x');
    constexpr std::size_t pieces = 64;
    std::atomic<std::size_t> sent = 0;
    std::thread writer([&] {
        for (; sent < pieces; ++sent) tunnel.server.send(piece);
    });
    // The other direction goes on meanwhile.
    for (int i = 0; i < 100; ++i) {
        tunnel.client.send("ping");
        REQUIRE(tunnel.server.read_bytes(4) == "ping");
    }
    CHECK(growth.stays_below(32));
    CHECK(sent < pieces);
    CHECK(tunnel.client.read_bytes(pieces * piece.size()) ==
          std::string(pieces * piece.size(), 'x'));
    writer.join();
    CHECK(growth.stays_below(32));
}

TEST_CASE("H16 a tunnel may be silent for longer than any time-out of HTTP") {
    std::optional<Tunnel> tunnel;
    REQUIRE(comes_true([&] {  // a machine that stands still may let it open too late
        tunnel.reset();
        tunnel.emplace("", "timeouts: {header: 300ms, idle: 300ms, body: 300ms, upstream: 300ms}");
        return tunnel->answer.status() == 101;
    }));
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    tunnel->client.send(frame("still here"));
    CHECK(tunnel->server.read_bytes(frame("still here").size()) == frame("still here"));
    tunnel->server.send("\x81\x02me");
    CHECK(tunnel->client.read_bytes(4) == "\x81\x02me");
}

TEST_CASE("H18 tunnels count as connections, and one too many leaves the others alone") {
    for (const char* limit : {"connections: 3", "connections_per_client: 3"}) {
        CAPTURE(std::string(limit));
        Stage stage({.limits = limit});
        stage.app.echoes("/public/socket");
        std::vector<Wire> tunnels;
        for (int i = 0; i < 3; ++i) {
            tunnels.push_back(open_socket(stage, "/public/socket"));
        }
        for (int i = 0; i < 5; ++i) {
            Wire refused(stage.port());
            CHECK(refused.read_response().status() == 503);
        }
        for (auto& wire : tunnels) {
            wire.send(frame("on we go"));
            CHECK(wire.read_bytes(frame("on we go").size()) == frame("on we go"));
        }
        CHECK(stage.app.count() == 3);
    }
}
