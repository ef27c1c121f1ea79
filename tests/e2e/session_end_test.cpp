#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/fair_time.hpp"
#include "tests/support/internal.hpp"
#include "tests/support/replicas.hpp"
#include "tests/support/websocket.hpp"

// What is open when its session ends, by each way to end it, on the replica that ends it
// and on the other.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;
using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

/// All of it is cut within a second; and the way to the test takes some, too.
constexpr milliseconds a_second = 1200ms;

const std::string stream_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    "8\r\ndata: 1\n\r\n";
const std::string download_head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthe beginning";

/// Two replicas over one Redis, in this process, on one clock.
struct Pair {
    explicit Pair(const std::string& key) {
        Script script;
        script.rules =
            "[{path: /garden/**, require: {guild: '401000000000000001'}}, "
            "{path: /**, access: login}]";
        script.session = "lifetime: 30d, idle_timeout: 0";
        script.discord = "public_key: '" + key + "'";
        script.log = "level: error, access: false";
        script.clock = &clock;
        stage = std::make_unique<Stage>(over(redis, script));
        twin = stage->start_twin_here(port);
        stage->app.echoes("/garden/socket")
            .answers("/garden/events", stream_head)
            .answers("/garden/download", download_head)
            .holds("/garden/held");
        stage->discord.subscribe(stage->home() + "/_cordgate/discord-events");
    }
    ~Pair() { stage->app.release(); }

    Internal internal() const { return Internal(stage->gate_here().internal_port()); }

    TestClock clock;
    RedisServer redis{
        {"--appendonly", "yes"}
    };
    ReservedPort port;
    std::unique_ptr<Stage> stage;
    std::unique_ptr<GateHere> twin;
};

/// One of everything that may be open for long, at one gate.
struct Open {
    Open(Stage& stage, int port, const Browser& visitor)
        : socket(open_socket(stage, "/garden/socket", visitor.cookie_line(), port)),
          events(port),
          download(port),
          held(port) {
        const auto fields = visitor.cookie_line();
        events.send(stage.request("GET /garden/events", fields));
        read_to(events, "data: 1\n\r\n");
        download.send(stage.request("GET /garden/download", fields));
        read_to(download, "the beginning");
        const auto before = stage.app.count();
        held.send(stage.request("GET /garden/held", fields));
        stage.app.wait_for(before + 1);
    }

    static void read_to(Wire& wire, std::string_view last) {
        std::string bytes;
        while (!bytes.ends_with(last)) {
            const auto more = wire.read_some();
            REQUIRE_FALSE(more.empty());
            bytes += more;
        }
    }
    void check_cut() {
        CHECK(socket.read_bytes(not_allowed.size()) == not_allowed);
        CHECK(socket.is_closed());
        CHECK(events.read_until_close() == "");  // no last chunk: it is not whole
        CHECK(download.read_until_close() == "");
        CHECK(held.read_until_close() == "");
    }

    Wire socket, events, download, held;
};

}  // namespace

TEST_CASE("G10 G11 H17 all that is open is cut within a second, however the session ends") {
    std::string key;
    {
        sim::Simulator keys({});
        key = keys.verify_key();
    }
    Pair pair(key);
    auto& stage = *pair.stage;
    std::vector<std::pair<std::string, std::function<void(Browser&)>>> ways;
    ways.emplace_back("a logout",
                      [](Browser& fern) { REQUIRE(fern.post_form("/logout").status() == 303); });
    ways.emplace_back("a new login of the same browser", [&](Browser& fern) {
        stage.discord.approve_as(demo::fern);
        REQUIRE(fern.visit("/login?switch=1").status() == 200);
    });
    ways.emplace_back("the internal API, by handle", [&](Browser& fern) {
        const auto path = "/v1/sessions/" + handle_of(stage, fern);
        REQUIRE(pair.internal().call("DELETE", path).status == 204);
    });
    ways.emplace_back("the internal API, by user", [&](Browser&) {
        const auto path = "/v1/users/" + demo::fern.to_string() + "/sessions";
        REQUIRE(pair.internal().call("DELETE", path).status == 200);
    });
    ways.emplace_back("the user removes the application, and an event tells",
                      [&](Browser&) { stage.discord.deauthorize(demo::fern); });
    const std::string unheard = "the user removes the application, and no event arrives";
    ways.emplace_back(unheard, [&](Browser&) {
        stage.discord.subscribe("");
        stage.discord.deauthorize(demo::fern);
        pair.clock.pass(5min);
    });
    const std::string last = "its time is over";  // and that of everybody else
    ways.emplace_back(last, [&](Browser&) { pair.clock.pass(30 * 24h); });
    for (const auto& [name, end_session] : ways) {
        INFO(name);
        auto fern = stage.browser_of(demo::fern);
        auto other = stage.browser_of(demo::robin);
        auto stranger = fern;
        Open here(stage, stage.port(), fern);
        Open there(stage, pair.port.number(), fern);
        Open of_other(stage, pair.port.number(), other);
        CHECK(echoes(here.socket));
        CHECK(echoes(there.socket));
        const FairTime since;
        end_session(fern);
        here.check_cut();
        there.check_cut();
        // What nobody tells of is found out when what is open is looked at.
        CHECK(since.passed() < a_second + (name == unheard ? 1s : 0s));
        if (name == last) continue;
        CHECK(echoes(of_other.socket));
        CHECK(stranger.ask("GET", "/garden/").status() == 401);
    }
}

