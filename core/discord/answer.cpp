#include "core/discord/answer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <utility>

#include "core/ascii.hpp"
#include "core/discord/failure.hpp"
#include "core/discord/json.hpp"

namespace cordgate::discord {
namespace {

using namespace std::chrono_literals;

constexpr Milliseconds shortest_block = 1s;
constexpr Milliseconds longest_block = 1h;
constexpr Milliseconds unnamed_block = 10min;  // when nobody says how long
constexpr long long edge_block = 40333;        // "internal network error": not the API's
constexpr long long dead_token = 50014;
constexpr std::size_t max_message_bytes = 1024;
constexpr std::size_t max_body_bytes = 8 * 1024;

std::optional<double> number(const std::string& text) {
    if (text.empty() || !std::all_of(text.begin(), text.end(),
                                     [](char c) { return is_digit(c) || c == '.' || c == '-'; })) {
        return std::nullopt;
    }
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

std::optional<long long> count(const std::string& text) {
    const auto value = number(text);
    if (!value || *value < 0 || *value > 1e6) return std::nullopt;
    return static_cast<long long>(*value);
}

Milliseconds bounded(double seconds, Milliseconds least) {
    const auto in_seconds = [](Milliseconds time) {
        return std::chrono::duration<double>(time).count();
    };
    const double value = std::clamp(seconds, in_seconds(least), in_seconds(longest_block));
    return Milliseconds(static_cast<long long>(std::ceil(value * 1000)));
}

// Four forms: JSON with retry_after; JSON of a ban without it; plain text
// ("error code: 1015") and HTML of the edge. Who names neither a time nor a
// scope has banned our address.
LimitNews::Block read_block(const HttpAnswer& answer) {
    const auto error = answer.is_json() ? parse_api_error(answer.body) : std::nullopt;
    const std::string scope = lowercase(answer.header("X-RateLimit-Scope"));
    const auto header = number(answer.header("Retry-After"));
    LimitNews::Block block;
    block.duration = unnamed_block;
    if (error && error->retry_after) {
        block.duration = bounded(*error->retry_after, shortest_block);
    } else if (header) {
        block.duration = bounded(*header, shortest_block);
    }
    const bool is_limit = error && (error->retry_after || header);
    const bool is_global = (error && error->global) || scope == "global" ||
                           lowercase(answer.header("X-RateLimit-Global")) == "true";
    if (!is_limit) {
        block.scope = LimitScope::ban;
    } else if (is_global) {
        block.scope = LimitScope::global;
    } else {
        block.scope = scope == "shared" ? LimitScope::shared : LimitScope::user;
    }
    return block;
}

ErrorKind kind_of(const HttpAnswer& answer, long long code) {
    const int status = answer.status;
    if (status == 401 || code == dead_token) return ErrorKind::unauthorized;
    if (status >= 500 || status == 408 || code == edge_block) return ErrorKind::unavailable;
    if (status < 400 || !answer.is_json()) return ErrorKind::malformed_reply;
    if (status == 403) return ErrorKind::forbidden;
    return status == 404 ? ErrorKind::not_found : ErrorKind::bad_request;
}

// What an application may want to see of a refusal's headers.
bool is_telling(std::string_view name) {
    return name == "retry-after" || name == "content-type" || name.starts_with("x-ratelimit-");
}

Refusal describe(const HttpAnswer& answer) {
    Refusal refusal;
    refusal.status = answer.status;
    if (answer.is_json()) {
        if (const auto error = parse_api_error(answer.body)) {
            refusal.code = error->code;
            refusal.message = error->message;
        } else if (const auto oauth = parse_oauth_error(answer.body)) {
            refusal.message = *oauth;
        }
        if (answer.body.size() <= max_body_bytes && is_json(answer.body)) {
            refusal.body = answer.body;
        }
    }
    if (refusal.message.size() > max_message_bytes) refusal.message.clear();
    for (const auto& [name, value] : answer.headers) {
        auto lower = lowercase(name);
        if (is_telling(lower)) refusal.headers.emplace_back(std::move(lower), value);
    }
    return refusal;
}

}  // namespace

bool is_block(const HttpAnswer& answer) {
    return answer.status == 429 || (answer.status == 403 && !answer.is_json());
}

LimitNews read_limits(const HttpAnswer& answer) {
    LimitNews news;
    news.is_answer = answer.status < 500;
    const std::string bucket = answer.header("X-RateLimit-Bucket");
    if (!bucket.empty() && bucket.size() <= 128) news.bucket = bucket;
    news.limit = count(answer.header("X-RateLimit-Limit"));
    news.remaining = count(answer.header("X-RateLimit-Remaining"));
    const auto reset_after = number(answer.header("X-RateLimit-Reset-After"));
    if (reset_after && *reset_after > 0) news.reset_after = bounded(*reset_after, 1ms);
    if (is_block(answer)) news.block = read_block(answer);
    return news;
}

bool counts_as_invalid(const HttpAnswer& answer) {
    if (is_block(answer)) return read_block(answer).scope != LimitScope::shared;
    return answer.status == 401 || answer.status == 403;
}

std::optional<Error> read_refusal(const HttpAnswer& answer, const std::string& where) {
    if (answer.status >= 200 && answer.status < 300) return std::nullopt;
    Refusal refusal = describe(answer);
    Error error{ErrorKind::rate_limited, ErrorSource::discord,
                where + ": status " + std::to_string(answer.status) +
                    (answer.is_json() ? "" : ", not JSON")};
    if (refusal.code != 0) error.detail += ", code " + std::to_string(refusal.code);
    if (is_block(answer)) {
        const auto block = read_block(answer);
        error.retry_after = block.duration;
        refusal.scope = block.scope;
    } else {
        error.kind = kind_of(answer, refusal.code);
    }
    error.refusal = std::make_shared<const Refusal>(std::move(refusal));
    return error;
}

}  // namespace cordgate::discord
