#include "core/discord/rate_limits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <vector>

using namespace cordgate::discord;
using namespace std::chrono_literals;

namespace {

const SteadyTime start{1h};

LimitKey user_key(const std::string& identity, std::string shape = "GET /users/@me") {
    return {identity, std::move(shape), ""};
}

LimitNews told(long long remaining, Milliseconds reset_after, long long limit = 1) {
    LimitNews news;
    news.is_answer = true;
    news.limit = limit;
    news.remaining = remaining;
    news.reset_after = reset_after;
    return news;
}

LimitNews named(std::string bucket, long long remaining, Milliseconds reset_after) {
    auto news = told(remaining, reset_after);
    news.bucket = std::move(bucket);
    return news;
}

LimitNews blocked(LimitScope scope, Milliseconds duration) {
    LimitNews news;
    news.is_answer = true;
    news.block = {scope, duration};
    return news;
}

/// Sends one call and gives its answer at once; how long it would have to wait.
Milliseconds call(RateLimits& limits, const LimitKey& key, SteadyTime now, const LimitNews& news) {
    const auto ticket = limits.enter(key, now);
    const auto turn = limits.ask(ticket, now);
    if (turn.wait > 0ms) {
        limits.leave(ticket);
    } else {
        limits.answered(ticket, news, now);
    }
    return turn.wait;
}

// --- a Discord to call, in virtual time ------------------------------------------------

/// One bucket as Discord may keep it.
class ServerBucket {
public:
    ServerBucket(long long limit, Milliseconds window, bool is_sliding)
        : limit_(limit), window_(window), is_sliding_(is_sliding) {}

    LimitNews take(SteadyTime now) {
        while (!taken_.empty() && now - taken_.front() >= window_) taken_.pop_front();
        if (!is_sliding_ && now >= window_end_) {
            used_ = 0;
            window_end_ = now + window_;
        }
        const long long used = is_sliding_ ? static_cast<long long>(taken_.size()) : used_;
        if (used >= limit_) {
            ++refused;
            const auto free_at = is_sliding_ ? taken_.front() + window_ : window_end_;
            return blocked(LimitScope::user, std::chrono::ceil<Milliseconds>(free_at - now));
        }
        ++used_;
        taken_.push_back(now);
        const auto reset = is_sliding_ ? taken_.front() + window_ : window_end_;
        auto news = told(limit_ - used - 1, std::chrono::ceil<Milliseconds>(reset - now), limit_);
        news.bucket = "b";
        return news;
    }

    int refused = 0;

private:
    long long limit_;
    Milliseconds window_;
    bool is_sliding_;
    long long used_ = 0;
    SteadyTime window_end_;
    std::deque<SteadyTime> taken_;
};

struct Outcome {
    Milliseconds took{0};
    int refused = 0;  // in all buckets
    int worst = 0;    // in one bucket
    bool in_order = true;
};

/// Every call wants to go at once; answers take `latency` and a little more each,
/// so that they overtake each other now and then.
Outcome simulate(const std::vector<LimitKey>& calls, Milliseconds latency,
                 const std::function<ServerBucket()>& make_bucket) {
    struct Event {
        SteadyTime at;
        std::size_t call;
        int what;  // 0: reaches Discord, 1: the answer comes back
        bool operator>(const Event& other) const { return at > other.at; }
    };
    RateLimits limits;
    std::map<std::string, ServerBucket> server;
    std::vector<RateLimits::Ticket> tickets;
    std::vector<LimitNews> answers(calls.size());
    std::map<std::string, std::size_t> last_first_sent;
    std::vector<bool> was_sent(calls.size());
    std::deque<std::size_t> waiting;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events;
    SteadyTime now = start;
    Outcome outcome;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        tickets.push_back(limits.enter(calls[i], now));
        server.emplace(calls[i].identity, make_bucket());
        waiting.push_back(i);
    }
    std::size_t done = 0;
    while (done < calls.size()) {
        Milliseconds soonest = 1h;
        bool somebody_went = true;
        while (somebody_went) {
            somebody_went = false;
            soonest = 1h;
            for (std::size_t n = waiting.size(); n > 0; --n) {
                const auto i = waiting.front();
                waiting.pop_front();
                const auto wait = limits.ask(tickets[i], now).wait;
                if (wait == 0ms) {
                    const auto jitter = Milliseconds(i * 7 % 5);
                    events.push({now + latency / 2 + jitter, i, 0});
                    somebody_went = true;
                    auto& last = last_first_sent[calls[i].identity];
                    if (!was_sent[i] && i < last) outcome.in_order = false;
                    last = std::max(last, i);
                    was_sent[i] = true;
                } else {
                    soonest = std::min(soonest, wait);
                    waiting.push_back(i);
                }
            }
        }
        auto next = now + soonest;
        if (!events.empty()) next = std::min(next, events.top().at);
        now = std::max(now, next);
        while (!events.empty() && events.top().at <= now) {
            const auto event = events.top();
            events.pop();
            if (event.what == 0) {
                answers[event.call] = server.at(calls[event.call].identity).take(now);
                events.push({now + latency / 2 + Milliseconds(event.call * 3 % 7), event.call, 1});
                continue;
            }
            const bool again = answers[event.call].block.has_value();
            limits.answered(tickets[event.call], answers[event.call], now, again);
            if (again) {
                waiting.push_front(event.call);
            } else {
                ++done;
            }
        }
    }
    outcome.took = std::chrono::duration_cast<Milliseconds>(now - start);
    for (const auto& [identity, bucket] : server) {
        outcome.refused += bucket.refused;
        outcome.worst = std::max(outcome.worst, bucket.refused);
    }
    return outcome;
}

}  // namespace