TEST_CASE("G11 G12 who is kicked loses what the rule gave, and keeps what it did not") {
    Pair pair(std::string(64, '0'));
    auto& stage = *pair.stage;
    stage.app.echoes("/socket");
    auto fern = stage.browser_of(demo::fern);
    Open here(stage, stage.port(), fern);
    Open there(stage, pair.port.number(), fern);
    auto plain = open_socket(stage, "/socket", fern.cookie_line());
    stage.discord.world().kick(demo::fern, demo::garden);
    // Nobody asks anything: what is open keeps the session fresh.
    const FairTime since;
    pair.clock.pass(5min);
    here.check_cut();
    CHECK(since.passed() < a_second + 1s);
    there.check_cut();
    CHECK(since.passed() < a_second + 1500ms);
    CHECK(echoes(plain));
}

namespace {

/// Fern has everything open when Discord goes away.
struct Outage : Pair {
    Outage() : Pair(std::string(64, '0')) { stage->discord.add_fault("*", "502_page", -1); }

    Browser fern = stage->browser_of(demo::fern);
    Open open{*stage, stage->port(), fern};
};

}  // namespace

TEST_CASE("G17 an outage cuts nothing that is open before max_stale") {
    Outage outage;
    auto& fern = outage.fern;
    auto& open = outage.open;
    auto& stage = *outage.stage;
    const int calls = stage.discord.count("GET /users/@me/guilds");
    outage.clock.pass(59min);
    // The stream itself asks, in vain.
    CHECK(comes_true([&] { return stage.discord.count("GET /users/@me/guilds") > calls; }));
    CHECK(echoes(open.socket));
    CHECK(fern.ask("GET", "/garden/").status() == 200);
    CHECK(stage.app.last().field("X-Discord-Stale") == "3540");
    const FairTime since;
    outage.clock.pass(1min);
    open.check_cut();
    CHECK(since.passed() < a_second + 1s);
    CHECK(fern.ask("GET", "/garden/").status() == 503);
}

TEST_CASE("G17 L3 an outage of the store keeps nothing open beyond what was last known") {
    Outage outage;
    auto& fern = outage.fern;
    auto& open = outage.open;
    outage.redis.kill();
    outage.clock.pass(59min);
    CHECK(echoes(open.socket));
    // Until the outage is noticed.
    CHECK(comes_true([&] { return fern.ask("GET", "/garden/").status() == 503; }));
    CHECK(echoes(open.socket));
    outage.clock.pass(1min);
    CHECK(open.socket.read_bytes(not_allowed.size()) == not_allowed);
    CHECK(open.held.read_until_close() == "");
    CHECK(fern.ask("GET", "/garden/").status() == 503);
}

