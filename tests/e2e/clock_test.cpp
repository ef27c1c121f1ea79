#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "store/memory_store.hpp"
#include "store/sealed_sessions.hpp"
#include "tests/support/comes_true.hpp"
#include "tests/support/internal.hpp"
#include "tests/support/replicas.hpp"

// How old what a session says may get, on a clock that only the tests move: gate and
// Discord are in this process, so nothing happens for the reason that time went by.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr const char* guilds_route = "GET /users/@me/guilds";
constexpr const char* member_route = "GET /users/@me/guilds/{guild}/member";
constexpr const char* bot_route = "GET /guilds/{guild}/members/{user}";
constexpr const char* token_route = "POST /oauth2/token";

/// When a token of Discord's, which lives a week, is to be renewed.
constexpr milliseconds renewal = 7 * 24 * 60min * 4 / 5;

/// Defaults: profile one hour, guilds and members five minutes, max_stale one hour.
Script on(const TestClock& clock) {
    Script script;
    script.rules =
        "[{path: /garden/**, require: {guild: '401000000000000001'}}, "
        "{path: /staff/**, require: {guild: '401000000000000001', role: "
        "['501000000000000001']}}, {path: /**, access: login}]";
    script.session = "lifetime: 30d, idle_timeout: 0";
    script.log = "level: error, access: false";
    script.clock = &clock;
    return script;
}

int status_of(Browser& visitor, const std::string& path) {
    return visitor.ask("GET", path).status();
}

/// A store that takes its time for what changes a session that is there.
class SlowStore final : public SealedSessions {
public:
    explicit SlowStore(SessionEvents& events)
        : SealedSessions(std::make_unique<MemoryStore>(), {Secret(std::string(32, 'k'))}, 1h,
                         &events) {}
    ~SlowStore() override { go_on(); }

    Result<void> touch(const std::string& digest, TimePoint when) override {
        wait();
        return SealedSessions::touch(digest, when);
    }
    Result<bool> end(const std::string& digest) override {
        wait();
        return SealedSessions::end(digest);
    }
    void hold() {
        const std::lock_guard lock(mutex_);
        is_held_ = true;
    }
    void go_on() {
        {
            const std::lock_guard lock(mutex_);
            is_held_ = false;
        }
        changed_.notify_all();
    }
    /// How many wait.
    int waiting() {
        const std::lock_guard lock(mutex_);
        return waiting_;
    }

private:
    void wait() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.wait(lock, [this] { return !is_held_; });
        --waiting_;
    }

    std::mutex mutex_;  // guards all below
    std::condition_variable changed_;
    bool is_held_ = false;
    int waiting_ = 0;
};

}  // namespace

TEST_CASE("what is younger than 80 % of its age costs no call, whatever is asked") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    const auto calls = stage.discord.count(guilds_route) + stage.discord.count(member_route);
    clock.pass(4min - 1ms);
    for (int i = 0; i < 20; ++i) CHECK(status_of(fern, "/garden/") == 200);
    CHECK(stage.discord.count(guilds_route) + stage.discord.count(member_route) == calls);
    // From 80 % on it is asked behind a request's back; that one is served at once.
    stage.discord.world().kick(demo::fern, demo::garden);
    clock.pass(1ms);
    CHECK(status_of(fern, "/garden/") == 200);
    CHECK(comes_true([&] { return status_of(fern, "/garden/") == 403; }));
    CHECK(stage.discord.count(guilds_route) == 2);  // of the login, and this
}

