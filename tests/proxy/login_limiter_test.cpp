#include "proxy/login_limiter.hpp"

#include <thread>
#include <vector>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

const LoginLimiter::Clock::time_point noon{12h};

/// How many of `tries` at one moment are let through.
int allowed(LoginLimiter& limiter, const std::string& client, LoginLimiter::Clock::time_point now,
            int tries = 1000) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += limiter.take(client, now) ? 0 : 1;
    return count;
}

}  // namespace

TEST_CASE("a client may begin so many logins a minute, and then one as its bucket refills, J14") {
    LoginLimiter limiter(30);
    CHECK(allowed(limiter, "a", noon) == 30);
    CHECK(limiter.take("a", noon) == 2s);
    CHECK(allowed(limiter, "a", noon + 1900ms) == 0);
    CHECK(allowed(limiter, "a", noon + 2s) == 1);
    CHECK(allowed(limiter, "a", noon + 12s) == 5);
    CHECK(allowed(limiter, "a", noon + 1h) == 30);
}

TEST_CASE("who waits as long as told is let in, J14") {
    for (const std::size_t per_minute : {1, 7, 30, 1000}) {
        CAPTURE(per_minute);
        LoginLimiter limiter(per_minute);
        auto now = noon;
        CHECK(allowed(limiter, "a", now, 2000) == static_cast<int>(per_minute));
        for (int i = 0; i < 50; ++i) {
            const auto wait = limiter.take("a", now);
            if (wait) {
                CHECK(*wait >= 1s);
                CHECK(*wait <= 60s);
                now += *wait;
                CHECK_FALSE(limiter.take("a", now));
            }
        }
    }
}

TEST_CASE("asking in vain does not make the wait longer, CVE-2025-24806") {
    LoginLimiter limiter(60);
    CHECK(allowed(limiter, "a", noon) == 60);
    for (int i = 0; i < 100; ++i) CHECK(limiter.take("a", noon + 10ms * i).has_value());
    CHECK_FALSE(limiter.take("a", noon + 1s));
}

TEST_CASE("one client does not use up another's logins, CVE-2026-77561") {
    LoginLimiter limiter(2);
    CHECK(allowed(limiter, "a", noon) == 2);
    CHECK(allowed(limiter, "b", noon) == 2);
    CHECK(allowed(limiter, "a", noon) == 0);
}

TEST_CASE("zero is no limit") {
    LoginLimiter limiter(0);
    CHECK(allowed(limiter, "a", noon) == 1000);
}

TEST_CASE(
    "a crowd of clients cannot lock anybody out, and who is limited stays so, CVE-2024-21500 "
    "CVE-2026-77561") {
    LoginLimiter limiter(30, 256);
    CHECK(allowed(limiter, "busy", noon) == 30);
    for (int i = 0; i < 5000; ++i) {
        REQUIRE_FALSE(limiter.take("client " + std::to_string(i), noon + 1ms * (i / 10)));
    }
    // 0.5 s refill a quarter of a login: the idle were forgotten, not the busy.
    CHECK(allowed(limiter, "busy", noon + 500ms) == 0);
    CHECK_FALSE(limiter.take("late", noon + 500ms));
}

TEST_CASE("a table full of busy clients is forgotten rather than held against anybody") {
    LoginLimiter limiter(30, 64);
    for (int i = 0; i < 64; ++i)
        CHECK(allowed(limiter, "busy " + std::to_string(i), noon, 30) == 30);
    // A client that is known costs no sweep, and is still limited.
    CHECK(limiter.take("busy 1", noon).has_value());
    CHECK(allowed(limiter, "late", noon, 30) == 30);
}

TEST_CASE("a limiter counts right when threads ask at once") {
    LoginLimiter limiter(1000);
    std::vector<std::thread> threads;
    std::atomic<int> count{0};
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] { count += allowed(limiter, "a", noon, 1000); });
    }
    for (auto& thread : threads) thread.join();
    CHECK(count == 1000);
}

}  // namespace cordgate::proxy::test
