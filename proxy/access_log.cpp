#include "proxy/access_log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <atomic>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

#include "core/json_text.hpp"

namespace cordgate::proxy {
namespace {

struct Logging {
    std::shared_ptr<spdlog::logger> logger;
    bool json = false;
    std::atomic<bool> access = true;
};

Logging& logging() {
    static Logging instance;
    return instance;
}

spdlog::level::level_enum level_of(config::LogLevel level) {
    switch (level) {
        case config::LogLevel::debug: return spdlog::level::debug;
        case config::LogLevel::info: return spdlog::level::info;
        case config::LogLevel::warn: return spdlog::level::warn;
        case config::LogLevel::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

/// A line must stay a line whatever a client sent (CWE-117): quoted, escaped and
/// in ASCII as soon as a value holds more than plain characters.
std::string plain(std::string_view value) {
    const bool simple = std::all_of(value.begin(), value.end(), [](char c) {
        return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
    });
    return simple && !value.empty() ? std::string(value) : json_quote(value);
}

class Line {
public:
    explicit Line(bool json) : json_(json) {}

    void add(std::string_view name, std::string_view value) {
        begin(name);
        text_ += json_ ? json_quote(value) : plain(value);
    }
    void add(std::string_view name, std::uint64_t value) {
        begin(name);
        text_ += std::to_string(value);
    }
    std::string take() { return json_ ? "{" + text_ + "}" : std::move(text_); }

private:
    void begin(std::string_view name) {
        if (!text_.empty()) text_ += json_ ? "," : " ";
        text_ += json_ ? json_quote(name) : std::string(name);
        text_ += json_ ? ":" : "=";
    }

    bool json_;
    std::string text_;
};

void write(spdlog::level::level_enum level, std::string_view event, std::string_view text) {
    const auto& log = logging();
    if (!log.logger || !log.logger->should_log(level)) return;
    if (log.json) {
        Line line(true);
        line.add("event", event);
        line.add("text", text);
        log.logger->log(level, spdlog::string_view_t(line.take()));
        return;
    }
    std::string line(event);
    line += ": ";
    for (const char c : text) line += (c >= ' ' && c != 0x7f) || (c & 0x80) ? c : '?';
    log.logger->log(level, spdlog::string_view_t(line));
}

std::chrono::microseconds since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
}

std::uint64_t in_us(std::chrono::microseconds time) {
    return static_cast<std::uint64_t>(std::max<std::chrono::microseconds::rep>(0, time.count()));
}

}  // namespace

void start_logging(const config::Log& log) {
    auto& state = logging();
    spdlog::init_thread_pool(16384, 1);
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    state.logger =
        std::make_shared<spdlog::async_logger>("cordgate", std::move(sink), spdlog::thread_pool(),
                                               spdlog::async_overflow_policy::overrun_oldest);
    state.json = log.format == config::LogFormat::json;
    state.access = log.access;
    // In JSON the payload brings its own braces: the time goes inside them.
    state.logger->set_pattern(state.json
                                  ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","log":%v})"
                                  : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                              spdlog::pattern_time_type::utc);
    state.logger->set_level(level_of(log.level));
    state.logger->flush_on(spdlog::level::warn);
}

void adjust_logging(const config::Log& log) {
    auto& state = logging();
    state.access = log.access;
    state.logger->set_level(level_of(log.level));
}

void stop_logging() {
    auto& state = logging();
    if (!state.logger) return;
    if (const auto lost = spdlog::thread_pool()->overrun_counter(); lost > 0) {
        log_warn("log", std::to_string(lost) + " lines were lost: the log's reader was too slow");
    }
    state.logger->flush();
    // Joins the writing thread, which holds the logger too: ours goes last.
    spdlog::shutdown();
    state.logger.reset();
}

void log_access(const AccessRecord& record) {
    const auto& log = logging();
    // What an operator has to mend is told whatever else is not wanted in the log.
    const auto level = record.status >= 500 ? spdlog::level::warn : spdlog::level::info;
    if (!log.logger || !log.logger->should_log(level)) return;
    const bool is_wanted = log.access && log.logger->should_log(spdlog::level::info);
    if (!is_wanted && (level == spdlog::level::info || record.is_told)) return;
    Line line(log.json);
    line.add("event", "request");
    line.add("method", record.method);
    line.add("host", record.host);
    line.add("path", record.path);
    line.add("status", static_cast<std::uint64_t>(record.status));
    line.add("client", record.client);
    line.add("request_id", record.request_id);
    if (!record.rule.empty()) line.add("rule", record.rule);
    if (!record.verdict.empty()) line.add("verdict", record.verdict);
    if (record.user_id) line.add("user_id", record.user_id->to_string());
    line.add("request_bytes", record.request_bytes);
    line.add("response_bytes", record.response_bytes);
    line.add("total_us", in_us(since(record.begin)));
    if (record.upstream) line.add("upstream_us", in_us(*record.upstream));
    if (!record.lacks.empty()) line.add("lacks", record.lacks);
    if (!record.error.empty()) line.add("error", record.error);
    log.logger->log(level, spdlog::string_view_t(line.take()));
}

void log_debug(std::string_view event, std::string_view text) {
    write(spdlog::level::debug, event, text);
}
void log_info(std::string_view event, std::string_view text) {
    write(spdlog::level::info, event, text);
}
void log_warn(std::string_view event, std::string_view text) {
    write(spdlog::level::warn, event, text);
}
void log_error(std::string_view event, std::string_view text) {
    write(spdlog::level::err, event, text);
}

void log_store_failure(const Error& error) {
    using std::chrono::seconds;
    constexpr std::int64_t pause = 60;
    static std::atomic<std::int64_t> next{0};
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    const auto now = std::chrono::duration_cast<seconds>(time).count() + pause;  // never 0
    auto due = next.load();
    if (now < due || !next.compare_exchange_strong(due, now + pause)) return;
    log_error("the session store fails", describe_error(error));
}

std::string describe_error(const Error& error) {
    std::string text(to_string(error.kind));
    text += ' ';
    text += to_string(error.source);
    if (!error.detail.empty()) text += ": " + error.detail;
    return text;
}

}  // namespace cordgate::proxy
