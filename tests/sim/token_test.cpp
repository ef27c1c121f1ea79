#include <doctest/doctest.h>

#include "tests/sim/fixture.hpp"

using namespace cordgate;
using namespace cordgate::sim;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr const char* token_path = "/api/v10/oauth2/token";

}  // namespace

TEST_CASE("a login with PKCE ends in a token pair for the user who agreed") {
    Discord discord;
    const auto grant = discord.login(demo::fern);
    CHECK(grant["token_type"] == "Bearer");
    CHECK(grant["expires_in"] == 604800);
    CHECK(grant["scope"] == "guilds identify");  // never the order asked for
    CHECK(grant["refresh_token"].get<std::string>().size() == 30);
    const auto user = discord.as(grant["access_token"], "/users/@me");
    CHECK(user->status == 200);
    CHECK(body_of(user)["id"] == demo::fern.to_string());
}

TEST_CASE("the token endpoint is as strict as Discord's") {
    struct Case {
        const char* name;
        Discord::Fields changes;
        int status;
        const char* error;
        const char* description;
    };
    const std::string short_verifier(42, 'a');
    const std::string long_verifier(129, 'a');
    const std::string other_verifier(43, 'a');
    // Aligned, the rows would be too long.
    // clang-format off
    const Case cases[] = {
        {"all is well", {}, 200, "", ""},
        {"no grant_type", {{"grant_type", ""}}, 400, "unsupported_grant_type", ""},
        {"an unknown grant_type", {{"grant_type", "password"}}, 400, "unsupported_grant_type", ""},
        {"another secret", {{"client_secret", "x"}}, 401, "invalid_client", ""},
        {"no secret", {{"client_secret", ""}}, 401, "invalid_client", ""},
        {"another client", {{"client_id", "7"}}, 401, "invalid_client", ""},
        {"no client", {{"client_id", ""}}, 401, "invalid_client", ""},
        {"an unknown code", {{"code", "x"}}, 400, "invalid_grant", "Invalid \"code\" in request."},
        {"no code", {{"code", ""}}, 400, "invalid_grant", "Invalid \"code\" in request."},
        {"another redirect_uri", {{"redirect_uri", "http://localhost:4180/callback"}}, 400,
         "invalid_grant", "Invalid \"redirect_uri\" in request."},
        {"no redirect_uri", {{"redirect_uri", ""}}, 400, "invalid_grant",
         "Invalid \"redirect_uri\" in request."},
        {"no verifier", {{"code_verifier", ""}}, 400, "invalid_grant", "Missing \"code_verifier\""},
        {"another verifier", {{"code_verifier", other_verifier}}, 400, "invalid_grant",
         "Invalid \"code_verifier\""},
        {"a verifier of 42", {{"code_verifier", short_verifier}}, 400, "invalid_request",
         "Invalid \"code_verifier\""},
        {"a verifier of 129", {{"code_verifier", long_verifier}}, 400, "invalid_request",
         "Invalid \"code_verifier\""},
        {"a verifier with a space", {{"code_verifier", other_verifier + " "}}, 400,
         "invalid_request", "Invalid \"code_verifier\""},
    };
    // clang-format on
    for (const auto& row : cases) {
        CAPTURE(row.name);
        Discord discord;
        const auto fields = Discord::exchange(discord.code(demo::fern), row.changes);
        const auto answer = discord.post(token_path, fields);
        REQUIRE(answer);
        CHECK(answer->status == row.status);
        CHECK(body_of(answer).value("error", "") == row.error);
        CHECK(body_of(answer).value("error_description", "") == row.description);
    }
}

TEST_CASE("the token endpoint reads forms only, and takes the secret in a header as well") {
    Discord discord;
    httplib::Headers headers = {
        {"User-Agent", user_agent}
    };
    const auto as_json = discord.http.Post(token_path, headers,
                                           json{
                                               {"grant_type", "authorization_code"}
    }
                                               .dump(),
                                           "application/json");
    CHECK(as_json->status == 400);
    CHECK(body_of(as_json)["error"] == "unsupported_grant_type");

    const auto good = std::string(demo::client_id) + ":" + demo::client_secret;
    for (const auto& [pair, status] : {
             std::pair{good,       200},
             {good + "x", 401},
             {"",         401}
    }) {
        CAPTURE(pair);
        const auto fields = Discord::exchange(discord.code(demo::fern),
                                              {
                                                  {"client_id",     ""},
                                                  {"client_secret", ""}
        });
        headers = {
            {"User-Agent",    user_agent                    },
            {"Authorization", "Basic " + base64_encode(pair)}
        };
        const auto answer = discord.http.Post(token_path, headers, Discord::form(fields),
                                              "application/x-www-form-urlencoded; charset=utf-8");
        CHECK(answer->status == status);
    }
}

TEST_CASE("a code works once and for one minute") {
    Discord discord;
    const auto code = discord.code(demo::fern);
    CHECK(discord.post(token_path, Discord::exchange(code))->status == 200);
    CHECK(discord.post(token_path, Discord::exchange(code))->status == 400);

    const auto quick = discord.code(demo::fern);
    discord.sim.advance(59s);
    CHECK(discord.post(token_path, Discord::exchange(quick))->status == 200);
    const auto slow = discord.code(demo::fern);
    discord.sim.advance(60s);
    CHECK(discord.post(token_path, Discord::exchange(slow))->status == 400);
}

TEST_CASE("an exchange without a challenge needs no verifier") {
    Discord discord;
    const auto code =
        discord.code(demo::fern, {
                                     {"code_challenge",        ""},
                                     {"code_challenge_method", ""}
    });
    const auto answer =
        discord.post(token_path, Discord::exchange(code, {
                                                             {"code_verifier", ""}
    }));
    CHECK(answer->status == 200);
}

