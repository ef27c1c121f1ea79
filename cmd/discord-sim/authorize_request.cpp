#include "cmd/discord-sim/authorize_request.hpp"

#include <algorithm>

#include "cmd/discord-sim/service.hpp"
#include "core/url.hpp"

namespace cordgate::sim {
namespace {

std::string quoted(const std::vector<std::string>& texts) {
    std::string list;
    for (const auto& text : texts) list += (list.empty() ? "\"" : ", \"") + text + "\"";
    return list.empty() ? "nothing" : list;
}

std::optional<Snowflake> read_id(const Query& query, std::string_view name) {
    return Snowflake::parse(query.get(name).value_or(""));
}

}  // namespace

std::variant<AuthorizeRequest, Refusal> read_authorize_request(const Call& call,
                                                               const Application& application) {
    const auto query = Query::parse(call.query);
    if (!query) return Refusal{"Invalid request", "The query is not well formed."};
    if (query->get("client_id") != application.client_id) {
        return Refusal{"Unknown Application",
                       "No application has this client_id. Is discord.client_id right?"};
    }
    const auto& registered = application.redirect_uris;
    AuthorizeRequest request;
    request.redirect_uri = query->get("redirect_uri")
                               .value_or(registered.empty() ? std::string() : registered.front());
    if (std::find(registered.begin(), registered.end(), request.redirect_uri) == registered.end()) {
        return Refusal{"Invalid OAuth2 redirect_uri",
                       "It has to equal a registered URI byte for byte. \"" + request.redirect_uri +
                           "\" came, " + quoted(registered) + " is registered."};
    }
    request.scopes = split_scopes(query->get("scope").value_or(""));
    const auto type = query->get("response_type");
    request.is_bare = !type && is_bare_install(request.scopes);
    if (type != "code" && !request.is_bare) {
        return Refusal{"Unsupported response_type",
                       "This simulator knows the authorization code grant only."};
    }
    request.state = query->get("state");
    request.nonce = query->get("nonce").value_or("");
    request.challenge = query->get("code_challenge").value_or("");
    request.challenge_method = query->get("code_challenge_method");
    request.prompt_none = query->get("prompt") == "none";
    request.guild = read_id(*query, "guild_id");
    request.channel = read_id(*query, "channel_id");
    request.only_this_guild = request.guild && query->get("disable_guild_select") == "true";
    request.permissions = read_id(*query, "permissions").value_or(Snowflake{}).value();
    return request;
}

}  // namespace cordgate::sim
