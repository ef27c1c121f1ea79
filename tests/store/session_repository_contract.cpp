#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "core/random.hpp"
#include "core/session_repository.hpp"
#include "store/sealed_sessions.hpp"
#include "support.hpp"

// What every SessionRepository does for the login and for the data plane.

using namespace cordgate;
using namespace cordgate::test;

namespace {

const std::vector<Secret> keys{Secret(std::string(32, 'k'))};

Session session_of(const std::string& handle) {
    Session session;
    session.handle = handle;
    session.created_at = session.last_seen_at = noon;
    session.expires_at = noon + 24h;
    session.user_agent = "agent of " + handle;
    session.grant.access_token = Secret("access-" + handle);
    session.identity.user.id = Snowflake(7);
    session.identity.user.username = "nelly";
    return session;
}

PendingLogin login_to(const std::string& return_to, TimePoint when = noon) {
    PendingLogin login;
    login.browser = sha256("browser");
    login.verifier = Secret("verifier");
    login.return_to = return_to;
    login.created_at = when;
    return login;
}

template <class Backend>
struct Sealed {
    Backend backend;
    SessionEvents events;
    SealedSessions repository{std::move(backend.store), keys, 1h, &events};
};
using SealedInMemory = Sealed<InMemory>;
using SealedInSqlite = Sealed<InSqlite>;
using SealedInRedis = Sealed<InRedis>;

}  // namespace

TYPE_TO_STRING(SealedInMemory);
TYPE_TO_STRING(SealedInSqlite);
TYPE_TO_STRING(SealedInRedis);