TEST_CASE("G6 an open stream is use: the session does not idle out under it") {
    TestClock clock;
    Script script;
    script.session = "lifetime: 30d, idle_timeout: 1h";
    script.clock = &clock;
    Stage stage(script);
    stage.app.echoes("/socket");
    auto fern = stage.browser_of(demo::fern);
    auto socket = open_socket(stage, "/socket", fern.cookie_line());
    const auto last_seen = [&] {
        const auto page = stage.gate_here().sessions().list(demo::fern, "", 1, clock.now());
        return page && !page->sessions.empty() ? page->sessions[0].session.last_seen_at
                                               : TimePoint();
    };
    for (int i = 0; i < 3; ++i) {
        clock.pass(50min);
        CHECK(comes_true([&] { return last_seen() == clock.now(); }));
    }
    CHECK(echoes(socket));
    CHECK(fern.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("G11 H17 a socket that is busy in both directions is cut as well") {
    TestClock clock;
    Script script;
    script.log = "level: error, access: false";
    script.clock = &clock;
    Stage stage(script);
    stage.app.echoes("/socket");
    std::string frames;
    for (int i = 0; i < 4096; ++i) frames += "\x81\x02hi";
    for (int round = 0; round < 10; ++round) {
        auto fern = stage.browser_of(demo::fern);
        auto socket = open_socket(stage, "/socket", fern.cookie_line());
        std::atomic<bool> stop = false;
        std::thread sender([&] {
            try {
                while (!stop) socket.send(frames);
            } catch (const std::runtime_error&) {  // it was cut
            }
        });
        CHECK(socket.read_bytes(16 * frames.size()).size() == 16 * frames.size());
        const FairTime time;
        milliseconds answered{};
        std::thread leaver([&] {
            CHECK(fern.post_form("/logout").status() == 303);
            answered = time.passed();
        });
        socket.read_until_close();
        const auto cut = time.passed();
        leaver.join();
        CHECK(cut - answered < a_second);
        stop = true;
        sender.join();
    }
}

TEST_CASE("G21 ASVS 7.1.2: a login beyond session.max_per_user ends the oldest of that user") {
    const auto sign_in_five = [](Stage& stage) {
        std::vector<Browser> browsers;
        for (int i = 0; i < 5; ++i) browsers.push_back(stage.browser_of(demo::fern));
        return browsers;
    };
    SUBCASE("three") {
        Script script;
        script.session = "max_per_user: 3";
        Stage stage(script);
        auto robin = stage.browser_of(demo::robin);
        auto browsers = sign_in_five(stage);
        for (int i = 0; i < 5; ++i) {
            CAPTURE(i);
            CHECK(browsers[static_cast<std::size_t>(i)].ask("GET", "/inbox").status() ==
                  (i < 2 ? 401 : 200));
        }
        CHECK(robin.ask("GET", "/inbox").status() == 200);
    }
    SUBCASE("logins at the same time leave as many as there may be") {
        Replicas replicas({.session = "max_per_user: 2"});
        auto& stage = replicas.stage;
        stage.discord.approve_as(demo::fern);
        struct Tab {
            Browser browser;
            std::string callback;
        };
        std::vector<Tab> tabs;
        for (int i = 0; i < 8; ++i) {
            Tab tab{stage.browser(), ""};
            tab.callback = callback_of(tab.browser, "/login?rd=/inbox");
            tabs.push_back(std::move(tab));
        }
        std::vector<std::thread> threads;
        for (auto& tab : tabs) threads.emplace_back([&tab] { tab.browser.get(tab.callback); });
        for (auto& thread : threads) thread.join();
        int live = 0;
        for (auto& tab : tabs) live += tab.browser.ask("GET", "/inbox").status() == 200 ? 1 : 0;
        CHECK(live == 2);
    }
    SUBCASE("no limit is the default") {
        Stage stage;
        for (auto& browser : sign_in_five(stage)) {
            CHECK(browser.ask("GET", "/inbox").status() == 200);
        }
    }
}

TEST_CASE("G22 a session that is used from elsewhere goes on, and the log says so once") {
    Script script;
    script.session = "idle_timeout: 10s";  // its use is noted every second
    script.server = "trusted_proxies: [127.0.0.1]";
    Stage stage(script);
    auto fern = stage.browser_of(demo::fern);
    const auto ask = [&](const std::string& address) {
        return fern
            .fetch("GET", "/inbox",
                   {
                       {"X-Forwarded-For", address  },
                       {"User-Agent",      "another"}
        })
            .status();
    };
    const auto told = [&](const std::string& what) {
        const auto log = stage.gate().log();
        int times = 0;
        for (auto at = log.find(what); at != log.npos; at = log.find(what, at + 1)) ++times;
        return times;
    };
    const auto moves = [&] { return told("session used from elsewhere"); };
    const auto use_until = [&](const std::string& address, auto condition) {
        return comes_true([&] {
            CHECK(ask(address) == 200);
            return condition();
        });
    };
    CHECK(moves() == 0);
    REQUIRE(use_until("192.0.2.7", [&] { return moves() > 0; }));
    // From where it is known, for so long that it is noted twice.
    const auto end = SteadyClock::now() + 2500ms;
    CHECK(use_until("192.0.2.7", [&] { return SteadyClock::now() > end; }));
    CHECK(moves() == 1);
    REQUIRE(use_until("192.0.2.8", [&] { return moves() > 1; }));
    CHECK(moves() == 2);
    CHECK(told("client=192.0.2.8 login=") == 1);
    CHECK(told(stage.tokens().front()) == 0);
}
