#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/support/comes_true.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/internal.hpp"

// What /metrics says, and that each limit shows there (the heading of group J).

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

double value_in(const std::string& metrics, const std::string& series) {
    const auto at = metrics.find("\n" + series + " ");
    REQUIRE_MESSAGE(at != std::string::npos, series);
    return std::atof(metrics.c_str() + at + series.size() + 2);
}

double value_of(Stage& stage, const std::string& series) {
    return value_in(Internal(stage).get("/metrics").body, series);
}

double refusals(Stage& stage, int status) {
    return value_of(stage, "cordgate_refusals_total{status=\"" + std::to_string(status) + "\"}");
}

}  // namespace

TEST_CASE("metrics tell what happens, and of nobody") {
    Stage stage;
    const Internal api(stage);
    auto fern = stage.browser_of(demo::fern);
    const auto handle = handle_of(stage, fern);
    fern.get("/x");
    stage.ask(stage.request("GET /members"));
    CHECK(api.get("/v1/sessions/" + handle + "/guilds?max_age=0").status == 200);
    CHECK(api.get("/v1/sessions/" + handle + "/guilds").status == 200);
    CHECK(fern.post_form("/logout").status() == 303);
    const auto answer = api.get("/metrics");
    CHECK(answer.status == 200);
    CHECK(answer.field("Content-Type").starts_with("text/plain; version=0.0.4"));
    const auto value = [&](const std::string& series) { return value_in(answer.body, series); };
    CHECK(value("cordgate_requests_total{status=\"2xx\"}") >= 2);
    CHECK(value("cordgate_requests_total{status=\"4xx\"}") >= 1);
    CHECK(value("cordgate_logins_begun_total") == 1);
    CHECK(value("cordgate_logins_total{result=\"ok\"}") == 1);
    CHECK(value("cordgate_logins_total{result=\"access_denied\"}") == 0);
    CHECK(value("cordgate_logouts_total") == 1);
    CHECK(value("cordgate_sessions_ended_total") >= 1);
    CHECK(value("cordgate_session_cache_lookups_total{result=\"hit\"}") >= 1);
    CHECK(value("cordgate_discord_cache_lookups_total{result=\"miss\"}") >= 1);
    CHECK(value("cordgate_discord_cache_lookups_total{result=\"hit\"}") >= 1);
    CHECK(value("cordgate_discord_calls_total{status=\"2xx\"}") >= 3);
    CHECK(value("cordgate_discord_rate_limited_total") == 0);
    CHECK(value("cordgate_internal_requests_total{status=\"2xx\"}") >= 2);
    CHECK(value("cordgate_blocking_calls_waiting{pool=\"store\"}") >= 0);
    CHECK(value("cordgate_resident_memory_bytes") > 1000000);
    CHECK(contains(answer.body, "\ncordgate_build_info{version=\"0."));
    CHECK(value("cordgate_config_last_reload_successful") == 1);
    CHECK(value("cordgate_config_loaded_timestamp_seconds") > 1'700'000'000);
    // A histogram adds up.
    const auto responses = value("cordgate_request_duration_seconds_count");
    CHECK(responses >= 3);
    CHECK(value("cordgate_request_duration_seconds_bucket{le=\"+Inf\"}") == responses);
    CHECK(value("cordgate_request_duration_seconds_sum") > 0);
    CHECK_FALSE(contains(answer.body, demo::fern.to_string()));
    CHECK_FALSE(contains(answer.body, demo::garden.to_string()));
}

TEST_CASE(
    "J1 J2 J4 J7 J15 each refusal of ours is counted by its status, the application's is not") {
    Upstream app;
    app.answers("/public/missing", response("404 Not Found", "", "not here"));
    const ReservedPort nobody;
    Stage stage({.server = "timeouts: {header: 300ms}",
                 .limits = "target_bytes: 1KiB, header_bytes: 8KiB, body_bytes: 10B",
                 .upstreams = "[{url: '" + app.url() +
                              "'}, {path: /public/nobody, url: 'http://127.0.0.1:" + nobody.text() +
                              "'}]"});
    struct Row {
        std::string name;
        std::string bytes;
        int status;
    };
    const Row rows[] = {
        {"nobody signed in",              stage.request("GET /members"),                   401},
        {"a target too long",             stage.request("GET /public/" + std::string(2000, 'a')),414},
        {"fields too long",                               stage.request("GET /public/x",                                                              "X: " + std::string(9000,'a') + "\r\n"),
         431},
        {"a body too long",                 stage.request("POST /public/x",                                                                              "Content-Length: 11\r\n"),413},
        {"a head that stays away","GET /public/x HTTP/1.1\r\n",408},
        {"framing",        stage.request("POST /public/x",                                           "Content-Length: x\r\n"), 400},
        {"an application that is not there",                       stage.request("GET /public/nobody"),                                 502},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        const auto before = refusals(stage, row.status);
        CHECK(stage.ask(row.bytes).status() == row.status);
        CHECK(comes_true([&] { return refusals(stage, row.status) == before + 1; }));
    }
    CHECK(stage.ask(stage.request("GET /public/missing")).status() == 404);
    CHECK(refusals(stage, 404) == 0);
}

TEST_CASE("docs/operations.md names every metric") {
    std::ifstream file(CORDGATE_SOURCE_DIR "/docs/operations.md");
    const std::string page((std::istreambuf_iterator<char>(file)), {});
    REQUIRE_FALSE(page.empty());
    Stage stage;
    std::istringstream lines(Internal(stage).get("/metrics").body);
    int families = 0;
    for (std::string line; std::getline(lines, line);) {
        const std::string type = "# TYPE cordgate_";
        if (!line.starts_with(type)) continue;
        const auto name = line.substr(type.size(), line.find(' ', type.size()) - type.size());
        CHECK_MESSAGE(contains(page, "`" + name), name);
        ++families;
    }
    CHECK(families > 20);
}

TEST_CASE("J12 connections that a limit refuses are counted by that limit") {
    for (const std::string limit : {"connections", "connections_per_client"}) {
        CAPTURE(limit);
        Stage stage({.limits = limit + ": 1"});
        const auto series = "cordgate_connections_refused_total{limit=\"" + limit + "\"}";
        Wire held(stage.port());
        held.send(stage.request("GET /public/x"));
        REQUIRE(held.read_response().status() == 200);
        CHECK(value_of(stage, series) == 0);
        CHECK(Wire(stage.port()).read_response().status() == 503);
        CHECK(value_of(stage, series) == 1);
    }
}

TEST_CASE("N17 metrics say that the newest settings are wrong, until they are right") {
    Stage stage;
    const std::string series = "cordgate_config_last_reload_successful";
    const auto is_now = [&](double wanted) {
        return comes_true([&] { return value_of(stage, series) == wanted; });
    };
    REQUIRE(value_of(stage, series) == 1);
    stage.folder.write("cordgate.yaml", "rules: 7\n");
    stage.gate().process().signal(SIGHUP);
    CHECK(is_now(0));
    stage.folder.write("cordgate.yaml", stage.yaml(stage.port()));
    stage.gate().process().signal(SIGHUP);
    CHECK(is_now(1));
}
