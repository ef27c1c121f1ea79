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
    int refused = 0;
};

/// Every call wants to go at once; they and their answers take half of `latency` each,
/// and a little more or less, so that they overtake each other now and then.
class Simulation {
public:
    Simulation(const std::vector<LimitKey>& calls, Milliseconds latency,
               const std::function<ServerBucket()>& make_bucket)
        : calls_(calls), latency_(latency), answers_(calls.size()) {
        for (std::size_t i = 0; i < calls.size(); ++i) {
            tickets_.push_back(limits_.enter(calls[i], now_));
            server_.emplace(calls[i].identity, make_bucket());
            waiting_[calls[i].identity].push_back(i);
        }
    }

    Outcome run() {
        for (const auto& [identity, queue] : waiting_) let_go(identity);
        std::size_t done = 0;
        while (done < calls_.size()) {
            const Event event = events_.top();
            events_.pop();
            now_ = event.at;
            const auto& identity = event.identity;
            if (event.what == What::reaches_discord) {
                answers_[event.call] = server_.at(identity).take(now_);
                const auto back = now_ + latency_ / 2 + Milliseconds(event.call * 3 % 7);
                events_.push({back, What::comes_back, identity, event.call});
                continue;
            }
            if (event.what == What::comes_back) {
                const auto& answer = answers_[event.call];
                const bool again = answer.block.has_value();
                limits_.answered(tickets_[event.call], answer, now_, again);
                if (again) waiting_[identity].push_front(event.call);
                if (!again) ++done;
            }
            let_go(identity);
        }
        Outcome outcome;
        outcome.took = std::chrono::duration_cast<Milliseconds>(now_ - start);
        for (const auto& [identity, bucket] : server_) outcome.refused += bucket.refused;
        return outcome;
    }

private:
    enum class What { reaches_discord, comes_back, time_has_come };
    struct Event {
        SteadyTime at;
        What what;
        std::string identity;
        std::size_t call = 0;
        bool operator>(const Event& other) const { return at > other.at; }
    };

    // Those behind the first who must wait must wait as well.
    void let_go(const std::string& identity) {
        auto& queue = waiting_[identity];
        while (!queue.empty()) {
            const auto i = queue.front();
            const auto wait = limits_.ask(tickets_[i], now_).wait;
            if (wait > 0ms) {
                events_.push({now_ + wait, What::time_has_come, identity});
                return;
            }
            queue.pop_front();
            const auto there = now_ + latency_ / 2 + Milliseconds(i * 7 % 5);
            events_.push({there, What::reaches_discord, identity, i});
        }
    }

    const std::vector<LimitKey>& calls_;
    const Milliseconds latency_;
    SteadyTime now_ = start;
    RateLimits limits_;
    std::vector<RateLimits::Ticket> tickets_;
    std::vector<LimitNews> answers_;
    std::map<std::string, ServerBucket> server_;
    std::map<std::string, std::deque<std::size_t>> waiting_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

Outcome simulate(const std::vector<LimitKey>& calls, Milliseconds latency,
                 const std::function<ServerBucket()>& make_bucket) {
    return Simulation(calls, latency, make_bucket).run();
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
