#include <doctest/doctest.h>
#include <signal.h>

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <unordered_map>

#include "tests/support/stage.hpp"

// What is written down: one line for each request, and never a secret. This file
// comes last in the order of files, so that it sees what all the others caused.

using namespace cordgate;
using namespace cordgate::test;
namespace demo = cordgate::sim::demo;

namespace {

std::vector<std::string> lines_of(const std::string& log) {
    std::vector<std::string> out;
    std::istringstream in(log);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

/// A visitor's whole day: everything that goes through the gate's hands once.
void live_through_everything(Stage& stage) {
    auto& secrets = LogArchive::instance();
    stage.discord.approve_as(demo::robin);
    auto browser = stage.browser();
    browser.visit("/inbox?query-value-of-the-day=1");
    secrets.keep_secret("query-value-of-the-day", "query");
    browser.get("/login?data=%22login-data-of-the-day%22&rd=/%3Fsecret-target-of-the-day");
    secrets.keep_secret("login-data-of-the-day", "data of a login");
    secrets.keep_secret("secret-target-of-the-day", "query of rd");
    browser.get("/_cordgate/me");
    browser.get("/_cordgate/guilds");
    browser.get("/callback?code=code-of-the-day&state=state-of-the-day");
    browser.get("/callback?error=error-of-the-day&error_description=description-of-the-day");
    for (const char* value :
         {"code-of-the-day", "state-of-the-day", "error-of-the-day", "description-of-the-day"}) {
        secrets.keep_secret(value, "query of the callback");
    }
    stage.ask(stage.request("GET /x",
                            "Authorization: Bearer bearer-of-the-day\r\n"
                            "Cookie: cordgate=cookie-of-the-day-that-is-nobodys; "
                            "theirs=cookie-of-the-application\r\n"));
    secrets.keep_secret("bearer-of-the-day", "bearer");
    secrets.keep_secret("cookie-of-the-day-that-is-nobodys", "cookie");
    secrets.keep_secret("cookie-of-the-application", "cookie of the application");
    // Refused heads are told about without what they hold.
    stage.ask(
        "GET /x?bad-query-of-the-day HTTP/1.1\r\nHost: a\r\nCookie : "
        "bad-cookie-of-the-day\r\n\r\n");
    secrets.keep_secret("bad-query-of-the-day", "query of a refused request");
    secrets.keep_secret("bad-cookie-of-the-day", "cookie of a refused request");
    stage.ask(stage.request("POST /public/form", "Content-Length: 15\r\n") + "body-of-the-day");
    secrets.keep_secret("body-of-the-day", "body");
    stage.app.answers("/public/cookie",
                      response("200 OK", "Set-Cookie: cordgate=planted-by-the-app\r\n", "x"));
    stage.ask(stage.request("GET /public/cookie"));
    secrets.keep_secret("planted-by-the-app", "cookie that an application tried to set");
    for (const char* fault : {"401", "500", "200_page", "null", "lost_answer", "429_global"}) {
        auto unlucky = stage.browser();
        stage.discord.add_fault("/oauth2/token", fault, 1);
        unlucky.visit("/login");
        stage.discord.clear_faults();
    }
    stage.discord.deny_all();
    auto shy = stage.browser();
    shy.visit("/login");
    browser.post_form("/logout");
    Wire(stage.port()).send("GET /half HTTP/1.1\r\nCookie: cordgate=half-a-request-of-the-day\r\n");
    secrets.keep_secret("half-a-request-of-the-day", "cookie of half a request");
    std::ifstream key(stage.folder.file("sessions.db.key"));
    std::string text;
    REQUIRE(std::getline(key, text));
    secrets.keep_secret(text, "key of the sessions");
}

bool is_plain(const std::string& line) {
    for (const char c : line) {
        if (c < 0x20 || c >= 0x7f) return false;
    }
    return true;
}

/// Whether `line` is the text form: time, level, what.
bool is_text_line(const std::string& line) {
    const auto level = line.find(' ');
    if (level != std::string_view("2026-01-01T00:00:00.000Z").size() || line[level - 1] != 'Z') {
        return false;
    }
    const auto rest = std::string_view(line).substr(level + 1);
    for (const char* name : {"debug ", "info ", "warning ", "error "}) {
        if (rest.starts_with(name)) return rest.size() > std::string_view(name).size();
    }
    return false;
}

/// Finds any of many texts in one pass: a run has thousands of secrets and long logs.
class Finder {
public:
    explicit Finder(const std::map<std::string, std::string>& texts) {
        for (const auto& [text, what] : texts) {
            if (text.size() < key_size) {
                short_ones_.push_back(text);
                continue;
            }
            const auto key = key_at(text, 0);
            by_key_[key].push_back(text);
            maybe_[slot_of(key)] = true;
        }
    }
    std::set<std::string> found_in(std::string_view log) const {
        std::set<std::string> found;
        for (const auto text : short_ones_) {
            if (log.find(text) != std::string_view::npos) found.emplace(text);
        }
        for (std::size_t at = 0; at + key_size <= log.size(); ++at) {
            const auto key = key_at(log, at);
            if (!maybe_[slot_of(key)]) continue;
            const auto candidates = by_key_.find(key);
            if (candidates == by_key_.end()) continue;
            for (const auto text : candidates->second) {
                if (log.substr(at).starts_with(text)) found.emplace(text);
            }
        }
        return found;
    }

private:
    static constexpr std::size_t key_size = 8;
    static constexpr std::size_t slots = 1 << 20;
    static std::uint64_t key_at(std::string_view text, std::size_t at) {
        std::uint64_t key = 0;
        std::memcpy(&key, text.data() + at, key_size);
        return key;
    }
    static std::size_t slot_of(std::uint64_t key) {
        return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15) >> 44);
    }

