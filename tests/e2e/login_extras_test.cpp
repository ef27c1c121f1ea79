#include <doctest/doctest.h>

#include <thread>

#include "tests/support/contains.hpp"
#include "tests/support/internal.hpp"
#include "tests/support/replicas.hpp"

// What a login can ask for beyond who somebody is: profiles, bots, webhooks, guilds.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

// Rules that need no scope of their own.
constexpr const char* members_only = "[{path: /**, access: login}]";

const std::string profiles =
    "scopes: [identify, guilds], profiles: {"
    "mail: {scopes: [identify, email], prompt: consent}, "
    "invite: {scopes: [identify, bot], permissions: [MANAGE_GUILD, SEND_MESSAGES], guild_id: '" +
    demo::lighthouse.to_string() +
    "', disable_guild_select: true, integration_type: 0, extra_params: {nonce: n1}}, "
    "hook: {scopes: [identify, webhook.incoming], extra_params: {channel_id: '7'}}}";

}  // namespace

TEST_CASE(
    "quartcord C15 C15a C15c C15d C15e B18: a profile says what Discord is asked, nobody else") {
    Stage stage({.rules = members_only, .login = profiles});
    auto browser = stage.browser();
    const auto location = [&](const std::string& query) {
        return browser.get("/login" + query).field("Location");
    };
    const auto plain =
        location("?scope=bot&client_id=1&redirect_uri=https://evil.example&permissions=8");
    CHECK(parameter(plain, "scope") == "identify guilds");
    CHECK(parameter(plain, "client_id") == demo::client_id);
    CHECK(parameter(plain, "redirect_uri") == stage.home() + "/callback");
    CHECK(parameter(plain, "permissions") == "");
    CHECK(parameter(plain, "prompt") == "none");

    const auto mail = location("?profile=mail");
    CHECK(parameter(mail, "scope") == "identify email");
    CHECK(parameter(mail, "prompt") == "consent");

    const auto invite = location("?profile=invite");
    CHECK(parameter(invite, "scope") == "identify bot");
    CHECK(parameter(invite, "permissions") == std::to_string((1 << 5) | (1 << 11)));
    CHECK(parameter(invite, "guild_id") == demo::lighthouse.to_string());
    CHECK(parameter(invite, "disable_guild_select") == "true");
    CHECK(parameter(invite, "integration_type") == "0");
    CHECK(parameter(invite, "nonce") == "n1");
    CHECK_MESSAGE(parameter(invite, "prompt") == "consent", "Discord always asks for a bot");
    CHECK(parameter(location("?profile=hook"), "channel_id") == "7");
    CHECK(browser.get("/login?profile=nobody").status() == 400);
}

TEST_CASE("quartcord C14 C15d C19: the guild a bot was added to is told to the application") {
    Stage stage({.rules = members_only, .login = profiles});
    auto browser = stage.browser_of(demo::robin, "/login?profile=invite&rd=/added");
    const Internal api(stage);
    const auto path = "/v1/sessions/" + handle_of(stage, browser);
    const auto json = api.get(path).json();
    CHECK(json["profile"] == "invite");
    CHECK(json["guild"]["id"] == demo::lighthouse.to_string());
    CHECK(json["webhook"].is_null());
    CHECK(stage.stop_gate() == 0);
    stage.start_gate();
    CHECK_MESSAGE(Internal(stage).get(path).json()["guild"] == json["guild"],
                  "kept with the session");
}

TEST_CASE("quartcord C19: a webhook is told without what lets anybody post to it") {
    for (const bool allowed : {false, true}) {
        CAPTURE(allowed);
        Stage stage({.rules = members_only,
                     .login = profiles,
                     .internal = allowed ? "expose_tokens: true" : ""});
        auto browser = stage.browser_of(demo::robin, "/login?profile=hook");
        const auto path = "/v1/sessions/" + handle_of(stage, browser);
        const auto webhook = Internal(stage).get(path).json()["webhook"];
        REQUIRE(webhook.is_object());
        CHECK(webhook.contains("id"));
        CHECK(webhook.contains("channel_id"));
        CHECK(webhook.contains("token") == allowed);
        CHECK(webhook.contains("url") == allowed);
    }
}

