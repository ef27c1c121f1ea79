#include <doctest/doctest.h>

#include "tests/support/fair_time.hpp"
#include "tests/support/replicas.hpp"

// Two gates that share a Redis.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;

namespace {

/// Whether the gate no longer lets the visitor in, within a second from now.
bool is_out_soon(Browser& visitor) {
    return comes_true_within(1s, [&] { return visitor.ask("GET", "/inbox").status() == 401; });
}

}  // namespace

TEST_CASE("L28 a session that ends on one replica is refused by the other within a second") {
    Replicas replicas;
    auto& stage = replicas.stage;
    auto& redis = replicas.redis;

    SUBCASE("which it is told") {
        for (int round = 0; round < 3; ++round) {
            auto fern = stage.browser_of(demo::fern);
            auto there = replicas.there(fern);
            REQUIRE(there.ask("GET", "/inbox").status() == 200);  // it is in both caches now
            REQUIRE(fern.post_form("/logout").status() == 303);
            CHECK(is_out_soon(there));
            CHECK(fern.ask("GET", "/inbox").status() == 401);
        }
    }
    SUBCASE("which it finds out when it cannot be told") {
        auto fern = stage.browser_of(demo::fern);
        auto there = replicas.there(fern);
        REQUIRE(there.ask("GET", "/inbox").status() == 200);
        // Whoever subscribes from now on is refused, and whoever has is cut off.
        (void)redis.ask({"ACL", "SETUSER", "default", "-subscribe"});
        (void)redis.ask({"CLIENT", "KILL", "TYPE", "pubsub"});
        auto& twin = replicas.twin->process();
        REQUIRE(twin.says("the store does not tell which sessions end"));
        CHECK(there.ask("GET", "/inbox").status() == 200);
        REQUIRE(fern.post_form("/logout").status() == 303);
        CHECK(is_out_soon(there));
        (void)redis.ask({"ACL", "SETUSER", "default", "+subscribe"});
        CHECK(twin.says("the store tells again which sessions end"));
    }
    SUBCASE("a login that began on one is finished by the other") {
        auto fern = stage.browser();
        stage.discord.approve_as(demo::fern);
        const auto begun = fern.fetch("GET", "/login?rd=/inbox");
        REQUIRE(begun.status() == 302);
        auto other = replicas.there(fern);
        CHECK(other.visit(begun.field("Location")).status() == 200);
        CHECK(other.at(stage.port()).ask("GET", "/inbox").status() == 200);
    }
}

TEST_CASE("L17 L18 while Redis is away visitors see 503, never a logout, and are in afterwards") {
    RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
    Stage stage(over(redis));
    auto fern = stage.browser_of(demo::fern);
    const auto cookie = fern.cookie("cordgate");
    const auto is_away = [&] {
        Message answer;
        REQUIRE(comes_true([&] {
            answer = fern.ask("GET", "/inbox");
            return answer.status() != 200;  // from memory, for a moment
        }));
        CHECK(answer.status() == 503);
        CHECK(answer.all("Set-Cookie").empty());
        CHECK(fern.cookie("cordgate") == cookie);
    };
    const auto is_back = [&] {
        REQUIRE(comes_true([&] { return fern.ask("GET", "/inbox").status() != 503; }));
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
