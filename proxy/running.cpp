#include "proxy/running.hpp"

#include <algorithm>
#include <utility>

#include "proxy/exchange.hpp"
#include "proxy/freshness.hpp"
#include "proxy/session_lookup.hpp"

namespace cordgate::proxy {
namespace {

using namespace std::chrono_literals;

constexpr auto look_every = 900ms;  // what expires is to be cut within a second
/// How long a snapshot serves here: ends are heard or asked for.
constexpr auto snapshot_age = 5min;
/// How often the store is asked which sessions are gone, should their ends go unheard; and
/// when they do not, for those that vanished without an end (FLUSHALL).
constexpr auto unheard_pause = SessionEvents::unheard_age;
constexpr auto heard_pause = 5s;
/// In one call.
constexpr std::size_t most_asked_for = 500;

}  // namespace

Running::~Running() {
    if (owner_) owner_->leave(*this);
}

RunningExchanges::RunningExchanges(Gate& gate, EventLoop& loop)
    : Deadline(loop.deadlines()), gate_(gate), loop_(loop) {
    if (!gate.events) return;
    subscription_ =
        gate.events->subscribe([this](const std::string& digest) { session_ended(digest); });
}

void RunningExchanges::enter(Exchange& exchange, std::string_view digest, const Rule& rule) {
    auto& place = exchange.running;
    place.owner_ = this;
    place.exchange_ = &exchange;
    place.rule_ = &rule;
    std::copy_n(digest.begin(), std::min(digest.size(), place.digest_.size()),
                place.digest_.begin());
    place.next_ = first_;
    if (first_) first_->previous_ = &place;
    first_ = &place;
    ++size_;
    set_ticking(true);
}

void RunningExchanges::leave(Running& place) {
    if (place.next_) place.next_->previous_ = place.previous_;
    (place.previous_ ? place.previous_->next_ : first_) = place.next_;
    if (place.cut_at_ != SteadyClock::time_point::max()) --doomed_;
    if (--size_ == 0) set_ticking(false);
    place.owner_ = nullptr;
}

// --- sessions that end -------------------------------------------------------------

void RunningExchanges::session_ended(const std::string& digest) {
    {
        const std::lock_guard lock(mutex_);
        ended_.insert(digest);
        if (ended_.size() > 1) return;  // the letter is on its way
    }
    loop_.post([this] { hear(); });
}

void RunningExchanges::hear() {
    std::set<std::string> ended;
    {
        const std::lock_guard lock(mutex_);
        ended.swap(ended_);
    }
    doom_all(ended);
}

void RunningExchanges::doom_all(const std::set<std::string>& ended) {
    if (ended.empty()) return;
    const auto now = loop_.now();
    for (auto* place = first_; place; place = place->next_) {
        digest_.assign(place->digest_.data(), place->digest_.size());
        if (ended.contains(digest_)) doom(*place, now);
    }
}

/// A tunnel never ends by itself. An answer may be as good as sent: resetting every
/// request that happens to be under way at a logout would show as errors.
void RunningExchanges::doom(Running& place, SteadyClock::time_point now) {
    if (place.cut_at_ != SteadyClock::time_point::max()) return;
    ++doomed_;
    place.cut_at_ = now + grace;
    if (place.exchange_->tunnel) cut(place);
}

void RunningExchanges::cut(Running& place) {
    auto& exchange = *place.exchange_;
    if (std::exchange(exchange.session_ended, true)) return;
    if (exchange.tunnel) {
        exchange.stream.cancel_waiting();
        exchange.tunnel->cancel_waiting();
        return;
    }
    exchange.stream.abort();
    if (exchange.upstream) exchange.upstream->close();
}

// --- what changes without an end -----------------------------------------------------

void RunningExchanges::on_tick() {
    const auto now = loop_.now();
    if (doomed_ > 0) {
        for (auto* place = first_; place; place = place->next_) {
            if (place->cut_at_ <= now) cut(*place);
        }
    }
    if (now - looked_ >= look_every) look_at_all(now);
    look_for_ends(now);
}

void RunningExchanges::look_at_all(SteadyClock::time_point now) {
    looked_ = now;
    for (auto* place = first_; place; place = place->next_) {
        if (place->cut_at_ == SteadyClock::time_point::max()) look_at(*place, now);
    }
}

void RunningExchanges::look_at(Running& place, SteadyClock::time_point now) {
    digest_.assign(place.digest_.data(), place.digest_.size());
    const auto live = gate_.cache.find(digest_, now - snapshot_age);
    if (!live) return look_closer(digest_);
    const auto time = gate_.now();
    if (has_expired(gate_, *live, time)) {
        doom(place, now);
        return cut(place);
    }
    note_use(gate_, *live, time);
    const bool is_confirmed_soon = !live->freshness.is_young(time) && !live->pause.holds(time);
    // What is too old may be known again, or not matter to this rule: then it is judged.
    if (!is_confirmed_soon || !is_unusable(*live, time)) judge_again(place, *live, now);
    if (is_confirmed_soon) look_closer(digest_);
}

void RunningExchanges::judge_again(Running& place, const LiveSession& live,
                                   SteadyClock::time_point now) {
    const auto time = gate_.now();
    const bool is_allowed = judge(*place.rule_, &live.session.identity) == Verdict::allow;
    const bool is_known = !live.freshness.is_due(time) || !is_unusable(live, time);
    if (!is_allowed || !is_known) doom(place, now);
}

void RunningExchanges::look_closer(const std::string& digest) {
    if (gate_.draining || !confirming_.insert(digest).second) return;
    loop_.spawn(confirm(digest));
}

/// Only while other replicas end sessions too, and may not be heard.
void RunningExchanges::look_for_ends(SteadyClock::time_point now) {
    if (finding_ended_ || !gate_.events || gate_.draining) return;
    const auto since = gate_.events->heard_since(now);
    if (since == SteadyClock::time_point::min()) return;
    const bool is_settled = since && *since <= settled_;
    if (now - asked_ < (is_settled ? heard_pause : unheard_pause)) return;
    finding_ended_ = true;
    asked_ = now;
    loop_.spawn(find_ended());
}

Task<void> RunningExchanges::find_ended() {
    const auto began = loop_.now();
    std::set<std::string> all;
    for (auto* place = first_; place; place = place->next_) {
        all.emplace(place->digest_.data(), place->digest_.size());
    }
    std::set<std::string> ended;
    bool is_complete = true;
    for (auto next = all.begin(); next != all.end() && is_complete;) {
        std::vector<std::string> some;
        while (next != all.end() && some.size() < most_asked_for) some.push_back(*next++);
        const auto gone =
            co_await offload(gate_.store_calls, [&] { return gate_.sessions.missing(some); });
        is_complete = gone.has_value();
        if (gone) ended.insert(gone->begin(), gone->end());
    }
    finding_ended_ = false;
    if (is_complete) settled_ = began;
    for (const auto& digest : ended) gate_.cache.erase(digest);
    doom_all(ended);
}

/// The session as the store and Discord have it.
Task<void> RunningExchanges::confirm(std::string digest) {
    const auto now = gate_.now();
    auto live = gate_.cache.find(digest, loop_.now() - snapshot_age);
    bool is_there = true;
    LiveSessionPtr last_known;
    if (!live) {
        const auto asked = SteadyClock::now();
        auto found =
            co_await offload(gate_.store_calls, [&] { return gate_.sessions.find(digest, now); });
        if (found && *found) {
            live = gate_.cache.put(make_live(gate_, std::move(**found), digest, asked), now);
            is_there = live != nullptr;
        } else if (found) {
            is_there = false;
        } else {
            // The store cannot tell. What it last said holds, up to its own limits.
            last_known = gate_.cache.find(digest, SteadyClock::time_point::min());
            is_there = last_known && now < last_known->session.expires_at;
        }
    }
    if (live && is_there) {
        const auto confirmed = co_await confirm_session(gate_, live);
        is_there = !confirmed || *confirmed;
        if (confirmed) live = *confirmed;
    }
    if (!live) live = last_known;
    confirming_.erase(digest);
    const auto time = loop_.now();
    for (auto* place = first_; place; place = place->next_) {
        if (std::string_view(place->digest_.data(), place->digest_.size()) != digest) continue;
        if (!is_there) {
            doom(*place, time);
        } else if (live) {
            judge_again(*place, *live, time);
        }
    }
}

}  // namespace cordgate::proxy