TEST_CASE("G12 a kicked member's first request after guilds_max_age is refused") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    CHECK(status_of(fern, "/garden/") == 200);
    stage.discord.world().kick(demo::fern, demo::garden);
    SUBCASE("who was away meanwhile") {
        clock.pass(5min);
        CHECK(status_of(fern, "/garden/") == 403);
    }
    for (const char* fault : {"502_page", "429_user"}) {
        SUBCASE(fault) {  // of the profile, which no rule needs
            stage.discord.add_fault("GET /users/@me", fault, -1);
            clock.pass(1h);
            CHECK(status_of(fern, "/garden/") == 403);
            stage.discord.clear_faults();
            clock.pass(2min);
        }
    }
    SUBCASE("who asked all the time") {
        for (auto time = 0s; time < 5min; time += 10s, clock.pass(10s)) {
            const int status = status_of(fern, "/garden/");
            CHECK((status == 200 || status == 403));
        }
        CHECK(status_of(fern, "/garden/") == 403);
    }
    CHECK(status_of(fern, "/inbox") == 200);  // the session itself goes on
    stage.discord.world().join(demo::fern, demo::garden);
    clock.pass(5min);
    CHECK(status_of(fern, "/garden/") == 200);
    CHECK(stage.discord.count(token_route) == 1);
}

TEST_CASE(
    "G12 CVE-2021-41230 GHSA-x883-2vmg-xwf7 a role that was taken away opens nothing after "
    "guilds_max_age") {
    const auto calls_as_bot = [](const std::string& discord) {
        TestClock clock;
        auto script = on(clock);
        script.discord = discord;
        Stage stage(script);
        auto robin = stage.browser_of(demo::robin);
        CHECK(status_of(robin, "/staff/") == 200);
        stage.discord.world().set_role(demo::robin, demo::garden, demo::garden_staff, false);
        clock.pass(5min);
        CHECK(status_of(robin, "/staff/") == 403);
        CHECK(status_of(robin, "/garden/") == 200);
        return stage.discord.count(bot_route);
    };
    SUBCASE("as the visitor") {
        CHECK(calls_as_bot("") == 0);
    }
    SUBCASE("as the bot") {
        CHECK(calls_as_bot(bot_token_setting) > 0);
    }
}

TEST_CASE("G12 the bot sees a lost role while the visitor's token cannot be renewed") {
    TestClock clock;
    auto script = on(clock);
    script.discord = bot_token_setting;
    Stage stage(script);
    auto robin = stage.browser_of(demo::robin);
    CHECK(status_of(robin, "/staff/") == 200);
    stage.discord.expire_tokens(demo::robin);
    stage.discord.add_fault(token_route, "500", -1);
    stage.discord.world().set_role(demo::robin, demo::garden, demo::garden_staff, false);
    clock.pass(5min);
    CHECK(status_of(robin, "/staff/") == 403);
    CHECK(status_of(robin, "/inbox") == 200);
}

TEST_CASE("M23 a bot that was removed says nothing of its guild's members") {
    TestClock clock;
    auto script = on(clock);
    script.discord = bot_token_setting;
    Stage stage(script);
    auto robin = stage.browser_of(demo::robin);
    stage.discord.world().change_guild(demo::garden, [](auto& guild) { guild.has_bot = false; });
    clock.pass(5min);
    CHECK(status_of(robin, "/staff/") == 200);  // the visitor's own token tells
    CHECK(stage.discord.count(member_route) > 0);
}

TEST_CASE("G17 an outage logs nobody out, tells the age of what serves, and ends at max_stale") {
    const std::pair<const char*, std::chrono::minutes> rows[] = {
        {"502_page",        1min},
        {"reset",           5min},
        {"cloudflare_1015", 1min},
        {"200_page",        5min}
    };
    for (const auto& [fault, step] : rows) {
        INFO(std::string(fault));
        TestClock clock;
        Stage stage(on(clock));
        auto fern = stage.browser_of(demo::fern);
        auto pip = stage.browser_of(demo::pip);  // in no guild
        const auto cookie = fern.cookie("cordgate");
        const auto calls = [&] {
            return stage.discord.count("GET /users/@me") + stage.discord.count(guilds_route) +
                   stage.discord.count(member_route) + stage.discord.count(token_route);
        };
        const int before = calls();
        stage.discord.world().kick(demo::fern, demo::garden);  // who could tell?
        stage.discord.add_fault("*", fault, -1);
        for (auto age = step; age < 60min; age += step) {
            CAPTURE(age.count());
            clock.pass(step);
            CHECK(status_of(pip, "/garden/") == 403);
            REQUIRE(status_of(fern, "/garden/") == 200);
            const auto stale = stage.app.last().field("X-Discord-Stale");
            CHECK(stale == (age <= 5min ? "" : std::to_string(seconds(age).count())));
        }
        CHECK(calls() - before <= 2 * 2 * 60);  // two users, each at most once a minute, twice
        clock.pass(step);
        const auto refused = fern.ask("GET", "/garden/");
        CHECK(refused.status() == 503);
        CHECK(refused.has("Retry-After"));
        CHECK(refused.all("Set-Cookie").empty());
        CHECK(status_of(pip, "/garden/") == 503);
        CHECK(fern.cookie("cordgate") == cookie);
        stage.discord.clear_faults();
        clock.pass(20min);  // longer than any pause
        CHECK(status_of(fern, "/garden/") == 403);
        CHECK(status_of(fern, "/inbox") == 200);
        CHECK_FALSE(stage.app.last().has("X-Discord-Stale"));
        CHECK(stage.discord.count(token_route) == 2);  // the two logins
    }
}

