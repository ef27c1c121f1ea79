#include <doctest/doctest.h>
#include <httplib.h>

#include <memory>

#include "core/crypto.hpp"
#include "core/hex.hpp"
#include "tests/support/comes_true.hpp"
#include "tests/support/replicas.hpp"

// Discord's webhook events, as the simulator sends them and as somebody else might.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;

namespace {

const Ed25519Key& discords_key() {
    static const Ed25519Key key = ed25519_key(Secret(demo::event_secret));
    return key;
}

constexpr const char* path = "/_cordgate/discord-events";
constexpr const char* ping = R"({"version":1,"application_id":"1","type":0})";

Script on(const TestClock& clock) {
    Script script;
    script.discord = "public_key: '" + hex_encode(discords_key().public_key) + "'";
    script.log = "level: error, access: false";
    script.clock = &clock;
    return script;
}

/// An event as Discord signs it: over the timestamp and every byte of the body.
struct Event {
    std::string body;
    std::string timestamp = "1700000000";
    std::string signature = "";
    Ed25519Key key = discords_key();

    std::string signature_in_hex() const {
        return signature.empty() ? hex_encode(ed25519_sign(key, timestamp + body)) : signature;
    }
};

int post(Stage& stage, const Event& event, std::string_view method = "POST") {
    auto discord = stage.browser();
    Fields fields = {
        {"Content-Type",          "application/json"      },
        {"X-Signature-Ed25519",   event.signature_in_hex()},
        {"X-Signature-Timestamp", event.timestamp         }
    };
    return discord.fetch(method, path, fields, event.body).status();
}

/// The head of a request that brings it; `framing`: how its body comes, a field.
std::string head_of(const Stage& stage, const Event& event, const std::string& framing) {
    return stage.request(
        std::string("POST ") + path,
        "Content-Type: application/json\r\nX-Signature-Ed25519: " + event.signature_in_hex() +
            "\r\nX-Signature-Timestamp: " + event.timestamp + "\r\n" + framing + "\r\n");
}

std::string deauthorized(Snowflake user, TimePoint at) {
    const auto time = std::chrono::floor<std::chrono::seconds>(at);
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    char text[40];
    std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.500000", int(date.year()),
                  unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
                  int(clock.minutes().count()), int(clock.seconds().count()));
    return R"({"version":1,"application_id":"1","type":1,"event":{"type":"APPLICATION_DEAUTHORIZED",)"
           R"("timestamp":")" +
           std::string(text) + R"(","data":{"user":{"id":")" + user.to_string() + R"("}}}})";
}

}  // namespace

TEST_CASE("webhook: what Discord's probes find when the URL is saved, and later") {
    TestClock clock;
    Stage stage(on(clock));
    httplib::Client control("127.0.0.1", stage.discord.port());
    const auto body =
        R"({"url":")" + stage.home() + "/_cordgate/discord-events" + R"(","probe":true})";
    REQUIRE(control.Post("/sim/control/webhook", body, "application/json"));
    std::vector<std::pair<std::string, int>> seen;
    for (const auto& event : stage.discord.settled_events()) {
        for (const int status : event.statuses) {
            seen.emplace_back(event.event, status);
            CHECK(status == event.expected);
        }
    }
    CHECK(seen == std::vector<std::pair<std::string, int>>{
                      {"PING", 204},
                      {"PING", 401}
    });
}

