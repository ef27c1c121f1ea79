#include <doctest/doctest.h>

#include <httplib.h>

#include <atomic>
#include <csignal>
#include <list>
#include <thread>

#include "tests/support/comes_true.hpp"
#include "tests/support/manual_upstream.hpp"
#include "tests/support/websocket.hpp"

// SIGHUP: other settings under the same clients, sessions and sockets.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

constexpr const char* taken_up = "settings and certificates are taken up";

std::size_t count_of(const std::string& text, std::string_view piece) {
    std::size_t count = 0;
    for (auto at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1))
        ++count;
    return count;
}

/// SIGHUP with `text` in the file; returns once it is taken up.
bool reload(Stage& stage, const std::string& text) {
    auto& process = stage.gate().process();
    const auto before = count_of(process.output(), taken_up);
    stage.folder.write("cordgate.yaml", text);
    process.signal(SIGHUP);
    return comes_true([&] { return count_of(process.output(), taken_up) > before; });
}

std::string replaced(std::string text, std::string_view piece, std::string_view by) {
    const auto at = text.find(piece);
    REQUIRE(at != std::string::npos);
    return text.replace(at, piece.size(), by);
}

std::size_t entries(const std::string& folder) {
    const std::filesystem::directory_iterator all(folder);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// But for the store's: each of its connections opens SQLite's log when it first reads.
std::size_t descriptors(const std::string& proc) {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator(proc + "/fd")) {
        std::error_code gone;
        const auto target = std::filesystem::read_symlink(each, gone).string();
        if (!gone && target.find("sessions.db") == std::string::npos) ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("P4 SIGHUP takes up other rules, for clients that are there as for new ones") {
    Stage stage;
    stage.app.holds("/public/slow").echoes("/public/socket");
    auto fern = stage.browser_of(demo::fern);
    Wire idle(stage.port());
    idle.send(stage.request("GET /private/x"));
    REQUIRE(idle.read_response().status() == 401);
    Wire silent(stage.port());
    Wire slow(stage.port());
    const auto seen = stage.app.count();
    slow.send(stage.request("GET /public/slow"));
    auto tunnel = open_socket(stage, "/public/socket");
    stage.app.wait_for(seen + 2);

    const auto internal = stage.gate().internal_port();
    REQUIRE(reload(stage, replaced(stage.yaml(stage.port()), "{path: /public/**, access: public}",
                                   "{path: /private/**, access: public}, {path: /public/slow, "
                                   "access: public}")));
    for (auto* wire : {&idle, &silent}) {
        wire->send(stage.request("GET /private/x"));
        CHECK_MESSAGE(wire->read_response().status() == 200, "on the same connection");
        wire->send(stage.request("GET /public/x"));
        CHECK(wire->read_response().status() == 401);
    }
    CHECK(stage.ask(stage.request("GET /public/x")).status() == 401);
    CHECK_MESSAGE(fern.ask("GET", "/public/x").status() == 200, "sessions live on");

    // What was under way is finished, and its connection goes on under the new rules.
    stage.app.release();
    const auto answer = slow.read_response();
    CHECK(answer.status() == 200);
    CHECK_FALSE(answer.has("Connection"));
    slow.send(stage.request("GET /private/x"));
    CHECK(slow.read_response().status() == 200);
    CHECK(echoes(tunnel));

    httplib::Client health("127.0.0.1", internal);
    const auto ready = health.Get("/readyz");
    REQUIRE(ready);
    CHECK_MESSAGE(ready->status == 200, "on the port that the kernel chose at start");

    stage.gate().process().signal(SIGTERM);
    CHECK_MESSAGE(tunnel.read_until_close() == going_away, "H19: of the gate before, too");
    CHECK(stage.gate().process().wait() == 0);
}

TEST_CASE("P4 N a file with errors changes nothing, and the log says what is wrong where") {
    Stage stage;
    Wire idle(stage.port());
    idle.send(stage.request("GET /public/x"));
    REQUIRE(idle.read_response().status() == 200);
    const auto good = stage.yaml(stage.port());
    struct Row {
        std::string id;
        std::string text;
        std::string said;
    };
    const auto store = replaced(good, "sqlite:sessions.db", "sqlite:/nowhere/at/all/s.db");
    const auto tls =
        replaced(good, "workers: 2", "workers: 2, tls: {cert_file: no.pem, key_file: no.key}");
    const Row rows[] = {
        {"no YAML",                         "server: [",           "cordgate.yaml:"},
        {"an unknown key",                  good + "unknwon: 1\n", "unknwon"       },
        {"a store that is not there",       store,                 "/nowhere"      },
        {"a certificate that is not there", tls,                   "no.pem"        },
    };
    for (const auto& row : rows) {
        CAPTURE(row.id);
        auto& process = stage.gate().process();
        const auto before = count_of(process.output(), "the old settings stay");
        stage.folder.write("cordgate.yaml", row.text);
        process.signal(SIGHUP);
        REQUIRE(comes_true(
            [&] { return count_of(process.output(), "the old settings stay") > before; }));
        CHECK(process.says(row.said));
        idle.send(stage.request("GET /public/x"));
        CHECK(idle.read_response().status() == 200);
        CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
    }
    CHECK(reload(stage, good));
    CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
    CHECK(stage.stop_gate() == 0);
}

TEST_CASE("P4 SIGHUP opens and closes listeners, and changes who the application is") {
    ManualUpstream other;
    Stage stage;
    ReservedPort more;
    const auto socket = stage.folder.file("gate.sock");
    const auto first = "'127.0.0.1:" + std::to_string(stage.port()) + "'";
    auto text = replaced(stage.yaml(stage.port()), first,
                         first + ", '127.0.0.1:" + more.text() + "', 'unix:" + socket + "'");
    text = replaced(text, "workers: 2", "workers: 3");
    text = replaced(text, "[{url: '" + stage.app.url() + "'}]", other.setting());
    REQUIRE(reload(stage, text));
    CHECK(std::filesystem::exists(socket));
    for (const int port : {stage.port(), more.number()}) {
        Wire client(port);
        client.send(stage.request("GET /public/x"));
        auto upstream = other.accept();
        upstream.read_request();
        upstream.send(response("200 OK", "Connection: close\r\n", "the other one"));
        CHECK(client.read_response().body == "the other one");
    }
    REQUIRE(reload(stage, stage.yaml(stage.port())));
    CHECK(comes_true([&] { return refuses(more.number()); }));
    CHECK(comes_true([&] { return !std::filesystem::exists(socket); }));
    CHECK(stage.ask(stage.request("GET /public/x")).status() == 200);
}

TEST_CASE("P4 SIGHUP again and again under load loses no request, no thread and no descriptor") {
    Stage stage({.log = "access: false"});  // of a hundred thousand requests
    auto fern = stage.browser_of(demo::fern);
    const auto cookie = fern.cookie_line();
    const auto text = stage.yaml(stage.port());
    const auto proc = "/proc/" + std::to_string(stage.gate().process().pid());
    const auto threads_before = entries(proc + "/task");
    const auto files_at_first = descriptors(proc);
    REQUIRE(reload(stage, text));
    // The first one had connections to the application; tidied up, it leaves less than it had.
    const auto is_alone = [&](std::size_t files) {
        return entries(proc + "/task") <= threads_before && descriptors(proc) <= files;
    };
    REQUIRE(comes_true([&] { return is_alone(files_at_first); }));
    const auto files_before = descriptors(proc);
    std::atomic<bool> done = false;
    std::atomic<int> wrong = 0, right = 0;
    std::list<std::thread> visitors;
    for (int i = 0; i < 6; ++i) {
        visitors.emplace_back([&, keeps = i % 2 == 0] {
            while (!done) {
                try {
                    Wire wire(stage.port());
                    for (int n = 0; n < (keeps ? 200 : 1) && !done; ++n) {
                        wire.send(stage.request("GET /private/x", cookie));
                        const auto answer = wire.read_response();
                        ++(answer.status() == 200 && answer.complete ? right : wrong);
                        if (answer.status() == 0) break;
                    }
                } catch (const std::exception&) {
                    ++wrong;
                }
            }
        });
    }
    for (int i = 0; i < 25; ++i) CHECK(reload(stage, text));
    done = true;
    for (auto& visitor : visitors) visitor.join();
    CHECK(wrong == 0);
    CHECK(right > 100);
    // The newest has idle connections to the application by now; one more has none.
    CHECK(reload(stage, text));
    CHECK(comes_true([&] { return is_alone(files_before); }));
    CHECK(stage.stop_gate() == 0);
}
