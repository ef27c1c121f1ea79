#include <algorithm>

#include "proxy/access_log.hpp"
#include "proxy/internal_call.hpp"
#include "proxy/internal_json.hpp"
#include "proxy/internal_lookup.hpp"
#include "proxy/internal_problem.hpp"
#include "proxy/session_ends.hpp"

// The calls of the internal API about sessions.

namespace cordgate::proxy {
namespace {

constexpr std::size_t default_limit = 100;
constexpr std::size_t most_sessions = 1000;
constexpr std::size_t max_cursor_bytes = 256;

/// A grant that Discord refuses ends its session, so that what is left to be called
/// revoked is one that has run out and that nothing can renew.
SessionState state_of(const Gate& gate, const Session& session) {
    const auto now = gate.now();
    const auto& settings = gate.keeper.settings();
    if (now >= session.grant.expires_at && session.grant.refresh_token.empty()) {
        return SessionState::revoked;
    }
    const bool old_user = now - session.identity.user_at > settings.user_max_age;
    // As X-Discord-Stale: guilds, and the members that rules or the configuration name.
    const auto confirmed_at = freshness_of(session, settings).confirmed_at;
    const bool old_rights =
        confirmed_at != TimePoint::max() && now - confirmed_at > settings.guilds_max_age;
    return old_user || old_rights ? SessionState::stale : SessionState::valid;
}

std::string view_of(const Gate& gate, const Session& session) {
    return session_json(session, {gate.settings.discord.cdn_url, state_of(gate, session),
                                  gate.settings.internal.expose_tokens});
}

bool is_in_guild(const Session& session, Snowflake guild) {
    const auto* const known = session.identity.find_membership(guild);
    return session.identity.find_guild(guild) || (known && known->member);
}

Reply failed(Gate& gate, const Error& error) {
    return problem(explain(error, nullptr, "", gate.now()));
}

}  // namespace

Reply list_sessions(Gate& gate, const InternalRequest& request) {
    InternalQuery query(request, {"user_id", "guild_id", "limit", "cursor"});
    const auto user = query.id("user_id");
    const auto guild = query.id("guild_id");
    const auto limit = query.number("limit", default_limit, 1, most_sessions);
    const auto cursor = query.text("cursor");
    if (!query.problem().empty()) return invalid_request(query.problem());
    const auto is_odd = [](char c) { return c <= ' ' || c > '~'; };
    if (cursor.size() > max_cursor_bytes || std::ranges::any_of(cursor, is_odd))
        return invalid_request("cursor: not one of ours");

    const auto page = gate.sessions.list(user, cursor, limit, gate.now());
    if (!page) return failed(gate, page.error());
    std::vector<std::string> found;
    for (const auto& known : page->sessions) {
        if (guild && !is_in_guild(known.session, *guild)) continue;
        found.push_back(view_of(gate, known.session));
    }
    return reply::json(200, session_list_json(found, page->next));
}

Reply show_session(Gate& gate, const InternalRequest& request) {
    const auto known = find_known(gate, request.parameters.at(0));
    if (!known) return failed(gate, known.error());
    if (!*known) return no_such_session();
    return reply::json(200, view_of(gate, (*known)->session));
}

Reply end_session(Gate& gate, const InternalRequest& request) {
    InternalQuery query(request, {"revoke"});
    const bool revoke = query.flag("revoke");
    if (!query.problem().empty()) return invalid_request(query.problem());
    const auto known = find_known(gate, request.parameters.at(0));
    if (!known) return failed(gate, known.error());
    if (!*known) return no_such_session();

    const auto until = gate.now();
    const auto ended = gate.sessions.end((*known)->digest);
    if (!ended) return failed(gate, ended.error());
    gate.cache.erase((*known)->digest);
    const auto& session = (*known)->session;
    gate.keeper.forget(session.identity.user.id);
    log_info("internal", "session ended: user_id=" + session.identity.user.id.to_string() +
                             " session=" + session.handle);
    if (revoke) {
        // The session has ended whatever Discord says, and its tokens are gone with it.
        const auto revoked = revoke_grant(gate, session, until);
        if (!revoked) {
            auto out = explain(revoked.error(), &session, "", gate.now());
            out.detail = "The session has ended, but its grant was not revoked. " + out.detail;
            out.ended = true;
            return problem(out);
        }
    }
    Reply out;
    out.status = 204;
    return out;
}

Reply end_sessions_of_user(Gate& gate, const InternalRequest& request) {
    const auto user = Snowflake::parse(request.parameters.at(0));
    if (!user) return invalid_request("users/{id}: not a Discord id");
    // Whatever a clock that is ahead, or was, has put into its future.
    const auto ended = gate.sessions.end_user(*user, TimePoint::max());
    if (!ended) return failed(gate, ended.error());
    for (const auto& digest : *ended) gate.cache.erase(digest);
    gate.keeper.forget(*user);
    log_info("internal",
             std::to_string(ended->size()) + " sessions ended: user_id=" + user->to_string());
    return reply::json(200, ended_json(ended->size()));
}

Reply show_token(Gate& gate, const InternalRequest& request) {
    if (!gate.settings.internal.expose_tokens) {
        return problem({403, "forbidden", "internal.expose_tokens is false."});
    }
    const auto known = find_known(gate, request.parameters.at(0));
    if (!known) return failed(gate, known.error());
    if (!*known) return no_such_session();
    const auto grant = gate.keeper.grant(**known);
    if (!grant) return problem(explain(grant.error(), &(*known)->session, "", gate.now()));
    return reply::json(200, token_json(*grant, gate.now()));
}

}  // namespace cordgate::proxy
