#include "core/call_pauses.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <memory>

#include "core/discord/failure.hpp"

using namespace cordgate;
using namespace std::chrono_literals;
using Kind = CallTarget::Kind;

namespace {

constexpr auto renewal = CallTarget::renewal();
constexpr CallTarget guilds{Kind::guilds, {}};
constexpr CallTarget profile{Kind::profile, {}};
constexpr CallTarget garden{Kind::member, Snowflake{100}};
constexpr CallTarget shed{Kind::member, Snowflake{200}};

const Error timeout{ErrorKind::timed_out, ErrorSource::discord, "as told"};
const Error broken{ErrorKind::unavailable, ErrorSource::discord, "500"};
const Error store_away{ErrorKind::unavailable, ErrorSource::store, "as told"};

Error refused() {
    Error error{ErrorKind::not_found, ErrorSource::discord, "404"};
    error.refusal = std::make_shared<discord::Refusal>();
    return error;
}

struct Fixture {
    TimePoint now{std::chrono::hours(24 * 365 * 50)};
    CallPauses pauses{[this] { return now; }};

    std::string somebody() { return std::to_string(++people_); }
    /// Calls of that many users who were nowhere before; how many were made.
    int calls(CallTarget target, int people, const Error& error) {
        int made = 0;
        for (int i = 0; i < people; ++i) {
            const auto who = somebody();
            if (pauses.enter(who, target)) continue;
            pauses.failed(who, target, error);
            ++made;
        }
        return made;
    }
    bool may_ask(CallTarget target) { return !pauses.held(somebody(), target); }

private:
    int people_ = 0;
};

}  // namespace

TEST_CASE("G17 what fails for one user pauses, longer each time, for that user and that alone") {
    Fixture it;
    auto last = 0ms;
    for (int i = 0; i < 8; ++i) {
        REQUIRE_FALSE(it.pauses.enter("ann", garden));
        const auto until = it.pauses.failed("ann", garden, refused());
        const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(until - it.now);
        CHECK(pause >= std::min<std::chrono::milliseconds>(1500ms * (1 << i), 45s));
        CHECK(pause <= 75s);
        last = pause;
        CHECK(it.pauses.held("ann", garden));
        CHECK_FALSE(it.pauses.held("ann", shed));
        CHECK_FALSE(it.pauses.held("ann", guilds));
        CHECK_FALSE(it.pauses.held("bob", garden));
        it.now = until;
    }
    CHECK(last >= 45s);
    it.pauses.succeeded("ann", garden);
    it.pauses.failed("ann", garden, refused());
    CHECK(it.pauses.held("ann", garden)->until - it.now < 3s);
    it.pauses.forget("ann");
    CHECK_FALSE(it.pauses.held("ann", garden));
}

TEST_CASE("G17 a guild whose members nobody can tell holds up that guild, and nothing else") {
    for (const auto& error : {timeout, broken}) {
        Fixture it;
        CHECK(it.calls(garden, 1000, error) == 5);
        CHECK_FALSE(it.may_ask(garden));
        for (const auto& other : {shed, guilds, profile, renewal}) CHECK(it.may_ask(other));
        // One user from time to time sees whether it is back.
        int calls = 0;
        for (int second = 0; second < 300; ++second) {
            it.now += 1s;
            calls += it.calls(garden, 10, error);
            for (const auto& other : {shed, guilds, profile, renewal}) CHECK(it.may_ask(other));
        }
        CHECK(calls >= 15);
        CHECK(calls <= 30);
        it.now += 20s;
        REQUIRE_FALSE(it.pauses.enter("ann", garden));
        CHECK(it.calls(garden, 10, error) == 0);  // while that one is on its way
        it.pauses.succeeded("ann", garden);
        CHECK(it.may_ask(garden));
    }
}

TEST_CASE("G17 two guilds that fail are not Discord, and the store that fails is not either") {
    Fixture it;
    CHECK(it.calls(garden, 10, broken) == 5);
    CHECK(it.calls(shed, 10, broken) == 5);
    CHECK(it.may_ask({Kind::member, Snowflake{300}}));
    CHECK(it.may_ask(guilds));
    CHECK(it.calls(renewal, 10, store_away) == 10);
    CHECK(it.may_ask(guilds));
    CHECK(it.may_ask(renewal));
}

