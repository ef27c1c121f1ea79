#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/discord/route.hpp"
#include "core/identity.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/session.hpp"

namespace cordgate::discord {

/// Any request to Discord's API (quartcord: request, bot_request).
struct Request {
    enum class As { user, bot, nobody };

    As as = As::user;
    Secret access_token{};       ///< of the user; for As::user only
    std::string method = "GET";  ///< GET, POST, PUT, PATCH or DELETE
    Route route;
    std::string query{};                            ///< encoded, without "?"; may be empty
    std::string body{};                             ///< may be empty
    std::string content_type = "application/json";  ///< of the body
    std::string audit_log_reason{};  ///< X-Audit-Log-Reason: visible ASCII, percent-encoded

    static Request by_user(const Secret& access_token, Route route) {
        return {As::user, access_token, "GET", std::move(route)};
    }
    static Request by_bot(Route route) { return {As::bot, {}, "GET", std::move(route)}; }
};

/// A 2xx answer: its body is one JSON value, or empty.
struct Reply {
    int status = 200;
    std::string body;
    /// Names in lower case: Content-Type and those about limits.
    std::vector<std::pair<std::string, std::string>> headers;
};

/// What became of calls so far.
struct ApiStatistics {
    std::array<std::uint64_t, 6> by_status{};  ///< by hundreds; [0]: no answer came
    std::uint64_t rate_limited = 0;            ///< answers that were a 429 or a ban
    std::uint64_t held_back = 0;               ///< not sent: a rate limit, or the breaker
};

/// What Cordgate asks of Discord. calls.hpp has more, built on `request`.
///
/// Calls block up to their deadline, waiting for rate limits included, and may
/// come from any thread at once. Failures have the source `discord`, and a
/// Refusal (failure.hpp) where Discord answered. Kinds:
///   unauthorized     401: token dead or scope missing; invalid_grant at the token endpoint
///   forbidden        403; invalid_client at the token endpoint: our own id or secret is wrong
///   not_found        404 of Discord's own
///   bad_request      other 4xx: what was asked for makes no sense to Discord
///   rate_limited     429 in any form, or not asked because of one; retry_after is set
///   timed_out, unavailable   no answer, connection refused, 5xx, breaker open
///   malformed_reply  an answer that is not what Discord documents
/// A request that could not be sent as it is fails with bad_request of the source
/// `client`; bot calls without a bot token with forbidden of the source `gate`.
class Api {
public:
    virtual ~Api() = default;

    /// RFC 6749, 4.1.3 with RFC 7636, 4.5; never retried, a code is single use.
    /// `verifier` empty: no PKCE.
    virtual Result<TokenGrant> exchange_code(const Secret& code, const Secret& verifier,
                                             std::string_view redirect_uri) = 0;
    /// RFC 6749, 6. Rotates: the old pair is dead when this returns.
    virtual Result<TokenGrant> refresh(const Secret& refresh_token) = 0;
    /// RFC 7009. At Discord this ends every grant of this user to this application.
    virtual Result<void> revoke(const Secret& token) = 0;

    /// Any route; calls.hpp has typed calls on top of it. GET, PUT and DELETE are tried again after
    /// 5xx or a broken connection; POST and PATCH are sent once. An answer that is not 2xx is an
    /// error, never data.
    virtual Result<Reply> request(const Request& request) = 0;

    virtual ApiStatistics statistics() const { return {}; }
};

}  // namespace cordgate::discord