TEST_CASE("rate limits: M5 what is left may go, and no more until the window is over") {
    RateLimits limits;
    CHECK(call(limits, user_key("u"), start, told(2, 10s)) == 0ms);
    // Two more, at once; their answers are still on the way.
    const auto first = limits.enter(user_key("u"), start);
    const auto second = limits.enter(user_key("u"), start);
    const auto third = limits.enter(user_key("u"), start);
    CHECK(limits.ask(first, start).wait == 0ms);
    CHECK(limits.ask(second, start).wait == 0ms);
    CHECK(limits.ask(third, start).wait == 10s);
    limits.answered(second, told(0, 9s), start + 1s);
    limits.answered(first, told(1, 9s), start + 1s);  // overtaken: the count must not rise
    CHECK(limits.ask(third, start + 1s).wait == 9s);
    CHECK(limits.ask(third, start + 10s).wait == 0ms);
}

TEST_CASE("rate limits: while nothing is known one call goes ahead alone") {
    RateLimits limits;
    const auto first = limits.enter(user_key("u"), start);
    const auto second = limits.enter(user_key("u"), start);
    CHECK(limits.ask(second, start).wait > 0ms);  // not before the first
    CHECK(limits.ask(first, start).wait == 0ms);
    CHECK(limits.ask(second, start).wait == 2s);
    SUBCASE("until it is back") {
        limits.answered(first, told(5, 10s), start + 100ms);
        CHECK(limits.ask(second, start + 100ms).wait == 0ms);
    }
    SUBCASE("or for two seconds") {
        CHECK(limits.ask(second, start + 2s).wait == 0ms);
    }
    SUBCASE("and its place is free when it gives up") {
        limits.answered(first, {}, start + 10ms);
        CHECK(limits.ask(second, start + 10ms).wait == 0ms);
    }
    SUBCASE("an answer without headers means no limit") {
        LimitNews none;
        none.is_answer = true;
        limits.answered(first, none, start + 1ms);
        const auto third = limits.enter(user_key("u"), start);
        CHECK(limits.ask(second, start + 1ms).wait == 0ms);
        CHECK(limits.ask(third, start + 1ms).wait == 0ms);
    }
}

TEST_CASE("rate limits: buckets are per identity and top-level resource, not per route") {
    RateLimits limits;
    const auto members = [](const char* guild) {
        return LimitKey{"bot", "GET /guilds/{}/members/{}", guild};
    };
    const LimitKey roles{"bot", "GET /guilds/{}/roles", "guilds/1"};
    CHECK(call(limits, members("guilds/1"), start, named("abc", 0, 10s)) == 0ms);
    CHECK(call(limits, members("guilds/1"), start, {}) == 10s);
    CHECK(call(limits, members("guilds/2"), start, named("abc", 3, 10s)) == 0ms);
    // Another route, until it turns out to be the same bucket.
    CHECK(call(limits, roles, start, named("abc", 0, 10s)) == 0ms);
    CHECK(call(limits, roles, start, {}) == 10s);
    CHECK(call(limits, {"somebody", "GET /guilds/{}/roles", "guilds/1"}, start, {}) == 0ms);
}

TEST_CASE("rate limits: calls that wait move along when their bucket gets its name") {
    RateLimits limits;
    const auto first = limits.enter(user_key("u"), start);
    const auto second = limits.enter(user_key("u"), start);
    const auto third = limits.enter(user_key("u"), start);
    CHECK(limits.ask(first, start).wait == 0ms);
    CHECK(limits.ask(third, start).wait > 0ms);
    limits.answered(first, named("abc", 1, 10s), start);
    CHECK(limits.ask(third, start).wait == 10s);
    CHECK(limits.ask(second, start).wait == 0ms);
    CHECK(limits.ask(third, start).wait == 10s);
}