TEST_CASE("every fault of a look-up in the background: no access given, nobody logged out") {
    const std::set<std::string> slow{"slow_head", "slow_body"};  // see session_keeper_test
    const std::set<std::string> true_answers{"kicked", "bot_kicked", "deauthorized", "401"};
    for (const auto name : sim::fault_names()) {
        const std::string kind(name);
        if (slow.contains(kind) || true_answers.contains(kind)) continue;
        CAPTURE(kind);
        TestClock clock;
        Stage stage(on(clock));
        auto robin = stage.browser_of(demo::robin);
        auto fern = stage.browser_of(demo::fern);
        auto pip = stage.browser_of(demo::pip);
        auto fault = *sim::fault_by_name(kind);
        fault.times = -1;
        // So long that nobody waits for it here.
        if (const auto at = fault.body.find("\"retry_after\":1.5"); at != std::string::npos) {
            fault.body.replace(at, 17, "\"retry_after\":64.57");
            for (auto& [field, value] : fault.headers) {
                if (field == "Retry-After") value = "65";
            }
        }
        // Discord's own word; its specification allows null for an empty list.
        const bool says_no = kind == "empty_list" || kind == "null" || kind == "huge_guilds";
        for (const char* route : {"GET /users/@me", guilds_route, member_route}) {
            INFO(std::string(route));
            fault.route = route;
            stage.discord.add_fault(fault);
            const int before = stage.discord.count(route);
            for (int i = 0; i < 10; ++i) {
                clock.pass(30s);
                const int garden = status_of(fern, "/garden/");
                INFO("garden " << garden << " step " << i);
                CHECK((garden == 200 || (says_no && garden == 403)));
                const int staff = status_of(robin, "/staff/");
                INFO("staff " << staff);
                CHECK((staff == 200 || (says_no && staff == 403)));
                CHECK(status_of(fern, "/staff/") == 403);
                CHECK(status_of(pip, "/garden/") == 403);
                CHECK(status_of(pip, "/inbox") == 200);
            }
            CHECK(stage.discord.count(route) - before <= 3 * 2 * 10);
            stage.discord.clear_faults();
            clock.pass(20min);
            CHECK(status_of(fern, "/garden/") == 200);
            CHECK(status_of(robin, "/staff/") == 200);
            CHECK(status_of(pip, "/garden/") == 403);
        }
        CHECK(stage.discord.count(token_route) == 3);
    }
}

