#include "core/visitor_calls.hpp"

#include <utility>

#include "core/discord/calls.hpp"

namespace cordgate {
namespace {

using discord::CacheEntry;
using discord::Resource;

std::optional<Error> lacks(const KnownSession& known, std::string_view scope) {
    if (scope.empty() || known.session.has_scope(scope)) return std::nullopt;
    return Error{ErrorKind::unauthorized, ErrorSource::gate,
                 "the visitor did not grant the scope " + std::string(scope)};
}

template <class T>
Result<std::string> json_of(Result<discord::Fetched<T>> fetched) {
    if (!fetched) return fetched.error();
    return std::move(fetched->json);
}

}  // namespace

Result<TokenGrant> VisitorCalls::grant(const KnownSession& known) {
    return known.session.grant;
}

Result<CacheEntry> VisitorCalls::get(const KnownSession& known, discord::CacheKey key,
                                     std::chrono::seconds max_age, const Call& call) {
    return cache_.get(key, max_age, [&]() -> Result<std::string> {
        const auto live = grant(known);
        if (!live) return live.error();
        return call(live->access_token);
    });
}

Result<CacheEntry> VisitorCalls::user(const KnownSession& known, std::chrono::seconds max_age) {
    const auto& identity = known.session.identity;
    const discord::CacheKey key{identity.user.id, Resource::user};
    // What the session was made with is as good as what was asked for since.
    if (!identity.user.raw.empty()) cache_.put(key, identity.user.raw, identity.user_at);
    return get(known, key, max_age,
               [this](const Secret& token) { return json_of(discord::fetch_user(api_, token)); });
}

Result<CacheEntry> VisitorCalls::guilds(const KnownSession& known, std::chrono::seconds max_age,
                                        bool with_counts) {
    if (auto missing = lacks(known, "guilds")) return *std::move(missing);
    if (auto missing = lacks(known, with_counts ? "guilds.members.read" : "")) {
        return *std::move(missing);
    }
    const auto resource = with_counts ? Resource::guilds_with_counts : Resource::guilds;
    return get(known, {known.session.identity.user.id, resource}, max_age,
               [this, with_counts](const Secret& token) {
                   return json_of(discord::fetch_guilds(api_, token, with_counts));
               });
}

Result<CacheEntry> VisitorCalls::connections(const KnownSession& known,
                                             std::chrono::seconds max_age) {
    if (auto missing = lacks(known, "connections")) return *std::move(missing);
    return get(
        known, {known.session.identity.user.id, Resource::connections}, max_age,
        [this](const Secret& token) { return json_of(discord::fetch_connections(api_, token)); });
}

Result<CacheEntry> VisitorCalls::member(const KnownSession& known, Snowflake guild,
                                        std::chrono::seconds max_age) {
    if (auto missing = lacks(known, "guilds.members.read")) return *std::move(missing);
    return get(known, {known.session.identity.user.id, Resource::member, guild}, max_age,
               [this, guild](const Secret& token) -> Result<std::string> {
                   auto member = discord::fetch_member(api_, token, guild);
                   if (!member) return member.error();
                   return *member ? std::move((*member)->json) : std::string("null");
               });
}

Result<discord::Reply> VisitorCalls::request(const KnownSession& known, discord::Request request) {
    if (auto missing = lacks(known, request.route.required_scope())) return *std::move(missing);
    const auto live = grant(known);
    if (!live) return live.error();
    request.as = discord::Request::As::user;
    request.access_token = live->access_token;
    return api_.request(request);
}

}  // namespace cordgate
