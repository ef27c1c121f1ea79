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

TEST_CASE("every fault that has a name can be asked for") {
    for (const auto name : fault_names()) {
        CAPTURE(name);
        CHECK(fault_by_name(name).has_value());
    }
    CHECK_FALSE(fault_by_name("").has_value());
}

TEST_CASE("a 429 of a bucket has all its headers, a global one none of a bucket") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    for (const auto* const kind : {"429_user", "429_shared", "429_global"}) {
        CAPTURE(kind);
        discord.sim.add_fault("/users/@me", kind);
        const auto answer = discord.as(token, "/users/@me");
        const bool of_bucket = std::string_view(kind) != "429_global";
        CHECK(answer->get_header_value("X-RateLimit-Scope") == kind + 4);
        for (const auto* const header : {"X-RateLimit-Limit", "X-RateLimit-Reset",
                                         "X-RateLimit-Reset-After", "X-RateLimit-Bucket"}) {
            CHECK(answer->has_header(header) == of_bucket);
        }
        CHECK(answer->has_header("X-RateLimit-Global") != of_bucket);
    }
}

TEST_CASE("connections end where a name says so") {
    Discord discord;
    const auto token = discord.access_token(demo::fern);
    for (const auto* const kind : {"cut_head", "cut_body", "wrong_length", "reset"}) {
        CAPTURE(kind);
        discord.sim.add_fault("/users/@me", kind);
        CHECK_FALSE(discord.as(token, "/users/@me"));
        CHECK(discord.as(token, "/users/@me")->status == 200);
    }
}

TEST_CASE("people can have every name that Discord lets through, for one answer") {
    Discord discord;
    discord.sim.change_settings([](Settings& settings) { settings.rate_limits = false; });
    const auto token = discord.access_token(demo::fern, "identify email");
    const auto me = [&](const char* kind) {
        discord.sim.add_fault("/users/@me", kind);
        return body_of(discord.as(token, "/users/@me"));
    };
    CHECK(me("legacy_discriminator")["discriminator"] == "1337");
    CHECK(me("global_name_null")["global_name"].is_null());
    CHECK(me("global_name_crlf")["global_name"].get<std::string>().find("\r\n") !=
          std::string::npos);
    CHECK(me("global_name_rtl")["global_name"].get<std::string>().starts_with("\xE2\x80\xAE"));
    CHECK(me("global_name_emoji")["global_name"].get<std::string>().size() == 32 * 4);
    CHECK(me("email_null")["email"].is_null());
    CHECK(me("unknown_keys").contains("new_object"));
    const auto sparse = me("no_optional_keys");
    CHECK(sparse["id"] == demo::fern.to_string());
    CHECK_FALSE(sparse.contains("primary_guild"));
    CHECK_FALSE(sparse.contains("email"));
}

TEST_CASE("lists can be huge, or miss a guild once") {
    Discord discord;
    discord.sim.change_settings([](Settings& settings) { settings.rate_limits = false; });
    const auto token = discord.access_token(demo::fern);
    const auto guilds = [&] { return body_of(discord.as(token, "/users/@me/guilds")); };
    discord.sim.add_fault("/users/@me/guilds", "huge_guilds");
    const auto huge = guilds();
    CHECK(huge.size() == 200);
    CHECK(huge[0]["name"].get<std::string>().size() == 100);
    CHECK(huge[0]["features"].size() > 20);
    discord.control("faults",
                    {
                        {"route",   "/users/@me/guilds"       },
                        {"without", {demo::garden.to_string()}}
    });
    CHECK(guilds().size() == 1);
    CHECK(guilds().size() == 2);
}

TEST_CASE("the world can change between two calls") {
    Discord discord;
    const auto grant = discord.login(demo::fern, "identify guilds.members.read");
    const std::string token = grant["access_token"];
    const auto member = "/users/@me/guilds/" + demo::garden.to_string() + "/member";
    auto kicked = *fault_by_name("kicked");
    kicked.route = member;
    kicked.after = 1;
    discord.sim.add_fault(kicked);
    CHECK(discord.as(token, member)->status == 200);
    CHECK(body_of(discord.as(token, member))["code"] == 10004);
    CHECK(discord.sim.world().member(demo::fern, demo::workshop).has_value());

    const auto guild = "/guilds/" + demo::garden.to_string();
    discord.sim.add_fault("/guilds/{guild}/roles", "bot_kicked");
    CHECK(discord.as_bot(guild)->status == 200);
    CHECK(discord.as_bot(guild + "/roles")->status == 404);
    CHECK(discord.as_bot(guild)->status == 404);
    CHECK(discord.as_bot("/guilds/" + demo::lighthouse.to_string())->status == 200);

    discord.sim.add_fault("/users/@me", "deauthorized");
    CHECK(discord.as(token, "/users/@me")->status == 401);
    CHECK(discord.refresh(grant["refresh_token"])->status == 400);
}
