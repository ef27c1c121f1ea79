#include "core/discord/failure.hpp"

#include <algorithm>

namespace cordgate::discord {

bool is_silence(const Error& error) {
    return error.source == ErrorSource::discord &&
           (error.kind == ErrorKind::timed_out || error.kind == ErrorKind::unavailable);
}

std::string_view problem_code(const Error& error) {
    switch (error.kind) {
        case ErrorKind::rate_limited: return "rate_limited";
        case ErrorKind::unauthorized: return "unauthorized";
        case ErrorKind::timed_out:
        case ErrorKind::unavailable: return "discord_unavailable";
        case ErrorKind::bad_request:
            return error.source == ErrorSource::client ? "invalid_request" : "discord_error";
        case ErrorKind::forbidden:
        case ErrorKind::not_found:
        case ErrorKind::too_large:
        case ErrorKind::malformed_reply: return "discord_error";
        case ErrorKind::closed:
        case ErrorKind::internal: return "unavailable";
    }
    return "unavailable";
}

std::string_view to_string(UnauthorizedReason reason) {
    switch (reason) {
        case UnauthorizedReason::no_session: return "no_session";
        case UnauthorizedReason::expired: return "expired";
        case UnauthorizedReason::revoked: return "revoked";
        case UnauthorizedReason::missing_scope: return "missing_scope";
    }
    return "revoked";
}

UnauthorizedReason unauthorized_reason(const TokenGrant& grant, std::string_view scope,
                                       TimePoint now) {
    const auto& granted = grant.scopes;
    if (!scope.empty() && std::find(granted.begin(), granted.end(), scope) == granted.end()) {
        return UnauthorizedReason::missing_scope;
    }
    return now >= grant.expires_at ? UnauthorizedReason::expired : UnauthorizedReason::revoked;
}

}  // namespace cordgate::discord