TEST_CASE_TEMPLATE("every session repository keeps sessions", Backend, SealedInMemory,
                   SealedInSqlite, SealedInRedis) {
    Backend backend;
    SessionRepository& sessions = backend.repository;
    const auto token = SessionToken::make();
    const auto digest = token.digest();

    SUBCASE("G4 a token that nobody was given finds nothing") {
        const auto found = sessions.find(SessionToken::make().digest(), noon);
        REQUIRE(found);
        CHECK_FALSE(found->has_value());
    }
    SUBCASE("D12 a digest of any other form finds nothing") {
        REQUIRE(sessions.create(token, session_of("h")));
        for (const auto& odd : {std::string(), digest.substr(1), digest + "x"}) {
            CHECK_FALSE(sessions.find(odd, noon)->has_value());
        }
    }
    SUBCASE("a session comes back with what it was made of") {
        REQUIRE(sessions.create(token, session_of("h")));
        const auto found = sessions.find(digest, noon);
        REQUIRE(found);
        REQUIRE(*found);
        CHECK((*found)->handle == "h");
        CHECK((*found)->user_agent == "agent of h");
        CHECK((*found)->grant.access_token.reveal() == "access-h");
        CHECK((*found)->identity.user.username == "nelly");
    }
    SUBCASE("G7 D17 oauth2-proxy #17 a session ends at the instant it expires, however active") {
        REQUIRE(sessions.create(token, session_of("h")));
        REQUIRE(sessions.touch(digest, noon + 24h - 1ns));
        CHECK(sessions.find(digest, noon + 24h - 1ns)->has_value());
        CHECK_FALSE(sessions.find(digest, noon + 24h)->has_value());
    }
    SUBCASE("G6 a session ends when it was idle for the whole limit; use extends it") {
        REQUIRE(sessions.create(token, session_of("h")));
        CHECK(sessions.find(digest, noon + 1h - 1ns)->has_value());
        REQUIRE(sessions.touch(digest, noon + 30min));
        CHECK(sessions.find(digest, noon + 90min - 1ns)->value().last_seen_at == noon + 30min);
        CHECK_FALSE(sessions.find(digest, noon + 90min)->has_value());
    }
    SUBCASE("G9 an expired session stays expired when the clock is set back") {
        REQUIRE(sessions.create(token, session_of("h")));
        CHECK_FALSE(sessions.find(digest, noon + 1h)->has_value());
        CHECK_FALSE(sessions.find(digest, noon)->has_value());
        CHECK_FALSE(*sessions.update(digest, session_of("h")));
    }
    SUBCASE("G9 a clock that goes back does not end sessions, nor does 2038") {
        auto late = session_of("h");
        late.created_at = late.last_seen_at = noon + std::chrono::hours(24 * 365 * 20);
        late.expires_at = late.created_at + 24h;
        REQUIRE(sessions.create(token, late));
        CHECK(sessions.find(digest, late.created_at - 1h)->has_value());
        CHECK(sessions.find(digest, late.created_at)->value().expires_at == late.expires_at);
    }
    SUBCASE("update replaces what is known; false when the session is gone") {
        CHECK_FALSE(*sessions.update(digest, session_of("h")));
        REQUIRE(sessions.create(token, session_of("h")));
        auto refreshed = session_of("h");
        refreshed.grant.access_token = Secret("second");
        CHECK(*sessions.update(digest, refreshed));
        CHECK(sessions.find(digest, noon)->value().grant.access_token.reveal() == "second");
    }
    SUBCASE("G18 an ended session is gone for good") {
        REQUIRE(sessions.create(token, session_of("h")));
        CHECK(*sessions.end(digest));
        CHECK_FALSE(*sessions.end(digest));
        CHECK_FALSE(*sessions.update(digest, session_of("h")));
        REQUIRE(sessions.touch(digest, noon + 1s));
        CHECK_FALSE(sessions.find(digest, noon)->has_value());
    }
    SUBCASE("G13 of changes made at once by many threads none is lost") {
        REQUIRE(sessions.create(token, session_of("h")));
        constexpr int threads_count = 4;
        constexpr int rounds = 10;
        std::atomic<int> failures{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < threads_count; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < rounds; ++i) {
                    const auto done = sessions.change(digest, noon, [](Session& session) {
                        session.user_agent += '+';
                        return true;
                    });
                    if (!done || !*done) ++failures;
                }
            });
        }
        for (auto& thread : threads) thread.join();
        CHECK(failures == 0);
        CHECK(sessions.find(digest, noon)->value().user_agent ==
              "agent of h" + std::string(threads_count * rounds, '+'));
    }
    SUBCASE("a change that is not wanted, or of a session that ended, changes nothing") {
        const auto rename = [](Session& session) {
            session.identity.user.username = "other";
            return true;
        };
        CHECK_FALSE(*sessions.change(digest, noon, rename));
        REQUIRE(sessions.create(token, session_of("h")));
        CHECK_FALSE(*sessions.change(digest, noon, [&](Session& session) {
            rename(session);
            return false;
        }));
        CHECK(sessions.find(digest, noon)->value().identity.user.username == "nelly");
        // Ended while it is being changed: it stays ended.
        CHECK_FALSE(*sessions.change(digest, noon, [&](Session& session) {
            CHECK(*sessions.end(digest));
            return rename(session);
        }));
        CHECK_FALSE(sessions.find(digest, noon)->has_value());
    }
    SUBCASE("G10 finds and ends by handle") {
        REQUIRE(sessions.create(token, session_of("h")));
        REQUIRE(sessions.create(SessionToken::make(), session_of("other")));
        const auto found = sessions.find_handle("h", noon);
        REQUIRE(found);
        REQUIRE(*found);
        CHECK((*found)->digest == digest);
        CHECK((*found)->session.grant.access_token.reveal() == "access-h");
        CHECK_FALSE(sessions.find_handle("nobody", noon)->has_value());
        CHECK_FALSE(sessions.end_handle("nobody")->has_value());
        CHECK(sessions.end_handle("h")->value() == digest);
        CHECK_FALSE(sessions.end_handle("h")->has_value());
        CHECK_FALSE(sessions.find_handle("h", noon)->has_value());
        CHECK_FALSE(sessions.find(digest, noon)->has_value());
        CHECK(sessions.find_handle("other", noon)->has_value());
        CHECK_FALSE(sessions.find_handle("other", noon + 1h)->has_value());
    }
    SUBCASE("lists sessions of one user or of all, without the expired") {
        for (int i = 0; i < 7; ++i) {
            auto session = session_of("h" + std::to_string(i));
            if (i % 2 == 1) session.identity.user.id = Snowflake(8);
            if (i == 6) session.expires_at = noon;
            REQUIRE(sessions.create(SessionToken::make(), session));
        }
        std::vector<std::string> handles;
        std::string cursor;
        do {
            const auto page = sessions.list(std::nullopt, cursor, 2, noon);
            REQUIRE(page);
            for (const auto& listed : page->sessions) {
                handles.push_back(listed.session.handle);
                CHECK(sessions.find(listed.digest, noon)->value().handle == handles.back());
            }
            cursor = page->next;
        } while (!cursor.empty());
        CHECK(handles == std::vector<std::string>{"h0", "h1", "h2", "h3", "h4", "h5"});
        CHECK(sessions.list(Snowflake(8), "", 10, noon)->sessions.size() == 3);
        CHECK(sessions.list(Snowflake(9), "", 10, noon)->sessions.empty());
        CHECK(sessions.list(std::nullopt, "", 10, noon + 1h)->sessions.empty());
    }
    SUBCASE("G10 ends the sessions of a user that began before an instant, or some of many") {
        const auto second = SessionToken::make();
        const auto other = SessionToken::make();
        const auto later = SessionToken::make();
        REQUIRE(sessions.create(token, session_of("a")));
        REQUIRE(sessions.create(second, session_of("b")));
        auto late = session_of("c");
        late.created_at += 1s;
        REQUIRE(sessions.create(later, late));
        auto others = session_of("d");
        others.identity.user.id = Snowflake(77);
        REQUIRE(sessions.create(other, others));
        auto ended = sessions.end_user(Snowflake(7), noon);
        REQUIRE(ended);
        std::sort(ended->begin(), ended->end());
        auto expected = std::vector{digest, second.digest()};
        std::sort(expected.begin(), expected.end());
        CHECK(*ended == expected);
        CHECK(sessions.find(later.digest(), noon)->has_value());
        CHECK(*sessions.end_many({digest, other.digest()}) == std::vector{other.digest()});
        CHECK_FALSE(sessions.find(other.digest(), noon)->has_value());
    }
    SUBCASE("L28 tells every end, however it came, and nothing else") {
        std::vector<std::string> heard;
        auto subscription =
            backend.events.subscribe([&](const std::string& ended) { heard.push_back(ended); });
        std::vector<SessionToken> tokens;
        for (int i = 0; i < 5; ++i) {
            tokens.push_back(SessionToken::make());
            auto session = session_of("h" + std::to_string(i));
            session.identity.user.id = Snowflake(static_cast<std::uint64_t>(i));
            REQUIRE(sessions.create(tokens.back(), session));
        }
        REQUIRE(sessions.end(SessionToken::make().digest()));
        REQUIRE(sessions.end_handle("nobody"));
        CHECK(heard.empty());
        REQUIRE(sessions.end(tokens[0].digest()));
        REQUIRE(sessions.end_handle("h1"));
        REQUIRE(sessions.end_user(Snowflake(2), noon));
        REQUIRE(sessions.end_many({tokens[3].digest()}));
        std::vector<std::string> expected;
        for (std::size_t i = 0; i < 4; ++i) expected.push_back(tokens[i].digest());
        CHECK(heard == expected);
        subscription = {};
        REQUIRE(sessions.end(tokens[4].digest()));
        CHECK(heard == expected);
    }
    SUBCASE("G14 lends locks") {
        CHECK(*sessions.try_lease("grant", "one", 24h));
        CHECK_FALSE(*sessions.try_lease("grant", "two", 1s));
        CHECK(*sessions.renew_lease("grant", "one", 1s));
        CHECK(*sessions.release_lease("grant", "one"));
        CHECK(*sessions.try_lease("grant", "two", 1s));
    }
    SUBCASE("purge takes the expired and the idle, and leaves the others") {
        REQUIRE(sessions.create(token, session_of("idle")));
        auto brief = session_of("brief");
        brief.expires_at = noon + 1min;
        brief.last_seen_at = noon + 1h;
        REQUIRE(sessions.create(SessionToken::make(), brief));
        const auto used = SessionToken::make();
        REQUIRE(sessions.create(used, session_of("used")));
        REQUIRE(sessions.touch(used.digest(), noon + 1s));
        CHECK(*sessions.purge(noon + 1h, 100) == 2);
        CHECK(*sessions.purge(noon + 1h, 100) == 0);
        CHECK(sessions.find(used.digest(), noon + 1h)->has_value());
    }
    SUBCASE("answers a ping") {
        CHECK(sessions.ping());
    }
}