TEST_CASE("G17 when different routes answer nobody, each is asked seldom, however many guilds") {
    Fixture it;
    it.calls(guilds, 3, timeout);
    it.calls(garden, 3, timeout);
    const auto calls = [&] {
        int made = it.calls(guilds, 3, timeout);
        for (std::uint64_t guild = 1; guild <= 50; ++guild) {
            made += it.calls({Kind::member, Snowflake{guild}}, 3, timeout);
        }
        return made;
    };
    it.now += 20s;
    REQUIRE_FALSE(it.pauses.enter("ann", profile));
    it.pauses.failed("ann", profile, timeout);
    CHECK(it.pauses.held("ann", renewal));  // one call of hers was enough
    CHECK(it.may_ask(renewal));
    int made = 0;
    for (int second = 0; second < 300; ++second) {
        it.now += 1s;
        made += calls();
    }
    CHECK(made >= 30);  // it does notice when Discord is back
    CHECK(made <= 80);
    // Any answer, a refusal as well, shows that its route is back.
    it.now += 20s;
    REQUIRE_FALSE(it.pauses.enter("ann", garden));
    it.pauses.failed("ann", garden, refused());
    CHECK(it.may_ask(garden));
    CHECK(it.may_ask(shed));
}

TEST_CASE("what nobody asked for want of time is not asked at once, and has not failed") {
    Fixture it;
    it.pauses.postpone("ann", garden, timeout);
    CHECK(it.pauses.held("ann", garden));
    for (int i = 0; i < 20; ++i) it.pauses.postpone(it.somebody(), garden, timeout);
    CHECK(it.may_ask(garden));
    it.now += 3s;
    CHECK_FALSE(it.pauses.held("ann", garden));
}

TEST_CASE("G17 what failed long ago says nothing of today") {
    Fixture it;
    SUBCASE("of one user") {
        for (int i = 0; i < 8; ++i) it.now = it.pauses.failed("ann", garden, refused());
        it.now += 1h;
        CHECK(it.pauses.failed("ann", garden, refused()) - it.now < 3s);
    }
    SUBCASE("of one user, who was put off today") {
        for (int i = 0; i < 8; ++i) it.now = it.pauses.failed("ann", garden, refused());
        it.now += 1h;
        it.pauses.postpone("ann", garden, timeout);
        it.now += 3s;
        CHECK(it.pauses.failed("ann", garden, refused()) - it.now < 3s);
    }
    SUBCASE("of a guild") {
        CHECK(it.calls(garden, 10, timeout) == 5);
        it.now += 1h;
        CHECK(it.calls(garden, 10, timeout) == 5);
    }
    SUBCASE("a guild now and then, however often in all") {
        for (int hour = 0; hour < 20; ++hour, it.now += 1h) {
            CHECK(it.calls(garden, 1, timeout) == 1);
            CHECK(it.may_ask(garden));
        }
    }
    SUBCASE("of two kinds that were never away at once") {
        it.calls(guilds, 3, timeout);
        it.now += 1h;
        it.calls(garden, 3, timeout);
        it.pauses.failed("ann", profile, refused());
        CHECK_FALSE(it.pauses.held("ann", renewal));
        CHECK(it.may_ask(guilds));
    }
    SUBCASE("but an outage with few visitors is one outage") {
        for (int i = 0; i < 3; ++i, it.now += 5min) {
            it.calls(guilds, 1, timeout);
            it.calls(garden, 1, timeout);
        }
        it.calls(guilds, 1, timeout);
        CHECK_FALSE(it.may_ask(guilds));
    }
}

TEST_CASE("G9 G17 a clock that is set back lengthens no pause") {
    for (const auto& back : {24h, 1h}) {
        Fixture it;
        auto told = refused();
        told.retry_after = 1h;
        it.pauses.failed("ann", garden, told);
        it.pauses.postpone("ann", profile, timeout);
        CHECK(it.calls(shed, 10, timeout) == 5);
        REQUIRE(it.pauses.held("ann", garden));
        REQUIRE(it.pauses.held("ann", profile));
        REQUIRE_FALSE(it.may_ask(shed));
        it.now -= back;
        CHECK_FALSE(it.pauses.held("ann", garden));
        CHECK_FALSE(it.pauses.held("ann", profile));
        CHECK(it.may_ask(shed));
        // From here on all is as ever.
        CHECK(it.pauses.failed("ann", garden, broken) - it.now < 3s);
        CHECK(it.pauses.held("ann", garden));
        it.pauses.postpone("ann", profile, timeout);
        CHECK(it.pauses.held("ann", profile)->until - it.now < 3s);
        CHECK(it.calls(shed, 10, timeout) == 5);
        CHECK_FALSE(it.may_ask(shed));
    }
}
