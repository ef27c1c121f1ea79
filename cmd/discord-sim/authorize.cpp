#include <algorithm>
#include <variant>

#include "cmd/discord-sim/page.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/url.hpp"

// The authorization endpoint: what the browser sees.

namespace cordgate::sim {
namespace {

constexpr const char* cookie_name = "discord_simulator_user";

// Scopes that everybody may ask for. The others exist only for partners, or not
// at all, and end in invalid_scope after the user agreed.
constexpr std::string_view open_scopes[] = {"identify",
                                            "email",
                                            "openid",
                                            "connections",
                                            "guilds",
                                            "guilds.members.read",
                                            "guilds.join",
                                            "gdm.join",
                                            "role_connections.write",
                                            "bot",
                                            "applications.commands",
                                            "applications.commands.permissions.update",
                                            "applications.builds.read",
                                            "applications.entitlements",
                                            "applications.store.update",
                                            "webhook.incoming",
                                            "messages.read"};

bool is_open(const std::string& scope) {
    return std::find(std::begin(open_scopes), std::end(open_scopes), scope) !=
           std::end(open_scopes);
}

/// An authorization request that may be answered by a redirect.
struct Request {
    Scopes scopes{};
    std::string redirect_uri{};
    std::string challenge{};
    std::optional<std::string> challenge_method{};
    std::optional<std::string> state{};
    bool prompt_none = false;
};

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
Reply redirect_back(const Request& request, QueryBuilder answer) {
    if (request.state) answer.add("state", *request.state);
    const auto separator = request.redirect_uri.find('?') == std::string::npos ? "?" : "&";
    auto text = answer.str();
    for (auto at = text.find("%20"); at != std::string::npos; at = text.find("%20", at)) {
        text.replace(at, 3, "+");
    }
    return redirect(302, request.redirect_uri + separator + text);
}

Reply redirect_error(const Request& request, std::string_view error, std::string_view words) {
    QueryBuilder answer;
    answer.add("error", error).add("error_description", words);
    return redirect_back(request, answer);
}

// Discord shows a page of its own where the redirect_uri cannot be trusted.
std::variant<Request, Reply> read_request(const Call& call, const Application& application) {
    const auto query = Query::parse(call.query);
    if (!query) return error_page(400, "Invalid request", "The query is not well formed.");
    const auto client = query->get("client_id");
    if (!client || *client != application.client_id) {
        return error_page(400, "Unknown Application",
                          "No application has this client_id. Is discord.client_id right?");
    }
    const auto& registered = application.redirect_uris;
    Request request;
    request.redirect_uri = query->get("redirect_uri")
                               .value_or(registered.empty() ? std::string() : registered.front());
    if (std::find(registered.begin(), registered.end(), request.redirect_uri) == registered.end()) {
        return error_page(400, "Invalid OAuth2 redirect_uri",
                          "It has to equal a registered URI byte for byte.");
    }
    if (query->get("response_type") != "code") {
        return error_page(400, "Unsupported response_type",
                          "This simulator knows the authorization code grant only.");
    }
    request.scopes = split_scopes(query->get("scope").value_or(""));
    request.state = query->get("state");
    request.challenge = query->get("code_challenge").value_or("");
    request.challenge_method = query->get("code_challenge_method");
    request.prompt_none = query->get("prompt") == "none";
    return request;
}

std::optional<Reply> check_pkce(const Request& request) {
    if (request.challenge.empty() && !request.challenge_method) return std::nullopt;
    if (request.challenge_method != "S256") {
        return redirect_error(request, "invalid_request", "Unsupported \"code_challenge_method\"");
    }
    if (request.challenge.size() == 43) return std::nullopt;
    return redirect_error(request, "invalid_request", "Invalid \"code_challenge\"");
}

// Adding something to a guild is asked every time.
bool has_passthrough(const Scopes& scopes) {
    return has_scope(scopes, "bot") || has_scope(scopes, "webhook.incoming");
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

Reply deny(const Request& request) {
    return redirect_error(request, "access_denied",
                          "The resource owner or authorization server denied the request");
}

Reply approve(const Request& request, Snowflake user, Grants& grants, TimePoint expires) {
    const bool allowed = !request.scopes.empty() &&
                         std::all_of(request.scopes.begin(), request.scopes.end(), is_open);
    if (!allowed) {
        return redirect_error(request, "invalid_scope",
                              "The requested scope is invalid, unknown, or malformed.");
    }
    QueryBuilder answer;
    answer.add("code", grants.issue_code({.user = user,
                                          .scopes = request.scopes,
                                          .redirect_uri = request.redirect_uri,
                                          .challenge = request.challenge,
                                          .expires = expires}));
    return redirect_back(request, answer);
}

}  // namespace

Reply Service::to_authorize_page(const Call& call, const Parameters&, const Caller&) {
    return redirect(302, "/oauth2/authorize?" + call.query);
}

Reply Service::show_consent(const Call& call, const Parameters&, const Caller&) {
    auto read = read_request(call, application);
    if (auto* const page = std::get_if<Reply>(&read)) return std::move(*page);
    const auto& request = std::get<Request>(read);
    if (auto error = check_pkce(request)) return std::move(*error);

    const auto code_expires = now() + settings.tokens.code_lifetime;
    if (consent.mode == AutoConsent::Mode::deny) return deny(request);
    if (consent.mode == AutoConsent::Mode::approve) {
        return approve(request, consent.user, grants, code_expires);
    }
    const auto user = user_of_browser(call.cookie);
    const bool known = user && world_.user(*user);
    const bool may_skip = request.prompt_none && !has_passthrough(request.scopes);
    if (known && may_skip && grants.granted(*user, request.scopes)) {
        return approve(request, *user, grants, code_expires);
    }
    return consent_page({.application = application.name,
                         .scopes = request.scopes,
                         .back_to = origin_of(request.redirect_uri),
                         .query = call.query,
                         .users = world_.users(),
                         .chosen = known ? *user : Snowflake{}});
}

Reply Service::take_consent(const Call& call, const Parameters&, const Caller&) {
    auto read = read_request(call, application);
    if (auto* const page = std::get_if<Reply>(&read)) return std::move(*page);
    const auto& request = std::get<Request>(read);
    if (auto error = check_pkce(request)) return std::move(*error);

    const auto form = Query::parse(call.body).value_or(Query{});
    const auto decision = form.get("decision");
    if (decision == "cancel") return deny(request);
    const auto user = Snowflake::parse(form.get("user").value_or(""));
    if (decision != "authorize" || !user || !world_.user(*user)) {
        return error_page(400, "Nobody was chosen", "Go back and choose who you are.");
    }
    auto reply = approve(request, *user, grants, now() + settings.tokens.code_lifetime);
    reply.headers.emplace_back("Set-Cookie", std::string(cookie_name) + "=" + user->to_string() +
                                                 "; Path=/oauth2/authorize; HttpOnly; "
                                                 "SameSite=Lax");
    return reply;
}

}  // namespace cordgate::sim
