#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/internal.hpp"

// A rush of logins against Discord's rate limits, as the simulator keeps them.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;

namespace {

constexpr std::uint64_t first_id = 900000000000000001;

Snowflake visitor(int number) {
    return Snowflake(first_id + static_cast<std::uint64_t>(number));
}

void add_visitors(sim::World& world, int count) {
    for (int i = 0; i < count; ++i) {
        sim::Account account;
        account.id = visitor(i);
        account.username = "visitor" + std::to_string(i);
        world.add_user(account);
        world.join(account.id, demo::garden);
    }
}

void limit_tokens(sim::Simulator& discord, const sim::Limit& limit) {
    discord.change_settings([&](sim::Settings& settings) {
        settings.rate_limits = true;
        settings.limits["/oauth2/token"] = limit;
    });
}

}  // namespace

TEST_CASE("M25: of a hundred logins at once each is done or told when to come again") {
    constexpr int logins = 100;
    Stage stage({.rules = "[{path: /**, access: login}]", .login = "scopes: [identify, guilds]"});
    add_visitors(stage.discord.world(), logins);
    std::vector<Browser> browsers;
    std::vector<std::string> callbacks;
    for (int i = 0; i < logins; ++i) {
        stage.discord.approve_as(visitor(i));
        browsers.push_back(stage.browser());
        const auto asked = browsers.back().get("/login?rd=/x").field("Location");
        callbacks.push_back(browsers.back().get(asked).field("Location"));
    }
    // Discord's own: fifty in ten seconds for our address, however many log in.
    limit_tokens(stage.discord, {50, 10s, true});
    std::atomic<int> done = 0;
    std::atomic<int> told = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < logins; ++i) {
        threads.emplace_back([&, i] {
            const auto answer = browsers[i].get(callbacks[i]);
            if (answer.status() == 302) ++done;
            if (answer.status() == 503 && std::stoi("0" + answer.field("Retry-After")) > 0) ++told;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(done + told == logins);
    CHECK(done >= 50);
    const auto metrics = Internal(stage).get("/metrics").body;
    CHECK(metrics.find("\ncordgate_discord_rate_limited_total 0\n") != std::string::npos);
    for (int i = 0; i < logins; ++i) {
        auto& browser = browsers[static_cast<std::size_t>(i)];
        const auto status = browser.ask("GET", "/x").status();
        CHECK((status == 200 || (status == 401 && browser.cookie("cordgate").empty())));
        if (status == 200) {
            CHECK(stage.app.last().field("X-Discord-User-Id") == visitor(i).to_string());
        }
    }
}
