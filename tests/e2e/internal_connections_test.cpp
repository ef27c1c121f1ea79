#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/internal.hpp"

// The internal API as a server: what it reads, how much of it and for how long, and that
// nobody who is slow, or says nothing, keeps others waiting.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

constexpr const char* token = "0123456789abcdef0123456789abcdef";
const std::string token_setting = "token: '" + std::string(token) + "'";
const std::string bearer = "Authorization: Bearer " + std::string(token) + "\r\n";

std::string request(std::string_view start, std::string_view fields = "") {
    return std::string(start) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n";
}

/// Sends one byte after the other for as long as it is told to.
class Dripper {
public:
    Dripper(std::vector<Wire>& wires, std::string_view byte)
        : thread_([this, &wires, byte] {
              while (!done_) {
                  for (auto& wire : wires) wire.send(byte);
                  std::this_thread::sleep_for(std::chrono::milliseconds(50));
              }
          }) {}
    ~Dripper() {
        done_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> done_{false};
    std::thread thread_;
};

/// Hears when a connection is answered or closed.
class LastWord {
public:
    explicit LastWord(Wire& wire)
        : wire_(wire), thread_([this] {
              try {
                  (void)wire_.read_some();
              } catch (const std::runtime_error&) {  // patience has ended
              }
              has_come_ = true;
          }) {}
    ~LastWord() {
        wire_.shut_down();
        thread_.join();
    }
    bool has_come() const { return has_come_; }

private:
    Wire& wire_;
    std::atomic<bool> has_come_{false};
    std::thread thread_;
};

}  // namespace

TEST_CASE("the internal API reads header fields as they came, without undoing escapes") {
    Stage stage({.discord = bot_token_setting, .internal = token_setting});
    const int port = stage.gate().internal_port();
    const auto status = [&](const std::string& field) {
        return ask(port, request("GET /v1/sessions", field + "\r\nConnection: close\r\n")).status();
    };
    const std::string word = "Authorization: Bearer ";
    CHECK(status(word + token) == 200);
    CHECK(status("authorization: bearer " + std::string(token)) == 200);
    for (const char* other :
         {"0123456789abcdef0123456789abcdef%00", "%30123456789abcdef0123456789abcdef",
          "0123456789abcdef0123456789abcde%66", "0123456789abcdef0123456789abcdef,",
          "0123456789abcdef0123456789abcdef x"}) {
        CAPTURE(std::string(other));
        CHECK(status(word + other) == 401);
    }
    // Discord wants the reason percent-encoded, so that is how it has to arrive there.
    const auto role = "/v1/bot/guilds/" + demo::garden.to_string() + "/members/" +
                      demo::fern.to_string() + "/roles/" + demo::garden_staff.to_string();
    const Internal api(port, token);
    CHECK(api.call("PUT", role, "",
                   {
                       {"X-Audit-Log-Reason", "promu%C3%A9"}
    })
              .status == 204);
    CHECK(api.call("PUT", role, "",
                   {
                       {"X-Audit-Log-Reason", "100%25 sure%0A"}
    })
              .status == 204);
    CHECK(api.call("PUT", role, "",
                   {
                       {"X-Audit-Log-Reason", "promu\xc3\xa9"}
    })
              .status == 400);
}