TEST_CASE("G13 G14 at 80 % of a token's life fifty requests on two replicas renew it once") {
    TestClock clock;
    RedisServer redis({"--appendonly", "yes"});
    Stage stage(over(redis, on(clock)));
    const ReservedPort port;
    const auto twin = stage.start_twin_here(port);
    auto fern = stage.browser_of(demo::fern);
    const auto request = stage.request("GET /garden/", fern.cookie_line());
    clock.pass(renewal - 1s);
    CHECK(ask(stage.port(), request).status() == 200);
    CHECK(ask(port.number(), request).status() == 200);
    CHECK(stage.discord.count(token_route) == 1);  // the login
    const int lists = stage.discord.count(guilds_route);
    clock.pass(10min);
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 50; ++i) {
        threads.emplace_back([&, i] {
            const int there = i % 2 == 0 ? stage.port() : port.number();
            if (ask(there, request).status() == 200) ++good;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(good == 50);
    CHECK(stage.discord.count(token_route) == 2);
    CHECK(stage.discord.count(guilds_route) - lists <= 2);  // one for each replica at most
    // The new one serves on both, and dies as the old one did.
    clock.pass(renewal);
    CHECK(ask(port.number(), request).status() == 200);
    CHECK(ask(stage.port(), request).status() == 200);
    CHECK(stage.discord.count(token_route) == 3);
}

TEST_CASE(
    "oauth2-proxy #5 a token that is due is renewed whether or not the visitor waits for it") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    const auto request = stage.request("GET /garden/", fern.cookie_line());
    clock.pass(renewal);
    Wire(stage.port()).send(request);  // and gone
    CHECK(comes_true([&] { return stage.discord.count(token_route) == 2; }));
    CHECK(status_of(fern, "/garden/") == 200);
    CHECK(stage.discord.count(token_route) == 2);
}

TEST_CASE(
    "quartcord B9 B10, G15 G16 G17 M20 M22: what each answer to a renewal leads to, with calls "
    "counted") {
    enum class End { goes_on, logged_out };
    struct Row {
        const char* kind;
        End end;
        int most_calls;  ///< of the token endpoint, within ten minutes
    };
    // Pauses grow from two seconds to a minute, unless Discord names a longer one.
    constexpr int storm = 18;
    const Row rows[] = {
        {"429_user",             End::goes_on,    storm},
        {"429_global",           End::goes_on,    storm},
        {"429_shared",           End::goes_on,    storm},
        {"429_without_headers",  End::goes_on,    storm},
        {"429_blocked",          End::goes_on,    2    },
        {"cloudflare_1015",      End::goes_on,    2    },
        {"cloudflare_1015_hour", End::goes_on,    1    },
        {"cloudflare_429_page",  End::goes_on,    2    },
        {"cloudflare_403_page",  End::goes_on,    2    },
        {"40333",                End::goes_on,    storm},
        {"401",                  End::goes_on,    storm}, // invalid_client: our own fault
        {"500",                  End::goes_on,    storm},
        {"502_page",             End::goes_on,    storm},
        {"503_text",             End::goes_on,    storm},
        {"504_page",             End::goes_on,    storm},
        {"522_page",             End::goes_on,    storm},
        {"523_page",             End::goes_on,    storm},
        {"524_page",             End::goes_on,    storm},
        {"507_page",             End::goes_on,    storm},
        {"404_page",             End::goes_on,    storm},
        {"200_page",             End::goes_on,    storm},
        {"200_empty",            End::goes_on,    storm},
        {"null",                 End::goes_on,    storm},
        {"empty_list",           End::goes_on,    storm},
        {"reset",                End::goes_on,    storm},
        {"unknown_keys",         End::goes_on,    1    },
        {"chunked",              End::goes_on,    1    },
 // It rotated, and nobody heard the new pair: tried once more, then a login.
        {"lost_answer",          End::logged_out, 2    },
        {"cut_head",             End::logged_out, 2    },
        {"cut_body",             End::logged_out, 2    },
        {"wrong_length",         End::logged_out, 2    },
        {"gzip",                 End::logged_out, 2    },
        {"deauthorized",         End::logged_out, 1    },
    };
    for (const auto& row : rows) {
        INFO(std::string(row.kind));
        TestClock clock;
        Stage stage(on(clock));
        auto fern = stage.browser_of(demo::fern);
        clock.pass(renewal - 1min);
        CHECK(status_of(fern, "/inbox") == 200);
        const int before = stage.discord.count(token_route);
        if (row.kind == std::string("deauthorized")) {
            stage.discord.deauthorize(demo::fern);
        } else {
            stage.discord.add_fault(token_route, row.kind, row.end == End::goes_on ? -1 : 1);
        }
        clock.pass(1min);
        bool is_in = true;
        for (auto time = 0s; time < 10min; time += 5s) {
            const int status = status_of(fern, "/inbox");
            CHECK((status == 200 || (row.end == End::logged_out && status == 401)));
            CHECK((is_in || status == 401));  // no way back
            is_in = status == 200;
            clock.pass(5s);
        }
        const int calls = stage.discord.count(token_route) - before;
        CHECK(calls >= 1);
        CHECK(calls <= row.most_calls);
        CHECK(is_in == (row.end == End::goes_on));
        if (!is_in) continue;
        stage.discord.clear_faults();
        clock.pass(61min);
        CHECK(status_of(fern, "/garden/") == 200);  // perhaps what was on its way since before
        clock.pass(5min);
        CHECK(status_of(fern, "/garden/") == 200);
        const int renewed = stage.discord.count(token_route);
        // With the old token gone, only a new one can tell.
        clock.pass(36h);
        CHECK(status_of(fern, "/garden/") == 200);
        CHECK_FALSE(stage.app.last().has("X-Discord-Stale"));
        CHECK(stage.discord.count(token_route) == renewed);
    }
}

TEST_CASE(
    "quartcord B11, M21 6769: a token that is dead when it is new ends the session, without a "
    "loop") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    stage.discord.change_settings(
        [](sim::Settings& settings) { settings.tokens.dead_token_after_refresh = true; });
    const int lists = stage.discord.count(guilds_route);
    const int profiles = stage.discord.count("GET /users/@me");
    clock.pass(renewal);
    CHECK(status_of(fern, "/inbox") == 401);
    for (int i = 0; i < 20; ++i) {
        clock.pass(10s);
        CHECK(status_of(fern, "/inbox") == 401);
    }
    CHECK(stage.discord.count(token_route) == 2);
    CHECK(stage.discord.count(guilds_route) - lists + stage.discord.count("GET /users/@me") -
              profiles ==
          1);
    stage.discord.change_settings(
        [](sim::Settings& settings) { settings.tokens.dead_token_after_refresh = false; });
    auto again = stage.browser_of(demo::fern);
    CHECK(status_of(again, "/inbox") == 200);
}