TEST_CASE(
    "quartcord C15b: login data reaches the application once in a header, and by the handle") {
    Stage stage({.rules = members_only, .login = profiles});
    auto browser = stage.browser_of(demo::fern, "/login?rd=/first&data=%7B%22a%22%3A%5B1%5D%7D");
    CHECK(stage.app.last().field("X-Discord-Login-Data") == "%7B%22a%22%3A%5B1%5D%7D");
    const auto handle = handle_of(stage, browser);
    CHECK_FALSE(stage.app.last().has("X-Discord-Login-Data"));
    CHECK(Internal(stage).get("/v1/sessions/" + handle).json()["login_data"]["a"][0] == 1);
}

TEST_CASE("quartcord C15b: login data reaches the application once, whoever is asked first") {
    // Each request meets gates that have cached nothing, and others that have.
    const auto told = [](const Stage& stage) {
        int times = 0;
        for (const auto& request : stage.app.requests()) {
            times += request.has("X-Discord-Login-Data") ? 1 : 0;
        }
        return times;
    };
    SUBCASE("eight at once, after a restart") {
        Stage stage({.rules = members_only, .login = profiles});
        stage.discord.approve_as(demo::fern);
        auto fern = stage.browser();
        REQUIRE(fern.get(callback_of(fern, "/login?rd=/first&data=1")).status() == 302);
        REQUIRE(stage.stop_gate() == 0);
        stage.start_gate();
        std::vector<std::thread> tabs;
        for (int i = 0; i < 8; ++i) {
            tabs.emplace_back([copy = fern]() mutable { copy.get("/first"); });
        }
        for (auto& tab : tabs) tab.join();
        CHECK(stage.app.count() == 8);
        CHECK(told(stage) == 1);
    }
    SUBCASE("on the replica that did not log in, and then on the other") {
        Replicas replicas({.rules = members_only, .login = profiles});
        auto& stage = replicas.stage;
        stage.discord.approve_as(demo::fern);
        auto fern = stage.browser();
        REQUIRE(fern.get(callback_of(fern, "/login?rd=/first&data=1")).status() == 302);
        replicas.there(fern).get("/first");
        CHECK(told(stage) == 1);
        fern.get("/first");
        CHECK(stage.app.count() == 2);
        CHECK(told(stage) == 1);
    }
}

TEST_CASE("quartcord U18: login.auto_join makes a visitor a member before rules are asked") {
    Script script{.rules = "[{path: /**, require: {guild: '" + demo::garden.to_string() + "'}}]",
                  .login =
                      "scopes: [identify, guilds, guilds.members.read, guilds.join], "
                      "auto_join: [{guild: '" +
                      demo::garden.to_string() + "', roles: ['" + demo::garden_member.to_string() +
                      "'], nick: Newcomer}]",
                  .discord = bot_token_setting};
    Stage stage(script);
    SUBCASE("a newcomer") {
        auto pip = stage.browser_of(demo::pip);
        CHECK(pip.get("/x").status() == 200);
        CHECK(contains(stage.app.last().field("X-Discord-User-Guilds"), demo::garden.to_string()));
        const auto member = Internal(stage).get("/v1/bot/guilds/" + demo::garden.to_string() +
                                                "/members/" + demo::pip.to_string());
        CHECK(member.json()["nick"] == "Newcomer");
        CHECK(member.json()["roles"][0] == demo::garden_member.to_string());
    }
    SUBCASE("who is there already costs no call") {
        auto fern = stage.browser_of(demo::fern);
        CHECK(fern.get("/x").status() == 200);
        CHECK(stage.discord.count("PUT /guilds/{guild}/members/{user}") == 0);
    }
    SUBCASE("a Discord that says no ends no login, and opens no door") {
        stage.discord.add_fault("PUT /guilds/{guild}/members/{user}", "500", -1);
        stage.discord.approve_as(demo::pip);
        auto pip = stage.browser();
        CHECK(pip.visit("/x").status() == 403);
        CHECK(stage.gate().process().says("not joined"));
    }
}