TEST_CASE("rate limits: M1 M3 a 429 stops its bucket, or everything when it says so") {
    struct Row {
        LimitScope scope;
        bool everything;
    };
    for (const auto& row : {
             Row{LimitScope::user,   false},
             Row{LimitScope::shared, false},
             Row{LimitScope::global, true },
             Row{LimitScope::ban,    true }
    }) {
        CAPTURE(to_string(row.scope));
        RateLimits limits;
        CHECK(call(limits, user_key("u"), start, blocked(row.scope, 64570ms)) == 0ms);
        const auto ticket = limits.enter(user_key("u"), start);
        const auto turn = limits.ask(ticket, start + 1s);
        CHECK(turn.wait == 63570ms);
        CHECK(turn.scope == row.scope);
        CHECK((call(limits, user_key("v"), start, {}) > 0ms) == row.everything);
        CHECK(limits.ask(ticket, start + 64570ms).wait == 0ms);
    }
}

TEST_CASE("rate limits: the bot and our address stay under fifty calls a second") {
    RateLimits limits;
    LimitNews none;
    none.is_answer = true;
    int went = 0;
    for (int i = 0; i < 100; ++i) {
        LimitKey key{"bot", "GET /guilds/{}", "guilds/" + std::to_string(i), true};
        if (call(limits, key, start, none) == 0ms) ++went;
    }
    CHECK(went == 50);
    const auto late = limits.enter({"bot", "GET /gateway", "", true}, start);
    CHECK(limits.ask(late, start).scope == LimitScope::global);
    CHECK(limits.ask(late, start + 1100ms).wait == 0ms);
    CHECK(call(limits, user_key("u"), start, none) == 0ms);  // users have their own
}

TEST_CASE("rate limits: an estimate counts those who came before") {
    RateLimits limits;
    CHECK(call(limits, user_key("u"), start, told(0, 10s, 2)) == 0ms);
    std::vector<Milliseconds> waits;
    for (int i = 0; i < 6; ++i)
        waits.push_back(limits.ask(limits.enter(user_key("u"), start), start).wait);
    CHECK(waits == std::vector<Milliseconds>{10200ms, 10200ms, 20200ms, 20200ms, 30200ms, 30200ms});
}

TEST_CASE("rate limits: what is kept is bounded") {
    RateLimits limits;
    for (int i = 0; i < 50000; ++i) {
        call(limits, user_key("u" + std::to_string(i)), start, told(0, 1h + Milliseconds(i)));
    }
    CHECK(limits.buckets() <= 20000);
}

TEST_CASE("rate limits: M6 the breaker opens at a thousand in ten minutes, and closes again") {
    InvalidRequests invalid;
    for (int i = 0; i < 1000; ++i) {
        CHECK(invalid.open_for(start + i * 100ms) == 0ms);
        invalid.count(start + i * 100ms);
    }
    CHECK(invalid.open_for(start + 100s) == 500s);
    CHECK(invalid.open_for(start + 10min) == 0ms);
}

TEST_CASE("rate limits: M25 1,000 users refreshed cause no 429 and take the time it takes") {
    // Each has three calls under a limit of their own: one a second, or two in five.
    for (const bool is_sliding : {false, true}) {
        CAPTURE(is_sliding);
        std::vector<LimitKey> calls;
        for (int i = 0; i < 3000; ++i) calls.push_back(user_key("u" + std::to_string(i % 1000)));
        const auto one = simulate(calls, 40ms, [&] { return ServerBucket(1, 1s, is_sliding); });
        CHECK(one.refused == 0);
        CHECK(one.took < 2s + 4 * 60ms);
        const auto two = simulate(calls, 40ms, [&] { return ServerBucket(2, 5s, is_sliding); });
        CHECK(two.refused == 0);
        CHECK(two.took < 5s + 4 * 60ms);
    }
}

TEST_CASE(
    "rate limits: 1,000 refreshes in the one bucket of our address, near the theoretical time") {
    struct Row {
        long long limit;
        Milliseconds window;
        Milliseconds latency;
    };
    for (const auto& row : {
             Row{50, 10s, 40ms },
             Row{50, 10s, 400ms},
             Row{5,  1s,  40ms }
    }) {
        for (const bool is_sliding : {false, true}) {
            CAPTURE(row.limit);
            CAPTURE(row.latency.count());
            CAPTURE(is_sliding);
            const std::vector<LimitKey> calls(1000, user_key("client", "POST /oauth2/token"));
            const auto outcome = simulate(calls, row.latency, [&] {
                return ServerBucket(row.limit, row.window, is_sliding);
            });
            const auto windows = 1000 / row.limit - 1;
            CHECK(outcome.refused == 0);
            CHECK(outcome.in_order);
            // Each window begins with one call that finds out.
            CHECK(outcome.took >= windows * row.window);
            CHECK(outcome.took <= (windows + 1) * (row.window + 2 * row.latency + 40ms));
            const std::string kind = is_sliding ? "sliding" : "fixed";
            MESSAGE(row.limit << " in " << row.window.count() << " ms, " << kind << ", latency "
                              << row.latency.count() << " ms: " << outcome.took.count()
                              << " ms, theory " << (windows * row.window).count() << " ms");
        }
    }
}