TEST_CASE("webhook: 204 for what Discord signed, 401 for everything else, whatever it says") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    clock.pass(1h);
    const auto about_fern = deauthorized(demo::fern, clock.now());
    const auto good = Event{about_fern}.signature_in_hex();
    auto flipped = good;
    flipped[0] = flipped[0] == '0' ? '1' : '0';
    const Event forged[] = {
        {about_fern,         "1700000000", "-"                                  },
        {about_fern,         "1700000000", "0"                                  },
        {about_fern,         "1700000000", std::string(128,                       '0')},
        {about_fern,                  "1700000000",                     std::string(128,                             'g')},
        {about_fern,              "1700000000",                          flipped                         },
        {about_fern,           "1700000000",good.substr(2)},
        {about_fern,    "1700000000",                   good + "00"                                              },
        {about_fern,       "1700000000", good + " " + good},
        {about_fern, "1700000001",             good                                                          }, // another time
        {about_fern,              "",              good}, // none
        {about_fern,              std::string(4000,             '1'),                                                          ""}, // longer than any
        {about_fern + " ",              "1700000000",            good}, // the same JSON in other bytes
        {" " + about_fern,"1700000000",good                                   },
        {"1700000000" + about_fern,              "",                                 ""                                  }, // the border moved
        {"",   "1700000000",good},
        {about_fern,    "1700000000",                                "",                                                                                      ed25519_generate()},
        {ping,   "1700000000",good},
    };
    for (const auto& event : forged) {
        INFO(event.timestamp.substr(0, 20) << " " << event.signature << " " << event.body);
        CHECK(post(stage, event) == 401);
    }
    auto discord = stage.browser();
    CHECK(discord.fetch("POST", path, {}, about_fern).status() == 401);
    CHECK(discord
              .fetch("POST", path,
                     {
                         {"X-Signature-Timestamp", "1700000000"}
    },
                     about_fern)
              .status() == 401);
    CHECK(discord
              .fetch("POST", path,
                     {
                         {"X-Signature-Ed25519", good}
    },
                     about_fern)
              .status() == 401);
    const auto unsigned_post = discord.fetch("POST", path);
    CHECK(unsigned_post.status() == 401);
    CHECK(unsigned_post.body.find("Not signed by Discord") != std::string::npos);
    for (const char* method : {"GET", "PUT", "DELETE", "OPTIONS"}) {
        CHECK(post(stage, {about_fern}, method) == 405);
    }
    const std::string event = R"({"version":1,"type":1,"event":)";
    const std::string of_no_concern[] = {
        ping,
        "",
        "no JSON",
        "[]",
        "{}",
        R"({"type":2})",
        R"({"type":1})",
        event + "null}",
        event + R"({"type":"SOMETHING_NEW","timestamp":"2030-01-01T00:00:00.000000"}})",
        event + R"({"type":"ENTITLEMENT_CREATE","timestamp":"2030-01-01T00:00:00","data":{}}})",
        event + R"({"type":"APPLICATION_DEAUTHORIZED","timestamp":"2030-01-01T00:00:00"}})",
        event + R"({"type":"APPLICATION_DEAUTHORIZED","timestamp":"then","data":{"user":{"id":")" +
            demo::fern.to_string() + "\"}}}}",
        event + R"({"type":"APPLICATION_DEAUTHORIZED","timestamp":"2030-01-01T00:00:00",)"
                R"("data":{"user":{"id":7}}}})",
        deauthorized(demo::pip, clock.now()),
    };
    for (const auto& body : of_no_concern) {
        INFO(body);
        CHECK(post(stage, {body}) == 204);
    }
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    CHECK(stage.app.last().field("X-Discord-User-Id") == demo::fern.to_string());
    CHECK(post(stage, {about_fern}) == 204);
    CHECK(fern.ask("GET", "/inbox").status() == 401);
}

TEST_CASE("webhook: an event ends the sessions that are older than it, however often it comes") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    auto phone = stage.browser_of(demo::fern);
    auto robin = stage.browser_of(demo::robin);
    clock.pass(1h);
    const Event event{deauthorized(demo::fern, clock.now())};
    clock.pass(10s);
    auto since = stage.browser_of(demo::fern);  // before the event arrives
    for (int i = 0; i < 3; ++i) {
        CHECK(post(stage, event) == 204);
        CHECK(fern.ask("GET", "/inbox").status() == 401);
        CHECK(phone.ask("GET", "/inbox").status() == 401);
        CHECK(since.ask("GET", "/inbox").status() == 200);
        CHECK(robin.ask("GET", "/inbox").status() == 200);
        clock.pass(1min);
    }
    auto again = stage.browser_of(demo::fern);
    CHECK(post(stage, event) == 204);
    CHECK(again.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("webhook: an event that does not say when it happened is as old as its signature") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    clock.pass(1min);
    const auto sent = std::chrono::floor<std::chrono::seconds>(clock.now()).time_since_epoch();
    const Event event{R"({"version":1,"application_id":"1","type":1,"event":)"
                      R"({"type":"APPLICATION_DEAUTHORIZED","data":{"user":{"id":")" +
                          demo::fern.to_string() + R"("}}}})",
                      std::to_string(sent.count())};
    clock.pass(1min);
    auto since = stage.browser_of(demo::fern);
    CHECK(post(stage, event) == 204);
    CHECK(fern.ask("GET", "/inbox").status() == 401);
    CHECK(since.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("webhook: a session that began after the event by a clock that is ahead ends too") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    const Event event{deauthorized(demo::fern, clock.now() - 45s)};
    CHECK(post(stage, event) == 204);  // while the grant lives, it stays
    clock.pass(1s);
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    stage.discord.deauthorize(demo::fern);
    CHECK(post(stage, event) == 204);
    CHECK(comes_true([&] { return fern.ask("GET", "/inbox").status() == 401; }));
}

