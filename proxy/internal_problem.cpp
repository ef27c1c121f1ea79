#include "proxy/internal_problem.hpp"

#include <cmath>

#include "proxy/access_log.hpp"
#include "proxy/internal_json.hpp"

namespace cordgate::proxy {
namespace {

InternalProblem explain_unauthorized(const Error& error, const Session* session,
                                     std::string_view scope, TimePoint now) {
    if (!session) {
        return {401, "unauthorized", "Discord refuses discord.bot_token.", "revoked"};
    }
    if (error.source == ErrorSource::gate) {
        return {403, "unauthorized", error.detail, "missing_scope"};
    }
    const auto reason = discord::unauthorized_reason(session->grant, scope, now);
    if (reason == discord::UnauthorizedReason::missing_scope) {
        return {403, "unauthorized", "The visitor did not grant the scope " + std::string(scope),
                "missing_scope"};
    }
    return {401, "unauthorized", "Discord no longer accepts this session's grant.",
            discord::to_string(reason)};
}

int status_of_discord(const Error& error) {
    const int status = error.refusal ? error.refusal->status : 0;
    // 401 here is about our own client_secret: the caller's credentials are good.
    const bool is_refusal =
        status >= 400 && status < 500 && status != 401 && error.kind != ErrorKind::malformed_reply;
    return is_refusal ? status : 502;
}

std::string title_of(std::string_view code) {
    std::string title(code);
    for (auto& c : title) {
        if (c == '_') c = ' ';
    }
    title.front() = static_cast<char>(title.front() - 'a' + 'A');
    return title;
}

}  // namespace

Reply problem(const InternalProblem& given) {
    auto out = reply::problem(given.status, problem_document(given, title_of(given.code)));
    if (given.retry_after) {
        const auto wait = std::chrono::ceil<std::chrono::seconds>(*given.retry_after);
        out.add("Retry-After", std::to_string(wait.count()));
    }
    return out;
}

Reply invalid_request(std::string detail) {
    return problem({400, "invalid_request", std::move(detail)});
}

Reply no_such_session() {
    return problem({404, "not_found", "There is no session under this handle.", "no_session"});
}

InternalProblem explain(const Error& error, const Session* session, std::string_view scope,
                        TimePoint now) {
    InternalProblem out;
    if (error.source == ErrorSource::store) {
        log_warn("internal", describe_error(error));
        return {503, "unavailable", "The session store does not answer; see the log."};
    }
    if (error.kind == ErrorKind::unauthorized) {
        out = explain_unauthorized(error, session, scope, now);
    } else if (error.source == ErrorSource::client) {
        out = {400, "invalid_request", error.detail};
    } else if (error.source == ErrorSource::gate) {
        const bool forbidden = error.kind == ErrorKind::forbidden;
        out = {forbidden ? 403 : 503, forbidden ? "forbidden" : "unavailable", error.detail};
    } else {
        out.code = discord::problem_code(error);
        out.detail = "Discord: " + error.detail;
        if (out.code == "rate_limited") {
            out.status = 429;
        } else if (out.code == "discord_unavailable") {
            out.status = error.kind == ErrorKind::timed_out ? 504 : 503;
        } else {
            out.status = status_of_discord(error);
        }
    }
    out.retry_after = error.retry_after;
    out.refusal = error.refusal;
    return out;
}

}  // namespace cordgate::proxy
