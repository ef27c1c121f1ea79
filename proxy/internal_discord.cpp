#include "core/discord/calls.hpp"
#include "core/discord/models_json.hpp"
#include "proxy/access_log.hpp"
#include "proxy/freshness.hpp"
#include "proxy/internal_call.hpp"
#include "proxy/internal_lookup.hpp"
#include "proxy/internal_problem.hpp"
#include "proxy/visitor_documents.hpp"

// The calls of the internal API that may ask Discord.

namespace cordgate::proxy {
namespace {

// Older than anything is kept: whatever there is.
constexpr std::chrono::hours any_age{365 * 24};

discord::CacheKey key_of(const Session& session, discord::Resource resource, Snowflake guild = {}) {
    return discord::key_for(session.identity.user.id, session.grant.scopes, resource, guild);
}

/// `max_age` and `cached_only` of a fetch.
struct Wish {
    std::chrono::seconds max_age;
    bool cached_only = false;
};

Wish read_wish(InternalQuery& query, std::chrono::seconds fallback) {
    Wish wish;
    wish.cached_only = query.flag("cached_only");
    // What is asked of the cache alone may be of any age, unless one is given.
    wish.max_age = query.age("max_age", wish.cached_only ? any_age : fallback, any_age);
    return wish;
}

Reply missing_scope(std::string_view scope) {
    return problem({403, "unauthorized",
                    "The visitor did not grant the scope " + std::string(scope), "missing_scope"});
}

/// One fetch: whose, what, and how the document is made.
struct Fetch {
    const KnownSession& known;
    Wish wish;
    discord::CacheKey key;
    std::vector<std::string_view> scopes;  ///< all of them are needed
    std::function<Result<discord::CacheEntry>()> ask;
    std::function<Result<std::string>(std::string_view json)> document;
};

Reply answer(Gate& gate, const Fetch& fetch) {
    const auto& session = fetch.known.session;
    const auto failed = [&](const Error& error) {
        return problem(explain(error, &session, "", gate.now()));
    };
    for (const auto scope : fetch.scopes) {
        if (!session.has_scope(scope)) return missing_scope(scope);
    }
    std::shared_ptr<const std::string> json;
    if (fetch.wish.cached_only) {
        const auto entry = gate.keeper.cache().peek(fetch.key);
        if (!entry || gate.now() - entry->at > fetch.wish.max_age) {
            Reply none;
            none.status = 204;
            return none;
        }
        json = entry->json;
    } else {
        const auto entry = fetch.ask();
        if (!entry) return failed(entry.error());
        json = entry->json;
    }
    if (*json == "null" && fetch.key.resource == discord::Resource::member) {
        return problem({404, "not_found", "The visitor is not a member of this guild."});
    }
    const auto document = fetch.document(*json);
    if (!document) return failed(document.error());
    return reply::json(200, *document);
}

using Answer = std::function<Reply(const KnownSession&)>;

/// For calls that begin with "/v1/sessions/{handle}".
Reply with_session(Gate& gate, const InternalRequest& request, const Answer& answer_it) {
    const auto known = find_known(gate, request.parameters.at(0));
    if (!known) return problem(explain(known.error(), nullptr, "", gate.now()));
    if (!*known) return no_such_session();
    return answer_it(**known);
}

Reply pass_on(Gate& gate, const Result<discord::Reply>& answered, const Session* session,
              std::string_view scope) {
    if (!answered) return problem(explain(answered.error(), session, scope, gate.now()));
    Reply out;
    out.status = answered->status;
    out.body = answered->body;
    for (const auto& [name, value] : answered->headers) {
        if (name == "content-type")
            out.content_type = value;
        else
            out.add(name, value);
    }
    return out;
}

/// What a pass-through call asks for; nullopt with `refusal` set for what cannot be asked.
std::optional<discord::Request> read_request(const InternalRequest& request, Reply& refusal) {
    const auto route = discord::Route::parse("/" + request.parameters.back());
    if (!route) {
        refusal = invalid_request(
            "not a route of Discord's API: no empty or dot segments, no encoded slashes");
        return std::nullopt;
    }
    discord::Request out{discord::Request::As::nobody, {}, request.method, *route};
    out.query = request.query;
    out.body = request.body;
    if (!request.content_type.empty()) out.content_type = request.content_type;
    out.audit_log_reason = request.audit_log_reason;
    return out;
}

/// Another grant for one that Discord refuses before its time. Whoever asks as the user
/// finds out: it is renewed, or the session ends.
Result<TokenGrant> renewed_grant(Gate& gate, const KnownSession& known) {
    const auto user = gate.keeper.user(known, std::chrono::seconds(0));
    if (!user) return user.error();
    const auto renewed = find_known(gate, known.session.handle);
    if (!renewed) return renewed.error();
    if (!*renewed) {
        return Error{ErrorKind::unauthorized, ErrorSource::discord, "the session has ended"};
    }
    return gate.keeper.grant(**renewed);
}

/// "Invalid OAuth2 access token": the user's, in a call of the bot's.
bool is_dead_token(const Error& error) {
    constexpr long long invalid_access_token = 50025;
    return error.refusal && error.refusal->code == invalid_access_token;
}

}  // namespace

Reply fetch_user(Gate& gate, const InternalRequest& request) {
    InternalQuery query(request, {"max_age", "cached_only"});
    const auto wish = read_wish(query, gate.settings.identity.user_max_age);
    if (!query.problem().empty()) return invalid_request(query.problem());
    return with_session(gate, request, [&](const KnownSession& known) {
        keep_user_of(gate, known.session);
        return answer(gate,
                      {known,
                       wish,
                       key_of(known.session, discord::Resource::user),
                       {"identify"},
                       [&] { return gate.keeper.user(known, wish.max_age); },
                       [&](auto json) { return discord::user_document(json, images(gate)); }});
    });
}

Reply fetch_guilds(Gate& gate, const InternalRequest& request) {
    InternalQuery query(request, {"max_age", "cached_only", "with_counts"});
    const auto wish = read_wish(query, gate.settings.identity.guilds_max_age);
    const bool counts = query.flag("with_counts");
    if (!query.problem().empty()) return invalid_request(query.problem());
    const auto resource =
        counts ? discord::Resource::guilds_with_counts : discord::Resource::guilds;
    std::vector<std::string_view> scopes = {"guilds"};
    if (counts) scopes.emplace_back("guilds.members.read");
    return with_session(gate, request, [&](const KnownSession& known) {
        return answer(gate,
                      {known, wish, key_of(known.session, resource), scopes,
                       [&] { return gate.keeper.guilds(known, wish.max_age, counts); },
                       [&](auto json) { return discord::guilds_document(json, images(gate)); }});
    });
}

Reply fetch_connections(Gate& gate, const InternalRequest& request) {
    InternalQuery query(request, {"max_age", "cached_only"});
    const auto wish = read_wish(query, gate.settings.identity.user_max_age);
    if (!query.problem().empty()) return invalid_request(query.problem());
    return with_session(gate, request, [&](const KnownSession& known) {
        return answer(gate, {known,
                             wish,
                             key_of(known.session, discord::Resource::connections),
                             {"connections"},
                             [&] { return gate.keeper.connections(known, wish.max_age); },
                             [](auto json) { return discord::connections_document(json); }});
    });
}

Reply fetch_member(Gate& gate, const InternalRequest& request) {
    InternalQuery query(request, {"max_age", "cached_only"});
    const auto wish = read_wish(query, gate.settings.identity.guilds_max_age);
    const auto guild = Snowflake::parse(request.parameters.at(1));
    if (!guild) return invalid_request("guilds/{guild}: not a Discord id");
    std::vector<std::string_view> scopes;
    if (gate.settings.discord.bot_token.empty()) scopes.emplace_back("guilds.members.read");
    if (!query.problem().empty()) return invalid_request(query.problem());
    return with_session(gate, request, [&](const KnownSession& known) {
        return answer(
            gate, {known, wish, key_of(known.session, discord::Resource::member, *guild), scopes,
                   [&] { return gate.keeper.member(known, *guild, wish.max_age); },
                   [](auto json) { return discord::member_document(json); }});
    });
}

Reply join_guild(Gate& gate, const InternalRequest& request) {
    const auto guild = Snowflake::parse(request.parameters.at(1));
    if (!guild) return invalid_request("guilds/{guild}: not a Discord id");
    const auto options = discord::parse_join_options(request.body);
    if (!options) return invalid_request(options.error().detail);
    return with_session(gate, request, [&](const KnownSession& known) {
        const auto& session = known.session;
        if (!session.has_scope("guilds.join")) return missing_scope("guilds.join");
        const auto failed = [&](const Error& error, const Session* whose) {
            return problem(explain(error, whose, "", gate.now()));
        };
        const auto join = [&](const TokenGrant& grant) {
            return discord::join_guild(gate.discord, grant.access_token, session.identity.user.id,
                                       *guild, *options);
        };
        auto grant = gate.keeper.grant(known);
        if (!grant) return failed(grant.error(), &session);
        auto joined = join(*grant);
        if (!joined && is_dead_token(joined.error())) {
            grant = renewed_grant(gate, known);
            if (!grant) return failed(grant.error(), &session);
            joined = join(*grant);
        }
        // It is the bot that asks.
        if (!joined) return failed(joined.error(), nullptr);
        Reply out;
        out.status = 204;
        // The list of guilds that was known is an old one now. Who asks for this again and again
        // costs no calls more.
        const auto* const membership = session.identity.find_membership(*guild);
        const bool is_told =
            session.identity.find_guild(*guild) && (!membership || membership->member);
        if (joined->is_new || !is_told) ask_guilds_again(gate, known, *guild);
        if (!joined->is_new) return out;
        const auto document = discord::member_document(joined->member);
        if (!document) return failed(document.error(), nullptr);
        return reply::json(201, *document);
    });
}

Reply pass_as_user(Gate& gate, const InternalRequest& request) {
    Reply refusal;
    auto asked = read_request(request, refusal);
    if (!asked) return refusal;
    return with_session(gate, request, [&](const KnownSession& known) {
        return pass_on(gate, gate.keeper.request(known, *asked), &known.session,
                       asked->route.required_scope());
    });
}

Reply pass_as_bot(Gate& gate, const InternalRequest& request) {
    Reply refusal;
    auto asked = read_request(request, refusal);
    if (!asked) return refusal;
    asked->as = discord::Request::As::bot;
    return pass_on(gate, gate.discord.request(*asked), nullptr, "");
}

}  // namespace cordgate::proxy
