#include <doctest/doctest.h>

#include <httplib.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>

#include "tests/support/comes_true.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/fair_time.hpp"
#include "tests/support/websocket.hpp"

// What an operator does: start, check, watch, stop.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

std::string content_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

int status_of(int port, const char* path) {
    httplib::Client client("127.0.0.1", port);
    const auto answer = client.Get(path);
    return answer ? answer->status : 0;
}

}  // namespace

TEST_CASE("P1 an idle daemon stops with 0 when it is asked") {
    for (const int number : {SIGTERM, SIGINT}) {
        Stage stage;
        Wire idle(stage.port());
        idle.send(stage.request("GET /public/x"));
        CHECK(idle.read_response().status() == 200);
        stage.gate().process().signal(number);
        CHECK(stage.gate().process().wait() == 0);
        CHECK(idle.is_closed());
        CHECK(contains(stage.gate().log(), "stopped: all connections are closed"));
    }
}

TEST_CASE("P2 a drain waits for requests, not for half of one") {
    Script script;
    script.server = "timeouts: {header: 60s, idle: 60s, drain: 60s}";
    Stage stage(script);
    Wire half(stage.port());
    half.send("GET /public/x HT");
    Wire idle(stage.port());
    idle.send(stage.request("GET /public/x"));
    REQUIRE(idle.read_response().status() == 200);
    CHECK(stage.gate().stop() == 0);
    CHECK(contains(stage.gate().log(), "stopped: all connections are closed"));
    CHECK_FALSE(contains(stage.gate().log(), "time is up"));
}

TEST_CASE("P2 a daemon that is asked to stop finishes what is under way") {
    Stage stage;
    stage.app.holds("/public/slow").echoes("/public/socket");
    const int internal = stage.gate().internal_port();
    CHECK(status_of(internal, "/readyz") == 200);

    std::list<Wire> tunnels;
    for (int i = 0; i < 100; ++i) tunnels.push_back(open_socket(stage, "/public/socket"));
    Wire slow(stage.port());
    slow.send(stage.request("GET /public/slow"));
    stage.app.wait_for(101);

    stage.gate().process().signal(SIGTERM);
    REQUIRE(stage.gate().process().says("drain: "));
    CHECK(comes_true([&] { return refuses(stage.port()); }));
    CHECK_MESSAGE(status_of(internal, "/readyz") == 503, "P10");
    CHECK(status_of(internal, "/healthz") == 200);
    for (auto& tunnel : tunnels) {
        CHECK_MESSAGE(tunnel.read_until_close() == going_away, "H19: going away");
    }

    stage.app.release();
    const auto answer = slow.read_response();
    CHECK(answer.status() == 200);
    CHECK(answer.complete);
    CHECK(answer.field("Connection") == "close");
    CHECK(stage.gate().process().wait() == 0);
}

TEST_CASE("P2 a drain ends at its time, P3 or at a second signal") {
    SUBCASE("P2 at its time") {
        Stage stage({.server = "timeouts: {drain: 50ms}"});
        stage.app.holds("/public/slow");
        Wire slow(stage.port());
        slow.send(stage.request("GET /public/slow"));
        stage.app.wait_for(1);
        CHECK(stage.gate().stop() == 0);
        CHECK(contains(stage.gate().log(), "time is up"));
        CHECK(slow.read_response().status() == 0);
    }
    SUBCASE("P3 at a second signal") {
        Stage stage({.server = "timeouts: {drain: 1h}"});
        stage.app.holds("/public/slow");
        Wire slow(stage.port());
        slow.send(stage.request("GET /public/slow"));
        stage.app.wait_for(1);
        stage.gate().process().signal(SIGTERM);
        REQUIRE(stage.gate().process().says("drain: "));
        stage.gate().process().signal(SIGTERM);
        CHECK(stage.gate().process().wait() == 0);
        CHECK(contains(stage.gate().log(), "second signal"));
        CHECK(slow.read_response().status() == 0);
    }
}

