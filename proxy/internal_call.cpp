#include "proxy/internal_call.hpp"

#include <algorithm>
#include <charconv>

#include "core/ascii.hpp"
#include "proxy/access_log.hpp"
#include "proxy/internal_lookup.hpp"
#include "proxy/internal_problem.hpp"
#include "proxy/metrics.hpp"

namespace cordgate::proxy {
namespace {

constexpr std::size_t max_segment_bytes = 128;

Reply say_alive(Gate&, const InternalRequest&) {
    return reply::json(200, "{\"alive\":true}\n");
}

Reply say_ready(Gate& gate, const InternalRequest&) {
    if (gate.draining) {
        return problem({503, "unavailable",
                        "Draining: the daemon finishes what is under way and takes nothing new."});
    }
    if (const auto alive = gate.sessions.ping(); !alive) {
        log_warn("readyz", describe_error(alive.error()));
        return problem({503, "unavailable", "The session store does not answer; see the log."});
    }
    return reply::json(200, "{\"ready\":true}\n");
}

Reply show_metrics(Gate& gate, const InternalRequest&) {
    auto out = reply::text(200, metrics_text(gate));
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return out;
}

// Letters of base64url and digits: what handles and ids are made of.
bool is_plain_segment(std::string_view segment) {
    return !segment.empty() && segment.size() <= max_segment_bytes &&
           std::all_of(segment.begin(), segment.end(),
                       [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

std::string_view take_segment(std::string_view& rest) {
    const auto slash = std::min(rest.find('/'), rest.size());
    const auto segment = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    return segment;
}

/// The parameters of `path` under `pattern`; nullopt when it does not match.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
    if (!path.starts_with('/')) return std::nullopt;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
    std::vector<std::string> parameters;
    while (!pattern.empty()) {
        const auto wanted = take_segment(pattern);
        if (wanted == "{route}") {
            if (path.empty()) return std::nullopt;
            parameters.emplace_back(path);
            return parameters;
        }
        if (path.empty()) return std::nullopt;
        const bool is_last = path.find('/') == std::string_view::npos;
        const auto given = take_segment(path);
        if (pattern.empty() != is_last) return std::nullopt;
        if (!wanted.starts_with('{')) {
            if (given != wanted) return std::nullopt;
        } else if (is_plain_segment(given)) {
            parameters.emplace_back(given);
        } else {
            return std::nullopt;
        }
    }
    return parameters;
}

bool is_listed(std::string_view methods, std::string_view method) {
    while (!methods.empty()) {
        const auto comma = std::min(methods.find(", "), methods.size());
        if (methods.substr(0, comma) == method) return true;
        methods.remove_prefix(std::min(comma + 2, methods.size()));
    }
    return false;
}

}  // namespace

const std::vector<InternalCall>& internal_calls() {
    constexpr auto store = Waits::for_store;
    constexpr auto discord = Waits::for_discord;
    constexpr auto nothing = Waits::for_nothing;
    constexpr auto ping = Waits::for_ping;
    static const std::string_view any = "GET, POST, PUT, PATCH, DELETE";
    static const std::vector<InternalCall> calls = {
        {"GET",    "/healthz",                                    say_alive,            nothing},
        {"GET",    "/readyz",                                     say_ready,            ping   },
        {"GET",    "/metrics",                                    show_metrics,         nothing},
        {"GET",    "/v1/sessions",                                list_sessions,        store  },
        {"GET",    "/v1/sessions/{handle}",                       show_session,         store  },
        {"DELETE", "/v1/sessions/{handle}",                       end_session,          discord},
        {"DELETE", "/v1/users/{user}/sessions",                   end_sessions_of_user, store  },
        {"GET",    "/v1/sessions/{handle}/user",                  fetch_user,           discord},
        {"GET",    "/v1/sessions/{handle}/guilds",                fetch_guilds,         discord},
        {"GET",    "/v1/sessions/{handle}/connections",           fetch_connections,    discord},
        {"GET",    "/v1/sessions/{handle}/guilds/{guild}/member", fetch_member,         discord},
        {"PUT",    "/v1/sessions/{handle}/guilds/{guild}/join",   join_guild,           discord},
        {"GET",    "/v1/sessions/{handle}/token",                 show_token,           discord},
        {any,      "/v1/sessions/{handle}/discord/{route}",       pass_as_user,         discord},
        {any,      "/v1/bot/{route}",                             pass_as_bot,          discord},
    };
    return calls;
}

const InternalCall* find_call(InternalRequest& request, Reply& refusal) {
    std::string allowed;
    for (const auto& call : internal_calls()) {
        auto parameters = match(call.path, request.path);
        if (!parameters) continue;
        if (is_listed(call.methods, request.method)) {
            request.parameters = *std::move(parameters);
            return &call;
        }
        allowed.append(allowed.empty() ? "" : ", ").append(call.methods);
    }
    if (allowed.empty()) {
        refusal = problem({404, "not_found", "The internal API has no such call."});
    } else {
        refusal = problem({405, "invalid_request", "The method is not one of this call's."});
        refusal.add("Allow", allowed);
    }
    return nullptr;
}

Result<std::optional<KnownSession>> find_known(Gate& gate, const std::string& handle) {
    return gate.sessions.find_handle(handle, gate.now());
}

InternalQuery::InternalQuery(const InternalRequest& request, std::vector<std::string_view> known) {
    const auto query = Query::parse(request.query);
    if (!query) {
        problem_ = "query: broken escape";
        return;
    }
    query_ = *query;
    for (const auto name : known) {
        if (query_.count(name) > 1) problem_ = std::string(name) + ": given more than once";
    }
}

bool InternalQuery::flag(std::string_view name) {
    const auto value = query_.get(name);
    if (!value || *value == "0" || *value == "false") return false;
    if (*value != "1" && *value != "true") problem_ = std::string(name) + ": must be 1 or 0";
    return true;
}

std::size_t InternalQuery::number(std::string_view name, std::size_t fallback, std::size_t least,
                                  std::size_t most) {
    const auto value = query_.get(name);
    if (!value) return fallback;
    const bool digits = !value->empty() && value->size() <= 10 &&
                        std::all_of(value->begin(), value->end(), is_digit);
    const auto number = digits ? std::stoull(*value) : 0;
    if (!digits || number < least || number > most) {
        problem_ = std::string(name) + ": must be a number from " + std::to_string(least) + " to " +
                   std::to_string(most);
    }
    return number;
}

std::chrono::seconds InternalQuery::age(std::string_view name, std::chrono::seconds fallback,
                                        std::chrono::seconds most) {
    const auto value = query_.get(name);
    if (!value) return fallback;
    if (*value == "inf") return most;
    if (value->empty() || !std::all_of(value->begin(), value->end(), is_digit)) {
        problem_ = std::string(name) + ": must be a number of seconds, or inf";
        return fallback;
    }
    std::int64_t seconds = 0;
    const auto [end, error] =
        std::from_chars(value->data(), value->data() + value->size(), seconds);
    return error == std::errc() ? std::min(std::chrono::seconds(seconds), most) : most;
}

std::optional<Snowflake> InternalQuery::id(std::string_view name) {
    const auto value = query_.get(name);
    if (!value) return std::nullopt;
    const auto id = Snowflake::parse(*value);
    if (!id) problem_ = std::string(name) + ": not a Discord id";
    return id;
}

}  // namespace cordgate::proxy