TEST_CASE("webhook: half-sent events take bounded memory, and keep no event of Discord's out") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    clock.pass(1min);
    // Forty unfinished events of nearly the most that one may have: 20 MiB.
    const std::string most(512 * 1024 - 1, 'x');
    const auto head = head_of(stage, {"", "1", std::string(128, '0')},
                              "Content-Length: " + std::to_string(most.size() + 1));
    std::vector<std::unique_ptr<Wire>> wires;
    // Each of them gets its place before the last byte is asked for: 503, or it waits.
    const Event large{std::string(500 * 1024, ' ')};
    CHECK(comes_true([&] {
        for (int i = 0; i < 40; ++i) {  // again on a slow machine, where they have timed out
            wires.push_back(std::make_unique<Wire>(stage.port()));
            wires.back()->send(head + most);
        }
        return post(stage, large) == 503;
    }));
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    CHECK(post(stage, {deauthorized(demo::fern, clock.now())}) == 204);
    CHECK(fern.ask("GET", "/inbox").status() == 401);
    // What has gone gives its place back.
    wires.clear();
    CHECK(comes_true([&] { return post(stage, large) == 204; }));
}

TEST_CASE("webhook: the echo of our own revocation ends nothing that came after it") {
    TestClock clock;
    auto script = on(clock);
    script.logout = "revoke: always";
    Stage stage(script);
    stage.discord.subscribe(stage.home() + path);
    auto fern = stage.browser_of(demo::fern);
    REQUIRE(fern.post_form("/logout").status() == 303);
    stage.discord.settled_events();
    clock.pass(1s);
    auto again = stage.browser_of(demo::fern);
    stage.discord.settled_events();
    CHECK(again.ask("GET", "/inbox").status() == 200);
}

TEST_CASE("webhook: an event of more than half a mebibyte is refused, one in chunks is read") {
    TestClock clock;
    Stage stage(on(clock));
    auto fern = stage.browser_of(demo::fern);
    clock.pass(1min);
    const Event event{deauthorized(demo::fern, clock.now())};
    const Event large{std::string(512 * 1024 + 1, ' ')};
    const auto length = std::to_string(large.body.size());
    CHECK(stage.ask(head_of(stage, large, "Content-Length: " + length) + large.body, "POST")
              .status() == 413);
    CHECK(stage.ask(head_of(stage, large, "Content-Length: 99999999999"), "POST").status() == 413);
    CHECK(fern.ask("GET", "/inbox").status() == 200);
    std::string chunks;
    for (const char byte : event.body) chunks += std::string("1\r\n") + byte + "\r\n";
    CHECK(
        stage
            .ask(head_of(stage, event, "Transfer-Encoding: chunked") + chunks + "0\r\n\r\n", "POST")
            .status() == 204);
    CHECK(fern.ask("GET", "/inbox").status() == 401);
}

TEST_CASE("webhook: while the store is away Discord is told to come again") {
    RedisServer redis({"--appendonly", "yes", "--appendfsync", "always"});
    TestClock clock;
    Stage stage(over(redis, on(clock)));
    auto fern = stage.browser_of(demo::fern);
    clock.pass(1min);
    const Event event{deauthorized(demo::fern, clock.now())};
    redis.kill();
    CHECK(post(stage, event) == 503);
    CHECK(post(stage, {ping}) == 204);
    redis.start();
    CHECK(comes_true([&] { return post(stage, event) == 204; }));
    CHECK(fern.ask("GET", "/inbox").status() == 401);
}

TEST_CASE("webhook: without a public key there is no such page") {
    TestClock clock;
    auto script = on(clock);
    script.discord = "";
    Stage stage(script);
    CHECK(post(stage, {ping}) == 404);
}
