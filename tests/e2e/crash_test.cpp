#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

#include "store/sqlite.hpp"
#include "tests/support/comes_true.hpp"
#include "tests/support/replicas.hpp"

// The whole daemon, and the Redis behind it, killed at random instants while people log in
// and out and their sessions are brought up to date. CORDGATE_CRASH_ROUNDS=300 makes each test as
// long as one likes.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;

namespace {

int rounds_or(int standard) {
    const char* const given = std::getenv("CORDGATE_CRASH_ROUNDS");
    return given ? std::atoi(given) : standard;
}

/// What browsers were told.
class Told {
public:
    void session_is(const std::string& cookie, bool live) {
        const std::lock_guard lock(mutex_);
        live_[cookie] = live;
        ++count_;
    }
    /// Nobody knows: the answer to a logout did not come.
    void forget(const std::string& cookie) {
        const std::lock_guard lock(mutex_);
        live_.erase(cookie);
    }
    std::size_t count() const {
        const std::lock_guard lock(mutex_);
        return count_;
    }
    /// When nobody visits any more.
    const std::map<std::string, bool>& all() const { return live_; }

private:
    mutable std::mutex mutex_;
    std::map<std::string, bool> live_;
    std::size_t count_ = 0;
};

/// Logs in, looks around, every second time out again; until the gate is gone, or `stop`.
void visit(Stage& stage, Told& told, const std::atomic<bool>& stop) {
    try {
        for (int i = 0; !stop; ++i) {
            auto browser = stage.browser();
            (void)browser.visit("/login?rd=/inbox");
            const auto cookie = browser.cookie("cordgate");
            if (cookie.empty()) continue;  // 503: no session was promised
            told.session_is(cookie, true);
            (void)browser.ask("GET", "/inbox");
            if (i % 2 == 0) continue;
            told.forget(cookie);
            if (browser.post_form("/logout").status() == 303) told.session_is(cookie, false);
        }
    } catch (const std::runtime_error&) {
        // It was killed.
    }
}

/// Visits until `strike` at a random moment; returns when all visitors have gone.
template <class Strike>
void strike_while_visited(Stage& stage, Told& told, Strike strike) {
    static std::mt19937 random(std::random_device{}());
    std::atomic<bool> stop{false};
    std::vector<std::thread> visitors;
    const auto wanted = told.count() + 2 + random() % 12;
    for (int i = 0; i < 3; ++i) visitors.emplace_back([&] { visit(stage, told, stop); });
    (void)comes_true([&] { return told.count() >= wanted; });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    strike();
    stop = true;
    for (auto& visitor : visitors) visitor.join();
}

void check(Stage& stage, const Told& told) {
    for (const auto& [cookie, lives] : told.all()) {
        auto browser = stage.browser();
        browser.set_cookie("cordgate", cookie);
        CHECK(browser.ask("GET", "/inbox").status() == (lives ? 200 : 401));
    }
}

Script busy() {
    Script script;
    script.identity = "guilds_max_age: 1s";  // sessions are written all the time
    script.log = "access: false";
    return script;
}

void kill_gate_again_and_again(Stage& stage, int rounds) {
    stage.discord.approve_as(demo::fern);
    std::size_t answers = 0;
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(round);
        Told told;
        strike_while_visited(stage, told, [&] {
            stage.gate().process().signal(SIGKILL);
            REQUIRE(stage.gate().process().wait() == 1000 + SIGKILL);
        });
        stage.app.forget();
        stage.start_gate();
        check(stage, told);
        answers += told.count();
    }
    MESSAGE(answers, " logins and logouts were answered in ", rounds, " lives");
}

