#include "proxy/own_pages.hpp"

#include <algorithm>
#include <initializer_list>

#include "core/ascii.hpp"
#include "core/cookie.hpp"
#include "core/discord/cdn.hpp"
#include "core/url.hpp"
#include "proxy/assets.hpp"
#include "proxy/discord_events.hpp"
#include "proxy/session_ends.hpp"
#include "proxy/session_lookup.hpp"
#include "proxy/visitor_documents.hpp"

namespace cordgate::proxy {
namespace {

/// The cookies of a login come back from Discord's site: Lax, whatever is set.
CookieAttributes login_cookie_attributes(const Gate& gate, const std::string& name) {
    auto attributes = cookie_attributes(gate, name);
    attributes.same_site = "Lax";
    return attributes;
}

std::string first_cookie(const http::RequestHead& head, std::string_view name) {
    for (const auto& field : head.fields) {
        if (field.known != http::FieldName::cookie) continue;
        const auto values = cookie_values(field.value, name);
        if (!values.empty()) return std::string(values.front());
    }
    return {};
}

std::optional<Query> parse_query(const http::RequestHead& head) {
    return Query::parse(head.query.empty() ? head.query : head.query.substr(1));
}

Reply method_not_allowed(const Exchange& exchange, std::string_view allowed) {
    auto out = reply::refusal(exchange.page_context(), 405);
    out.add("Allow", std::string(allowed));
    return out;
}

Reply not_signed_in(const Exchange& exchange) {
    const std::pair<std::string_view, std::string_view> extra[] = {
        {"reason",    "no_session"                      },
        {"login_url", exchange.gate.settings.paths.login},
    };
    auto out =
        reply::problem(401, problem_json(401, "unauthorized", "Not signed in",
                                         "There is no valid session with this request.", extra));
    out.add("WWW-Authenticate", "Cordgate");
    return out;
}

Reply missing_scope(std::string_view scope) {
    const std::pair<std::string_view, std::string_view> extra[] = {
        {"reason", "missing_scope"},
        {"scope",  scope          }
    };
    return reply::problem(403, problem_json(403, "missing_scope", "Scope missing",
                                            "The visitor did not grant this scope.", extra));
}

/// Whether the request comes from a page of this very site; a browser says so in
/// Origin or Sec-Fetch-Site, and other sites cannot make it say so.
bool is_same_origin(const Exchange& exchange) {
    bool named = false;
    for (const auto& field : exchange.head.fields) {
        if (field.known != http::FieldName::origin) continue;
        const auto origin = Origin::parse(field.value);
        if (!origin || *origin != exchange.gate.settings.server.public_url) return false;
        named = true;
    }
    return named || iequals(exchange.head.value("sec-fetch-site"), "same-origin");
}

/// Not "you may not": whoever is signed in, the page that asked is not ours.
Reply foreign_logout(const Exchange& exchange) {
    const Link here{Href::own(exchange.gate.settings.paths.logout), "Log out here"};
    return foreign_origin(exchange, "Only a page of this site can log you out.",
                          "If it was you, do it here.", here);
}

std::optional<Reply> limit_logins(const Exchange& exchange) {
    const auto wait = exchange.gate.logins.take(exchange.limit_key(), LoginLimiter::Clock::now());
    if (!wait) return std::nullopt;
    auto context = exchange.page_context();
    context.wait = *wait;
    auto out = reply::refusal(context, 429);
    out.add("Retry-After", std::to_string(wait->count()));
    return out;
}

// --- /login --------------------------------------------------------------------

/// On one machine "localhost" and "127.0.0.1" are two sites to a browser: a login
/// that began under the one could not end under the other, which is the registered
/// one. Sends such a visitor to the registered name first.
std::optional<std::string> registered_loopback(const Exchange& exchange) {
    const auto& ours = exchange.gate.settings.server.public_url;
    const auto asked = exchange.asked_origin();
    const bool another = asked && asked->is_loopback() && ours.is_loopback() &&
                         asked->host != ours.host && asked->port == ours.port && !ours.is_secure();
    if (!another) return std::nullopt;
    return ours.to_string() + std::string(exchange.head.path) + std::string(exchange.head.query);
}

/// Says which parameter of the address is wrong; LoginFlow names it first.
Reply bad_login_link(const Exchange& exchange, const Error& error) {
    const std::string_view what_happened =
        error.detail.starts_with("profile")
            ? "The address asks for a kind of login (its profile) that this site doesn't have."
        : error.detail.starts_with("data")
            ? "What the address carries along for the application (its data) is not JSON of at "
              "most 1024 bytes."
            : "The address you opened lacks something that a login needs, or has too much of it.";
    const auto title = title_of(LoginFailure::invalid_request);
    const auto context = exchange.page_context();
    if (context.accepts_html) {
        const Link plain{Href::own(exchange.gate.settings.paths.login), "Log in"};
        return reply::page(
            400, error_page(context, 400, "invalid_request", title, what_happened,
                            "Log in without it, or tell the people who made the link.", plain));
    }
    const std::pair<std::string_view, std::string_view> extra[] = {
        {"request_id", context.request_id}
    };
    return reply::problem(400, problem_json(400, "invalid_request", title, what_happened, extra));
}

Task<Reply> login(Exchange& exchange) {
    auto& gate = exchange.gate;
    const auto query = parse_query(exchange.head);
    if (!query) co_return reply::refusal(exchange.page_context(), 400);
    if (const auto canonical = registered_loopback(exchange)) {
        co_return reply::redirect(302, *canonical);
    }
    LoginRequest request;
    request.rd = query->get("rd");
    request.profile = query->get("profile");
    request.data = query->get("data");
    const bool switch_account = query->get("switch").has_value();
    const bool logged_out = !first_cookie(exchange.head, gate.logged_out_cookie).empty();
    request.consent_again = switch_account || logged_out;

    const auto session = co_await find_session(exchange);
    if (!session) co_return failed(exchange, session.error());
    if (*session && !switch_account && gate.login.satisfies((*session)->session, request.profile)) {
        const auto target =
            ReturnPath::parse(request.rd.value_or("/"), gate.login.settings().return_policy);
        co_return reply::redirect(302, target.value_or(ReturnPath::root()).str());
    }
    if (auto limited = limit_logins(exchange)) co_return std::move(*limited);

    auto browser = SessionToken::parse(first_cookie(exchange.head, gate.login_cookie));
    if (!browser) browser = SessionToken::make();
    const auto begun = co_await offload(
        gate.store_changes, [&] { return gate.login.begin(request, browser->secret().reveal()); });
    if (!begun) {
        const auto& error = begun.error();
        if (error.kind != ErrorKind::bad_request) co_return failed(exchange, error);
        exchange.record.error = describe_error(error);
        co_return bad_login_link(exchange, error);
    }
    ++gate.login_counts.begun;
    auto out = reply::redirect(302, begun->location);
    out.add("Set-Cookie", set_cookie(login_cookie_attributes(gate, gate.login_cookie),
                                     browser->secret().reveal(), PendingLogin::lifetime));
    co_return out;
}

// --- /callback -------------------------------------------------------------------

Reply login_failed(const Exchange& exchange, const FinishedLogin& finished) {
    const auto failure = *finished.failure;
    const auto status = status_of(failure);
    QueryBuilder again;
    again.add("rd", finished.return_to.str());
    const auto try_again = exchange.gate.settings.paths.login + "?" + again.str();
    auto context = exchange.page_context();
    context.wait = finished.error.retry_after;
    Reply out;
    if (context.accepts_html) {
        out = reply::page(status, login_failed_page(context, failure, Href::own(try_again)));
    } else {
        const std::pair<std::string_view, std::string_view> extra[] = {
            {"login_url", try_again}
        };
        out = reply::problem(status, problem_json(status, to_string(failure), title_of(failure),
                                                  "The login did not finish.", extra));
    }
    if (finished.error.retry_after) {
        const auto wait = std::chrono::ceil<std::chrono::seconds>(*finished.error.retry_after);
        out.add("Retry-After", std::to_string(wait.count()));
    }
    return out;
}

/// Somebody who reloads the address that Discord sent them to, and who is signed
/// in by that very login, wants to go where it led. Only a browser's own
/// navigation counts; for anything else a used state stays an error.
std::optional<std::string> reloaded_target(const Exchange& exchange, const LiveSessionPtr& session,
                                           std::string_view state) {
    if (!session || session->session.state_digest.empty() ||
        !iequals(exchange.head.value("sec-fetch-mode"), "navigate")) {
        return std::nullopt;
    }
    if (const auto token = SessionToken::parse(state);
        token && token->digest() == session->session.state_digest) {
        return session->session.return_to;
    }
    return std::nullopt;
}

/// Those of `user` that are too many now, but never the `newest` (a digest).
Task<void> end_oldest(Exchange& exchange, Snowflake user, std::string newest) {
    auto& gate = exchange.gate;
    if (gate.settings.session.max_per_user == 0) co_return;
    const auto ended = co_await offload(gate.store_changes,
                                        [&] { return end_oldest_sessions(gate, user, newest); });
    if (!ended) log_warn("login", "oldest session not ended: " + describe_error(ended.error()));
    if (ended && *ended > 0) {
        log_info("session.max_per_user",
                 "user_id=" + user.to_string() + " sessions ended: " + std::to_string(*ended));
    }
}

/// The session that this browser had before: a new login replaces it.
Task<void> end_previous(Exchange& exchange) {
    auto& gate = exchange.gate;
    SessionDigests digests(exchange);
    while (const auto candidate = digests.next()) {
        const std::string digest(*candidate);
        const auto ended =
            co_await offload(gate.store_changes, [&] { return gate.sessions.end(digest); });
        if (!ended)
            log_warn("login", "previous session not ended: " + describe_error(ended.error()));
        // Nothing was there: a mark for it would only be something to collect.
        if (!ended || *ended) gate.cache.erase(digest);
    }
}

Task<Reply> callback(Exchange& exchange) {
    auto& gate = exchange.gate;
    if (auto limited = limit_logins(exchange)) co_return std::move(*limited);

    CallbackRequest request;
    request.query = exchange.head.query.empty() ? "" : exchange.head.query.substr(1);
    request.browser = first_cookie(exchange.head, gate.login_cookie);
    request.client_address = exchange.client.address;
    request.user_agent = exchange.head.value("user-agent").substr(0, Session::max_user_agent);

    auto finish = [&]() -> Result<FinishedLogin> { return gate.login.finish(request); };
    auto answered = co_await offload(gate.discord_calls, finish);
    if (!answered) co_return failed(exchange, answered.error());
    auto& finished = *answered;
    if (finished.failure) {
        gate.login_counts.add(*finished.failure);
        exchange.record.error =
            std::string(to_string(*finished.failure)) + ": " + describe_error(finished.error);
        if (*finished.failure == LoginFailure::invalid_state) {
            const auto query = parse_query(exchange.head);
            const auto session = co_await find_session(exchange);
            if (query && session) {
                const auto state = query->get("state").value_or("");
                if (const auto target = reloaded_target(exchange, *session, state)) {
                    co_return reply::redirect(302, *target);
                }
            }
        }
        co_return login_failed(exchange, finished);
    }

    co_await end_previous(exchange);
    co_await end_oldest(exchange, finished.session->identity.user.id, finished.token->digest());
    exchange.record.user_id = finished.session->identity.user.id;
    log_info("login", "user_id=" + exchange.record.user_id->to_string() + " session=" +
                          finished.session->handle + " client=" + exchange.client.address);
    ++gate.login_counts.finished;
    for (const auto& warning : finished.warnings) log_warn("login", warning);
    for (auto& document : finished.documents) gate.keeper.cache().put(std::move(document));
    gate.cache.put(make_live(gate, std::move(*finished.session), finished.token->digest()),
                   gate.now());
    auto out = reply::redirect(302, finished.return_to.str());
    out.add("Set-Cookie",
            set_cookie(cookie_attributes(gate, gate.session_cookie),
                       finished.token->secret().reveal(), gate.settings.session.lifetime));
    if (!first_cookie(exchange.head, gate.logged_out_cookie).empty()) {
        out.add("Set-Cookie", clear_cookie(login_cookie_attributes(gate, gate.logged_out_cookie)));
    }
    co_return out;
}

// --- /logout ---------------------------------------------------------------------

ReturnPath return_path(const Exchange& exchange) {
    const auto query = parse_query(exchange.head);
    const auto rd = query ? query->get("rd") : std::nullopt;
    const auto path =
        ReturnPath::parse(rd.value_or("/"), exchange.gate.login.settings().return_policy);
    return path.value_or(ReturnPath::root());
}

/// Makes `out` a page with a form that posts to /logout. Browsers hold what a POST
/// redirects to against form-action as well: by way of /login that is Discord, and
/// `target` may lie on another allowed host.
void allow_logout_form(Reply& out, const Gate& gate, const ReturnPath& target) {
    std::vector<Origin> forms;
    for (const auto& url : {gate.settings.discord.authorize_url, target.str()}) {
        if (const auto parsed = HttpUrl::parse(url)) forms.push_back(parsed->origin);
    }
    out.has_form = true;
    out.csp = content_security_policy(forms);
}

Task<Reply> ask_to_log_out(Exchange& exchange) {
    const auto session = co_await find_session(exchange);
    if (!session) co_return failed(exchange, session.error());
    const auto context = exchange.page_context();
    const auto& paths = exchange.gate.settings.paths;
    if (!*session) {
        co_return reply::page(200, signed_out_page(context, Href::own(paths.login)));
    }
    const auto target = return_path(exchange);
    auto out = reply::page(200, logout_page(context, Href::own(paths.logout), target));
    allow_logout_form(out, exchange.gate, target);
    co_return out;
}

/// Ends the session in the store first: what is answered is durable.
Task<Reply> log_out(Exchange& exchange) {
    auto& gate = exchange.gate;
    if (!is_same_origin(exchange)) {
        exchange.record.error = "forbidden client: logout from another site";
        co_return foreign_logout(exchange);
    }
    SessionDigests digests(exchange);
    while (const auto candidate = digests.next()) {
        const std::string digest(*candidate);
        const auto now = gate.now();
        const auto session =
            co_await offload(gate.store_calls, [&] { return gate.sessions.find(digest, now); });
        // An unknown cookie costs a look-up, never a write.
        if (session && !*session) {
            const bool cached = gate.cache.find(digest, SteadyClock::time_point::min()) != nullptr;
            if (cached) gate.cache.erase(digest);
            continue;
        }
        const auto ended =
            co_await offload(gate.store_changes, [&] { return gate.sessions.end(digest); });
        if (!ended) co_return failed(exchange, ended.error());
        gate.cache.erase(digest);
        if (!session) continue;
        ++gate.login_counts.logouts;
        exchange.record.user_id = (*session)->identity.user.id;
        log_info("logout", "user_id=" + exchange.record.user_id->to_string() + " session=" +
                               (*session)->handle + " client=" + exchange.client.address);
        const auto revokes = co_await offload(
            gate.store_calls, [&]() -> Result<bool> { return is_to_be_revoked(gate, **session); });
        if (revokes && *revokes) revoke_soon(gate, **session);
    }
    auto out = reply::redirect(303, return_path(exchange).str());
    out.add("Set-Cookie", clear_cookie(cookie_attributes(gate, gate.session_cookie)));
    // Asks for consent at the next login: or Discord would sign in at once again.
    out.add("Set-Cookie", set_cookie(login_cookie_attributes(gate, gate.logged_out_cookie), "1",
                                     PendingLogin::lifetime));
    co_return out;
}

// --- below the prefix --------------------------------------------------------------

/// From Discord's own list, as the internal API tells it; while Discord cannot be asked,
/// from what the session knows.
Task<Reply> guilds_page(Exchange& exchange, const LiveSession& live) {
    auto& gate = exchange.gate;
    const auto known_json = public_guilds_json(live.session, gate.identity_headers);
    if (known_json == "null") co_return missing_scope("guilds");
    const auto place = gate.documents.enter(live.session.identity.user.id);
    if (!place) co_return reply::json(200, known_json);
    const KnownSession known{live.digest, live.session};
    auto json = co_await offload(gate.discord_calls, [&] { return guilds_of(gate, known); });
    if (!json) exchange.record.error = describe_error(json.error());
    co_return reply::json(200, json ? *json : known_json);
}

Task<Reply> connections_page(Exchange& exchange, const LiveSession& live) {
    auto& gate = exchange.gate;
    const auto& configured = gate.identity_headers.scopes;
    const bool is_told =
        std::find(configured.begin(), configured.end(), "connections") != configured.end();
    // An older grant may allow more than we ask for now.
    if (!is_told || !live.session.has_scope("connections")) co_return missing_scope("connections");
    const auto place = gate.documents.enter(live.session.identity.user.id);
    if (!place) {
        Error waiting{ErrorKind::unavailable, ErrorSource::gate,
                      "as many calls of this visitor's wait as may"};
        waiting.retry_after = std::chrono::seconds(1);
        co_return failed(exchange, waiting);
    }
    const KnownSession known{live.digest, live.session};
    auto json = co_await offload(gate.discord_calls, [&] { return connections_of(gate, known); });
    if (json) co_return reply::json(200, *json);
    co_return failed(exchange, json.error());
}

Task<Reply> visitor_page(Exchange& exchange, OwnPage page) {
    const auto& options = exchange.gate.identity_headers;
    const auto found = co_await find_fresh_session(exchange);
    if (!found) co_return failed(exchange, found.error());
    if (!*found) co_return not_signed_in(exchange);
    const auto& session = (*found)->session;
    exchange.record.user_id = session.identity.user.id;
    switch (page) {
        case OwnPage::me: co_return reply::json(200, public_profile_json(session, options));
        case OwnPage::guilds: co_return co_await guilds_page(exchange, **found);
        case OwnPage::connections: co_return co_await connections_page(exchange, **found);
        default:
            co_return reply::redirect(302,
                                      discord::avatar_url(session.identity.user, options.cdn_url));
    }
}

Reply asset_page(const Exchange& exchange) {
    const auto path = exchange.head.path;
    const auto* asset = find_asset(path.substr(path.rfind('/') + 1));
    if (!asset) return reply::refusal(exchange.page_context(), 404);
    Reply out;
    out.add("Cache-Control", std::string(asset_cache_control));
    out.add("ETag", std::string(asset->etag));
    if (exchange.head.value("if-none-match") == asset->etag) {
        out.status = 304;
        return out;
    }
    out.content_type = asset->content_type;
    out.body = asset->body;
    return out;
}

struct PageMethods {
    OwnPage page;
    std::string_view allowed;
};

constexpr PageMethods page_methods[] = {
    {OwnPage::login,          "GET, HEAD"      },
    {OwnPage::callback,       "GET"            },
    {OwnPage::logout,         "GET, HEAD, POST"},
    {OwnPage::me,             "GET, HEAD"      },
    {OwnPage::guilds,         "GET, HEAD"      },
    {OwnPage::connections,    "GET, HEAD"      },
    {OwnPage::avatar,         "GET, HEAD"      },
    {OwnPage::discord_events, "POST"           },
    {OwnPage::assets,         "GET, HEAD"      },
    {OwnPage::ping,           "GET, HEAD"      },
};

/// The methods of a page; nullopt for what is not there.
std::optional<std::string_view> allowed_methods(OwnPage page) {
    for (const auto& row : page_methods) {
        if (row.page == page) return row.allowed;
    }
    return std::nullopt;
}

bool is_listed(std::string_view list, std::string_view method) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (trim(list.substr(0, comma)) == method) return true;
        list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    }
    return false;
}

