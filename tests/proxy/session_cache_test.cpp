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

}  // namespace

TEST_CASE("a session is found under its digest and no other") {
    SessionCache cache(100);
    CHECK_FALSE(cache.find(digest(1), always));
    cache.put(live(digest(1), "one"));
    cache.put(live(digest(2), "two"));
    cache.put(live("", "empty"));
    REQUIRE(cache.find(digest(1), always));
    CHECK(cache.find(digest(1), always)->headers == "one");
    CHECK(cache.find("", always)->headers == "empty");
    CHECK_FALSE(cache.find(digest(3), always));
    CHECK(cache.size() == 3);
    cache.put(live(digest(1), "newer"));
    CHECK(cache.find(digest(1), always)->headers == "newer");
    CHECK(cache.size() == 3);
}

TEST_CASE("an entry that is too old is not found, and a fresh one takes its place") {
    SessionCache cache(100);
    cache.put(live(digest(1), "old", noon));
    CHECK(cache.find(digest(1), noon));
    CHECK_FALSE(cache.find(digest(1), noon + 1ns));
    cache.put(live(digest(1), "new", noon + 1s));
    REQUIRE(cache.find(digest(1), noon + 1ns));
    CHECK(cache.find(digest(1), noon + 1ns)->headers == "new");
}

TEST_CASE("the cache is bounded, whoever fills it") {
    SessionCache cache(64);
    for (int i = 0; i < 5000; ++i) cache.put(live(digest(i, i)));
    CHECK(cache.size() == 64);
    SessionCache one_shard(64);
    for (int i = 0; i < 5000; ++i) one_shard.put(live(digest(i)));
    CHECK(one_shard.size() == 4);
}

TEST_CASE("the least recently used session goes first; being used or renewed counts") {
    SessionCache cache(3 * 16);  // three in each shard
    for (int i = 1; i <= 3; ++i) cache.put(live(digest(i)));
    CHECK(cache.find(digest(1), always));
    cache.put(live(digest(2), "renewed"));
    cache.put(live(digest(4)));
    CHECK_FALSE(cache.find(digest(3), always));
    CHECK(cache.find(digest(1), always));
    CHECK(cache.find(digest(2), always));
    CHECK(cache.find(digest(4), always));
    cache.put(live(digest(5)));
    CHECK_FALSE(cache.find(digest(1), always));
}

TEST_CASE(
    "an erased session is gone, and no slow read from the store brings it back, "
    "CVE-2024-21492 CVE-2025-29928") {
    SessionCache cache(100);
    const auto session = live(digest(1));
    cache.put(session);
    cache.erase(digest(1));
    CHECK_FALSE(cache.find(digest(1), always));
    CHECK(cache.size() == 0);
    cache.put(session);
    CHECK_FALSE(cache.find(digest(1), always));
    // Also when it was read before it ever was in the cache.
    cache.erase(digest(2));
    cache.put(live(digest(2)));
    CHECK_FALSE(cache.find(digest(2), always));
    cache.erase(digest(2));
    // Others live on, in the same shard too.
    cache.put(live(digest(3)));
    CHECK(cache.find(digest(3), always));
}

TEST_CASE("whoever holds a session may go on reading it when it is erased") {
    SessionCache cache(16);
    cache.put(live(digest(1), "headers"));
    const auto held = cache.find(digest(1), always);
    cache.erase(held->digest);
    cache.put(live(digest(2)));
    cache.put(live(digest(3)));
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
                    cache.put(live(key, "headers"));
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