TEST_CASE("P3 a second signal ends a gate whose Discord hangs, at once") {
    Stage stage({.server = "timeouts: {drain: 1h}"});
    sim::Fault hangs;
    hangs.route = "POST /oauth2/token";
    hangs.delivery.delay = std::chrono::seconds(9);
    stage.discord.add_fault(hangs);
    auto browser = stage.browser();
    stage.discord.approve_as(sim::demo::fern);
    const auto back = browser.get(browser.get("/login").field("Location"));
    REQUIRE(back.status() == 302);
    const int calls = stage.discord.count("POST /oauth2/token");
    std::thread visitor([&] {
        try {
            CHECK(browser.get(back.field("Location")).status() == 0);
        } catch (const std::runtime_error&) {  // closed without an answer
        }
    });
    CHECK(comes_true([&] { return stage.discord.count("POST /oauth2/token") > calls; }));
    stage.gate().process().signal(SIGTERM);
    REQUIRE(stage.gate().process().says("drain: "));
    const FairTime since;
    stage.gate().process().signal(SIGTERM);
    CHECK(stage.gate().process().wait() == 0);
    CHECK(since.passed() < std::chrono::seconds(3));
    visitor.join();
}

TEST_CASE("P7 after kill -9 it starts again on the same port with the same sessions") {
    Stage stage;
    auto fern = stage.browser_of(demo::fern);
    for (int i = 0; i < 3; ++i) {
        stage.gate().process().signal(SIGKILL);
        CHECK(stage.gate().process().wait() == 1000 + SIGKILL);
        stage.start_gate();
        CHECK(fern.get("/x").status() == 200);
    }
    CHECK(fern.post_form("/logout").status() == 303);
    const auto cookie = fern.cookie("cordgate");
    stage.gate().process().signal(SIGKILL);
    stage.gate().process().wait();
    stage.start_gate();
    CHECK_MESSAGE(fern.ask("GET", "/x").status() == 401, "and what was logged out stays so");
}

TEST_CASE("P4 P6 other signals change nothing") {
    Stage stage;
    for (const int number : {SIGHUP, SIGPIPE}) stage.gate().process().signal(number);
    CHECK(stage.gate().process().says("reload: "));
    CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
    CHECK(stage.stop_gate() == 0);
}

TEST_CASE("P10 health is told on the internal listener only, without details") {
    Stage stage;
    httplib::Client client("127.0.0.1", stage.gate().internal_port());
    for (const char* path : {"/healthz", "/readyz"}) {
        CAPTURE(path);
        const auto answer = client.Get(path);
        REQUIRE(answer);
        CHECK(answer->status == 200);
        CHECK(answer->get_header_value("Content-Type") == "application/json");
        CHECK_FALSE(contains(answer->body, "sessions.db"));
        CHECK(stage.ask(stage.request(std::string("GET ") + path)).status() == 401);
    }
    const auto nothing = client.Get("/v9/nothing");
    REQUIRE(nothing);
    CHECK(nothing->status == 404);
    CHECK(nothing->get_header_value("Content-Type") == "application/problem+json");
}

TEST_CASE("healthcheck ends with 0 for a daemon that is ready, and with 1 for any other") {
    Stage stage;
    const auto check = [&](int port) {
        return run(stage.folder.path(), {"healthcheck", "--config", "cordgate.yaml",
                                         "--internal-listen", "127.0.0.1:" + std::to_string(port)});
    };
    CHECK(check(stage.gate().internal_port()).code == 0);

    ReservedPort nobody;
    const auto missing = check(nobody.number());
    CHECK(missing.code == 1);
    CHECK(contains(missing.output, nobody.text()));

    stage.app.holds("/public/slow");
    Wire slow(stage.port());
    slow.send(stage.request("GET /public/slow"));
    stage.app.wait_for(1);
    stage.gate().process().signal(SIGTERM);
    REQUIRE(stage.gate().process().says("drain: "));
    const int port = stage.gate().internal_port();
    CHECK(comes_true([&] { return refuses(stage.port()); }));
    const auto draining = check(port);
    CHECK(draining.code == 1);
    CHECK(contains(draining.output, "503"));
    stage.app.release();
    CHECK(stage.gate().process().wait() == 0);
}

