#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using namespace std::chrono_literals;

TEST_CASE("a leaky bucket gives back one unit at a time, a fixed window all at its end") {
    const auto noon = TimePoint{} + 12h;
    RateLimits limits;
    const Limit leaky{2, 10s, true};
    CHECK(limits.take("a", leaky, noon).remaining == 1);
    CHECK(limits.take("a", leaky, noon).remaining == 0);
    const auto refused = limits.take("a", leaky, noon);
    CHECK_FALSE(refused.allowed);
    CHECK(refused.retry_after == doctest::Approx(5));
    CHECK(refused.reset_after == doctest::Approx(10));
    CHECK(limits.take("a", leaky, noon + 5s).allowed);
    CHECK_FALSE(limits.take("a", leaky, noon + 5s).allowed);

    const Limit fixed{2, 10s, false};
    CHECK(limits.take("b", fixed, noon).allowed);
    CHECK(limits.take("b", fixed, noon + 9s).allowed);
    CHECK_FALSE(limits.take("b", fixed, noon + 9s).allowed);
    CHECK(limits.take("b", fixed, noon + 10s).remaining == 1);
}

TEST_CASE("limits are told in headers and kept per user") {
    Discord discord;
    const auto fern = discord.access_token(demo::fern);
    const auto robin = discord.access_token(demo::robin);

    const auto first = discord.as(fern, "/users/@me/guilds");
    CHECK(first->status == 200);
    CHECK(first->get_header_value("X-RateLimit-Limit") == "1");
    CHECK(first->get_header_value("X-RateLimit-Remaining") == "0");
    CHECK(first->get_header_value("X-RateLimit-Reset-After") == "1.000");
    CHECK(first->get_header_value("X-RateLimit-Reset") == "1800000001.000");
    CHECK(first->get_header_value("X-RateLimit-Bucket").size() == 32);

    const auto second = discord.as(fern, "/users/@me/guilds");
    CHECK(second->status == 429);
    CHECK(second->get_header_value("Retry-After") == "1");
    CHECK(second->get_header_value("X-RateLimit-Scope") == "user");
    CHECK(body_of(second)["retry_after"] == 1.0);
    CHECK(body_of(second)["global"] == false);
    CHECK(body_of(second)["message"] == "You are being rate limited.");

    CHECK(discord.as(robin, "/users/@me/guilds")->status == 200);
    CHECK(discord.as(fern, "/users/@me")->status == 200);
    discord.sim.advance(1s);
    CHECK(discord.as(fern, "/users/@me/guilds")->status == 200);
}

TEST_CASE("the bot has a limit over all routes") {
    Discord discord;
    for (int call = 0; call < 50; ++call) REQUIRE(discord.as_bot("/users/@me")->status != 500);
    const auto refused = discord.as_bot("/guilds/" + demo::garden.to_string());
    CHECK(refused->status == 429);
    CHECK(refused->get_header_value("X-RateLimit-Global") == "true");
    CHECK(refused->get_header_value("X-RateLimit-Scope") == "global");
    CHECK(body_of(refused)["global"] == true);
}

TEST_CASE("limits can be changed and switched off") {
    Discord discord;
    const auto fern = discord.access_token(demo::fern);
    discord.control("limits", {
                                  {"route",  "/users/@me"},
                                  {"units",  1           },
                                  {"window", 60          }
    });
    CHECK(discord.as(fern, "/users/@me")->status == 200);
    CHECK(discord.as(fern, "/users/@me")->status == 429);
    discord.control("settings", {
                                    {"rate_limits", false}
    });
    const auto free = discord.as(fern, "/users/@me");
    CHECK(free->status == 200);
    CHECK_FALSE(free->has_header("X-RateLimit-Limit"));
}

TEST_CASE("too many refused calls shut the address out for an hour") {
    Discord discord;
    const auto fern = discord.access_token(demo::fern);
    discord.control("limits", {
                                  {"invalid_requests", 3}
    });
    for (int call = 0; call < 2; ++call) discord.get("/api/v10/users/@me");
    CHECK(discord.as(fern, "/users/@me")->status == 200);
    discord.get("/api/v10/users/@me");
    const auto banned = discord.as(fern, "/users/@me");
    CHECK(banned->status == 429);
    CHECK(banned->body == "error code: 1015");
    CHECK_FALSE(banned->has_header("Retry-After"));
    discord.sim.advance(1h);
    CHECK(discord.as(fern, "/users/@me")->status == 200);
}

TEST_CASE("a shared 429 does not count as a refused call") {
    Discord discord;
    const auto fern = discord.access_token(demo::fern);
    discord.control("limits", {
                                  {"invalid_requests", 1}
    });
    discord.sim.add_fault("/users/@me", "429_shared");
    CHECK(discord.as(fern, "/users/@me")->status == 429);
    CHECK(discord.as(fern, "/users/@me")->status == 200);
}
