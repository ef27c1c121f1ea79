#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/discord/client.hpp"
#include "tests/support/internal.hpp"

// Discord's rate limits, as the simulator keeps them: nobody is refused for our haste,
// and it takes no longer than it has to.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;
using SteadyClock = std::chrono::steady_clock;

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

/// `work(0)` to `work(count - 1)`, on so many threads.
void share(int count, int threads, const std::function<void(int)>& work) {
    std::atomic<int> next = 0;
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) {
        workers.emplace_back([&] {
            for (int at = next++; at < count; at = next++) work(at);
        });
    }
    for (auto& worker : workers) worker.join();
}

}  // namespace

TEST_CASE("M25: hundreds of users are refreshed without a 429, in the time that the limit leaves") {
    constexpr int users = 250;  // 1,000 of them only take longer
    constexpr int per_second = 25;
    sim::Simulator::Options options;
    options.world = sim::demo_world();
    options.rate_limits = false;
    options.redirect_uris = {"http://127.0.0.1/callback"};
    add_visitors(options.world, users);
    sim::Simulator discord(std::move(options));
    discord.start();

    discord::ClientOptions ours;
    ours.api_url = discord.api_url();
    ours.client_id = demo::client_id;
    ours.client_secret = Secret(demo::client_secret);
    std::vector<Secret> tokens(users);
    httplib::Client browser("127.0.0.1", discord.port());
    browser.set_keep_alive(true);
    for (int i = 0; i < users; ++i) {
        discord.approve_as(visitor(i));
        const auto answer = browser.Get(
            "/oauth2/authorize?response_type=code&scope=identify%20guilds&state=s&client_id=" +
            std::string(demo::client_id) + "&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback");
        REQUIRE(answer);
        const auto code = parameter(answer->get_header_value("Location"), "code");
        // A client of its own: one alone keeps to fifty a second.
        const auto grant = discord::make_client(ours)->exchange_code(Secret(code), {},
                                                                     "http://127.0.0.1/callback");
        REQUIRE(grant);
        tokens[static_cast<std::size_t>(i)] = grant->refresh_token;
    }

    // A client that knows no limit yet.
    limit_tokens(discord, {per_second, 1s, false});
    const auto fresh = discord::make_client(ours);
    std::atomic<int> good = 0;
    const auto begin = SteadyClock::now();
    share(users, 8, [&](int at) {
        const auto grant = fresh->refresh(tokens[static_cast<std::size_t>(at)]);
        const bool is_known = grant && fresh->current_user(grant->access_token) &&
                              fresh->current_user_guilds(grant->access_token);
        if (is_known) ++good;
    });
    const auto took = SteadyClock::now() - begin;
    CHECK(good == users);
    CHECK(fresh->statistics().rate_limited == 0);
    CHECK(discord.count("POST /oauth2/token") == 2 * users);
    const auto theory = 1s * (users / per_second - 1);
    CHECK(took >= theory);
    CHECK_MESSAGE(took < theory + 3s,
                  std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

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
    share(logins, logins, [&](int i) {
        const auto at = static_cast<std::size_t>(i);
        const auto answer = browsers[at].get(callbacks[at]);
        if (answer.status() == 302) ++done;
        if (answer.status() == 503 && std::stoi("0" + answer.field("Retry-After")) > 0) ++told;
    });
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
