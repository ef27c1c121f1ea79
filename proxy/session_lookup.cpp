#include "proxy/session_lookup.hpp"

#include <algorithm>
#include <utility>

#include "core/ascii.hpp"
#include "core/cookie.hpp"
#include "proxy/freshness.hpp"

namespace cordgate::proxy {
namespace {

using std::chrono::seconds;

/// How long a snapshot serves before the store is asked again.
constexpr seconds entry_age{30};

// An entry serves for long only while every end of a session reaches us.
SteadyClock::time_point oldest_entry(const Gate& gate) {
    const auto now = EventLoop::current()->now();
    if (!gate.events) return now - entry_age;
    const auto since = gate.events->heard_since(now);
    return since ? std::max(*since, now - entry_age) : now - SessionEvents::unheard_age;
}

}  // namespace

bool has_expired(const Gate& gate, const LiveSession& live, TimePoint now) {
    if (now >= live.session.expires_at) return true;
    const auto idle = gate.settings.session.idle_timeout;
    const TimePoint seen{TimePoint::duration(live.last_seen.load(std::memory_order_relaxed))};
    return idle > seconds::zero() && now - seen >= idle;
}

bool note_use(Gate& gate, const LiveSession& live, TimePoint now) {
    const auto ticks = now.time_since_epoch().count();
    live.last_seen.store(ticks, std::memory_order_relaxed);
    const auto idle = gate.settings.session.idle_timeout;
    const auto interval = idle > seconds::zero() ? std::min(seconds(60), idle / 10) : seconds(300);
    auto told = live.touched.load(std::memory_order_relaxed);
    const auto due = std::chrono::duration_cast<TimePoint::duration>(interval).count();
    if (ticks - told < due || !live.touched.compare_exchange_strong(told, ticks)) {
        return false;
    }
    gate.uses.tell(live.digest, now);
    return true;
}

std::optional<std::string_view> SessionDigests::next() {
    for (;;) {
        while (const auto value = next_cookie_value(rest_, name_)) {
            if (found_ == max_candidates) return std::nullopt;
            const auto digest = recent_.digest_of(*value);
            if (!digest) continue;
            ++found_;
            return digest;
        }
        while (field_ < head_.fields.size() &&
               head_.fields[field_].known != http::FieldName::cookie) {
            ++field_;
        }
        if (field_ == head_.fields.size()) return std::nullopt;
        rest_ = head_.fields[field_++].value;
    }
}

LiveSessionPtr make_live(const Gate& gate, Session session, std::string digest,
                         SteadyClock::time_point read_at, Span pause) {
    auto live = std::make_shared<LiveSession>();
    live->pause = pause;
    forget_untold(session, gate.keeper.settings());
    live->headers = render_identity_headers(session, gate.identity_headers);
    live->cached_at = read_at;
    const auto seen = session.last_seen_at.time_since_epoch();
    live->last_seen = std::chrono::duration_cast<TimePoint::duration>(seen).count();
    live->touched = live->last_seen.load();
    live->login_data_pending = !session.login_data.empty() && !session.login_data_told;
    live->digest = std::move(digest);
    live->freshness = freshness_of(session, gate.keeper.settings());
    live->session = std::move(session);
    return live;
}

LiveSessionPtr find_cached_session(Exchange& exchange) {
    auto& gate = exchange.gate;
    const auto digest = SessionDigests(exchange).next();
    auto live = digest ? gate.cache.find(*digest, oldest_entry(gate)) : nullptr;
    if (!live) return nullptr;
    const auto now = gate.now();
    if (!live->freshness.is_young(now) || has_expired(gate, *live, now)) return nullptr;
    if (note_use(gate, *live, now)) note_move(exchange, *live);
    return live;
}

Task<Result<LiveSessionPtr>> find_session(Exchange& exchange) {
    auto& gate = exchange.gate;
    SessionDigests digests(exchange);
    while (const auto candidate = digests.next()) {
        const std::string digest(*candidate);
        const auto now = gate.now();
        auto live = gate.cache.find(digest, oldest_entry(gate));
        // Another replica may have seen it used; what is over the store forgets for good.
        const bool is_over = live && has_expired(gate, *live, now);
        if (!live || is_over) {
            const auto asked = SteadyClock::now();
            auto found =
                co_await offload(gate.store_calls, [&] { return gate.sessions.find(digest, now); });
            if (!found) co_return found.error();
            if (!*found && is_over) gate.cache.erase(digest);
            if (!*found) continue;
            live = gate.cache.put(make_live(gate, std::move(**found), digest, asked), now);
            if (!live) continue;  // it ended while it was read
        }
        if (note_use(gate, *live, now)) note_move(exchange, *live);
        co_return live;
    }
    co_return LiveSessionPtr{};
}

Task<bool> take_login_data(Gate& gate, const LiveSession& live) {
    if (!live.login_data_pending.exchange(false)) co_return false;
    const auto take = [&] {
        return gate.sessions.change(live.digest, gate.now(), [](Session& session) {
            return !std::exchange(session.login_data_told, true);
        });
    };
    const auto taken = co_await offload(gate.store_changes, take);
    if (taken) co_return *taken;
    log_warn("login data", describe_error(taken.error()));
    live.login_data_pending = true;  // the next request tells it
    co_return false;
}

Task<Result<LiveSessionPtr>> find_fresh_session(Exchange& exchange) {
    auto found = co_await find_session(exchange);
    if (!found || !*found) co_return found;
    auto confirmed = co_await confirm_session(exchange.gate, std::move(*found));
    if (confirmed && *confirmed) {
        exchange.stale = staleness(exchange.gate, **confirmed, exchange.gate.now());
    }
    co_return confirmed;
}

}  // namespace cordgate::proxy
