#include "core/discord/cache.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/discord/failure.hpp"

using namespace cordgate;
using namespace cordgate::discord;
using namespace std::chrono_literals;

namespace {

CacheKey key(std::uint64_t user, Resource resource = Resource::user, std::uint64_t guild = 0) {
    return {Snowflake(user), resource, Snowflake(guild)};
}

/// A cache with a clock of its own, and a Discord that counts.
struct Site {
    explicit Site(CacheLimits limits = {}) : cache(limits, [this] { return now.load(); }) {}

    Result<CacheEntry> get(const CacheKey& wanted, std::chrono::seconds max_age,
                           const std::string& answer = "{}") {
        return cache.get(wanted, max_age, [&]() -> Result<std::string> {
            ++calls;
            return answer;
        });
    }

    void ask(const CacheKey& wanted, std::chrono::seconds max_age,
             const std::string& answer = "{}") {
        CHECK(get(wanted, max_age, answer));
    }

    std::atomic<TimePoint> now{TimePoint(std::chrono::hours(24 * 365 * 55))};
    std::atomic<int> calls{0};
    Cache cache;
};

// Until `count` callers wait for the one call that is on its way.
void until_waiting(const Cache& cache, std::uint64_t count) {
    while (cache.statistics().shared < count) std::this_thread::yield();
}

}  // namespace

TEST_CASE("quartcord cache: C16 C17 C18 B14 an entry serves up to max_age, and 0 always asks") {
    Site site;
    REQUIRE(site.get(key(1), 60s, "a"));
    site.now = site.now.load() + 60s;
    const auto young = site.get(key(1), 60s, "b");
    CHECK(*young->json == "a");
    CHECK(site.now.load() - young->at == 60s);
    CHECK(*site.get(key(1), 0s, "c")->json == "c");  // quartcord: use_cache=False
    CHECK(*site.get(key(1), 60s, "d")->json == "c");
    site.now = site.now.load() + 61s;
    CHECK(*site.get(key(1), 60s, "e")->json == "e");
    CHECK(site.calls == 3);
}

TEST_CASE("quartcord cache: U25 cached_only answers with what is there, and never asks") {
    Site site;
    CHECK_FALSE(site.cache.peek(key(1)));
    site.cache.put(key(1), "a", site.now);
    REQUIRE(site.cache.peek(key(1)));
    CHECK(*site.cache.peek(key(1))->json == "a");
    CHECK(site.calls == 0);
}

TEST_CASE("quartcord cache: U26 U27 an empty list is an answer like any other") {
    Site site;
    CHECK(*site.get(key(1, Resource::guilds), 60s, "[]")->json == "[]");
    CHECK(*site.get(key(1, Resource::guilds), 60s, "[1]")->json == "[]");
    CHECK(site.calls == 1);
}

TEST_CASE("quartcord cache: U23 a new profile leaves guilds, connections and members in place") {
    Site site;
    const CacheKey keys[] = {key(1, Resource::guilds), key(1, Resource::guilds_with_counts),
                             key(1, Resource::connections), key(1, Resource::member, 5),
                             key(1, Resource::member, 6)};
    for (const auto& each : keys) site.ask(each, 60s, std::to_string(each.guild.value()));
    site.ask(key(1), 0s);
    for (const auto& each : keys) {
        REQUIRE(site.cache.peek(each));
        CHECK(*site.cache.peek(each)->json == std::to_string(each.guild.value()));
    }
}

TEST_CASE("quartcord cache: C7 B14 what is older than the limit is gone, asked for or not") {
    Site site({100, 1 << 20, 1h});
    for (std::uint64_t user = 1; user <= 50; ++user) site.ask(key(user), 60s);
    CHECK(site.cache.statistics().entries == 50);
    site.now = site.now.load() + 61min;
    CHECK_FALSE(site.cache.peek(key(1)));
    CHECK(site.cache.statistics().entries == 0);
    CHECK(site.cache.statistics().bytes == 0);
    // Told late: too old already.
    site.cache.put(key(1), "a", site.now.load());
    site.cache.put(key(2), "a", site.now.load() - 2h);
    CHECK_FALSE(site.cache.peek(key(2)));
    CHECK(site.cache.peek(key(1)));
}