/// Tokens live for a second or two: each session is renewed all the time, while some end.
void kill_gate_while_tokens_rotate(Stage& stage, int rounds) {
    static std::mt19937 random(std::random_device{}());
    stage.discord.approve_as(demo::fern);
    stage.discord.change_settings([](sim::Settings& settings) {
        settings.tokens.access_token_lifetime = 2s;
        settings.rate_limits = false;
    });
    const auto renewals = [&] { return stage.discord.count("POST /oauth2/token"); };
    std::vector<std::string> live;
    int lost = 0;
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(round);
        while (live.size() < 6) {
            auto browser = stage.browser();
            (void)browser.visit("/login?rd=/inbox");
            REQUIRE_FALSE(browser.cookie("cordgate").empty());
            live.push_back(browser.cookie("cordgate"));
        }
        const auto leaver = live.back();
        live.pop_back();
        std::atomic<bool> has_left{false};
        const auto use = [&](const std::string& cookie, bool leaves) {
            try {
                auto browser = stage.browser();
                browser.set_cookie("cordgate", cookie);
                for (int i = 0;; ++i) {
                    (void)browser.ask("GET", "/inbox");
                    if (!leaves || i < 40) continue;
                    has_left = browser.post_form("/logout").status() == 303;
                    return;
                }
            } catch (const std::runtime_error&) {
                // It was killed.
            }
        };
        std::vector<std::thread> visitors;
        for (const auto& cookie : live) visitors.emplace_back(use, cookie, false);
        visitors.emplace_back(use, leaver, true);
        const auto wanted = renewals() + 5 + static_cast<int>(random() % 4);
        CHECK(comes_true([&] { return renewals() >= wanted; }));
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 300'000));
        stage.gate().process().signal(SIGKILL);
        REQUIRE(stage.gate().process().wait() == 1000 + SIGKILL);
        for (auto& visitor : visitors) visitor.join();
        stage.app.forget();  // thousands of requests each time
        stage.start_gate();
        const auto status = [&](const std::string& cookie) {
            auto browser = stage.browser();
            browser.set_cookie("cordgate", cookie);
            return browser.ask("GET", "/inbox").status();
        };
        if (has_left) CHECK(status(leaver) == 401);
        std::erase_if(live, [&](const auto& cookie) {
            const auto got = status(cookie);
            CHECK((got == 200 || got == 401));
            lost += got == 401 ? 1 : 0;
            return got != 200;
        });
    }
    const auto reused = stage.discord.reused_tokens();
    CHECK(reused.heard == 0);
    // Killed between Discord's answer and the disk, nobody knows the new token.
    CHECK(lost <= reused.unheard);
    CHECK(renewals() > 5 * rounds);
    MESSAGE(renewals(), " tokens; ", lost, " sessions lost with the answer in ", rounds, " lives");
}

}  // namespace

TEST_CASE("L9 G15 a token whose successor was used is never used again, killed or not: SQLite") {
    Stage stage(busy());
    kill_gate_while_tokens_rotate(stage, rounds_or(5));
}

TEST_CASE("L9 G15 a token whose successor was used is never used again, killed or not: Redis") {
    RedisServer redis;
    Stage stage(over(redis, busy()));
    kill_gate_while_tokens_rotate(stage, rounds_or(3));
}

TEST_CASE("L9 P7 a daemon killed at any moment has kept every answered login and logout: SQLite") {
    Stage stage(busy());
    kill_gate_again_and_again(stage, rounds_or(8));
    REQUIRE(stage.stop_gate() == 0);
    auto database = sqlite::Database::open(stage.folder.file("sessions.db"), 2s);
    REQUIRE(database);
    CHECK(*database->text("PRAGMA integrity_check") == "ok");
}

TEST_CASE("L9 P7 a daemon killed at any moment has kept every answered login and logout: Redis") {
    RedisServer redis;
    Stage stage(over(redis, busy()));
    kill_gate_again_and_again(stage, rounds_or(5));
}

TEST_CASE(
    "L23 Redis killed at any moment, appendfsync always: no answered login or logout is lost") {
    RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
    Stage stage(over(redis, busy()));
    stage.discord.approve_as(demo::fern);
    for (int round = 0; round < rounds_or(5); ++round) {
        CAPTURE(round);
        Told told;
        strike_while_visited(stage, told, [&] { redis.kill(); });
        redis.start();
        CHECK(comes_true([&] { return stage.browser().get("/login").status() == 302; }));
        check(stage, told);
    }
}