Task<Reply> make_reply(Exchange& exchange, OwnPage page) {
    const auto allowed = allowed_methods(page);
    const bool is_off =
        page == OwnPage::discord_events && exchange.gate.settings.discord.public_key.empty();
    if (!allowed || is_off) co_return reply::refusal(exchange.page_context(), 404);
    if (!is_listed(*allowed, exchange.head.method)) {
        co_return method_not_allowed(exchange, *allowed);
    }
    switch (page) {
        case OwnPage::login: co_return co_await login(exchange);
        case OwnPage::callback: co_return co_await callback(exchange);
        case OwnPage::logout:
            if (exchange.head.method == "POST") co_return co_await log_out(exchange);
            co_return co_await ask_to_log_out(exchange);
        case OwnPage::ping: co_return reply::text(200, "ok");
        case OwnPage::assets: co_return asset_page(exchange);
        case OwnPage::discord_events: co_return co_await receive_discord_event(exchange);
        default: co_return co_await visitor_page(exchange, page);
    }
}

}  // namespace

std::string login_location(const Exchange& exchange) {
    const auto& gate = exchange.gate;
    std::string target = std::string(exchange.head.path) + std::string(exchange.head.query);
    // One gate may serve several hosts: back to the one that was asked, where
    // login.allowed_redirect_hosts names it.
    const auto asked = exchange.asked_origin();
    if (asked && *asked != gate.settings.server.public_url) {
        const auto whole = asked->to_string() + target;
        if (ReturnPath::parse(whole, gate.login.settings().return_policy)) target = whole;
    }
    QueryBuilder query;
    query.add("rd", target);
    return gate.settings.paths.login + "?" + query.str();
}

