#include <doctest/doctest.h>

#include <thread>

#include "tests/support/redis_server.hpp"
#include "tests/support/stage.hpp"

// Two gates that share a Redis.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;
using SteadyClock = std::chrono::steady_clock;

namespace {

Script on(const RedisServer& redis) {
    Script script;
    script.store = "redis+unix:" + redis.socket();
    script.session = "keys: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]";
    return script;
}

/// The same visitor, who meets another gate.
Browser at(const Stage& stage, const Browser& visitor, int port) {
    Browser other(stage.home(), {port, {}});
    other.set_cookie("cordgate", visitor.cookie("cordgate"));
    return other;
}

/// How long until the gate no longer lets the visitor in; at most a few seconds.
std::chrono::milliseconds time_until_out(Browser& visitor) {
    const auto start = SteadyClock::now();
    while (SteadyClock::now() - start < std::chrono::seconds(10)) {
        if (visitor.ask("GET", "/inbox").status() == 401) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
}

}  // namespace

TEST_CASE("L28 a session that ends on one replica is refused by the other within a second") {
    RedisServer redis({"--appendonly", "yes"});
    Stage stage(on(redis));
    const ReservedPort port;
    const auto twin = stage.start_twin(port);

    SUBCASE("which it is told") {
        for (int round = 0; round < 3; ++round) {
            auto fern = stage.browser_of(demo::fern);
            auto there = at(stage, fern, port.number());
            REQUIRE(there.ask("GET", "/inbox").status() == 200);  // it is in both caches now
            REQUIRE(fern.post_form("/logout").status() == 303);
            CHECK(time_until_out(there) < std::chrono::seconds(1));
            CHECK(fern.ask("GET", "/inbox").status() == 401);
        }
    }
    SUBCASE("which it finds out when it cannot be told") {
        auto fern = stage.browser_of(demo::fern);
        auto there = at(stage, fern, port.number());
        REQUIRE(there.ask("GET", "/inbox").status() == 200);
        // Whoever subscribes from now on is refused, and whoever has is cut off.
        (void)redis.ask({"ACL", "SETUSER", "default", "-subscribe"});
        (void)redis.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
        REQUIRE(twin->process().says("the store does not tell which sessions end"));
        CHECK(there.ask("GET", "/inbox").status() == 200);
        REQUIRE(fern.post_form("/logout").status() == 303);
        CHECK(time_until_out(there) < std::chrono::seconds(1));
        (void)redis.ask({"ACL", "SETUSER", "default", "+subscribe"});
        CHECK(twin->process().says("the store tells again which sessions end"));
    }
    SUBCASE("a login that began on one is finished by the other") {
        auto fern = stage.browser();
        stage.discord.approve_as(demo::fern);
        const auto begun = fern.fetch("GET", "/login?rd=/inbox");
        REQUIRE(begun.status() == 302);
        Browser other(stage.home(), {port.number(), {}});
        other.set_cookie("cordgate-login", fern.cookie("cordgate-login"));
        const auto back = other.visit(begun.field("Location"));
        CHECK(back.status() == 200);
        auto here = at(stage, other, stage.port());
        CHECK(here.ask("GET", "/inbox").status() == 200);
    }
}

TEST_CASE("L17 L18 while Redis is away visitors see 503, never a logout, and are in afterwards") {
    RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
    Stage stage(on(redis));
    auto fern = stage.browser_of(demo::fern);
    const auto cookie = fern.cookie("cordgate");
    const auto is_away = [&] {
        const auto end = SteadyClock::now() + std::chrono::seconds(20);
        auto answer = fern.ask("GET", "/inbox");
        while (answer.status() == 200 && SteadyClock::now() < end) {
            answer = fern.ask("GET", "/inbox");  // from memory, for a moment
        }
        CHECK(answer.status() == 503);
        CHECK(answer.all("Set-Cookie").empty());
        CHECK(fern.cookie("cordgate") == cookie);
    };
    const auto is_back = [&] {
        const auto end = SteadyClock::now() + std::chrono::seconds(20);
        while (fern.ask("GET", "/inbox").status() == 503 && SteadyClock::now() < end) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        CHECK(fern.ask("GET", "/inbox").status() == 200);
    };
    SUBCASE("killed and started again") {
        redis.kill();
        is_away();
        redis.start();
        is_back();
    }
    SUBCASE("paused") {
        redis.pause();
        is_away();
        redis.go_on();
        is_back();
    }
    SUBCASE("L22 flushed: that does log out, as soon as nobody remembers") {
        (void)redis.ask({"FLUSHALL"});
        REQUIRE(stage.stop_gate() == 0);
        stage.start_gate();
        CHECK(fern.ask("GET", "/inbox").status() == 401);
        auto again = stage.browser_of(demo::fern);
        CHECK(again.ask("GET", "/inbox").status() == 200);
    }
    SUBCASE("unable to write: visitors stay, logins fail, both until it can again") {
        (void)redis.ask({"CONFIG", "SET", "maxmemory", "1"});
        CHECK(fern.ask("GET", "/inbox").status() == 200);
        CHECK(stage.browser().get("/login").status() == 503);
        (void)redis.ask({"CONFIG", "SET", "maxmemory", "0"});
        CHECK(stage.browser().get("/login").status() == 302);
    }
}
