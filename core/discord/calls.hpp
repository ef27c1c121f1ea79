#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/discord/api.hpp"
#include "core/discord/models_json.hpp"

namespace cordgate::discord {

// Typed calls on top of Api::request. They keep what Discord sent beside what was
// read from it, fail as Api says, and never retry beyond what it does.

/// A model, and the JSON it was read from.
template <class T>
struct Fetched {
    T value;
    std::string json;
};

/// GET /oauth2/@me: scopes and end of a token, without spending anything.
Result<Authorization> fetch_authorization(Api& api, const Secret& access_token);
/// GET /users/@me; scope identify, email for the address.
Result<Fetched<User>> fetch_user(Api& api, const Secret& access_token);
/// GET /users/@me/guilds; scope guilds. At most 200, which is all a user can be in.
/// `with_counts` needs guilds.members.read as well.
Result<Fetched<std::vector<Guild>>> fetch_guilds(Api& api, const Secret& access_token,
                                                 bool with_counts = false);
/// GET /users/@me/guilds/{guild}/member; scope guilds.members.read. nullopt: not a
/// member, on positive evidence (404 with code 10004 or 10007).
Result<std::optional<Fetched<Member>>> fetch_member(Api& api, const Secret& access_token,
                                                    Snowflake guild);
/// GET /users/@me/connections; scope connections.
Result<Fetched<std::vector<UserConnection>>> fetch_connections(Api& api,
                                                               const Secret& access_token);

/// GET /guilds/{guild}/members/{user} as the bot. nullopt: not a member (404 with
/// code 10007 or 10013). That the bot is not there is not_found or forbidden: it
/// says nothing about the user.
Result<std::optional<Fetched<Member>>> fetch_member_as_bot(Api& api, Snowflake guild,
                                                           Snowflake user);
/// GET /oauth2/applications/@me as the bot: for a check at the start.
Result<Application> fetch_application(Api& api);
/// GET /users/@me/guilds as the bot, page by page, up to `most`.
Result<std::vector<Guild>> fetch_guilds_as_bot(Api& api, std::size_t most = 10000);

struct Joined {
    bool is_new = false;  ///< false: was a member already, and nothing was changed
    std::string member;   ///< the member object, JSON; empty unless is_new
};
/// PUT /guilds/{guild}/members/{user} as the bot, with the user's token; scope
/// guilds.join. Refusals worth telling apart by Refusal::code: 30001 too many guilds,
/// 40007 banned there, 50001/10004 bot not there, 50013 bot may not, 50025 token
/// dead, 50026 scope missing.
Result<Joined> join_guild(Api& api, const Secret& access_token, Snowflake user, Snowflake guild,
                          const JoinOptions& options);

}  // namespace cordgate::discord
