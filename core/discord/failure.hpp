#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/discord/rate_limits.hpp"
#include "core/error.hpp"
#include "core/session.hpp"

namespace cordgate::discord {

/// What Discord said when it said no; carried by Error::refusal.
struct Refusal {
    int status = 0;
    long long code = 0;   ///< Discord's own error code (10004); 0: none given
    std::string message;  ///< Discord's words (RFC 6749's error at the token endpoint), bounded
    std::string body;     ///< the JSON as it came, when it was JSON and small; else empty
    /// Names in lower case; those that say something about limits, and Content-Type.
    std::vector<std::pair<std::string, std::string>> headers;
    /// Of a 429 or a ban; how long to wait is in Error::retry_after, always.
    LimitScope scope = LimitScope::user;

    bool is_global() const { return scope == LimitScope::global; }
};

/// Nobody answered, or something before Discord's API did: it said neither yes nor no.
bool is_silence(const Error& error);

/// Stable names of what a failed call means to an application, as the internal
/// API's problem documents use them: rate_limited, unauthorized, discord_error
/// (Discord answered with a refusal; see Refusal), discord_unavailable,
/// invalid_request, unavailable. `error` must have the source discord or client.
std::string_view problem_code(const Error& error);

/// Why a user's token is of no use.
enum class UnauthorizedReason { no_session, expired, revoked, missing_scope };
std::string_view to_string(UnauthorizedReason reason);

/// The reason behind a 401: Discord gives the same answer to a token that lacks
/// a scope, has ended or was revoked, so it is told from what was granted.
/// `scope` empty: the call needs none.
UnauthorizedReason unauthorized_reason(const TokenGrant& grant, std::string_view scope,
                                       TimePoint now);

}  // namespace cordgate::discord