Reply login_required(const Exchange& exchange) {
    if (is_navigation(exchange.head)) return reply::redirect(302, login_location(exchange));
    const auto location = login_location(exchange);
    const std::pair<std::string_view, std::string_view> extra[] = {
        {"reason",    "no_session"},
        {"login_url", location    },
    };
    auto out = reply::problem(401, problem_json(401, "unauthorized", "Log in first",
                                                "This needs a login with Discord.", extra));
    out.add("WWW-Authenticate", "Cordgate");
    return out;
}

Reply denied(Exchange& exchange, const Session& session, const Rule& rule, std::string_view scope) {
    const auto context = exchange.page_context();
    std::vector<std::string> lacks;
    // Whether the rest is missing nobody knows.
    if (!scope.empty()) {
        lacks = {"the scope " + std::string(scope) +
                 ", which this login was not given: log in again, with the same account"};
    } else if (rule.require) {
        lacks = missing(*rule.require, session.identity);
    }
    for (const auto& thing : lacks) {
        exchange.record.lacks += (exchange.record.lacks.empty() ? "" : "; ") + thing;
    }
    if (!context.accepts_html) {
        std::vector<std::pair<std::string_view, std::string_view>> extra;
        if (!scope.empty())
            extra = {
                {"reason", "missing_scope"},
                {"scope",  scope          }
            };
        return reply::problem(403, denied_json(lacks, extra));
    }

    const auto& user = session.identity.user;
    const auto& paths = exchange.gate.settings.paths;
    const auto again = login_location(exchange);
    std::optional<Href> login_again;
    if (!scope.empty()) login_again = Href::own(again);
    auto out = reply::page(
        403, denied_page(context, {user.display_name(), user.username}, lacks,
                         Href::own(again + "&switch=1"), Href::own(paths.logout), login_again));
    allow_logout_form(out, exchange.gate, ReturnPath::root());
    return out;
}

Reply foreign_origin(const Exchange& exchange, std::string_view what_happened,
                     std::string_view what_next, const std::optional<Link>& action) {
    constexpr std::string_view title = "That came from another site";
    const auto context = exchange.page_context();
    if (context.accepts_html) {
        return reply::page(
            403, error_page(context, 403, "forbidden", title, what_happened, what_next, action));
    }
    const std::pair<std::string_view, std::string_view> extra[] = {
        {"reason",     "foreign_origin"  },
        {"request_id", context.request_id}
    };
    return reply::problem(403, problem_json(403, "forbidden", title, what_happened, extra));
}

Task<void> answer_own_page(Exchange& exchange, OwnPage page) {
    exchange.record.rule = "own";
    auto answer = co_await make_reply(exchange, page);
    co_await send_reply(exchange, std::move(answer));
}

}  // namespace cordgate::proxy
