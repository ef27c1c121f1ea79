#include <doctest/doctest.h>

#include "tests/support/contains.hpp"
#include "tests/support/internal.hpp"

// What an operator reads in the log when something outside goes wrong: a line for each
// change, however many requests meet it.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

std::size_t count(const std::string& text, std::string_view part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
}

/// Everything that the gate says until it has stopped.
std::string whole_log(Stage& stage) {
    stage.gate().stop();
    return stage.gate().log();
}

Script quiet() {
    Script script;
    script.log = "level: info, access: false";
    return script;
}

}  // namespace

TEST_CASE("the log says once that Discord does not answer, and once that it does again") {
    Stage stage(quiet());
    auto fern = stage.browser_of(demo::fern);
    const Internal api(stage);
    const auto ask = [&, path = "/v1/sessions/" + handle_of(stage, fern) + "/user?max_age=0"] {
        return api.get(path).status;
    };
    stage.discord.add_fault("/users/@me", "500", -1);
    for (int i = 0; i < 5; ++i) CHECK(ask() == 503);
    stage.discord.clear_faults();
    for (int i = 0; i < 2; ++i) CHECK(ask() == 200);
    const auto log = whole_log(stage);
    INFO(log);
    CHECK(count(log, "discord does not answer") == 1);
    CHECK(count(log, "discord answers again") == 1);
}

TEST_CASE("a ban of our address is in the log once, with how long nothing is asked") {
    Stage stage(quiet());
    auto fern = stage.browser_of(demo::fern);
    const Internal api(stage);
    const auto path = "/v1/sessions/" + handle_of(stage, fern) + "/user?max_age=0";
    stage.discord.add_fault("/users/@me", "cloudflare_1015");
    for (int i = 0; i < 3; ++i) CHECK(api.get(path).status == 429);

    auto robin = stage.browser();
    auto refused = robin.visit("/login");
    CHECK(refused.status() == 503);
    CHECK_MESSAGE(contains(refused.body, "Wait 10 minutes, then try again."), refused.body);
    const auto log = whole_log(stage);
    INFO(log);
    CHECK(count(log, "discord holds us back") == 1);
    CHECK(contains(log, "seconds=600 scope=ban"));
}

TEST_CASE("a client secret that Discord refuses is in the log once, however many log in") {
    auto script = quiet();
    script.secret = "wrong";
    Stage stage(script);
    stage.discord.approve_as(demo::fern);
    for (int i = 0; i < 2; ++i) {
        auto fern = stage.browser();
        CHECK(fern.visit("/login").status() == 502);
    }
    const auto log = whole_log(stage);
    INFO(log);
    CHECK(count(log, "discord refuses our credentials") == 1);
}

TEST_CASE("sessions that no key opens are in the log, however many requests bring them") {
    Stage stage(quiet());
    auto fern = stage.browser_of(demo::fern);
    stage.stop_gate();
    stage.folder.write("sessions.db.key", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n");
    stage.start_gate();
    for (int i = 0; i < 3; ++i) CHECK(fern.ask("GET", "/inbox").status() == 401);
    CHECK(stage.gate().process().says("sessions cannot be opened"));
    for (int i = 0; i < 3; ++i) CHECK(fern.ask("GET", "/inbox").status() == 401);
    const auto log = whole_log(stage);
    INFO(log);
    CHECK(count(log, "sessions cannot be opened") == 1);
}