    std::vector<std::string_view> short_ones_;
    std::unordered_map<std::uint64_t, std::vector<std::string_view>> by_key_;
    std::vector<bool> maybe_ = std::vector<bool>(slots);
};

}  // namespace

TEST_CASE("what is looked for in a log is found, wherever it stands") {
    const std::map<std::string, std::string> texts{
        {"secret-at-begin", ""},
        {"secret-within",   ""},
        {"secret-at-end",   ""},
        {"tiny",            ""},
        {"secret-nowhere",  ""}
    };
    const auto found = Finder(texts).found_in("secret-at-begin xsecret-withinx tinysecret-at-end");
    CHECK(found ==
          std::set<std::string>{"secret-at-begin", "secret-within", "secret-at-end", "tiny"});
}

TEST_CASE("P12 whatever a client sends, a request is one line of the log") {
    using namespace std::string_literals;
    const std::string starts[] = {
        "GET /public/plain",
        "GET /public/%0a%0dfake%20line",
        "GET /public/\"quoted\"",
        "GET /public/key=value\\",
        "GET /public/\x1b[31mred",
        "GET /public/a\nGET /second",
        "GET /public/a\rb",
        "GET /public/\xc3\xa9\xff",
        "GET /public/%e2%80%ae%f0%9f%8e%b2",
        "GET /public/{}%n%s%v{0}",
        "G\"T /public/x",
        "GET /public/" + std::string(9000, 'a'),
        "GET /public/?query\x01",
        "GET",
    };
    const std::string fields[] = {
        "",
        "User-Agent: \"},{\"level\":\"error\"\r\n",
        "User-Agent: a\x1b[2J\xff\r\n",
        "X-Request-Id: a\" injected=\"1\r\n",
        "X-Forwarded-For: 1.2.3.4 status=200\r\n",
        "X-Forwarded-Host: a\"b\r\n",
    };
    struct Case {
        std::string name;
        std::string log;
        bool json;
    };
    const Case cases[] = {
        {"text", "level: debug, format: text", false},
        {"json", "level: debug, format: json", true },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        Stage stage({.server = "trusted_proxies: ['127.0.0.1']", .log = c.log});
        std::size_t asked = 0;
        for (const auto& start : starts) {
            for (const auto& field : fields) {
                Wire wire(stage.port());
                wire.send(stage.request(start, field + "Connection: close\r\n"));
                wire.finish_sending();
                wire.read_until_close();
                ++asked;
            }
        }
        REQUIRE(stage.gate().stop() == 0);
        std::size_t told = 0;
        for (const auto& line : lines_of(stage.gate().log())) {
            CAPTURE(line);
            CHECK(is_plain(line));
            if (!c.json) {
                CHECK(is_text_line(line));
                if (line.find(" event=request ") != std::string::npos) ++told;
                continue;
            }
            const auto json = nlohmann::json::parse(line, nullptr, false);
            REQUIRE(json.is_object());
            CHECK(json.value("time", "").ends_with("Z"));
            CHECK(json.contains("level"));
            REQUIRE(json.contains("log"));
            CHECK(json["log"].value("event", "") != "");
            if (json["log"].value("event", "") != "request") continue;
            ++told;
            CHECK(json["log"].value("total_us", -1) >= 0);
            CHECK(json["log"].value("total_us", -1) < 60'000'000);
            CHECK(json["log"].value("response_bytes", 0) > 0);
        }
        CHECK(told == asked);
    }
}