TEST_CASE("scopes that a grant lacks open nothing, those that it gains are not passed on") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    SUBCASE("lost") {
        stage.discord.change_settings([](sim::Settings& settings) {
            settings.tokens.drop_scopes = {"guilds", "guilds.members.read"};
        });
        auto dropped = stage.browser_of(demo::fern);
        CHECK(status_of(dropped, "/garden/") == 403);
        CHECK(status_of(dropped, "/inbox") == 200);
    }
    SUBCASE("gained") {
        stage.discord.change_settings(
            [](sim::Settings& settings) { settings.tokens.add_scopes = {"email"}; });
        clock.pass(renewal);
        CHECK(status_of(fern, "/garden/") == 200);
        CHECK(comes_true([&] { return stage.discord.count(token_route) == 2; }));
        CHECK(status_of(fern, "/garden/") == 200);
        CHECK(stage.app.last().field("X-Discord-User-Scopes").find("email") == std::string::npos);
    }
}

TEST_CASE("G6 a session idles out at idle_timeout, use extends it, and a restart forgets no use") {
    TestClock clock;
    auto script = on(clock);
    script.session = "lifetime: 30d, idle_timeout: 1h";
    Stage stage(script);
    auto fern = stage.browser_of(demo::fern);
    // The store is told behind the request, which would take no time at all here.
    const auto is_used = [&] {
        if (status_of(fern, "/inbox") != 200) return false;
        return comes_true([&] {
            const auto page = stage.gate_here().sessions().list(demo::fern, "", 1, clock.now());
            return page && page->sessions.size() == 1 &&
                   page->sessions[0].session.last_seen_at == clock.now();
        });
    };
    for (int i = 0; i < 3; ++i) {
        clock.pass(59min);
        CHECK(is_used());
    }
    stage.stop_gate();
    stage.start_gate();
    clock.pass(59min);
    CHECK(is_used());
    clock.pass(1h - 1ms);
    CHECK(is_used());
    clock.pass(1h);
    CHECK(status_of(fern, "/inbox") == 401);
    clock.pass(-1h);  // no clock brings it back
    CHECK(status_of(fern, "/inbox") == 401);
}

