#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/support/redis_server.hpp"
#include "tests/support/stage.hpp"

// What a session says of its visitor stays true, and what it opened ends with it. How old
// what may get is in clock_test.cpp.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;
using SteadyClock = std::chrono::steady_clock;

namespace {

const std::string handshake =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// FIN, close, two bytes: 1008.
constexpr std::string_view not_allowed("\x88\x02\x03\xf0", 4);

std::string cookie_line(const Browser& browser) {
    return "Cookie: cordgate=" + browser.cookie("cordgate") + "\r\n";
}

Script guilds_for(const std::string& identity) {
    Script script;
    script.rules =
        "[{path: /garden/**, require: {guild: '401000000000000001'}}, "
        "{path: /staff/**, require: {guild: '401000000000000001', role: "
        "['501000000000000001']}}, {path: /**, access: login}]";
    script.identity = identity;
    return script;
}

/// How long it takes until `path` answers with `status`; ten seconds are too long.
std::chrono::milliseconds time_until(Browser& visitor, const std::string& path, int status) {
    const auto start = SteadyClock::now();
    while (SteadyClock::now() - start < 10s) {
        if (visitor.ask("GET", path).status() == status) break;
        std::this_thread::sleep_for(10ms);
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
}

/// A socket of `visitor` that is open.
Wire open_socket(Stage& stage, const Browser& visitor, const std::string& path, int port = 0) {
    Wire wire(port > 0 ? port : stage.port());
    wire.send(stage.request("GET " + path, cookie_line(visitor) + handshake));
    REQUIRE(wire.read_response().status() == 101);
    return wire;
}

/// That the socket is closed with 1008, and how long that takes.
std::chrono::milliseconds time_until_cut(Wire& wire) {
    const auto start = SteadyClock::now();
    CHECK(wire.read_bytes(not_allowed.size()) == not_allowed);
    CHECK(wire.is_closed());
    return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
}

}  // namespace

TEST_CASE(
    "quartcord B14, G12: a kicked member is out within guilds_max_age, and in again after "
    "joining") {
    Stage stage(guilds_for("guilds_max_age: 1s, max_stale: 1m"));
    auto fern = stage.browser_of(demo::fern);
    CHECK(fern.ask("GET", "/garden/").status() == 200);
    stage.discord.world().kick(demo::fern, demo::garden);
    CHECK(time_until(fern, "/garden/", 403) < 2s);
    CHECK(fern.ask("GET", "/inbox").status() == 200);  // the session itself goes on
    CHECK(stage.app.last().field("X-Discord-User-Guilds").find("401000000000000001") ==
          std::string::npos);
    CHECK_FALSE(stage.app.last().has("X-Discord-Stale"));
    stage.discord.world().join(demo::fern, demo::garden);
    CHECK(time_until(fern, "/garden/", 200) < 2s);
}

TEST_CASE("quartcord B14, G12: a role that is taken away is gone within guilds_max_age") {
    const auto by = [](const std::string& discord) {
        auto script = guilds_for("guilds_max_age: 1s, max_stale: 1m");
        script.discord = discord;
        Stage stage(script);
        auto robin = stage.browser_of(demo::robin);
        CHECK(robin.ask("GET", "/staff/").status() == 200);
        stage.discord.world().set_role(demo::robin, demo::garden, demo::garden_staff, false);
        CHECK(time_until(robin, "/staff/", 403) < 2s);
        return stage.discord.count("GET /guilds/{guild}/members/{user}");
    };
    SUBCASE("as the visitor") {
        CHECK(by("") == 0);
    }
    SUBCASE("as the bot") {
        CHECK(by(bot_token_setting) > 0);
    }
}

TEST_CASE("quartcord B9 C8, G13 G14: at the refresh point two replicas under load refresh once") {
    RedisServer redis({"--appendonly", "yes"});
    auto script = guilds_for("guilds_max_age: 1s, max_stale: 1m");
    script.store = "redis+unix:" + redis.socket();
    script.session = "keys: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]";
    Stage stage(script);
    const ReservedPort port;
    const auto twin = stage.start_twin(port);
    auto fern = stage.browser_of(demo::fern);
    // The token is dead: what asks Discord next has to renew it.
    stage.discord.expire_tokens(demo::fern);
    const auto request = stage.request("GET /garden/", cookie_line(fern));
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&, i] {
            const auto end = SteadyClock::now() + 2500ms;
            bool all = true;
            while (SteadyClock::now() < end) {
                const auto there = i % 2 == 0 ? stage.port() : port.number();
                all = all && ask(there, request).status() == 200;
                std::this_thread::sleep_for(5ms);
            }
            if (all) ++good;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(good == 16);
    CHECK(stage.discord.count("POST /oauth2/token") == 2);  // the login, and the refresh
}

TEST_CASE("quartcord B10 B11, G16: whose grant is refused is logged out, and can log in again") {
    Stage stage(guilds_for("guilds_max_age: 1s, max_stale: 1m"));
    auto fern = stage.browser_of(demo::fern);
    stage.discord.deauthorize(demo::fern);
    CHECK(time_until(fern, "/inbox", 401) < 3s);
    auto again = stage.browser_of(demo::fern);
    CHECK(again.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("G11 what runs for a session is cut within a second after it ended") {
    Stage stage(guilds_for("guilds_max_age: 1s, max_stale: 1m"));
    stage.app.echoes("/garden/socket").echoes("/socket").holds("/garden/held");
    auto fern = stage.browser_of(demo::fern);
    SUBCASE("a logout closes sockets with 1008, those of others stay") {
        auto robin = stage.browser_of(demo::robin);
        auto wire = open_socket(stage, fern, "/socket");
        auto other = open_socket(stage, robin, "/socket");
        wire.send("\x81\x01x");
        REQUIRE(wire.read_bytes(3) == "\x81\x01x");
        REQUIRE(fern.post_form("/logout").status() == 303);
        CHECK(time_until_cut(wire) < 1s);
        other.send("\x81\x01y");
        CHECK(other.read_bytes(3) == "\x81\x01y");
    }
    SUBCASE("a logout cuts answers that still run") {
        Wire wire(stage.port());
        wire.send(stage.request("GET /garden/held", cookie_line(fern)));
        stage.app.wait_for(2);  // the login's, and this
        REQUIRE(fern.post_form("/logout").status() == 303);
        const auto start = SteadyClock::now();
        CHECK(wire.read_response().status() == 0);
        CHECK(SteadyClock::now() - start < 1s);
        stage.app.release();
    }
    SUBCASE("a member who is kicked loses the socket that the rule gave, without any request") {
        auto wire = open_socket(stage, fern, "/garden/socket");
        auto plain = open_socket(stage, fern, "/socket");
        stage.discord.world().kick(demo::fern, demo::garden);
        CHECK(time_until_cut(wire) < 4s);
        plain.send("\x81\x01y");
        CHECK(plain.read_bytes(3) == "\x81\x01y");
    }
}

TEST_CASE("G11 L28 sockets end with their session on another replica that is told nothing") {
    RedisServer redis({"--appendonly", "yes"});
    Script script;
    script.store = "redis+unix:" + redis.socket();
    script.session = "keys: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]";
    Stage stage(script);
    stage.app.echoes("/socket");
    const ReservedPort port;
    const auto twin = stage.start_twin(port);
    auto fern = stage.browser_of(demo::fern);
    auto robin = stage.browser_of(demo::robin);
    auto wire = open_socket(stage, fern, "/socket", port.number());
    auto other = open_socket(stage, robin, "/socket", port.number());
    const auto stays = [&] {
        other.send("\x81\x01y");
        CHECK(other.read_bytes(3) == "\x81\x01y");
    };
    SUBCASE("L17 since Redis does not let it listen") {
        (void)redis.ask({"ACL", "SETUSER", "default", "-subscribe"});
        (void)redis.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
        REQUIRE(twin->process().says("the store does not tell which sessions end"));
        REQUIRE(fern.post_form("/logout").status() == 303);
        CHECK(time_until_cut(wire) < 1s);
        stays();
    }
    SUBCASE("while it could not listen, and again can") {
        (void)redis.ask({"ACL", "SETUSER", "default", "-subscribe"});
        (void)redis.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
        REQUIRE(fern.post_form("/logout").status() == 303);
        const auto start = SteadyClock::now();
        (void)redis.ask({"ACL", "SETUSER", "default", "+subscribe"});
        (void)time_until_cut(wire);
        CHECK(SteadyClock::now() - start < 1500ms);
        stays();
    }
    SUBCASE("L22 FLUSHALL, which no one is told of: all of them, within some seconds") {
        (void)redis.ask({"FLUSHALL"});
        CHECK(time_until_cut(wire) < 8s);
        CHECK(time_until_cut(other) < 8s);
        Browser there(stage.home(), {port.number(), {}});
        there.set_cookie("cordgate", fern.cookie("cordgate"));
        CHECK(there.ask("GET", "/inbox").status() == 401);
        auto again = stage.browser_of(demo::fern);
        CHECK(again.ask("GET", "/inbox").status() == 200);
    }
}

TEST_CASE("G10 G11 a logout on one replica closes the sockets on the other") {
    RedisServer redis({"--appendonly", "yes"});
    Script script;
    script.store = "redis+unix:" + redis.socket();
    script.session = "keys: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]";
    Stage stage(script);
    stage.app.echoes("/socket");
    const ReservedPort port;
    const auto twin = stage.start_twin(port);
    auto fern = stage.browser_of(demo::fern);
    auto wire = open_socket(stage, fern, "/socket", port.number());
    REQUIRE(fern.post_form("/logout").status() == 303);
    CHECK(time_until_cut(wire) < 1s);
}
