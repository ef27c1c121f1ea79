#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using namespace std::chrono_literals;
using nlohmann::json;

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

TEST_CASE("giving and taking roles share a bucket, per guild") {
    Discord discord;
    const httplib::Headers headers = {
        {"User-Agent",    user_agent                     },
        {"Authorization", std::string("Bot ") + bot_token}
    };
    const auto path = [](Snowflake guild) {
        return "/api/v10/guilds/" + guild.to_string() + "/members/7/roles/7";
    };
    const auto given = discord.http.Put(path(demo::garden), headers, "", "application/json");
    const auto taken = discord.http.Delete(path(demo::garden), headers);
    const auto elsewhere = discord.http.Delete(path(demo::lighthouse), headers);
    CHECK(given->get_header_value("X-RateLimit-Bucket") ==
          taken->get_header_value("X-RateLimit-Bucket"));
    CHECK(given->get_header_value("X-RateLimit-Remaining") == "9");
    CHECK(taken->get_header_value("X-RateLimit-Remaining") == "8");
    CHECK(elsewhere->get_header_value("X-RateLimit-Remaining") == "9");
}

TEST_CASE("a limit over all calls of a user can be set, and headers can be missing") {
    Discord discord;
    const auto fern = discord.access_token(demo::fern);
    discord.control("limits", {
                                  {"route",  "*user"},
                                  {"units",  1      },
                                  {"window", 60     }
    });
    CHECK(discord.as(fern, "/users/@me")->status == 200);
    const auto refused = discord.as(fern, "/oauth2/@me");
    CHECK(refused->status == 429);
    CHECK(body_of(refused)["global"] == true);

    discord.control("reset", json::object());
    discord.control("settings", {
                                    {"limit_headers", false}
    });
    const auto robin = discord.access_token(demo::robin);
    CHECK_FALSE(discord.as(robin, "/users/@me/guilds")->has_header("X-RateLimit-Limit"));
    const auto limited = discord.as(robin, "/users/@me/guilds");
    CHECK(limited->status == 429);
    CHECK(limited->has_header("Retry-After"));
}

TEST_CASE("v6 and v7 count the time to wait in whole milliseconds, E2d") {
    Discord discord;
    discord.control("settings", {
                                    {"require_version", false}
    });
    const auto bearer = "Bearer " + discord.access_token(demo::fern);
    discord.get("/api/users/@me/guilds", bearer);
    for (const auto* const api : {"/api", "/api/v6", "/api/v7"}) {
        CAPTURE(api);
        CHECK(body_of(discord.get(std::string(api) + "/users/@me/guilds", bearer))["retry_after"] ==
              1000);
    }
    CHECK(body_of(discord.get("/api/v9/users/@me/guilds", bearer))["retry_after"] == 1.0);
}
