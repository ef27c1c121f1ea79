#include "core/discord/calls.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "core/discord/failure.hpp"
#include "core/discord/json.hpp"

namespace cordgate::discord {
namespace {

constexpr std::size_t guilds_per_page = 200;

// The body of a 200, which must be a document.
Result<std::string> document(Api& api, const Request& request) {
    auto reply = api.request(request);
    if (!reply) return reply.error();
    if (reply->status != 200 || reply->body.empty()) {
        return Error{ErrorKind::malformed_reply, ErrorSource::discord,
                     request.route.shape() + ": status " + std::to_string(reply->status)};
    }
    return std::move(reply->body);
}

template <class T>
Result<Fetched<T>> read(Result<std::string> json, Result<T> (*parse)(std::string_view)) {
    if (!json) return json.error();
    auto value = parse(*json);
    if (!value) return value.error();
    return Fetched<T>{*std::move(value), *std::move(json)};
}

template <class T>
Result<T> read_value(const Result<std::string>& json, Result<T> (*parse)(std::string_view)) {
    if (!json) return json.error();
    return parse(*json);
}

Result<std::optional<Fetched<Member>>> read_member(Result<std::string> json,
                                                   std::initializer_list<long long> absent) {
    if (!json) {
        const Error& error = json.error();
        const bool is_absent =
            error.kind == ErrorKind::not_found && error.refusal &&
            std::find(absent.begin(), absent.end(), error.refusal->code) != absent.end();
        if (is_absent) return std::optional<Fetched<Member>>();
        return error;
    }
    auto member = read(std::move(json), parse_member);
    if (!member) return member.error();
    return std::optional(*std::move(member));
}

Route guild_member(Snowflake guild, Snowflake user) {
    return Route::known("/guilds/" + guild.to_string() + "/members/" + user.to_string());
}

}  // namespace

Result<Authorization> fetch_authorization(Api& api, const Secret& access_token) {
    const auto request = Request::by_user(access_token, Route::known("/oauth2/@me"));
    return read_value(document(api, request), parse_authorization);
}

Result<Fetched<User>> fetch_user(Api& api, const Secret& access_token) {
    const auto request = Request::by_user(access_token, Route::known("/users/@me"));
    return read(document(api, request), parse_user);
}

Result<Fetched<std::vector<Guild>>> fetch_guilds(Api& api, const Secret& access_token,
                                                 bool with_counts) {
    auto request = Request::by_user(access_token, Route::known("/users/@me/guilds"));
    if (with_counts) request.query = "with_counts=true";
    return read(document(api, request), parse_guilds);
}

Result<std::optional<Fetched<Member>>> fetch_member(Api& api, const Secret& access_token,
                                                    Snowflake guild) {
    const auto route = Route::known("/users/@me/guilds/" + guild.to_string() + "/member");
    return read_member(document(api, Request::by_user(access_token, route)), {10004, 10007});
}

Result<Fetched<std::vector<UserConnection>>> fetch_connections(Api& api,
                                                               const Secret& access_token) {
    const auto request = Request::by_user(access_token, Route::known("/users/@me/connections"));
    return read(document(api, request), parse_connections);
}

Result<std::optional<Fetched<Member>>> fetch_member_as_bot(Api& api, Snowflake guild,
                                                           Snowflake user) {
    const auto request = Request::by_bot(guild_member(guild, user));
    return read_member(document(api, request), {10007, 10013});
}

Result<Application> fetch_application(Api& api) {
    const auto request = Request::by_bot(Route::known("/oauth2/applications/@me"));
    return read_value(document(api, request), parse_application);
}

Result<std::vector<Guild>> fetch_guilds_as_bot(Api& api, std::size_t most) {
    std::vector<Guild> guilds;
    while (guilds.size() < most) {
        auto request = Request::by_bot(Route::known("/users/@me/guilds"));
        request.query = "limit=" + std::to_string(guilds_per_page);
        if (!guilds.empty()) request.query += "&after=" + guilds.back().id.to_string();
        auto page = read_value(document(api, request), parse_guilds);
        if (!page) return page.error();
        // A page that does not go on would be asked for again and again.
        const bool goes_on =
            guilds.empty() || (!page->empty() && page->back().id > guilds.back().id);
        const bool is_last = page->size() < guilds_per_page || !goes_on;
        if (goes_on) std::move(page->begin(), page->end(), std::back_inserter(guilds));
        if (is_last) break;
    }
    if (guilds.size() > most) guilds.resize(most);
    return guilds;
}

Result<Joined> join_guild(Api& api, const Secret& access_token, Snowflake user, Snowflake guild,
                          const JoinOptions& options) {
    auto request = Request::by_bot(guild_member(guild, user));
    request.method = "PUT";
    request.body = join_body(access_token.reveal(), options);
    auto reply = api.request(request);
    if (!reply) return reply.error();
    if (reply->status == 204) return Joined{};
    if (reply->status == 201 && !reply->body.empty()) return Joined{true, std::move(reply->body)};
    return Error{ErrorKind::malformed_reply, ErrorSource::discord,
                 request.route.shape() + ": status " + std::to_string(reply->status)};
}

}  // namespace cordgate::discord
