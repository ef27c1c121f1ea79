#include <algorithm>
#include <variant>

#include "cmd/discord-sim/page.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/url.hpp"

// The authorization endpoint: what the browser sees.

namespace cordgate::sim {
namespace {

constexpr const char* cookie_name = "discord_simulator_user";

Reply redirect(int status, std::string location) {
    Reply reply{status, "text/plain; charset=utf-8", "", {}};
    reply.headers = {
        {"Location",        std::move(location)},
        {"Cache-Control",   "no-store"         },
        {"Referrer-Policy", "no-referrer"      }
    };
    return reply;
}

// A registered URI keeps the query that it has (RFC 6749, 3.1.2). Spaces come
// back as "+", which a client must read as in a form (RFC 6749, appendix B).
Reply redirect_back(const AuthorizeRequest& request, QueryBuilder answer) {
    if (request.state) answer.add("state", *request.state);
    const auto separator = request.redirect_uri.find('?') == std::string::npos ? "?" : "&";
    auto text = answer.str();
    for (auto at = text.find("%20"); at != std::string::npos; at = text.find("%20", at)) {
        text.replace(at, 3, "+");
    }
    return redirect(302, request.redirect_uri + separator + text);
}

Reply redirect_error(const AuthorizeRequest& request, std::string_view error,
                     std::string_view words) {
    QueryBuilder answer;
    answer.add("error", error).add("error_description", words);
    return redirect_back(request, answer);
}

std::optional<Reply> check_pkce(const AuthorizeRequest& request) {
    if (request.challenge.empty() && !request.challenge_method) return std::nullopt;
    if (request.challenge_method != "S256") {
        return redirect_error(request, "invalid_request", "Unsupported \"code_challenge_method\"");
    }
    if (request.challenge.size() == 43) return std::nullopt;
    return redirect_error(request, "invalid_request", "Invalid \"code_challenge\"");
}

std::optional<Snowflake> user_of_browser(std::string_view cookies) {
    const auto name = std::string(cookie_name) + "=";
    const auto start = cookies.find(name);
    if (start == std::string_view::npos) return std::nullopt;
    cookies.remove_prefix(start + name.size());
    return Snowflake::parse(cookies.substr(0, cookies.find(';')));
}

std::string origin_of(const std::string& uri) {
    const auto parsed = HttpUrl::parse(uri);
    return parsed ? parsed->origin.to_string() : uri;
}

Reply deny(const AuthorizeRequest& request) {
    return redirect_error(request, "access_denied",
                          "The resource owner or authorization server denied the request");
}

Reply invalid_scope(const AuthorizeRequest& request) {
    return redirect_error(request, "invalid_scope",
                          "The requested scope is invalid, unknown, or malformed.");
}

// The boxes that are still ticked.
Scopes ticked(const Scopes& asked, const Query& form) {
    if (!form.get("edited")) return asked;
    Scopes kept;
    for (const auto& scope : asked) {
        if (form.get("scope:" + scope)) kept.push_back(scope);
    }
    return kept;
}

}  // namespace

// Discord shows a page of its own where the redirect_uri cannot be trusted.
std::variant<AuthorizeRequest, Reply> Service::read_request(const Call& call) const {
    auto read = read_authorize_request(call, application);
    if (auto* const request = std::get_if<AuthorizeRequest>(&read)) return std::move(*request);
    const auto& refusal = std::get<Refusal>(read);
    log(std::string(refusal.what) + ": " + refusal.why);
    return error_page(400, refusal.what, refusal.why);
}

// Whoever may manage a server may add something to it.
bool Service::may_add_to(Snowflake guild_id, Snowflake user) const {
    constexpr std::uint64_t manage_guild = 1ULL << 5;
    const auto guild = world_.guild(guild_id);
    const auto membership = world_.member(user, guild_id);
    return guild && membership && (permissions_of(*guild, user, *membership) & manage_guild) != 0;
}

Choice Service::automatic_choice(const AuthorizeRequest& request) const {
    Choice choice{.user = consent.user, .scopes = request.scopes, .guild = consent.guild};
    if (consent.scopes) {
        std::erase_if(choice.scopes,
                      [&](const auto& scope) { return !has_scope(*consent.scopes, scope); });
    }
    if (!choice.guild) choice.guild = request.guild;
    for (const auto& [guild, membership] : world_.guilds_of(consent.user)) {
        if (!choice.guild && may_add_to(guild.id, consent.user)) choice.guild = guild.id;
    }
    return choice;
}

// A server cannot be chosen for somebody who may not manage it, and no other
// than the one asked for when that was fixed.
std::optional<Reply> Service::refuse_guild(const AuthorizeRequest& request,
                                           const Choice& choice) const {
    if (!choice.guild || !may_add_to(*choice.guild, choice.user)) {
        return error_page(403, "No such server",
                          "This account may not add anything to the chosen server.");
    }
    if (!request.only_this_guild || choice.guild == request.guild) return std::nullopt;
    return error_page(400, "Another server", "disable_guild_select was asked for.");
}

Reply Service::approve(const AuthorizeRequest& request, Choice choice) {
    if (!are_open(request.scopes) || choice.scopes.empty()) return invalid_scope(request);
    const bool has_role_connections = has_scope(request.scopes, "role_connections.write");
    if (has_role_connections && !settings.pkce_with_role_connections &&
        !request.challenge.empty()) {
        return invalid_scope(request);
    }
    if (!has_passthrough(choice.scopes)) {
        choice.guild.reset();
    } else if (auto refused = refuse_guild(request, choice)) {
        return std::move(*refused);
    }
    const bool adds_bot = has_scope(choice.scopes, "bot");
    if (adds_bot) {
        world_.change_guild(*choice.guild, [&](Guild& guild) {
            guild.has_bot = true;
            guild.bot_permissions = guild.everyone | request.permissions;
        });
    }
    announce_authorized(choice.user, choice.scopes, choice.guild);
    if (request.is_bare) return error_page(200, "Authorized", "You may close this window now.");

    QueryBuilder answer;
    const Extras extras{.guild = choice.guild, .channel = request.channel, .nonce = request.nonce};
    answer.add("code", grants.issue_code({.user = choice.user,
                                          .scopes = choice.scopes,
                                          .redirect_uri = request.redirect_uri,
                                          .challenge = request.challenge,
                                          .expires = now() + settings.tokens.code_lifetime,
                                          .extras = extras}));
    if (adds_bot) {
        answer.add("guild_id", choice.guild->to_string());
        answer.add("permissions", std::to_string(request.permissions));
    }
    return redirect_back(request, answer);
}

Reply Service::to_authorize_page(const Call& call, const Parameters&, const Caller&) {
    return redirect(302, "/oauth2/authorize?" + call.query);
}

Reply Service::show_consent(const Call& call, const Parameters&, const Caller&) {
    auto read = read_request(call);
    if (auto* const page = std::get_if<Reply>(&read)) return std::move(*page);
    const auto& request = std::get<AuthorizeRequest>(read);
    if (auto error = check_pkce(request)) return std::move(*error);

    if (consent.mode == AutoConsent::Mode::deny) return deny(request);
    if (consent.mode == AutoConsent::Mode::approve) {
        return approve(request, automatic_choice(request));
    }
    const auto user = user_of_browser(call.cookie);
    const bool known = user && world_.user(*user);
    const bool may_skip = request.prompt_none && !has_passthrough(request.scopes);
    if (known && may_skip && grants.granted(*user, request.scopes)) {
        return approve(request, {.user = *user, .scopes = request.scopes});
    }
    auto guilds = has_passthrough(request.scopes) ? world_.guilds() : std::vector<Guild>();
    if (request.only_this_guild) {
        std::erase_if(guilds, [&](const Guild& guild) { return guild.id != request.guild; });
    }
    return consent_page({.application = application.name,
                         .scopes = request.scopes,
                         .back_to = origin_of(request.redirect_uri),
                         .action = "/oauth2/authorize?" + call.query,
                         .may_edit_scopes = settings.edit_scopes,
                         .guilds = std::move(guilds),
                         .chosen_guild = request.guild,
                         .users = world_.users(),
                         .chosen = known ? *user : Snowflake{}});
}

Reply Service::take_consent(const Call& call, const Parameters&, const Caller&) {
    auto read = read_request(call);
    if (auto* const page = std::get_if<Reply>(&read)) return std::move(*page);
    const auto& request = std::get<AuthorizeRequest>(read);
    if (auto error = check_pkce(request)) return std::move(*error);

    const auto form = Query::parse(call.body).value_or(Query{});
    const auto decision = form.get("decision");
    if (decision == "cancel") return deny(request);
    const auto user = Snowflake::parse(form.get("user").value_or(""));
    if (decision != "authorize" || !user || !world_.user(*user)) {
        return error_page(400, "Nobody was chosen", "Go back and choose who you are.");
    }
    auto reply = approve(request, {.user = *user,
                                   .scopes = ticked(request.scopes, form),
                                   .guild = Snowflake::parse(form.get("guild").value_or(""))});
    reply.headers.emplace_back("Set-Cookie", std::string(cookie_name) + "=" + user->to_string() +
                                                 "; Path=/oauth2/authorize; HttpOnly; "
                                                 "SameSite=Lax");
    return reply;
}

}  // namespace cordgate::sim
