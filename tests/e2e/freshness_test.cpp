#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/fair_time.hpp"
#include "tests/support/replicas.hpp"
#include "tests/support/websocket.hpp"

// What a session says of its visitor stays true, and what it opened ends with it. How old
// what may get is in clock_test.cpp.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;
using SteadyClock = std::chrono::steady_clock;

namespace {

Script guilds_for(const std::string& identity) {
    Script script;
    script.rules =
        "[{path: /garden/**, require: {guild: '401000000000000001'}}, "
        "{path: /staff/**, require: {guild: '401000000000000001', role: "
        "['501000000000000001']}}, {path: /**, access: login}]";
    script.identity = identity;
    return script;
}

/// Whether `path` comes to answer with `status`: long before the five minutes that guilds
/// would serve without a setting, and when exactly is in clock_test.cpp.
bool comes_to(Browser& visitor, const std::string& path, int status) {
    return comes_true([&] { return visitor.ask("GET", path).status() == status; });
}

/// That the socket is closed with 1008.
void check_cut(Wire& wire) {
    CHECK(wire.read_bytes(not_allowed.size()) == not_allowed);
    CHECK(wire.is_closed());
}

}  // namespace

TEST_CASE(
    "quartcord B14, G12: a kicked member is out within guilds_max_age, and in again after "
    "joining") {
    Stage stage(guilds_for("guilds_max_age: 1s, max_stale: 1m"));
    auto fern = stage.browser_of(demo::fern);
    CHECK(fern.ask("GET", "/garden/").status() == 200);
    stage.discord.world().kick(demo::fern, demo::garden);
    CHECK(comes_to(fern, "/garden/", 403));
    CHECK(fern.ask("GET", "/inbox").status() == 200);  // the session itself goes on
    CHECK(stage.app.last().field("X-Discord-User-Guilds").find("401000000000000001") ==
          std::string::npos);
    CHECK_FALSE(stage.app.last().has("X-Discord-Stale"));
    stage.discord.world().join(demo::fern, demo::garden);
    CHECK(comes_to(fern, "/garden/", 200));
}

TEST_CASE("quartcord B14, G12: a role that is taken away is gone within guilds_max_age") {
    const auto by = [](const std::string& discord) {
        auto script = guilds_for("guilds_max_age: 1s, max_stale: 1m");
        script.discord = discord;
        Stage stage(script);
        auto robin = stage.browser_of(demo::robin);
        CHECK(robin.ask("GET", "/staff/").status() == 200);
        stage.discord.world().set_role(demo::robin, demo::garden, demo::garden_staff, false);
        CHECK(comes_to(robin, "/staff/", 403));
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
    Replicas replicas(guilds_for("guilds_max_age: 1s, max_stale: 1m"));
    auto& stage = replicas.stage;
    auto fern = stage.browser_of(demo::fern);
    // The token is dead: what asks Discord next has to renew it.
    stage.discord.expire_tokens(demo::fern);
    const auto request = stage.request("GET /garden/", fern.cookie_line());
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&, i] {
            const auto end = SteadyClock::now() + 2500ms;
            bool all = true;
            while (SteadyClock::now() < end) {
                const auto there = i % 2 == 0 ? stage.port() : replicas.port.number();
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
    CHECK(comes_to(fern, "/inbox", 401));
    auto again = stage.browser_of(demo::fern);
    CHECK(again.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("G11 what runs for a session is cut within a second after it ended") {
    Stage stage(guilds_for("guilds_max_age: 1s, max_stale: 1m"));
    stage.app.echoes("/garden/socket").echoes("/socket").holds("/garden/held");
    auto fern = stage.browser_of(demo::fern);
    SUBCASE("a logout closes sockets with 1008, those of others stay") {
        auto robin = stage.browser_of(demo::robin);
        auto wire = open_socket(stage, "/socket", fern.cookie_line());
        auto other = open_socket(stage, "/socket", robin.cookie_line());
        REQUIRE(echoes(wire));
        REQUIRE(fern.post_form("/logout").status() == 303);
        const FairTime since;
        check_cut(wire);
        CHECK(since.passed() < 1s);
        CHECK(echoes(other));
    }
    SUBCASE("a logout cuts answers that still run") {
        Wire wire(stage.port());
        wire.send(stage.request("GET /garden/held", fern.cookie_line()));
        stage.app.wait_for(2);  // the login's, and this
        REQUIRE(fern.post_form("/logout").status() == 303);
        const FairTime since;
        CHECK(wire.read_response().status() == 0);
        CHECK(since.passed() < 1s);
        stage.app.release();
    }
    SUBCASE("a member who is kicked loses the socket that the rule gave, without any request") {
        auto wire = open_socket(stage, "/garden/socket", fern.cookie_line());
        auto plain = open_socket(stage, "/socket", fern.cookie_line());
        stage.discord.world().kick(demo::fern, demo::garden);
        check_cut(wire);
        CHECK(echoes(plain));
    }
}

TEST_CASE("G10 G11 L28 sockets end with their session on another replica, told of it or not") {
    Replicas replicas;
    auto& stage = replicas.stage;
    auto& redis = replicas.redis;
    stage.app.echoes("/socket");
    const int port = replicas.port.number();
    auto fern = stage.browser_of(demo::fern);
    auto robin = stage.browser_of(demo::robin);
    auto wire = open_socket(stage, "/socket", fern.cookie_line(), port);
    auto other = open_socket(stage, "/socket", robin.cookie_line(), port);
    const auto stop_listening = [&] {
        (void)redis.ask({"ACL", "SETUSER", "default", "-subscribe"});
        (void)redis.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
    };
    SUBCASE("G10 a logout that it is told of") {
        REQUIRE(fern.post_form("/logout").status() == 303);
        const FairTime since;
        check_cut(wire);
        CHECK(since.passed() < 1s);
        CHECK(echoes(other));
    }
    SUBCASE("L17 since Redis does not let it listen") {
        stop_listening();
        REQUIRE(replicas.twin->process().says("the store does not tell which sessions end"));
        REQUIRE(fern.post_form("/logout").status() == 303);
        const FairTime since;
        check_cut(wire);
        CHECK(since.passed() < 1s);
        CHECK(echoes(other));
    }
    SUBCASE("while it could not listen, and again can") {
        stop_listening();
        REQUIRE(fern.post_form("/logout").status() == 303);
        const FairTime since;
        (void)redis.ask({"ACL", "SETUSER", "default", "+subscribe"});
        check_cut(wire);
        CHECK(since.passed() < 1500ms);
        CHECK(echoes(other));
    }
    SUBCASE("L22 FLUSHALL, which no one is told of: all of them, within some seconds") {
        (void)redis.ask({"FLUSHALL"});
        const FairTime since;
        check_cut(wire);
        check_cut(other);
        CHECK(since.passed() < 8s);
        CHECK(replicas.there(fern).ask("GET", "/inbox").status() == 401);
        auto again = stage.browser_of(demo::fern);
        CHECK(again.ask("GET", "/inbox").status() == 200);
    }
}
