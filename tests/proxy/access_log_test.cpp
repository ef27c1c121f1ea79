#include "proxy/access_log.hpp"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

using namespace std::string_literals;

/// Every line that was logged while `act` ran, from standard error.
template <class Act>
std::vector<std::string> lines_logged(config::LogFormat format, Act act, bool access = true) {
    char name[] = "/tmp/cordgate-log-XXXXXX";
    const int file = ::mkstemp(name);
    REQUIRE(file >= 0);
    ::unlink(name);
    const int saved = ::dup(STDERR_FILENO);
    ::dup2(file, STDERR_FILENO);
    config::Log log;
    log.format = format;
    log.access = access;
    start_logging(log);
    act();
    stop_logging();
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    ::lseek(file, 0, SEEK_SET);
    std::string text;
    char buffer[4096];
    for (ssize_t size; (size = ::read(file, buffer, sizeof buffer)) > 0;) {
        text.append(buffer, static_cast<std::size_t>(size));
    }
    ::close(file);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

AccessRecord record(std::string_view path) {
    AccessRecord out;
    out.method = "GET";
    out.path = path;
    out.host = "app.example.com";
    out.client = "192.0.2.1";
    out.request_id = "req-1";
    out.status = 200;
    out.begin = std::chrono::steady_clock::now() - 1500us;
    return out;
}

constexpr std::string_view hostile[] = {
    "/a\nevent=request status=200"sv,
    "/\r\n"sv,
    "/\"quoted\" status=500"sv,
    "/\x1b[31m"sv,
    "/caf\xc3\xa9"sv,
    "/\xff\xfe"sv,
    "/\0nul"sv,
    "/\\n"sv,
    "/a b=c"sv,
    "/\xe2\x80\xa8"sv,
    "/{}%s%n{0}"sv,
    ""sv,
};

}  // namespace

TEST_CASE("one request is one line, whatever it holds, in text (CWE-117)") {
    const auto lines = lines_logged(config::LogFormat::text, [] {
        for (const auto path : hostile) {
            auto line = record(path);
            line.host = path;
            line.error = std::string(path);
            log_access(line);
        }
    });
    REQUIRE(lines.size() == std::size(hostile));
    for (const auto& line : lines) {
        CAPTURE(line);
        CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c < 0x7f; }));
        // Exactly one of each: nothing inside a value reads as another field.
        std::string outside;
        bool quoted = false;
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (quoted && line[i] == '\\') {
                ++i;
            } else if (line[i] == '"') {
                quoted = !quoted;
            } else if (!quoted) {
                outside += line[i];
            }
        }
        CHECK_FALSE(quoted);
        CHECK(outside.find("status=200") != std::string::npos);
        CHECK(outside.find("status=") == outside.rfind("status="));
        CHECK(outside.find("event=") == outside.rfind("event="));
    }
}

TEST_CASE("one request is one JSON document a line, whatever it holds") {
    const auto lines = lines_logged(config::LogFormat::json, [] {
        for (const auto path : hostile) log_access(record(path));
        log_warn("test", "text with \"quotes\"\nand a line feed");
    });
    REQUIRE(lines.size() == std::size(hostile) + 1);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        CAPTURE(lines[i]);
        const auto json = nlohmann::json::parse(lines[i], nullptr, false);
        REQUIRE(json.is_object());
        CHECK(json.contains("time"));
        if (i == std::size(hostile)) {
            CHECK(json["log"]["text"] == "text with \"quotes\"\nand a line feed");
            continue;
        }
        CHECK(json["log"]["status"] == 200);
        CHECK(json["log"]["total_us"] >= 1500);
        CHECK(json["log"]["total_us"] < 60'000'000);
        CHECK_FALSE(json["log"].contains("user_id"));
        if (hostile[i] == "/\\n") CHECK(json["log"]["path"] == "/\\n");
    }
}

TEST_CASE("an event's text stays on its line, and log.access turns requests off") {
    const auto lines = lines_logged(
        config::LogFormat::text,
        [] {
            log_access(record("/"));
            log_debug("quiet", "below the level");
            log_info("listening", "on\r\nevent=request\x1b[0m");
            log_error("broken", "");
        },
        false);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].ends_with("listening: on??event=request?[0m"));
    CHECK(lines[1].ends_with("broken: "));
}

TEST_CASE("L5 where requests are not wanted, a failure that has its line has no other") {
    const auto lines = [](bool access) {
        return lines_logged(
            config::LogFormat::text,
            [] {
                for (const bool is_told : {false, true, true}) {
                    auto failure = record("/");
                    failure.status = 503;
                    failure.is_told = is_told;
                    log_access(failure);
                }
            },
            access);
    };
    CHECK(lines(true).size() == 3);
    CHECK(lines(false).size() == 1);
}

TEST_CASE("an error is described with kind, source and detail") {
    CHECK(describe_error({ErrorKind::timed_out, ErrorSource::upstream, "connect"}) ==
          "timed_out upstream: connect");
    CHECK(describe_error({ErrorKind::internal, ErrorSource::gate, ""}) == "internal gate");
}

}  // namespace cordgate::proxy::test