TEST_CASE(
    "CWE-770 the internal API keeps no more of a head than it allows, before it knows who asks") {
    Stage stage({.internal = token_setting});
    const auto refusal_of = [&](const std::string& bytes) {
        Wire wire(stage.gate().internal_port());
        wire.send(bytes);  // and nothing more: the answer does not wait for the end
        return wire.read_response();
    };
    const std::string start = "GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\n";
    std::string lines = start;
    for (int i = 0; i < 200; ++i) lines += "X-" + std::to_string(i) + ": a\r\n";
    struct Case {
        const char* name;
        std::string bytes;
        int status;
    };
    const Case cases[] = {
        {"a line without an end", start + "X: " + std::string(40000, 'a'),                  431},
        {"lines without an end",
         start +
             [] {
                 std::string all;
                 while (all.size() < 40000) all += "X-Long: " + std::string(4000, 'a') + "\r\n";
                 return all;
             }(),
         431                                                                          },
        {"many short lines",                       lines + "\r\n",                                       431},
        {"a target without an end",                       "GET /v1/" + std::string(40000,                                'a'),                                                    414},
        {"bytes that are no request",                    "\x16\x03\x01\x02\x05\x01",                                                     400},
        {"a bare line feed",                    "GET /v1/sessions HTTP/1.1\nHost: localhost\n\n", 400        },
        {"a folded line",                    start + "X: a\r\n b\r\n\r\n",                                                     400                                                   },
        {"no host",                    "GET /v1/sessions HTTP/1.1\r\n\r\n", 400},
        {"two lengths",                    start + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",                                                     400                                                                                                   },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto answer = refusal_of(c.bytes);
        CHECK(answer.status() == c.status);
        CHECK(answer.field("Content-Type") == "application/problem+json");
        CHECK(answer.body.find("\"code\":\"invalid_request\"") != std::string::npos);
        CHECK(answer.field("Connection") == "close");
    }
    CHECK(Internal(stage, token).get("/v1/sessions").status == 200);
}

TEST_CASE("health, readiness and sessions are answered while hundreds of connections drip") {
    Stage stage({.internal = token_setting});
    const int port = stage.gate().internal_port();
    const Internal api(port, token);
    for (const char* path : {"/healthz", "/readyz", "/v1/sessions", "/metrics"}) {
        CAPTURE(std::string(path));
        // Before the time of those that drip has run out, which may need a second crowd where
        // the machine is slow.
        CHECK(comes_true([&] {
            std::vector<Wire> wires;
            for (int i = 0; i < 300; ++i) {
                wires.emplace_back(port);
                wires.back().send("GET /healthz HTTP/1.1\r\nX: ");
            }
            const Dripper dripper(wires, "a");
            const LastWord last(wires.back());
            for (int i = 0; i < 5; ++i) CHECK(api.get(path).status == 200);
            return !last.has_come();
        }));
    }
}

TEST_CASE("a request has one time for all of it, however it drips in") {
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    const auto target = "/v1/sessions/" + handle_of(stage, fern) + "/discord/users/@me";
    std::vector<Wire> wires;
    for (const auto& begin : {std::string("GET /healthz HTTP/1.1\r\nX: "),
                              request("POST " + target, "Content-Length: 100000\r\n")}) {
        wires.emplace_back(stage.gate().internal_port());
        wires.back().send(begin);
    }
    const Dripper dripper(wires, "a");  // for ever, if they let it
    for (auto& wire : wires) {
        const auto answer = wire.read_response();
        CHECK(answer.status() == 408);
        CHECK(answer.body.find("\"code\":\"invalid_request\"") != std::string::npos);
    }
}

TEST_CASE("connections that say nothing give way to those that ask") {
    Stage stage;
    std::vector<Wire> silent;
    for (int i = 0; i < 300; ++i) silent.emplace_back(stage.gate().internal_port());
    const Internal api(stage);
    for (int i = 0; i < 20; ++i) CHECK(api.get("/healthz").status == 200);
    CHECK_MESSAGE(silent.front().is_closed(), "the oldest of them");
    silent.back().send(request("GET /healthz"));
    CHECK_MESSAGE(silent.back().read_response().status() == 200, "not the newest");
}

TEST_CASE("the internal API keeps a connection for the next request, and knows where a body ends") {
    Stage stage({.internal = token_setting});
    Wire wire(stage.gate().internal_port());
    wire.send(request("GET /v1/sessions", bearer) + request("HEAD /v1/sessions", bearer) +
              request("DELETE /v1/sessions/x", bearer + "Content-Length: 5\r\n") + "12345" +
              request("GET /healthz"));
    CHECK(wire.read_response().status() == 200);
    const auto head = wire.read_response("HEAD");
    CHECK(head.status() == 200);
    CHECK(head.field("Content-Length") != "0");
    CHECK(wire.read_response().status() == 404);
    CHECK(wire.read_response().body == "{\"alive\":true}\n");
    wire.send(request("GET /v1/sessions"));
    CHECK(wire.read_response().status() == 401);
    CHECK_MESSAGE(wire.is_closed(), "who is refused has nothing more to say");

    Wire asks(stage.gate().internal_port());
    asks.send(
        request("DELETE /v1/sessions/x", bearer + "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    CHECK(asks.read_bytes(25) == "HTTP/1.1 100 Continue\r\n\r\n");
    asks.send("12345");
    CHECK(asks.read_response().status() == 404);
    Wire stranger(stage.gate().internal_port());
    stranger.send(
        request("DELETE /v1/sessions/x", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    CHECK_MESSAGE(stranger.read_response().status() == 401, "before the body is asked for");
}
