#include "core/session_look_ups.hpp"

#include <string>
#include <utility>

#include "core/discord/calls.hpp"
#include "core/discord/failure.hpp"

namespace cordgate {
namespace {

using discord::CacheEntry;
using discord::Resource;
using std::chrono::seconds;

constexpr std::string_view member_scope = "guilds.members.read";

template <class T>
Result<std::string> json_of(Result<discord::Fetched<T>> fetched) {
    if (!fetched) return fetched.error();
    return std::move(fetched->json);
}
Result<std::string> json_of(Result<std::optional<discord::Fetched<Member>>> fetched) {
    if (!fetched) return fetched.error();
    return *fetched ? std::move((*fetched)->json) : std::string(SessionLookUps::no_member);
}

std::optional<CacheEntry> newest(std::optional<CacheEntry> a, std::optional<CacheEntry> b,
                                 TimePoint now) {
    if (!a || !b) return a ? a : b;
    return is_newer(b->at, a->at, now) ? b : a;
}

}  // namespace

Result<CacheEntry> SessionLookUps::user(Caller& caller, seconds max_age) {
    const auto asked = key(caller, Resource::user);
    auto entry = cache_.get(asked, max_age, [&] {
        return parts_.grants.as_user(caller, [&](const Secret& token) -> Result<std::string> {
            auto fetched = discord::fetch_user(parts_.discord, token);
            if (fetched && fetched->value.id != caller.user) {
                return Error{ErrorKind::malformed_reply, ErrorSource::discord,
                             "/users/@me names another user"};
            }
            return json_of(std::move(fetched));
        });
    });
    if (entry && key(caller, Resource::user) != asked) {
        // Renewed meanwhile, with other scopes: not what others of the old key may see.
        cache_.forget(caller.user);
        cache_.put(key(caller, Resource::user), *entry->json, entry->at);
    }
    return entry;
}

Result<CacheEntry> SessionLookUps::guilds(Caller& caller, seconds max_age, bool with_counts) {
    if (!caller.has_scope("guilds")) return missing_scope("guilds");
    // Counts need more; without it, Discord's 401 would look like a dead token.
    if (with_counts && !caller.has_scope(member_scope)) return missing_scope(member_scope);
    const auto resource = with_counts ? Resource::guilds_with_counts : Resource::guilds;
    return cache_.get(key(caller, resource), max_age, [&] {
        return parts_.grants.as_user(caller, [&](const Secret& token) {
            return json_of(discord::fetch_guilds(parts_.discord, token, with_counts));
        });
    });
}

Result<CacheEntry> SessionLookUps::connections(Caller& caller, seconds max_age) {
    if (!caller.has_scope("connections")) return missing_scope("connections");
    return cache_.get(key(caller, Resource::connections), max_age, [&] {
        return parts_.grants.as_user(caller, [&](const Secret& token) {
            return json_of(discord::fetch_connections(parts_.discord, token));
        });
    });
}

// The bot costs the user nothing and needs no live token. That it is not in the
// guild says nothing about the user.
Result<CacheEntry> SessionLookUps::member(Caller& caller, Snowflake guild, seconds max_age) {
    const bool may_ask_as_user = caller.has_scope(member_scope);
    if (!parts_.settings.has_bot && !may_ask_as_user) return missing_scope(member_scope);
    return cache_.get(key(caller, Resource::member, guild), max_age, [&]() -> Result<std::string> {
        if (parts_.settings.has_bot) {
            auto seen = json_of(discord::fetch_member_as_bot(parts_.discord, guild, caller.user));
            const bool is_told = seen || !(seen.error().kind == ErrorKind::not_found ||
                                           seen.error().kind == ErrorKind::forbidden ||
                                           seen.error().kind == ErrorKind::unauthorized);
            if (is_told || !may_ask_as_user) return seen;
        }
        return parts_.grants.as_user(caller, [&](const Secret& token) {
            return json_of(discord::fetch_member(parts_.discord, token, guild));
        });
    });
}

std::optional<CacheEntry> SessionLookUps::known_user(const Caller& caller) {
    return cache_.peek(key(caller, Resource::user));
}

std::optional<CacheEntry> SessionLookUps::known_guilds(const Caller& caller) {
    return newest(cache_.peek(key(caller, Resource::guilds)),
                  cache_.peek(key(caller, Resource::guilds_with_counts)), parts_.now());
}

std::optional<CacheEntry> SessionLookUps::known_member(const Caller& caller, Snowflake guild) {
    const auto own = key(caller, Resource::member, guild);
    if (!parts_.settings.has_bot) return cache_.peek(own);
    // What the bot saw for a session with fewer scopes.
    const auto by_bot = discord::key_for(caller.user, {}, Resource::member, guild);
    return newest(cache_.peek(own), cache_.peek(by_bot), parts_.now());
}

}  // namespace cordgate