TEST_CASE_TEMPLATE("every session repository keeps logins under way", Backend, SealedInMemory,
                   SealedInSqlite, SealedInRedis) {
    Backend backend;
    SessionRepository& sessions = backend.repository;
    const Secret state = random_token();

    SUBCASE("a login is taken once, with all it had") {
        auto login = login_to("/inbox");
        login.profile = "staff";
        login.data = R"({"a":1})";
        REQUIRE(sessions.begin_login(state, login));
        const auto taken = sessions.take_login(state, noon);
        REQUIRE(taken);
        REQUIRE(*taken);
        CHECK((*taken)->return_to == "/inbox");
        CHECK((*taken)->verifier.reveal() == "verifier");
        CHECK((*taken)->browser == login.browser);
        CHECK((*taken)->profile == "staff");
        CHECK((*taken)->data == login.data);
        CHECK((*taken)->created_at == noon);
        CHECK_FALSE(sessions.take_login(state, noon)->has_value());
    }
    SUBCASE("a state that nobody began finds nothing") {
        CHECK_FALSE(sessions.take_login(random_token(), noon)->has_value());
        CHECK_FALSE(sessions.take_login(Secret(""), noon)->has_value());
    }
    SUBCASE("an expired login is told from an unknown one for as long again") {
        REQUIRE(sessions.begin_login(state, login_to("/")));
        CHECK(*sessions.purge(noon + 20min - 1ns, 10) == 0);
        SUBCASE("then it is returned once") {
            CHECK(sessions.take_login(state, noon + 20min - 1ns)->has_value());
            CHECK_FALSE(sessions.take_login(state, noon + 20min - 1ns)->has_value());
        }
        SUBCASE("after that it is unknown") {
            CHECK_FALSE(sessions.take_login(state, noon + 20min)->has_value());
        }
        SUBCASE("after that it is purged") {
            CHECK(*sessions.purge(noon + 20min, 10) == 1);
        }
    }
    SUBCASE("of 50 callbacks with one state, one wins") {
        REQUIRE(sessions.begin_login(state, login_to("/")));
        std::atomic<int> winners{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 50; ++i) {
            threads.emplace_back([&] {
                const auto taken = sessions.take_login(state, noon);
                if (taken && *taken) ++winners;
            });
        }
        for (auto& thread : threads) thread.join();
        CHECK(winners == 1);
    }
    SUBCASE("D19 five tabs may log in at once, the sixth drops the first") {
        std::vector<Secret> states;
        for (int i = 0; i < 6; ++i) {
            states.push_back(random_token());
            REQUIRE(sessions.begin_login(states.back(), login_to("/" + std::to_string(i))));
        }
        CHECK_FALSE(sessions.take_login(states[0], noon)->has_value());
        for (std::size_t i = 1; i < 6; ++i) {
            CHECK(sessions.take_login(states[i], noon)->value().return_to ==
                  "/" + std::to_string(i));
        }
    }
}