TEST_CASE("version, help and usage errors end as they should") {
    TemporaryFolder folder;
    const auto version = run(folder.path(), {"version"});
    CHECK(version.code == 0);
    for (const char* line :
         {"cordgate ", "commit ", "compiler ", "OpenSSL ", "Boost ", "SQLite "}) {
        CHECK(contains(version.output, line));
    }
    CHECK(run(folder.path(), {"--version"}).code == 0);
    CHECK(run(folder.path(), {"--help"}).code == 0);
    CHECK(run(folder.path(), {"serve", "--help"}).code == 0);
    CHECK(run(folder.path(), {"--nonsense"}).code == 2);
    CHECK(run(folder.path(), {"nonsense"}).code == 2);
    CHECK(run(folder.path(), {"serve", "--config"}).code == 2);
}

TEST_CASE("check prints what is in effect, and no secret") {
    Stage stage;
    const auto right = run(stage.folder.path(),
                           {
                               "check", "--config", "cordgate.yaml"
    },
                           {{"CORDGATE_SESSION_IDLE_TIMEOUT", "3h"}});
    CHECK(right.code == 0);
    CHECK(contains(right.output, stage.home() + "/callback"));
    CHECK(contains(right.output, "idle_timeout: 3h"));
    CHECK_FALSE(contains(right.output, demo::client_secret));

    const auto flag = run(stage.folder.path(),
                          {
                              "check", "--config", "cordgate.yaml", "--session-idle-timeout", "4h"
    },
                          {{"CORDGATE_SESSION_IDLE_TIMEOUT", "3h"}});
    CHECK_MESSAGE(contains(flag.output, "idle_timeout: 4h"), "a flag counts more");

    stage.folder.write("wrong.yaml", "server: {public_url: ftp://x, lisen: []}\nrules: 3\n");
    const auto wrong = run(stage.folder.path(), {"check", "--config", "wrong.yaml"});
    CHECK(wrong.code == 78);
    for (const char* place :
         {"wrong.yaml:1:", "server.public_url", "lisen", "wrong.yaml:2:", "discord.client_id"}) {
        CHECK_MESSAGE(contains(wrong.output, place), "all problems at once");
    }
}

TEST_CASE("init writes files to start from, and never overwrites one") {
    TemporaryFolder folder;
    const auto first = run(folder.path(), {"init", "new/site"});
    CHECK(first.code == 0);
    const auto config = folder.path() / "new/site/cordgate.yaml";
    CHECK(contains(content_of(config), "client_id"));
    CHECK(content_of(folder.path() / "new/site/compose.yaml").size() > 100);

    std::ofstream(config, std::ios::trunc) << "mine\n";
    const auto second = run(folder.path(), {"init", "new/site"});
    CHECK(second.code == 1);
    CHECK(contains(second.output, "left as it is"));
    CHECK(content_of(config) == "mine\n");
}

TEST_CASE("demo runs from nothing, and ends when it is asked") {
    TemporaryFolder folder;
    Process demo(folder.path(), {"demo", "--port", "0"});
    REQUIRE(demo.says("Ctrl-C"));
    const auto output = demo.output();
    const auto begin = output.find("http://127.0.0.1:");
    const auto home = output.substr(begin, output.find('/', begin + 8) - begin);
    Browser browser(home, {std::atoi(home.c_str() + home.rfind(':') + 1), {}});
    const auto page = browser.visit("/");
    CHECK(page.status() == 200);
    CHECK(page.field("Content-Type").starts_with("text/html"));
    const auto consent = browser.visit("/login?rd=/");
    CHECK(consent.status() == 200);
    CHECK_MESSAGE(contains(browser.place(), "/oauth2/authorize?"), "Discord asks who to be");
    demo.signal(SIGINT);
    CHECK(demo.wait() == 0);
    CHECK_MESSAGE(std::filesystem::is_empty(folder.path()), "and leaves nothing behind");
}
