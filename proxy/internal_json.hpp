#pragma once

#include <optional>
#include <string>

#include "core/session_repository.hpp"
#include "proxy/internal_problem.hpp"

// What the internal API says, as JSON in one line of ASCII.

namespace cordgate::proxy {

/// What Discord's knowledge of a session is worth.
enum class SessionState {
    valid,
    stale,    ///< older than identity.*_max_age: nobody asked Discord since
    revoked,  ///< its grant has ended, and cannot be renewed
};

struct SessionView {
    std::string cdn_url;
    SessionState state = SessionState::valid;
    bool show_secrets = false;  ///< the token and URL of a webhook
};
/// One session: who, since when, from where, with what. Never a token of the user's.
std::string session_json(const Session& session, const SessionView& view);
/// {"sessions": [...], "next_cursor": "..." or null}; `sessions` are JSON already.
std::string session_list_json(const std::vector<std::string>& sessions, const std::string& next);
/// What a call as this user may be made with; never the refresh token.
std::string token_json(const TokenGrant& grant, TimePoint now);
/// {"ended": 3}
std::string ended_json(std::size_t ended);

std::string problem_document(const InternalProblem& problem, const std::string& title);

}  // namespace cordgate::proxy