TEST_CASE("idle_timeout 0 ends sessions at their expiry only") {
    SealedSessions sessions(std::make_unique<MemoryStore>(), keys, 0s);
    const auto token = SessionToken::make();
    REQUIRE(sessions.create(token, session_of("h")));
    CHECK(*sessions.purge(noon + 23h, 10) == 0);
    CHECK(sessions.find(token.digest(), noon + 23h)->has_value());
    CHECK_FALSE(sessions.find(token.digest(), noon + 24h)->has_value());
}

TEST_CASE("D13 a row that was changed, moved or sealed by others is no session") {
    auto owned = std::make_unique<MemoryStore>();
    auto& rows = *owned;
    SealedSessions sessions(std::move(owned), keys, 0s);
    const auto token = SessionToken::make();
    const auto digest = token.digest();
    REQUIRE(sessions.create(token, session_of("h")));
    const auto row = rows.find(digest)->value();

    SUBCASE("any byte flipped") {
        std::uint64_t refused = 0;
        for (std::size_t i = 0; i < row.sealed.size(); ++i) {
            auto changed = row;
            changed.sealed[i] = static_cast<char>(changed.sealed[i] ^ 1);
            REQUIRE(*rows.update(changed));
            const auto found = sessions.find(digest, noon);
            REQUIRE(found);
            CHECK_FALSE(found->has_value());
            CHECK(sessions.unreadable() == ++refused);
        }
        REQUIRE(*rows.update(row));
        CHECK(sessions.find(digest, noon)->has_value());
    }
    SUBCASE("cut at any length") {
        for (std::size_t size = 0; size < row.sealed.size(); ++size) {
            auto changed = row;
            changed.sealed.resize(size);
            REQUIRE(*rows.update(changed));
            CHECK_FALSE(sessions.find(digest, noon)->has_value());
        }
    }
    SUBCASE("put under another key") {
        auto moved = row;
        moved.key = sha256("chosen by the attacker");
        moved.handle = "other";
        REQUIRE(rows.insert(moved));
        CHECK_FALSE(sessions.find(moved.key, noon)->has_value());
        CHECK(sessions.unreadable() == 1);
    }
    SUBCASE("D15 sealed with another installation's key") {
        const SealedSessions other(std::make_unique<MemoryStore>(), {Secret(std::string(32, 'x'))},
                                   0s);
        auto foreign = row;
        foreign.sealed = Sealer({Secret(std::string(32, 'x'))}, "session").seal("plain", digest);
        REQUIRE(*rows.update(foreign));
        CHECK_FALSE(sessions.find(digest, noon)->has_value());
    }
    SUBCASE("sealed with our key, but no session of a version we know") {
        auto odd = row;
        odd.sealed = Sealer(keys, "session").seal("\x7fnewer", digest);
        REQUIRE(*rows.update(odd));
        CHECK_FALSE(sessions.find(digest, noon)->has_value());
        CHECK(sessions.unreadable() == 1);
    }
    SUBCASE("made to live longer by its columns") {
        auto longer = row;
        longer.expires += 24h;
        REQUIRE(*rows.update(longer));
        CHECK_FALSE(sessions.find(digest, noon + 24h)->has_value());
    }
    SUBCASE("a login is not taken for another's") {
        const Secret state = random_token();
        REQUIRE(sessions.begin_login(state, login_to("/")));
        auto login = rows.take_login(sha256(state.reveal()))->value();
        login.key = sha256("other");
        REQUIRE(rows.put_login(login));
        CHECK_FALSE(sessions.take_login(Secret("other"), noon)->has_value());
        CHECK(sessions.unreadable() == 1);
    }
}