TEST_CASE("a line of the log says which rule let whom do what") {
    struct Case {
        std::string name;
        std::string path;
        std::string says;
    };
    Stage stage;
    auto robin = stage.browser_of(demo::robin);
    const Case cases[] = {
        {"a public page", "/public/x",       " status=200 client=127.0.0.1 "           },
        {"allowed",       "/staff/room",     "verdict=allow user_id=301000000000000002"},
        {"time spent",    "/staff/room",     " upstream_us="                           },
        {"one of ours",   "/_cordgate/ping", " rule=own "                              },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto id = robin.get(c.path).field("X-Request-Id");
        (void)id;
        CHECK(stage.gate().process().says(" path=" + c.path + " "));
        CHECK(stage.gate().process().says(c.says));
    }
    CHECK_MESSAGE(stage.gate().process().says("info login: user_id=301000000000000002 session="),
                  "P13");
    stage.app.answers("/staff/events",
                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    Wire events(stage.port());
    events.send(stage.request("GET /staff/events", robin.cookie_line()));
    while (!events.read_some().ends_with("hi\r\n")) continue;
    CHECK(robin.post_form("/logout").status() == 303);
    CHECK(stage.gate().process().says("error=\"the session has ended\""));
    CHECK_MESSAGE(stage.gate().process().says("info logout: user_id=301000000000000002 session="),
                  "P13");
}

TEST_CASE(
    "quartcord B20 C4, F31 oauth2-proxy #7 CVE-2022-23469 CVE-2026-41181 no secret of this whole "
    "run is in a log") {
    for (const char* log : {"level: debug, format: text", "level: debug, format: json"}) {
        Stage stage({.log = log});
        live_through_everything(stage);
        CHECK(stage.gate().stop() == 0);
    }
    const auto secrets = LogArchive::instance().secrets();
    std::set<std::string> kinds;
    for (const auto& [value, what] : secrets) kinds.insert(what);
    for (const char* kind :
         {"client secret", "token of Discord", "cookie cordgate", "cookie cordgate-login",
          "code of a URL", "state of a URL", "key of the sessions", "query"}) {
        CAPTURE(std::string(kind));
        CHECK(kinds.count(kind) == 1);
    }

    std::string all;
    for (const auto& log : LogArchive::instance().logs()) all += log + "\n";
    CHECK_MESSAGE(all.find("path=/callback ") != std::string::npos, "the logs are the right ones");
    CHECK(all.find("\"path\":\"/callback\"") != std::string::npos);
    for (const auto& value : Finder(secrets).found_in(all)) {
        const auto line = all.substr(all.rfind('\n', all.find(value)) + 1, 400);
        FAIL_CHECK("a " << secrets.at(value) << " is in a log: " << line);
    }
}