TEST_CASE("quartcord cache: C7 entries and bytes are bounded, and the least used goes") {
    Site site({3, 1 << 20, 1h});
    for (std::uint64_t user = 1; user <= 3; ++user) site.ask(key(user), 60s);
    for (int i = 0; i < 5; ++i) {
        site.ask(key(1), 60s);
        site.ask(key(3), 60s);
    }
    site.ask(key(4), 60s);
    CHECK(site.cache.peek(key(1)));
    CHECK_FALSE(site.cache.peek(key(2)));
    CHECK(site.cache.peek(key(3)));
    CHECK(site.cache.peek(key(4)));
    CHECK(site.cache.statistics().evictions == 1);

    Site small({100, 10 << 10, 1h});
    for (std::uint64_t user = 1; user <= 20; ++user) {
        small.ask(key(user), 60s, std::string(2000, 'x'));
        CHECK(small.cache.statistics().bytes <= 10 << 10);
    }
    CHECK(small.cache.peek(key(20)));
    const auto large = small.get(key(21), 60s, std::string(20 << 10, 'x'));
    CHECK(large->json->size() == 20 << 10);  // answered, not kept
    CHECK_FALSE(small.cache.peek(key(21)));
    CHECK(small.cache.peek(key(20)));
}

TEST_CASE("quartcord cache: C7 what was popular once does not keep newcomers out for ever") {
    Site site({2, 1 << 20, 1h});
    site.ask(key(1), 60s);
    for (int i = 0; i < 100; ++i) site.ask(key(1), 60s);
    // New users, each asked for twice: the floor rises with each that leaves.
    for (std::uint64_t user = 2; user < 200; ++user) {
        site.ask(key(user), 60s);
        site.ask(key(user), 60s);
    }
    CHECK_FALSE(site.cache.peek(key(1)));
}

TEST_CASE("quartcord cache: C8 one call per user and resource, however many ask") {
    Site site;
    std::promise<void> discord_answers;
    auto gate = discord_answers.get_future().share();
    const auto ask = [&](const CacheKey& wanted) {
        return std::async(std::launch::async, [&site, wanted, gate] {
            return site.cache.get(wanted, 60s, [&]() -> Result<std::string> {
                ++site.calls;
                gate.wait();
                return std::string("answer");
            });
        });
    };
    std::vector<std::future<Result<CacheEntry>>> callers;
    for (int i = 0; i < 8; ++i) callers.push_back(ask(key(1)));
    callers.push_back(ask(key(1, Resource::guilds)));
    callers.push_back(ask(key(2)));
    until_waiting(site.cache, 7);
    while (site.calls < 3) std::this_thread::yield();
    discord_answers.set_value();
    for (auto& caller : callers) CHECK(*caller.get()->json == "answer");
    CHECK(site.calls == 3);
    CHECK(site.cache.statistics().misses == 3);
}

TEST_CASE("quartcord cache: C8 E2 who waits gets the same typed failure, and it is not kept") {
    Site site;
    std::promise<void> discord_answers;
    auto gate = discord_answers.get_future().share();
    std::vector<std::future<Result<CacheEntry>>> callers;
    for (int i = 0; i < 4; ++i) {
        callers.push_back(std::async(std::launch::async, [&site, gate] {
            return site.cache.get(key(1), 60s, [&]() -> Result<std::string> {
                gate.wait();
                Refusal refusal;
                refusal.status = 429;
                refusal.scope = LimitScope::shared;
                return Error{ErrorKind::rate_limited, ErrorSource::discord, "429", 1500ms,
                             std::make_shared<const Refusal>(refusal)};
            });
        }));
    }
    until_waiting(site.cache, 3);
    discord_answers.set_value();
    for (auto& caller : callers) {
        const auto failed = caller.get();
        REQUIRE_FALSE(failed);
        CHECK(failed.error().kind == ErrorKind::rate_limited);
        CHECK(failed.error().retry_after == 1500ms);
        CHECK(failed.error().refusal->scope == LimitScope::shared);
    }
    CHECK(site.cache.statistics().failures == 1);
    CHECK(site.get(key(1), 60s));

    const auto threw = site.cache.get(
        key(2), 0s, []() -> Result<std::string> { throw std::runtime_error("broken"); });
    CHECK(threw.error().kind == ErrorKind::internal);
    CHECK(site.get(key(2), 60s));  // and nobody is stuck behind it
}

