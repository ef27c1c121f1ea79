#include "proxy/freshness.hpp"

#include <algorithm>
#include <coroutine>

#include "core/discord/failure.hpp"
#include "proxy/access_log.hpp"
#include "proxy/io/event_loop.hpp"
#include "proxy/session_lookup.hpp"

namespace cordgate::proxy {
namespace {

using std::chrono::seconds;

/// A session that is asked for ahead of need is not asked for again for so long.
constexpr seconds ahead_pause{10};

Clock::rep ticks_of(TimePoint time) {
    return time.time_since_epoch().count();
}

KnownSession known(const LiveSession& live) {
    return {live.digest, live.session};
}

/// Behind the request's back: whoever comes first pays nothing.
void ask_ahead(Gate& gate, const LiveSession& live, TimePoint now) {
    auto asked = live.asked_ahead.load(std::memory_order_relaxed);
    const TimePoint last{TimePoint::duration(asked)};
    if (Span{last, last + ahead_pause}.holds(now)) return;
    if (!live.asked_ahead.compare_exchange_strong(asked, ticks_of(now))) return;
    gate.keeper.confirm(known(live), [](const Confirmation&) {});
}

/// What moves goes on from where the older snapshot is.
void inherit(const LiveSession& heir, const LiveSession& old) {
    heir.last_seen = std::max(heir.last_seen.load(), old.last_seen.load());
    heir.touched = std::max(heir.touched.load(), old.touched.load());
    heir.login_data_pending = old.login_data_pending.load();
}

LiveSessionPtr successor(const Gate& gate, const Confirmation& news, const LiveSession& old) {
    auto live =
        make_live(gate, news.known.session, old.digest, old.cached_at, {gate.now(), news.again_at});
    inherit(*live, old);
    return live;
}

/// Waits for the keeper, and resumes on this loop.
class Confirming {
public:
    Confirming(Gate& gate, const LiveSessionPtr& live) : gate_(gate), live_(live) {}
    Confirming(const Confirming&) = delete;
    Confirming& operator=(const Confirming&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller) {
        auto& loop = *EventLoop::current();
        gate_.keeper.confirm(known(*live_), [this, caller, &loop](const Confirmation& news) {
            state_ = news.state;
            if (state_ != Confirmation::State::ended) live_ = newest(news);
            loop.post([caller] { caller.resume(); });
        });
    }
    Confirmation::State await_resume() const noexcept { return state_; }
    const LiveSessionPtr& live() const { return live_; }

private:
    // Many may wait for the same news: the headers are rendered once.
    LiveSessionPtr newest(const Confirmation& news) const {
        auto cached = gate_.cache.find(live_->digest, SteadyClock::time_point::min());
        const bool has_news = cached && cached != live_;
        return has_news ? std::move(cached) : successor(gate_, news, *live_);
    }

    Gate& gate_;
    LiveSessionPtr live_;
    Confirmation::State state_ = Confirmation::State::stale;
};

Error unknown(const LiveSession& live, TimePoint now) {
    Error error{ErrorKind::unavailable, ErrorSource::discord,
                "Discord has not confirmed this session for too long"};
    if (live.pause.holds(now)) {
        error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(live.pause.until - now);
    }
    return error;
}

}  // namespace

bool is_unusable(const LiveSession& live, TimePoint now) {
    return now >= live.freshness.unusable_at;
}

std::optional<seconds> staleness(const Gate& gate, const LiveSession& live, TimePoint now) {
    const auto at = live.freshness.confirmed_at;
    if (at == TimePoint::max() || now - at <= gate.keeper.settings().guilds_max_age) {
        return std::nullopt;
    }
    return std::chrono::duration_cast<seconds>(now - at);
}

Task<Result<LiveSessionPtr>> confirm_session(Gate& gate, LiveSessionPtr live) {
    const auto now = gate.now();
    const auto& freshness = live->freshness;
    if (freshness.is_young(now)) co_return live;
    const bool is_paused = live->pause.holds(now);
    if (!is_paused && !freshness.is_due(now)) {
        ask_ahead(gate, *live, now);
        co_return live;
    }
    if (!is_paused) {
        Confirming confirming(gate, live);
        const auto state = co_await confirming;
        // What ended meanwhile is not in the cache, and does not come back.
        if (state == Confirmation::State::ended) co_return LiveSessionPtr{};
        live = gate.cache.put(confirming.live(), now);
        if (!live) co_return LiveSessionPtr{};
        if (state == Confirmation::State::fresh) co_return live;
    }
    if (is_unusable(*live, now)) co_return unknown(*live, gate.now());
    co_return live;
}

void take_up_confirmation(Gate& gate, const Confirmation& news) {
    const auto& [digest, session] = news.known;
    if (news.state == Confirmation::State::ended) {
        gate.cache.erase(digest);
        if (news.error) {
            log_info("session ended", "user_id=" + session.identity.user.id.to_string() +
                                          " session=" + session.handle + " because " +
                                          describe_error(*news.error));
        }
        return;
    }
    for (const auto* error : {&news.error, &news.not_renewed}) {
        if (!*error) continue;
        log_debug("confirm", "session=" + session.handle + " " + describe_error(**error));
    }
    const auto old = gate.cache.find(digest, SteadyClock::time_point::min());
    if (old) gate.cache.replace(successor(gate, news, *old), gate.now());
}

void ask_guilds_again(Gate& gate, const KnownSession& known, Snowflake guild) {
    const auto& settings = gate.keeper.settings();
    // Just too old: whoever comes next waits for Discord, and an outage now is like any other.
    const auto due = gate.now() - settings.guilds_max_age;
    gate.keeper.forget(known.session.identity.user.id);
    Confirmation marked{Confirmation::State::fresh, known, {}, {}};
    const auto changed = gate.sessions.change(known.digest, gate.now(), [&](Session& session) {
        auto& identity = session.identity;
        identity.guilds_at = std::min(identity.guilds_at, due);
        if (const auto it = identity.members.find(guild); it != identity.members.end()) {
            it->second.at = std::min(it->second.at, due);
        }
        marked.known.session = session;
        return true;
    });
    // Without the store's mark nobody would be asked; as ever, it is once the time has come.
    if (!changed || !*changed) return;
    const auto old = gate.cache.find(known.digest, SteadyClock::time_point::min());
    if (old) gate.cache.overwrite(successor(gate, marked, *old));
}

}  // namespace cordgate::proxy
