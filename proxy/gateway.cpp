#include "proxy/gateway.hpp"

#include <algorithm>

#include "core/ascii.hpp"
#include "core/path.hpp"
#include "core/url.hpp"
#include "proxy/own_pages.hpp"
#include "proxy/session_lookup.hpp"
#include "proxy/upstream_exchange.hpp"

namespace cordgate::proxy {
namespace {

int status_of(NoRoute why) {
    switch (why) {
        case NoRoute::ambiguous: return 400;
        case NoRoute::no_host: return 421;
        case NoRoute::no_path: return 404;
    }
    return 404;
}

Task<void> refuse(Exchange& exchange, int status, std::string_view why) {
    exchange.record.error = why;
    auto out = reply::refusal(exchange.page_context(), status);
    out.close = status == 400;
    if (status == 503) out.add("Retry-After", reply::usual_wait);
    return send_reply(exchange, std::move(out));
}

/// A page of another site must not open a WebSocket with this visitor's cookie:
/// browsers send it along and do not ask (RFC 6455, 10.2; CWE-1385).
bool is_foreign_upgrade(const Exchange& exchange) {
    if (!exchange.head.wants_upgrade()) return false;
    const auto asked = exchange.asked_origin();
    for (const auto& field : exchange.head.fields) {
        if (field.known != http::FieldName::origin) continue;
        const auto origin = Origin::parse(field.value);
        if (!origin) return true;
        if (*origin != exchange.gate.settings.server.public_url && origin != asked) return true;
    }
    return false;
}

/// OPTIONS that is about us: "*", or as far as this hop (RFC 9110, 7.6.2).
bool is_own_options(const http::RequestHead& head) {
    return head.method == "OPTIONS" && (head.path == "*" || head.value("max-forwards") == "0");
}

Task<void> answer_options(Exchange& exchange) {
    Reply out;
    out.status = 204;
    out.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    return send_reply(exchange, std::move(out));
}

/// Whether the rule wants to know who asks.
bool asks_who(const Rule& rule) {
    return rule.access != Access::everyone || rule.require;
}

/// Nobody can tell whether the rule is met: not now, or not with what this login was granted.
Task<void> answer_unknown(Exchange& exchange, const Rule& rule, const Session& session) {
    const auto& settings = exchange.gate.keeper.settings();
    const auto& looked_up = settings.member_guilds;
    const Askable askable{session.has_scope("guilds"), [&](Snowflake guild) {
                              const auto end = looked_up.end();
                              return asks_members(session, settings) &&
                                     std::find(looked_up.begin(), end, guild) != end;
                          }};
    const auto scope = ungranted_scope(*rule.require, session.identity, askable);
    if (scope.empty()) return refuse(exchange, 503, "Discord has not said whether this is allowed");
    exchange.record.verdict = to_string(Verdict::forbidden);
    return send_reply(exchange, denied(exchange, session, rule, scope));
}

/// The first request of a login that brought data along.
Task<void> forward_after_login(Exchange& exchange, Route route, LiveSessionPtr live) {
    exchange.tells_login_data = co_await take_login_data(exchange.gate, *live);
    co_await forward(exchange, route, std::move(live));
}

/// Does what the rule says of this visitor; `live` is null for somebody not signed in.
Task<void> answer_visitor(Exchange& exchange, const Route& route, LiveSessionPtr live) {
    const auto& rule = exchange.gate.settings.rules.at(route.rule);
    if (live) exchange.record.user_id = live->session.identity.user.id;
    const auto verdict = judge(rule, live ? &live->session.identity : nullptr);
    exchange.record.verdict = to_string(verdict);

    switch (verdict) {
        case Verdict::login_required: return send_reply(exchange, login_required(exchange));
        case Verdict::forbidden: return send_reply(exchange, denied(exchange, live->session, rule));
        case Verdict::unknown: return answer_unknown(exchange, rule, live->session);
        case Verdict::allow:
            if (is_foreign_upgrade(exchange)) {
                exchange.record.error = "upgrade from another origin";
                return send_reply(exchange, foreign_origin(exchange,
                                                           "A page of another site tried to open a "
                                                           "connection in your name.",
                                                           "Open the page of this site instead."));
            }
            break;
        case Verdict::anonymous: break;
    }
    if (verdict != Verdict::allow) live.reset();  // known or not, the rule does not name them
    if (live) exchange.others.enter(exchange, live->digest, rule);
    if (live && live->login_data_pending) return forward_after_login(exchange, route, live);
    return forward(exchange, route, std::move(live));
}

/// The same once the store, or Discord, has told who it is.
Task<void> look_up_and_answer(Exchange& exchange, Route route) {
    auto found = co_await find_fresh_session(exchange);
    if (!found) {
        co_return co_await send_reply(exchange, failed(exchange, found.error()));
    }
    co_await answer_visitor(exchange, route, std::move(*found));
}

}  // namespace

/// No coroutine, but for what has to wait: most requests are answered without.
Task<void> answer_request(Exchange& exchange) {
    const auto& gate = exchange.gate;
    const auto& head = exchange.head;
    if (is_own_options(head)) return answer_options(exchange);

    auto& path = exchange.workspace.path;
    if (const auto read = path.assign(head.path); !read) {
        return refuse(exchange, 400, read.error().detail);
    }
    const auto match = gate.routes.match(exchange.client.host, path, head.method);
    if (!match.route) return refuse(exchange, status_of(match.why), "no route");
    if (match.route->own_page) return answer_own_page(exchange, *match.route->own_page);

    const auto& rule = gate.settings.rules.at(match.route->rule);
    exchange.record.rule = rule.name;
    const auto limit = gate.settings.server.limits.body_bytes;
    if (limit > 0 && head.content_length > limit) {
        return refuse(exchange, 413, "body larger than allowed");
    }
    if (!asks_who(rule)) return answer_visitor(exchange, *match.route, nullptr);
    auto live = find_cached_session(exchange);
    if (!live) return look_up_and_answer(exchange, *match.route);
    return answer_visitor(exchange, *match.route, std::move(live));
}

}  // namespace cordgate::proxy
