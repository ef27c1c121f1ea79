#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/identity.hpp"
#include "core/result.hpp"
#include "core/session.hpp"

// Discord's JSON <-> our types. Lenient about what is missing, null or unknown;
// strict about the types that decide access (ids, owner, permissions, roles):
// a wrong one fails with malformed_reply, never becomes a "yes". Duplicate keys,
// depth beyond 32 and trailing bytes are refused (RFC 8259, 4).

namespace cordgate::discord {

Result<User> parse_user(std::string_view json);
/// `null` counts as an empty list (the OpenAPI document allows it).
Result<std::vector<Guild>> parse_guilds(std::string_view json);
Result<Member> parse_member(std::string_view json);

/// `received_at` is when the answer came; a missing, wrong or absurd expires_in
/// counts as one hour. token_type must be Bearer in any case.
Result<TokenGrant> parse_token_grant(std::string_view json, TimePoint received_at);

/// The `error` member of a token endpoint's answer ("invalid_grant"), if any.
std::optional<std::string> parse_oauth_error(std::string_view json);
/// Discord's own error code and message ({"code": 10004, ...}), if it is that shape.
struct ApiError {
    long long code = 0;
    std::string message;
    std::optional<double> retry_after;  ///< seconds, as sent: may be absurd
    bool global = false;
};
std::optional<ApiError> parse_api_error(std::string_view json);

/// Whether `text` is one JSON value; for `data`. Same limits as above.
bool is_json(std::string_view text);

}  // namespace cordgate::discord
