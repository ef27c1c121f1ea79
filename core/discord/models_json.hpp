#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/discord/cdn.hpp"
#include "core/discord/models.hpp"
#include "core/result.hpp"

// More of Discord's JSON: models that no session keeps, and the documents that
// applications get. As strict and as lenient as json.hpp.

namespace cordgate::discord {

/// Of the object that parse_user reads.
Result<UserDetails> parse_user_details(std::string_view json);
/// Of the object that parse_member reads.
Result<MemberDetails> parse_member_details(std::string_view json);
/// `null` counts as an empty list. `type` and `verified` decide access: a wrong one
/// fails; an integration that makes no sense is left out.
Result<std::vector<UserConnection>> parse_connections(std::string_view json);
Result<Authorization> parse_authorization(std::string_view json);
Result<Application> parse_application(std::string_view json);

/// How the URLs in documents look.
struct ImageSource {
    std::string cdn_url = "https://cdn.discordapp.com";
    ImageOptions options;
};

// Documents: Discord's own object with every field it sent, in one line of pure
// ASCII, and what we derive from it. A field of ours wins over one of Discord's
// with that name. They fail where the parsers above fail.

/// Adds display_name, tag, avatar_url, default_avatar_url, avatar_animated,
/// created_at, flag_names.
Result<std::string> user_document(std::string_view json, const ImageSource& images);
/// Of each guild: icon_url (null without an icon), permission_names.
Result<std::string> guilds_document(std::string_view json, const ImageSource& images);
/// Of each connection: visible.
Result<std::string> connections_document(std::string_view json);
/// Adds flag_names, and permission_names where Discord sends permissions.
Result<std::string> member_document(std::string_view json);

/// What add-guild-member takes besides the token; nothing set: nothing sent.
struct JoinOptions {
    std::optional<std::string> nick;
    std::vector<Snowflake> roles;
    std::optional<bool> mute;
    std::optional<bool> deaf;
};
/// `access_token` in the clear: the body of a request, never of a log.
std::string join_body(std::string_view access_token, const JoinOptions& options);
/// What an application sends: {"nick", "roles", "mute", "deaf"}, all optional, nothing
/// else, and empty for none of them. bad_request of the source client otherwise.
Result<JoinOptions> parse_join_options(std::string_view json);

}  // namespace cordgate::discord
