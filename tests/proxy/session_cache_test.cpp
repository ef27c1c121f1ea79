#include "proxy/session_cache.hpp"

#include <thread>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

const SteadyClock::time_point noon{12h};
constexpr SteadyClock::time_point always{};

/// A digest that falls into the shard of `shard`.
std::string digest(int n, int shard = 0) {
    return std::string(1, static_cast<char>(shard)) + "digest " + std::to_string(n);
}

LiveSessionPtr live(const std::string& digest, std::string headers = "",
                    SteadyClock::time_point cached_at = noon) {
    auto session = std::make_shared<LiveSession>();
    session->digest = digest;
    session->headers = std::move(headers);
    session->cached_at = cached_at;
    return session;
}

const TimePoint now{std::chrono::hours(24)};

/// What Discord said of a session so many seconds after `now`'s day began.
LiveSessionPtr told(std::string headers, int user, int guilds, int member) {
    auto session = std::make_shared<LiveSession>();
    session->digest = digest(1);
    session->headers = std::move(headers);
    session->cached_at = noon;
    const auto at = [](int seconds) { return now - 1h + std::chrono::seconds(seconds); };
    session->session.identity.user_at = at(user);
    session->session.identity.guilds_at = at(guilds);
    session->session.identity.members[Snowflake(5)] = {std::nullopt, at(member)};
    return session;
}

}  // namespace

TEST_CASE("G12 what was read before the news does not take its place in the cache") {
    SessionCache cache(100);
    const auto here = [&]() -> std::string {
        const auto found = cache.find(digest(1), always);
        return found ? found->headers : "nothing";
    };
    CHECK(cache.put(told("read", 1, 1, 1), now)->headers == "read");
    cache.replace(told("news", 1, 2, 1), now);
    CHECK(here() == "news");
    CHECK_MESSAGE(cache.put(told("read late", 1, 1, 1), now)->headers == "news", "put");
    cache.replace(told("told late", 1, 1, 1), now);
    CHECK(here() == "news");
    CHECK(cache.put(told("a member's", 1, 2, 3), now)->headers == "a member's");
    cache.replace(told("told late", 1, 2, 2), now);
    CHECK(here() == "a member's");
    // Each of two knows something that the other does not: neither stays.
    CHECK(cache.put(told("another's", 9, 1, 1), now)->headers == "another's");
    CHECK(here() == "nothing");
    cache.put(told("again", 1, 2, 3), now);
    cache.replace(told("another's", 1, 3, 1), now);
    CHECK(here() == "nothing");
    // What is marked as old on purpose is put there all the same.
    cache.put(told("again", 1, 2, 3), now);
    cache.overwrite(told("marked", 1, 0, 0));
    CHECK(here() == "marked");
    // A grant with less in it is news, too.
    auto renewed = std::make_shared<LiveSession>();
    renewed->digest = digest(1);
    renewed->headers = "renewed";
    renewed->session.identity = cache.find(digest(1), always)->session.identity;
    renewed->session.grant.issued_at = now;
    cache.replace(renewed, now);
    CHECK(cache.put(told("before", 1, 0, 0), now)->headers == "renewed");
}

TEST_CASE("a session is found under its digest and no other") {
    SessionCache cache(100);
    CHECK_FALSE(cache.find(digest(1), always));
    cache.put(live(digest(1), "one"), now);
    cache.put(live(digest(2), "two"), now);
    cache.put(live("", "empty"), now);
    REQUIRE(cache.find(digest(1), always));
    CHECK(cache.find(digest(1), always)->headers == "one");
    CHECK(cache.find("", always)->headers == "empty");
    CHECK_FALSE(cache.find(digest(3), always));
    CHECK(cache.size() == 3);
    cache.put(live(digest(1), "newer"), now);
    CHECK(cache.find(digest(1), always)->headers == "newer");
    CHECK(cache.size() == 3);
}

TEST_CASE("an entry that is too old is not found, and a fresh one takes its place") {
    SessionCache cache(100);
    cache.put(live(digest(1), "old", noon), now);
    CHECK(cache.find(digest(1), noon));
    CHECK_FALSE(cache.find(digest(1), noon + 1ns));
    cache.put(live(digest(1), "new", noon + 1s), now);
    REQUIRE(cache.find(digest(1), noon + 1ns));
    CHECK(cache.find(digest(1), noon + 1ns)->headers == "new");
}

TEST_CASE("the cache is bounded, whoever fills it") {
    SessionCache cache(64);
    for (int i = 0; i < 5000; ++i) cache.put(live(digest(i, i)), now);
    CHECK(cache.size() == 64);
    SessionCache one_shard(64);
    for (int i = 0; i < 5000; ++i) one_shard.put(live(digest(i)), now);
    CHECK(one_shard.size() == 4);
}

TEST_CASE("the least recently used session goes first; being used or renewed counts") {
    SessionCache cache(3 * 16);  // three in each shard
    for (int i = 1; i <= 3; ++i) cache.put(live(digest(i)), now);
    CHECK(cache.find(digest(1), always));
    cache.put(live(digest(2), "renewed"), now);
    cache.put(live(digest(4)), now);
    CHECK_FALSE(cache.find(digest(3), always));
    CHECK(cache.find(digest(1), always));
    CHECK(cache.find(digest(2), always));
    CHECK(cache.find(digest(4), always));
    cache.put(live(digest(5)), now);
    CHECK_FALSE(cache.find(digest(1), always));
}

TEST_CASE(
    "an erased session is gone, and no slow read from the store brings it back, "
    "CVE-2024-21492 CVE-2025-29928") {
    SessionCache cache(100);
    const auto session = live(digest(1));
    cache.put(session, now);
    cache.erase(digest(1));
    CHECK_FALSE(cache.find(digest(1), always));
    CHECK(cache.size() == 0);
    cache.put(session, now);
    CHECK_FALSE(cache.find(digest(1), always));
    // Also when it was read before it ever was in the cache.
    cache.erase(digest(2));
    cache.put(live(digest(2)), now);
    CHECK_FALSE(cache.find(digest(2), always));
    cache.erase(digest(2));
    // Others live on, in the same shard too.
    cache.put(live(digest(3)), now);
    CHECK(cache.find(digest(3), always));
}

TEST_CASE("whoever holds a session may go on reading it when it is erased") {
    SessionCache cache(16);
    cache.put(live(digest(1), "headers"), now);
    const auto held = cache.find(digest(1), always);
    cache.erase(held->digest);
    cache.put(live(digest(2)), now);
    cache.put(live(digest(3)), now);
    CHECK(held->headers == "headers");
}

TEST_CASE("threads may find, put and erase at once, and erased stays erased") {
    SessionCache cache(320);
    constexpr int sessions = 400;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&cache, t] {
            for (int i = 0; i < 20000; ++i) {
                const auto n = (i * 7 + t * 13) % sessions;
                const auto key = digest(n, n);
                if (const auto found = cache.find(key, always)) {
                    found->last_seen.store(i, std::memory_order_relaxed);
                    if (found->digest != key) std::abort();
                } else {
                    cache.put(live(key, "headers"), now);
                }
                if (n % 10 == t) cache.erase(key);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(cache.size() <= 320);
    for (int n = 0; n < sessions; ++n) {
        if (n % 10 < 4) CHECK_FALSE(cache.find(digest(n, n), always));
    }
}

}  // namespace cordgate::proxy::test
