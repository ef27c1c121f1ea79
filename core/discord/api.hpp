#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/identity.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/session.hpp"

namespace cordgate::discord {

/// What Cordgate asks of Discord.
///
/// Calls block up to their deadline and may come from any thread at once.
/// Failures have the source `discord` and the kind:
///   unauthorized     401: token dead or scope missing; invalid_grant at the token endpoint
///   forbidden        invalid_client: our own id or secret is wrong
///   rate_limited     429 in any form; retry_after where known
///   timed_out, unavailable   no answer, connection refused, 5xx
///   malformed_reply  an answer that is not what Discord documents
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

    virtual Result<User> current_user(const Secret& access_token) = 0;
    virtual Result<std::vector<Guild>> current_user_guilds(const Secret& access_token) = 0;
    /// nullopt only on positive evidence (404 with code 10004 or 10007).
    virtual Result<std::optional<Member>> current_user_member(const Secret& access_token,
                                                              Snowflake guild) = 0;
};

}  // namespace cordgate::discord