TEST_CASE("G7 G9 a session ends at the instant that its lifetime is over, however active") {
    TestClock clock;
    auto script = on(clock);
    script.session = "lifetime: 2h, idle_timeout: 1h";
    Stage stage(script);
    auto fern = stage.browser_of(demo::fern);
    for (int i = 0; i < 12; ++i) {
        CHECK(status_of(fern, "/inbox") == 200);
        clock.pass(i < 11 ? 10min : 10min - 1s);
    }
    // Confirmed a second ago, and in the cache.
    CHECK(status_of(fern, "/inbox") == 200);
    clock.pass(1s);
    CHECK(status_of(fern, "/inbox") == 401);
    clock.pass(-1h);
    CHECK(status_of(fern, "/inbox") == 401);
}

TEST_CASE("G9 a clock that goes back, or past 2038, ends no session") {
    TestClock clock;
    auto script = on(clock);
    script.session = "lifetime: 2h, idle_timeout: 1h";
    Stage stage(script);
    auto fern = stage.browser_of(demo::fern);
    clock.pass(-1h);
    CHECK(status_of(fern, "/garden/") == 200);
    clock.pass(24h * 366 * 20);
    CHECK(status_of(fern, "/garden/") == 401);
    auto later = stage.browser_of(demo::fern);
    CHECK(status_of(later, "/garden/") == 200);
    clock.pass(59min);
    CHECK(status_of(later, "/garden/") == 200);
    clock.pass(61min);
    CHECK(status_of(later, "/garden/") == 401);
}

TEST_CASE("G8 requests of a session in the cache are no store call, and use is told in batches") {
    TestClock clock;
    RedisServer redis;
    auto script = on(clock);
    script.session = "lifetime: 30d, idle_timeout: 1h";
    Stage stage(over(redis, script));
    auto fern = stage.browser_of(demo::fern);
    const auto request = stage.request("GET /garden/", fern.cookie_line());
    CHECK(stage.ask(request).status() == 200);
    const Internal api(stage.gate_here().internal_port());
    const auto misses = [&] {
        const std::string line = "\ncordgate_session_cache_lookups_total{result=\"miss\"} ";
        const auto text = api.get("/metrics").body;
        return std::stol(text.substr(text.find(line) + line.size()));
    };
    Wire wire(stage.port());
    const auto ask_a_thousand_times = [&](milliseconds pause) {
        for (int i = 0; i < 1000; ++i) {
            wire.send(request);
            REQUIRE(wire.read_response().status() == 200);
            clock.pass(pause);
        }
    };
    const auto begin = SteadyClock::now();
    // On a busy machine Redis may seem silent. Even then a snapshot serves for a while, and so
    // does what the store said about the sessions of requests under way: the longer it all
    // takes, the more calls may be, and never one for each request.
    const auto of_silence = [&] {
        return 1 + (SteadyClock::now() - begin) / SessionEvents::unheard_age;
    };
    const auto reads = redis.calls("hmget");
    const auto scripts = redis.calls("evalsha");
    const auto missed = misses();
    REQUIRE(reads > 0);
    ask_a_thousand_times(10ms);
    CHECK(redis.calls("hmget") - reads <= misses() - missed);
    CHECK(redis.calls("hmget") - reads <= of_silence());
    CHECK(redis.calls("evalsha") - scripts <= of_silence());
    // Ten minutes, in which guilds are asked for as well.
    const auto writes = redis.calls("hset");
    ask_a_thousand_times(600ms);
    CHECK(redis.calls("hset") - writes >= 10);
    CHECK(redis.calls("hset") - writes < 30);
    CHECK(redis.calls("evalsha") - scripts < 60 + of_silence());
}