TEST_CASE("cache: a failure leaves the older answer to those who can live with it") {
    Site site;
    site.ask(key(1), 60s, "old");
    site.now = site.now.load() + 5min;
    const auto failed = site.cache.get(key(1), 60s, []() -> Result<std::string> {
        return Error{ErrorKind::timed_out, ErrorSource::discord, "slow"};
    });
    CHECK_FALSE(failed);
    REQUIRE(site.cache.peek(key(1)));
    CHECK(*site.cache.peek(key(1))->json == "old");
}

TEST_CASE("quartcord cache: U14 a grant shares a profile only with grants of the same scopes") {
    const Snowflake user(1);
    const std::vector<std::string> small = {"identify"};
    const std::vector<std::string> big = {"identify", "email"};
    const std::vector<std::string> same = {"email", "identify"};
    CHECK(key_for(user, small, Resource::user) != key_for(user, big, Resource::user));
    CHECK(key_for(user, same, Resource::user) == key_for(user, big, Resource::user));
    CHECK(key_for(user, small, Resource::guilds) == key_for(user, big, Resource::guilds));
    CHECK(key_for(user, small, Resource::member, Snowflake(2)) !=
          key_for(user, {"guilds.members.read"}, Resource::member, Snowflake(2)));

    Site site;
    site.cache.put(key_for(user, big, Resource::user), "with an address", site.now);
    CHECK_FALSE(site.cache.peek(key_for(user, small, Resource::user)));
    CHECK(site.cache.peek(key_for(user, same, Resource::user)));
    site.cache.forget(user);
    CHECK_FALSE(site.cache.peek(key_for(user, big, Resource::user)));
}

TEST_CASE(
    "quartcord cache: C21 who is forgotten is gone, and a call on its way brings nothing back") {
    Site site;
    site.ask(key(1), 60s);
    site.ask(key(1, Resource::member, 5), 60s);
    site.ask(key(2), 60s);
    site.cache.forget(Snowflake(1));
    CHECK_FALSE(site.cache.peek(key(1)));
    CHECK_FALSE(site.cache.peek(key(1, Resource::member, 5)));
    CHECK(site.cache.peek(key(2)));

    const auto late = site.cache.get(key(1), 0s, [&]() -> Result<std::string> {
        site.cache.forget(Snowflake(1));
        return std::string("late");
    });
    CHECK(*late->json == "late");
    CHECK_FALSE(site.cache.peek(key(1)));
    site.cache.clear();
    CHECK(site.cache.statistics().entries == 0);
}

TEST_CASE("cache: an answer that was asked for earlier does not replace a newer one") {
    Site site;
    site.cache.put(key(1), "new", site.now);
    site.cache.put(key(1), "old", site.now.load() - 10s);
    CHECK(*site.cache.peek(key(1))->json == "new");
}

TEST_CASE("cache: many threads at once find it sound") {
    Site site({20, 1 << 20, 1h});
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (std::uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < 500; ++i) {
                const auto user = (i * 7 + t) % 40;
                const auto text = std::to_string(user);
                const auto got = site.get(key(user), std::chrono::seconds(i % 3), text);
                if (!got || *got->json != text) ++wrong;
                if (i % 50 == 0) site.cache.forget(Snowflake(user));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK(site.cache.statistics().entries <= 20);
}
