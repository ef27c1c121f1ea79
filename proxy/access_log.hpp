#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/settings.hpp"
#include "core/error.hpp"
#include "core/snowflake.hpp"

namespace cordgate::proxy {

/// One request, as the log tells it. Never holds a query, a cookie or a token.
struct AccessRecord {
    std::string_view method;
    std::string_view path;
    std::string_view host;
    std::string client;
    std::string_view request_id;
    std::string_view rule;     ///< "rules[2] /staff/**"; "own" for our own pages
    std::string_view verdict;  ///< "allow", "forbidden", ...; empty when it never came to that
    std::optional<Snowflake> user_id;
    int status = 0;  ///< 0: no response was sent
    std::uint64_t request_bytes = 0;
    std::uint64_t response_bytes = 0;
    std::chrono::steady_clock::time_point begin{};      ///< of the work on it
    std::optional<std::chrono::microseconds> upstream;  ///< until the upstream's head
    std::string lacks;                                  ///< what somebody who was denied is missing
    std::string error;                                  ///< kind, source and detail of a failure
    bool is_told = false;  ///< of that failure the log has a line for all whom it meets
};

/// Sets the process's logger up: standard error, text or JSON, one line an
/// event. A reader that does not keep up loses the oldest lines, never holds a
/// request (the number lost is logged at the end).
void start_logging(const config::Log& log);
/// Writes what is waiting.
/// Takes up log.level and log.access; log.format is that of the start. Any thread.
void adjust_logging(const config::Log& log);
void stop_logging();

/// At level info and only with `log.access`; a status from 500 is a warning, and
/// is written in any case, unless `is_told`.
void log_access(const AccessRecord& record);

/// Events of the process. `event` is a fixed name ("listening"), `text` is
/// ours or was made safe: it may not hold secrets.
void log_debug(std::string_view event, std::string_view text);
void log_info(std::string_view event, std::string_view text);
void log_warn(std::string_view event, std::string_view text);
void log_error(std::string_view event, std::string_view text);

/// That the session store fails: an error, once a minute, however many notice.
void log_store_failure(const Error& error);

/// "timed_out upstream: connect: ...", for AccessRecord::error.
std::string describe_error(const Error& error);

}  // namespace cordgate::proxy