TEST_CASE("G8 L1 a store that takes its time for changes keeps nobody waiting who is signed in") {
    TestClock clock;
    auto script = on(clock);
    script.session = "lifetime: 30d, idle_timeout: 1h";
    script.opened = std::make_shared<OpenedStore>();
    script.opened->events = std::make_unique<SessionEvents>();
    auto slow = std::make_unique<SlowStore>(*script.opened->events);
    auto& store = *slow;
    script.opened->sessions = std::move(slow);
    script.opened->unreadable = [&store] { return store.unreadable(); };
    Stage stage(script);
    constexpr int threads = 4;  // for changes: each is taken up
    std::vector<Browser> visitors;
    std::vector<Browser> leavers;
    for (int i = 0; i < threads; ++i) visitors.push_back(stage.browser_of(demo::fern));
    for (int i = 0; i < threads; ++i) leavers.push_back(stage.browser_of(demo::robin));
    store.hold();
    std::vector<std::thread> leaving;
    for (auto& leaver : leavers) {
        leaving.emplace_back([&leaver] { CHECK(leaver.post_form("/logout").status() == 303); });
    }
    CHECK(comes_true([&] { return store.waiting() == threads; }));
    clock.pass(2min);  // each use is to be told
    for (int round = 0; round < 2; ++round) {
        for (auto& visitor : visitors) CHECK(status_of(visitor, "/inbox") == 200);
        clock.pass(1min);
    }
    // Whoever is in no cache is looked up in the store meanwhile.
    auto stranger = stage.browser();
    stranger.set_cookie("cordgate", std::string(43, 'A'));
    CHECK(status_of(stranger, "/inbox") == 401);
    CHECK(store.waiting() > 0);
    store.go_on();
    for (auto& thread : leaving) thread.join();
    for (auto& leaver : leavers) CHECK(status_of(leaver, "/inbox") == 401);
}

TEST_CASE("G9 G17 after the clock was set back in an outage Discord is asked as soon as ever") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    stage.discord.world().kick(demo::fern, demo::garden);
    stage.discord.add_fault("*", "502_page", -1);
    clock.pass(5min);
    CHECK(status_of(fern, "/garden/") == 200);  // and Discord is not asked for a while
    stage.discord.clear_faults();
    clock.set_back(24h);
    CHECK(status_of(fern, "/garden/") == 403);
    CHECK(status_of(fern, "/inbox") == 200);
}

TEST_CASE("G9 G10 all sessions of a user end, those that a clock began which was ahead, too") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    clock.set_back(1h);
    auto later = stage.browser_of(demo::fern);
    const Internal api(stage.gate_here().internal_port());
    const auto all = "/v1/users/" + demo::fern.to_string() + "/sessions";
    CHECK(api.call("DELETE", all).json()["ended"] == 2);
    CHECK(status_of(fern, "/inbox") == 401);
    CHECK(status_of(later, "/inbox") == 401);
}

TEST_CASE("G16 CVE-2025-53942 CVE-2025-64521 a session that Discord ends leaves nothing to use") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    const auto dead = fern.cookie("cordgate");
    stage.discord.deauthorize(demo::fern);
    clock.pass(renewal);
    const auto page = fern.get("/inbox");
    CHECK(page.status() == 302);
    CHECK(page.field("Location").starts_with("/login?rd="));
    CHECK(status_of(fern, "/inbox") == 401);
    CHECK(stage.gate_here().sessions().list(demo::fern, "", 10, clock.now())->sessions.empty());
    // The cookie is left to the next login: were it cleared here, an answer that is late
    // would take away the one of a login that has just finished.
    CHECK(page.all("Set-Cookie").empty());
    stage.discord.approve_as(demo::fern);
    REQUIRE(fern.visit("/login?rd=/inbox").status() == 200);
    CHECK(fern.cookie("cordgate") != dead);
    auto other = stage.browser();
    other.set_cookie("cordgate", dead);
    CHECK(status_of(other, "/inbox") == 401);
}