TEST_CASE("a public client proves itself by its verifier alone") {
    Simulator sim({.redirect_uris = {callback}, .is_public = true, .world = demo_world()});
    httplib::Client http("127.0.0.1", sim.start());
    sim.approve_as(demo::fern);
    const httplib::Headers headers = {
        {"User-Agent", user_agent}
    };
    for (const auto& [given, error] : {
             std::pair{verifier, ""               },
             {"",       "invalid_request"}
    }) {
        const auto code = Discord::parameter(http.Get(Discord::authorize()), "code");
        const auto fields =
            Discord::exchange(code, {
                                        {"client_secret", ""   },
                                        {"code_verifier", given}
        });
        const auto answer = http.Post(token_path, headers, Discord::form(fields),
                                      "application/x-www-form-urlencoded");
        CHECK(body_of(answer).value("error", "") == error);
    }
}

TEST_CASE("a refresh rotates both tokens and keeps the old ones dead") {
    Discord discord;
    const auto first = discord.login(demo::fern);
    const auto answer = discord.refresh(first["refresh_token"]);
    REQUIRE(answer->status == 200);
    const auto second = body_of(answer);
    CHECK(second["access_token"] != first["access_token"]);
    CHECK(second["refresh_token"] != first["refresh_token"]);
    CHECK(second["scope"] == first["scope"]);
    CHECK(discord.as(first["access_token"], "/users/@me")->status == 401);
    CHECK(discord.as(second["access_token"], "/users/@me")->status == 200);

    const auto again = discord.refresh(first["refresh_token"]);
    CHECK(again->status == 400);
    CHECK(body_of(again)["error"] == "invalid_grant");
    CHECK(body_of(again)["error_description"] == "Invalid \"refresh_token\" in request");
}

TEST_CASE("an access token lives for seven days, its refresh token longer") {
    Discord discord;
    const auto grant = discord.login(demo::fern);
    discord.sim.advance(168h - 1s);
    CHECK(discord.as(grant["access_token"], "/users/@me")->status == 200);
    discord.sim.advance(1s);
    CHECK(discord.as(grant["access_token"], "/users/@me")->status == 401);
    CHECK(discord.refresh(grant["refresh_token"])->status == 200);
}

TEST_CASE("revoking any one token ends every grant of that user, and of nobody else") {
    for (const auto* const which : {"access_token", "refresh_token"}) {
        CAPTURE(which);
        Discord discord;
        const auto here = discord.login(demo::fern);
        const auto there = discord.login(demo::fern);
        const auto other = discord.login(demo::robin);
        const auto revoke = [&](const std::string& token, const std::string& secret) {
            return discord.post(
                "/api/oauth2/token/revoke",
                {
                    {"token",         token          },
                    {"client_id",     demo::client_id},
                    {"client_secret", secret         }
            });
        };
        CHECK(revoke(here[which], "wrong")->status == 401);
        CHECK(discord.as(here["access_token"], "/users/@me")->status == 200);

        const auto answer = revoke(here[which], demo::client_secret);
        CHECK(answer->status == 200);
        CHECK(answer->body == "{}");
        CHECK(discord.as(here["access_token"], "/users/@me")->status == 401);
        CHECK(discord.as(there["access_token"], "/users/@me")->status == 401);
        CHECK(discord.refresh(there["refresh_token"])->status == 400);
        CHECK(discord.as(other["access_token"], "/users/@me")->status == 200);
        CHECK(revoke("unknown", demo::client_secret)->status == 200);
    }
}

TEST_CASE("the oddities that people reported can be switched on") {
    Discord discord;
    const auto tokens = [&](const std::function<void(TokenSettings&)>& edit) {
        discord.sim.change_settings([&](Settings& settings) { edit(settings.tokens); });
    };
    SUBCASE("a new login gets the living token again") {
        tokens([](TokenSettings& t) { t.same_token_on_login = true; });
        CHECK(discord.access_token(demo::fern) == discord.access_token(demo::fern));
    }
    SUBCASE("a refreshed token answers 401 for good") {
        tokens([](TokenSettings& t) { t.dead_token_after_refresh = true; });
        const auto grant = discord.login(demo::fern);
        const auto next = body_of(discord.refresh(grant["refresh_token"]));
        CHECK(discord.as(next["access_token"], "/users/@me")->status == 401);
        CHECK(discord.as(next["access_token"], "/oauth2/@me")->status == 401);
    }
    SUBCASE("the old access token outlives a refresh") {
        tokens([](TokenSettings& t) { t.keep_token_on_refresh = true; });
        const auto grant = discord.login(demo::fern);
        CHECK(discord.refresh(grant["refresh_token"])->status == 200);
        CHECK(discord.as(grant["access_token"], "/users/@me")->status == 200);
        CHECK(discord.refresh(grant["refresh_token"])->status == 400);
    }
    SUBCASE("a refresh carries everything the user ever granted") {
        tokens([](TokenSettings& t) { t.scope_growth = true; });
        discord.login(demo::fern, "identify email");
        const auto grant = discord.login(demo::fern, "identify");
        CHECK(grant["scope"] == "identify");
        CHECK(body_of(discord.refresh(grant["refresh_token"]))["scope"] == "identify email");
    }
    SUBCASE("scopes come and go without being asked for") {
        tokens([](TokenSettings& t) {
            t.add_scopes = {"connections"};
            t.drop_scopes = {"guilds"};
        });
        const auto grant = discord.login(demo::fern);
        CHECK(grant["scope"] == "connections identify");
        CHECK(discord.as(grant["access_token"], "/users/@me/guilds")->status == 401);
    }
}
