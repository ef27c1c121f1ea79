#include "proxy/internal_json.hpp"

#include <nlohmann/json.hpp>

#include "core/discord/cdn.hpp"
#include "core/timestamp.hpp"

namespace cordgate::proxy {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& value) {
    return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string_view to_string(SessionState state) {
    switch (state) {
        case SessionState::valid: return "valid";
        case SessionState::stale: return "stale";
        case SessionState::revoked: return "revoked";
    }
    return "stale";
}

// null for what is not there, and for what was no JSON after all.
Json parsed(const std::string& text) {
    auto value = Json::parse(text, nullptr, false);
    return value.is_discarded() ? Json() : value;
}

Json text_or_null(const std::optional<std::string>& text) {
    return text ? Json(*text) : Json();
}

Json time_or_null(TimePoint time) {
    return time == TimePoint() ? Json() : Json(format_timestamp(time));
}

Json user_json(const User& user, const std::string& cdn_url) {
    Json out;
    out["id"] = user.id.to_string();
    out["username"] = user.username;
    out["global_name"] = text_or_null(user.global_name);
    out["display_name"] = user.display_name();
    out["avatar_url"] = discord::avatar_url(user, cdn_url);
    return out;
}

Json errors_of(const discord::Refusal& refusal) {
    const Json body = parsed(refusal.body);
    const auto it = body.is_object() ? body.find("errors") : body.end();
    return body.is_object() && it != body.end() ? *it : Json();
}

Json refusal_json(const discord::Refusal& refusal) {
    Json out;
    out["status"] = refusal.status;
    out["code"] = refusal.code;
    out["message"] = refusal.message;
    if (const Json errors = errors_of(refusal); !errors.is_null()) out["errors"] = errors;
    Json headers = Json::object();
    for (const auto& [name, value] : refusal.headers) headers[name] = value;
    if (!headers.empty()) out["headers"] = headers;
    return out;
}

}  // namespace

std::string session_json(const Session& session, const SessionView& view) {
    const auto& identity = session.identity;
    Json extras = parsed(session.login_extras.reveal());
    if (!extras.is_object()) extras = Json::object();
    Json webhook = extras.value("webhook", Json());
    if (webhook.is_object() && !view.show_secrets) {
        webhook.erase("token");
        webhook.erase("url");
    }
    Json out;
    out["handle"] = session.handle;
    out["state"] = to_string(view.state);
    out["user_id"] = identity.user.id.to_string();
    out["user"] = user_json(identity.user, view.cdn_url);
    out["created_at"] = format_timestamp(session.created_at);
    out["last_seen_at"] = format_timestamp(session.last_seen_at);
    out["expires_at"] = format_timestamp(session.expires_at);
    out["client_address"] = session.client_address;
    out["user_agent"] = session.user_agent;
    out["profile"] = session.profile;
    out["scopes"] = session.grant.scopes;
    out["confirmed"]["user"] = time_or_null(identity.user_at);
    out["confirmed"]["guilds"] = time_or_null(identity.guilds_at);
    out["confirmed"]["members"] = time_or_null(identity.members_at().value_or(TimePoint()));
    out["login_data"] = parsed(session.login_data);
    out["guild"] = extras.value("guild", Json());
    out["webhook"] = webhook;
    return dump(out);
}

std::string session_list_json(const std::vector<std::string>& sessions, const std::string& next) {
    std::string list;
    for (const auto& session : sessions) list.append(list.empty() ? "" : ",").append(session);
    return "{\"sessions\":[" + list +
           "],\"next_cursor\":" + (next.empty() ? "null" : dump(Json(next))) + "}";
}

std::string token_json(const TokenGrant& grant, TimePoint now) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(grant.expires_at - now);
    const std::int64_t expires_in = std::max<std::int64_t>(0, left.count());
    Json out;
    out["access_token"] = grant.access_token.reveal();
    out["token_type"] = "Bearer";
    out["scopes"] = grant.scopes;
    out["expires_at"] = format_timestamp(grant.expires_at);
    out["expires_in"] = expires_in;
    return dump(out);
}

std::string ended_json(std::size_t ended) {
    return "{\"ended\":" + std::to_string(ended) + "}";
}

std::string problem_document(const InternalProblem& problem, const std::string& title) {
    Json out;
    out["type"] = "about:blank";
    out["title"] = title;
    out["status"] = problem.status;
    out["code"] = problem.code;
    out["detail"] = problem.detail;
    if (!problem.reason.empty()) out["reason"] = problem.reason;
    if (problem.retry_after) {
        out["retry_after"] = static_cast<double>(problem.retry_after->count()) / 1000.0;
    }
    if (problem.code == "rate_limited") {
        const auto scope = problem.refusal ? problem.refusal->scope : discord::LimitScope::user;
        out["scope"] = discord::to_string(scope);
    }
    if (problem.ended) out["ended"] = true;
    // A refusal without a status was our own: Discord was not asked.
    if (problem.refusal && problem.refusal->status != 0) {
        out["discord"] = refusal_json(*problem.refusal);
    }
    return dump(out);
}

}  // namespace cordgate::proxy
