#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "tests/support/contains.hpp"
#include "tests/support/internal.hpp"
#include "tests/support/manual_upstream.hpp"

// Everything that can come from Discord instead of a good answer, at a login and at a
// call of the application's (at a refresh: clock_test.cpp): what the visitor or the application is
// told, how often Discord is asked, and that nobody gets in by it.

using namespace cordgate;
using namespace cordgate::test;
using namespace std::chrono_literals;
namespace demo = cordgate::sim::demo;

namespace {

enum class Kind {
    limit,    // a 429 or a ban, in any form: asked again only when it is over
    silence,  // nobody answers, or nobody who knows
    nonsense  // an answer that Discord does not document
};

struct Row {
    const char* fault;
    Kind kind;
    const char* scope = "";  // of a limit
};

// Much like another row: one place where it can happen stands for all.
bool is_twin(const Row& row) {
    const std::string_view fault = row.fault;
    return fault == "507_page" || fault == "523_page" || fault == "524_page" ||
           fault == "504_page" || fault == "429_without_headers" ||
           fault == "cloudflare_1015_hour" || fault == "cloudflare_429_page";
}

// Discord's faults that are no answer at all, by the simulator's names.
constexpr Row rows[] = {
    {"429_user",             Kind::limit,                 "user"},
    {"429_global",                      Kind::limit,                                      "global"},
    {"429_shared",              Kind::limit,    "shared"},
    {"429_without_headers",Kind::limit,              "user"},
    {"429_blocked",  Kind::limit,                     "ban"},
    {"cloudflare_1015",                      Kind::limit,                                     "ban"},
    {"cloudflare_1015_hour",                 Kind::limit,                        "ban"},
    {"cloudflare_429_page",Kind::limit,"ban"},
    {"cloudflare_403_page", Kind::limit, "ban"},
    {"40333",                      Kind::silence                            },
    {"500",                 Kind::silence                                                                    },
    {"502_page",           Kind::silence                                },
    {"503_text",                Kind::silence        },
    {"504_page",                  Kind::silence               },
    {"507_page",             Kind::silence                },
    {"522_page",             Kind::silence           },
    {"523_page",             Kind::silence         },
    {"524_page",             Kind::silence              },
    {"reset",             Kind::silence              },
    {"cut_head",             Kind::silence              },
    {"cut_body",             Kind::silence              },
    {"wrong_length",                Kind::silence                 },
    {"lost_answer",             Kind::silence              },
    {"404_page",             Kind::nonsense              },
    {"200_page",         Kind::nonsense       },
    {"200_empty",          Kind::nonsense           },
    {"gzip",             Kind::nonsense             },
};

// True answers in every form that Discord has for them, and will have.
constexpr const char* oddities[] = {
    "chunked",          "unknown_keys",    "no_optional_keys", "legacy_discriminator",
    "global_name_null", "global_name_rtl", "global_name_crlf", "global_name_emoji",
    "email_null",
};

/// Each row on a gate and a Discord of its own; most of the time they wait.
void for_each_row(const std::function<void(const Row&)>& check) {
    // httplib makes tables at its first request; that they are guarded ThreadSanitizer
    // cannot see, but that this comes before the threads below it can.
    Stage().browser_of(demo::pip);
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (auto at = next++; at < std::size(rows); at = next++) {
                try {
                    check(rows[at]);
                } catch (const std::exception& problem) {
                    FAIL_CHECK(std::string(rows[at].fault), ": ", std::string(problem.what()));
                } catch (...) {  // a REQUIRE, which is on record
                    return;
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

/// A stage that serves row after row; a limit that Discord named outlives its row, so
/// then there is a new one.
class Stages {
public:
    explicit Stages(Script script) : script_(std::move(script)) {}
    Stage& next() {
        if (!stage_ || is_spent_) stage_ = std::make_unique<Stage>(script_);
        is_spent_ = false;
        stage_->discord.clear_faults();
        stage_->discord.approve_as(demo::robin);
        return *stage_;
    }
    void spend() { is_spent_ = true; }

private:
    const Script script_;
    std::unique_ptr<Stage> stage_;
    bool is_spent_ = false;
};

}  // namespace

TEST_CASE(
    "login: quartcord B7 B15, F26 M1 M2 M3 M7 M8 M14 M16: every fault of Discord's ends in one "
    "page, no "
    "session, and a login that works") {
    constexpr const char* routes[] = {"POST /oauth2/token", "GET /users/@me",
                                      "GET /users/@me/guilds"};
    for_each_row([&](const Row& row) {
        Stages stages({});
        for (const char* route : routes) {
            CAPTURE(std::string(row.fault));
            CAPTURE(std::string(route));
            auto& stage = stages.next();
            auto browser = stage.browser();
            const auto back = callback_of(browser, "/login?rd=/x");
            const int calls = stage.discord.count(route);
            const int pages = stage.app.count();
            stage.discord.add_fault(route, row.fault, -1);
            const auto answer = browser.get(back);
            const bool is_nonsense = row.kind == Kind::nonsense;
            CHECK(answer.status() == (is_nonsense ? 502 : 503));
            CHECK(contains(answer.body, is_nonsense ? "discord_rejected" : "discord_unavailable"));
            CHECK_FALSE(contains(answer.body, "a page where"));
            if (row.kind == Kind::limit) CHECK(answer.has("Retry-After"));
            CHECK_MESSAGE(browser.cookie("cordgate").empty(), "no session");
            CHECK(browser.get("/x").status() == 302);
            CHECK(browser.ask("GET", "/x").status() == 401);
            CHECK(stage.app.count() == pages);
            // A code is single use; a question may be asked twice, once more after a limit
            // that is short enough to wait for.
            const bool is_once = route == routes[0] || row.kind == Kind::nonsense;
            CHECK(stage.discord.count(route) - calls <= (is_once ? 1 : 2));
            CHECK_MESSAGE(browser.get(back).status() == 400, "the state is used up");
            if (row.kind == Kind::limit) {
                stages.spend();
                continue;
            }
            stage.discord.clear_faults();
            CHECK_MESSAGE(browser.visit("/login?rd=/x").status() == 200, "trying again works");
        }
    });
}

TEST_CASE("login: quartcord B13, M15: a Discord that drips is given up within its deadline") {
    std::vector<std::thread> threads;
    for (const char* route : {"POST /oauth2/token", "GET /users/@me"}) {
        threads.emplace_back([route] {
            Stage stage;
            stage.discord.approve_as(demo::robin);
            auto browser = stage.browser();
            const auto back = callback_of(browser, "/login?rd=/x");
            sim::Fault drips;
            drips.route = route;
            drips.times = -1;
            drips.delivery.drip_head = 250ms;
            const int calls = stage.discord.count(route);
            stage.discord.add_fault(drips);
            const auto answer = browser.get(back);  // all of its head would take minutes
            CHECK(answer.status() == 503);
            CHECK(contains(answer.body, "discord_unavailable"));
            CHECK(browser.cookie("cordgate").empty());
            CHECK(stage.discord.count(route) - calls == 1);
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST_CASE("login: M23 a member that cannot be asked for lets nobody in, and keeps nobody out") {
    const std::string route = "GET /users/@me/guilds/{guild}/member";
    for_each_row([&](const Row& row) {
        if (is_twin(row)) return;
        CAPTURE(std::string(row.fault));
        Stage stage;
        const int calls = stage.discord.count(route);
        stage.discord.add_fault(route, row.fault, -1);
        auto robin = stage.browser_of(demo::robin);  // is staff, but who says so?
        CHECK(robin.ask("GET", "/x").status() == 200);
        for (int i = 0; i < 5; ++i) CHECK(robin.ask("GET", "/staff/").status() == 503);
        CHECK_FALSE(contains(stage.app.last().field("X-Discord-User-Roles"), "/"));
        CHECK(stage.discord.count(route) - calls <= 4);
    });
}

TEST_CASE(
    "login: M11 U7 U8 U14 answers in every form Discord has are taken, and show as they are") {
    Stages stages({.login = "scopes: [identify, email, guilds]"});
    auto& stage = stages.next();
    for (const char* oddity : oddities) {
        CAPTURE(std::string(oddity));
        for (const char* route : {"GET /users/@me", "GET /users/@me/guilds"}) {
            stage.discord.add_fault(route, oddity, -1);
        }
        auto browser = stage.browser_of(demo::robin);
        CHECK(browser.get("/x").status() == 200);
        const auto seen = stage.app.last();
        CHECK(seen.field("X-Discord-User-Id") == demo::robin.to_string());
        CHECK(seen.all("X-Discord-User-Id").size() == 1);
        CHECK_FALSE(seen.field("X-Discord-User-Display-Name").empty());
        CHECK(contains(seen.field("X-Discord-User-Guilds"), demo::garden.to_string()));
        stage.discord.clear_faults();
    }
    // 200 guilds with names of 100 characters: the list is cut, and says so.
    stage.discord.add_fault("GET /users/@me/guilds", "huge_guilds", -1);
    auto crowded = stage.browser_of(demo::robin);
    CHECK(crowded.get("/x").status() == 200);
    CHECK(stage.app.last().field("X-Discord-User").size() <= 6 * 1024);
    CHECK(contains(stage.app.last().field("X-Discord-User-Guilds"), "700000000000000199"));
    // No list at all counts as an empty one, which never opens anything.
    stage.discord.clear_faults();
    stage.discord.add_fault("GET /users/@me/guilds", "null", -1);
    auto nobody = stage.browser_of(demo::robin);
    CHECK(nobody.ask("GET", "/x").status() == 200);
    CHECK(nobody.ask("GET", "/staff/").status() == 403);
}

TEST_CASE("login: F22 scopes that Discord adds or takes away open nothing") {
    Stages stages({.rules = "[{path: /garden/**, require: {guild: '401000000000000001'}}, "
                            "{path: /**, access: login}]",
                   .login = "scopes: [identify, guilds]",
                   .headers = "email: true"});
    auto& stage = stages.next();
    stage.discord.change_settings([](auto& s) { s.tokens.add_scopes = {"email", "guilds.join"}; });
    auto grown = stage.browser_of(demo::robin);
    CHECK(grown.get("/garden/").status() == 200);
    CHECK(stage.app.last().field("X-Discord-User-Scopes").size() == 15);
    CHECK_FALSE(stage.app.last().has("X-Discord-User-Email"));
    stage.discord.change_settings([](auto& s) {
        s.tokens.add_scopes = {};
        s.tokens.drop_scopes = {"guilds"};
    });
    auto shrunk = stage.browser_of(demo::robin);
    CHECK(shrunk.ask("GET", "/x").status() == 200);
    CHECK(shrunk.ask("GET", "/garden/").status() != 200);
    CHECK_FALSE(stage.app.last().has("X-Discord-User-Guilds"));
    // The same token for two logins is two sessions all the same.
    stage.discord.change_settings([](auto& s) {
        s.tokens.drop_scopes = {};
        s.tokens.same_token_on_login = true;
    });
    auto one = stage.browser_of(demo::fern);
    auto two = stage.browser_of(demo::fern);
    CHECK(one.post_form("/logout").status() == 303);
    CHECK(one.ask("GET", "/x").status() == 401);
    CHECK(two.ask("GET", "/garden/").status() == 200);
}

TEST_CASE(
    "call: quartcord C13 C20 B8 B15 E1 E2 E2b E2d E2e M1 M2 M3 M7 M8 M14 M16 every fault of "
    "Discord's is a typed "
    "answer to the application, and no storm") {
    struct Caller {
        const char* route;  // the simulator's name
        const char* method;
        std::string target;  // behind the session, or whole
        int most_calls;
    };
    const std::string guild = "/v1/bot/guilds/" + demo::garden.to_string();
    const Caller callers[] = {
        {"GET /users/@me/guilds",              "GET",    "/discord/users/@me/guilds", 2},
        {"GET /users/@me",                     "GET",    "/user?max_age=0",           2},
        {"GET /guilds/{guild}/roles",          "GET",    guild + "/roles",            2},
        {"PUT /guilds/{guild}/members/{user}", "PUT",
         "/guilds/" + demo::lighthouse.to_string() + "/join",                         2},
        {"POST /oauth2/token/revoke",          "DELETE", "?revoke=true",              1},
    };
    for_each_row([&](const Row& row) {
        Stages stages(
            {.login = "scopes: [identify, guilds, guilds.join]", .discord = bot_token_setting});
        for (const auto& caller : callers) {
            if (is_twin(row) && caller.route != callers[0].route) continue;
            CAPTURE(std::string(row.fault));
            CAPTURE(std::string(caller.route));
            // The answer to a revocation is two bytes: there is nothing to cut, nor to miss.
            const bool is_short = caller.route == callers[4].route;
            const std::string fault = row.fault;
            if (is_short && (fault == "cut_body" || fault == "200_empty")) continue;
            auto& stage = stages.next();
            auto browser = stage.browser_of(demo::fern);
            const Internal api(stage);
            const auto session = "/v1/sessions/" + handle_of(stage, browser);
            const bool is_bots = caller.target.starts_with("/v1/");
            const int calls = stage.discord.count(caller.route);
            stage.discord.add_fault(caller.route, row.fault, -1);
            const auto answer = api.call(caller.method, (is_bots ? "" : session) + caller.target);
            CHECK(stage.discord.count(caller.route) - calls <= caller.most_calls);
            // Who has joined has joined: the second try learns so, and has nothing to cut.
            const bool joins = std::string(caller.method) == "PUT";
            if (joins) stages.spend();
            if (joins && (fault == "cut_body" || fault == "wrong_length")) {
                CHECK(answer.status == 204);
                continue;
            }
            CHECK(answer.field("Content-Type") == "application/problem+json");
            CHECK_FALSE(contains(answer.body, "<"));
            switch (row.kind) {
                case Kind::limit:
                    CHECK(answer.status == 429);
                    CHECK(answer.code() == "rate_limited");
                    CHECK(answer.text("scope") == row.scope);
                    CHECK(answer.json()["retry_after"].get<double>() >= 1);
                    CHECK(std::stoi(answer.field("Retry-After")) >= 1);
                    break;
                case Kind::silence:
                    CHECK(answer.status == 503);
                    CHECK(answer.code() == "discord_unavailable");
                    break;
                case Kind::nonsense:
                    CHECK(answer.status == 502);
                    CHECK(answer.code() == "discord_error");
                    break;
            }
            // An application that asks again at once does not make it worse.
            if (row.kind == Kind::limit && std::string(caller.method) == "GET") {
                const int sent = stage.discord.count(caller.route);
                const bool waits = std::string(row.scope) != "ban";
                for (int i = 0; i < 3 && !waits; ++i) {
                    CHECK(api.get((is_bots ? "" : session) + caller.target).status == 429);
                }
                CHECK(stage.discord.count(caller.route) == sent);
            }
            const bool has_ended = std::string(caller.method) == "DELETE";
            CHECK(browser.ask("GET", "/x").status() == (has_ended ? 401 : 200));
            CHECK(api.get("/readyz").status == 200);
            if (row.kind == Kind::limit) stages.spend();
        }
    });
}

TEST_CASE("call: C20 M7 what is not safe to repeat is sent once, whatever becomes of it") {
    struct Caller {
        const char* method;
        std::string path;
        const char* route;  // the simulator's name
        int calls;
    };
    const std::string role = "/guilds/" + demo::garden.to_string() + "/members/" +
                             demo::fern.to_string() + "/roles/" + demo::garden_staff.to_string();
    const Caller callers[] = {
        {"PATCH", "/applications/@me", "PATCH /applications/@me",                         1},
        {"PUT",   role,                "PUT /guilds/{guild}/members/{user}/roles/{role}", 2},
    };
    Stage stage({.discord = bot_token_setting});
    const Internal api(stage);
    for (const auto& caller : callers) {
        CAPTURE(std::string(caller.route));
        REQUIRE(api.call(caller.method, "/v1/bot" + caller.path, "{}").status < 300);
        for (const char* fault : {"reset", "lost_answer", "502_page", "500"}) {
            CAPTURE(std::string(fault));
            const int before = stage.discord.count(caller.route);
            stage.discord.add_fault(caller.route, fault, -1);
            const auto answer = api.call(caller.method, "/v1/bot" + caller.path, "{}");
            CHECK(answer.code() == "discord_unavailable");
            CHECK(stage.discord.count(caller.route) - before == caller.calls);
            stage.discord.clear_faults();
        }
    }
}

TEST_CASE(
    "call: quartcord E3 B10 B11, M22: a user or a bot that was thrown out is told from one that is "
    "not") {
    Stages stages(
        {.login = "scopes: [identify, guilds, guilds.members.read]", .discord = bot_token_setting});
    auto& stage = stages.next();
    const Internal api(stage);
    const auto garden = demo::garden.to_string();
    {
        auto fern = stage.browser_of(demo::fern);
        const auto session = "/v1/sessions/" + handle_of(stage, fern);
        stage.discord.add_fault("GET /users/@me/guilds", "kicked");
        CHECK_FALSE(contains(api.get(session + "/guilds?max_age=0").body, garden));
        CHECK(api.get(session + "/guilds/" + garden + "/member?max_age=0").code() == "not_found");
        CHECK(fern.ask("GET", "/x").status() == 200);
    }
    {
        auto robin = stage.browser_of(demo::robin);
        const auto session = "/v1/sessions/" + handle_of(stage, robin);
        const int renewed = stage.discord.count("POST /oauth2/token");
        stage.discord.add_fault("GET /users/@me/guilds", "deauthorized");
        const auto answer = api.get(session + "/guilds?max_age=0");
        CHECK(answer.status == 401);
        CHECK(answer.code() == "unauthorized");
        CHECK(answer.reason() == "revoked");
        CHECK(stage.discord.count("POST /oauth2/token") - renewed <= 1);
        CHECK_MESSAGE(api.get(session).status == 404, "a dead grant ends its session");
        CHECK(robin.ask("GET", "/x").status() == 401);
    }
    stage.discord.add_fault("GET /guilds/{guild}/roles", "bot_kicked");
    const auto thrown_out = api.get("/v1/bot/guilds/" + garden + "/roles");
    CHECK((thrown_out.status == 403 || thrown_out.status == 404));
    CHECK(thrown_out.code() == "discord_error");
    CHECK(thrown_out.json()["discord"]["code"].get<int>() > 0);
}

TEST_CASE("call: M11 U1 K6 a true answer in an odd form is the application's, with every field") {
    Stages stages({.login = "scopes: [identify, email, guilds, connections]"});
    auto& stage = stages.next();
    const Internal api(stage);
    auto browser = stage.browser_of(demo::robin);
    const auto session = "/v1/sessions/" + handle_of(stage, browser);
    for (const char* oddity : oddities) {
        CAPTURE(std::string(oddity));
        stage.discord.add_fault("*", oddity, -1);
        const auto user = api.get(session + "/user?max_age=0");
        REQUIRE(user.status == 200);
        CHECK(user.json()["id"] == demo::robin.to_string());
        CHECK(user.json()["display_name"].is_string());
        CHECK(api.get(session + "/guilds?max_age=0").json().size() == 2);
        CHECK(api.get(session + "/connections?max_age=0").json().size() == 1);
        if (std::string(oddity) == "unknown_keys") {
            CHECK(user.json()["new_object"]["deep"].size() == 3);
            CHECK(api.get(session + "/guilds").json()[0]["new_number"] == 1.5);
        }
        stage.discord.clear_faults();
    }
    stage.discord.add_fault("*", "null", -1);
    CHECK(api.get(session + "/guilds?max_age=0").body == "[]");
    CHECK(api.get(session + "/connections?max_age=0").body == "[]");
    CHECK_MESSAGE(api.get(session + "/user?max_age=0").code() == "discord_error", "nobody is null");
}

TEST_CASE("M27: no proxy of the environment sees a call to Discord") {
    Stage stage;
    ManualUpstream proxy;
    const auto url = "http://127.0.0.1:" + std::to_string(proxy.port());
    std::map<std::string, std::string> environment;
    for (const char* name :
         {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}) {
        environment[name] = url;
    }
    REQUIRE(stage.stop_gate() == 0);
    Process gate(stage.folder.path(), {"serve", "--config", "cordgate.yaml"}, environment);
    REQUIRE(gate.says("(internal)"));
    auto fern = stage.browser_of(demo::fern);
    CHECK(fern.ask("GET", "/x").status() == 200);
    CHECK_FALSE(proxy.has_another());
    // What docs/operations.md tells to set up: a forwarder that cannot get through is a
    // Discord that does not answer.
    stage.discord.stop();
    auto robin = stage.browser();
    const auto state = parameter(robin.get("/login").field("Location"), "state");
    const auto answer = robin.get("/callback?code=of-this-test&state=" + state);
    CHECK(answer.status() == 503);
    CHECK(contains(answer.body, "discord_unavailable"));
    CHECK(robin.cookie("cordgate").empty());
}
