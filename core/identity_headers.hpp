#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/session.hpp"

namespace cordgate {

/// `headers:` of the configuration, and what else decides what is told.
struct IdentityHeaderOptions {
    bool user_json = true;
    std::size_t user_json_bytes = 6 * 1024;
    bool email = false;
    bool access_token = false;
    bool remote_user = false;       ///< Remote-User, Remote-Name, Remote-Groups
    bool x_forwarded_user = false;  ///< X-Forwarded-User, -Preferred-Username, -Groups
    bool x_auth_request = false;    ///< X-Auth-Request-User, -Preferred-Username, -Groups
    /// name -> template, as in "X-Team: {user.id}"
    std::vector<std::pair<std::string, std::string>> inject;
    std::string cdn_url;
    /// Every configured scope, profiles and what rules add included. Guilds, members,
    /// e-mail and scopes are told only where they are granted and listed here.
    std::vector<std::string> scopes;
    std::vector<Snowflake> guilds_first;  ///< those that rules name
};

/// The placeholders that `headers.inject` may use: "user.id", "user.name", ...
const std::vector<std::string_view>& inject_placeholders();
/// Nullopt when `text` is a good template, else what is wrong with it.
std::optional<std::string> inject_template_problem(std::string_view text);

/// The header fields that tell an application who its visitor is: "Name: value\r\n"
/// lines, ready to be sent. Pure printable ASCII whatever the names hold; a header
/// whose value is not known, or a list beyond 16 KiB, is absent, never empty. Without
/// X-Discord-Stale and X-Discord-Login-Data, which belong to one request.
std::string render_identity_headers(const Session& session, const IdentityHeaderOptions& options);

/// The JSON of X-Discord-User within `limit` bytes: guilds shrink to
/// {id, owner, permissions}, then to {id}, then the list is cut ("guilds_truncated");
/// members are left out ("members_truncated") when they alone are too large.
std::string user_header_json(const Session& session, const IdentityHeaderOptions& options);

/// The JSON of P/me and P/guilds; the latter is `null` when the guilds are not known.
std::string public_profile_json(const Session& session, const IdentityHeaderOptions& options);
std::string public_guilds_json(const Session& session, const IdentityHeaderOptions& options);

}  // namespace cordgate
