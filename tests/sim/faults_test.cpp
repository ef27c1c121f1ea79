#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using namespace std::chrono_literals;
using nlohmann::json;

TEST_CASE("a named fault looks as people reported it, once, on its route only") {
    struct Case {
        const char* kind;
        int status;
        const char* content_type;
        bool retry_after;
    };
    constexpr Case cases[] = {
        {"429_user",             429, "application/json",          true },
        {"429_without_headers",  429, "application/json",          false},
        {"429_blocked",          429, "application/json",          false},
        {"cloudflare_1015",      429, "text/plain; charset=UTF-8", false},
        {"cloudflare_1015_hour", 429, "text/plain; charset=UTF-8", true },
        {"cloudflare_403_page",  403, "text/html; charset=UTF-8",  false},
        {"40333",                403, "application/json",          false},
        {"500",                  500, "application/json",          false},
        {"502_page",             502, "text/html; charset=UTF-8",  false},
        {"404_page",             404, "text/html; charset=UTF-8",  false},
        {"null",                 200, "application/json",          false},
    };
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    discord.sim.change_settings([](Settings& settings) { settings.rate_limits = false; });
    for (const auto& row : cases) {
        CAPTURE(row.kind);
        discord.sim.add_fault("GET /users/@me", row.kind);
        CHECK(discord.as(token, "/users/@me/guilds")->status == 200);
        const auto answer = discord.as(token, "/users/@me");
        CHECK(answer->status == row.status);
        CHECK(answer->get_header_value("Content-Type") == row.content_type);
        CHECK(answer->has_header("Retry-After") == row.retry_after);
        CHECK(discord.as(token, "/users/@me")->status == 200);
    }
    CHECK_THROWS_AS(discord.sim.add_fault("*", "no such fault"), std::invalid_argument);
}

TEST_CASE("a fault waits for its call and happens as often as it was told") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    discord.sim.add_fault({.route = "/users/@me", .times = 2, .after = 1, .status = 503});
    const auto status = [&] { return discord.as(token, "/users/@me")->status; };
    CHECK(status() == 200);
    CHECK(status() == 503);
    CHECK(status() == 503);
    CHECK(status() == 200);

    discord.sim.add_fault({.route = "*", .times = -1, .status = 503});
    CHECK(status() == 503);
    CHECK(status() == 503);
    discord.sim.clear_faults();
    CHECK(status() == 200);
}

TEST_CASE("a fault can be for one guild only") {
    Discord discord;
    const auto token = discord.access_token(demo::fern, "guilds.members.read");
    const auto route = [](Snowflake guild) {
        return "/users/@me/guilds/" + guild.to_string() + "/member";
    };
    discord.sim.add_fault({.route = route(demo::garden), .status = 500});
    CHECK(discord.as(token, route(demo::workshop))->status == 200);
    CHECK(discord.as(token, route(demo::garden))->status == 500);
}

TEST_CASE("connections break the way that was asked for") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    const auto get = [&] { return discord.as(token, "/users/@me"); };
    Fault fault{.route = "/users/@me"};
    SUBCASE("before the first byte") {
        fault.delivery.cut_after = 0;
        discord.sim.add_fault(fault);
        CHECK_FALSE(get());
    }
    SUBCASE("within the head") {
        fault.delivery.cut_after = 20;
        discord.sim.add_fault(fault);
        CHECK_FALSE(get());
    }
    SUBCASE("within the body") {
        fault.delivery.cut_after = 200;
        discord.sim.add_fault(fault);
        CHECK_FALSE(get());
    }
    SUBCASE("with a length that never comes") {
        fault.delivery.content_length = 100000;
        discord.sim.add_fault(fault);
        CHECK_FALSE(get());
    }
    SUBCASE("with bytes that are no HTTP") {
        fault.delivery.raw = "SSH-2.0-hello\r\n";
        discord.sim.add_fault(fault);
        CHECK_FALSE(get());
    }
    CHECK(get()->status == 200);
}

TEST_CASE("a slow, chunked or compressed answer is still the true one") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    const auto truth = discord.as(token, "/users/@me")->body;
    Fault fault{.route = "/users/@me"};
    SUBCASE("drop by drop") {
        fault.delivery.drip = 1ms;
        fault.delivery.drip_head = 1ms;
        discord.sim.add_fault(fault);
        CHECK(discord.as(token, "/users/@me")->body == truth);
    }
    SUBCASE("in chunks") {
        fault.delivery.chunked = true;
        discord.sim.add_fault(fault);
        CHECK(discord.as(token, "/users/@me")->body == truth);
    }
    SUBCASE("in gzip") {
        fault.gzip = true;
        discord.sim.add_fault(fault);
        discord.http.set_decompress(false);
        const auto answer = discord.as(token, "/users/@me");
        CHECK(answer->get_header_value("Content-Encoding") == "gzip");
        CHECK(answer->body.find(truth) != std::string::npos);  // stored, not squeezed
    }
}

TEST_CASE("stopping does not wait for an answer that is still held back") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    Fault fault{.route = "/users/@me"};
    fault.delivery.delay = 1h;
    discord.sim.add_fault(fault);
    const auto port = discord.sim.port();
    std::thread waiting([&] {
        httplib::Client other("127.0.0.1", port);
        const auto ignored =
            other.Get("/api/v10/users/@me",
                      {
                          {"Authorization", "Bearer " + token},
                          {"User-Agent",    user_agent       }
        });
    });
    while (discord.sim.count("/users/@me") == 0) std::this_thread::yield();
    discord.sim.stop();
    waiting.join();
    CHECK_FALSE(discord.as(token, "/users/@me"));
}

TEST_CASE("an answer lost after a rotation leaves the client with a dead refresh token") {
    Discord discord;
    const auto grant = discord.login(demo::fern);
    discord.sim.add_fault("/oauth2/token", "lost_answer");
    CHECK_FALSE(discord.refresh(grant["refresh_token"]));
    CHECK(body_of(discord.refresh(grant["refresh_token"]))["error"] == "invalid_grant");
}

TEST_CASE("true answers can lose keys and gain unknown ones, in lists too") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    discord.sim.add_fault({.route = "/users/@me", .merge = R"({"new":[1]})", .remove = {"locale"}});
    const auto user = body_of(discord.as(token, "/users/@me"));
    CHECK(user["new"] == json{1});
    CHECK_FALSE(user.contains("locale"));
    discord.sim.add_fault({.route = "/users/@me/guilds", .merge = R"({"permissions":5})"});
    for (const auto& guild : body_of(discord.as(token, "/users/@me/guilds"))) {
        CHECK(guild["permissions"] == 5);
    }
}
