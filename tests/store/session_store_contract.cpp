#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "support.hpp"

// What every SessionStore does, whatever it keeps its rows in.

using namespace cordgate;
using namespace cordgate::test;

TYPE_TO_STRING(InMemory);
TYPE_TO_STRING(InSqlite);
TYPE_TO_STRING(InRedis);

TEST_CASE_TEMPLATE("every session store keeps sessions", Backend, InMemory, InSqlite, InRedis) {
    Backend backend;
    SessionStore& store = *backend.store;
    const auto row = session_row("a");

    SUBCASE("G4 answers an unknown key with nothing, not with an error") {
        const auto found = store.find(sha256("nobody"));
        REQUIRE(found);
        CHECK_FALSE(found->has_value());
    }
    SUBCASE("returns every column as it was given, to the nanosecond") {
        auto given = row;
        given.created += 1ns;
        given.last_seen += 2ns;
        given.expires += 3ns;
        given.sealed = std::string("\0\xff'; --", 7);
        REQUIRE(store.insert(given));
        const auto found = store.find(given.key);
        REQUIRE(found);
        REQUIRE(*found);
        CHECK((*found)->key == given.key);
        CHECK((*found)->handle == given.handle);
        CHECK((*found)->user_id == given.user_id);
        CHECK((*found)->created == given.created);
        CHECK((*found)->last_seen == given.last_seen);
        CHECK((*found)->expires == given.expires);
        CHECK((*found)->sealed == given.sealed);
        CHECK(store.find_handle(given.handle)->value().key == given.key);
        CHECK_FALSE(store.find_handle("handle")->has_value());
    }
    SUBCASE("insert never replaces a session") {
        REQUIRE(store.insert(row));
        auto same_key = session_row("b");
        same_key.key = row.key;
        auto same_handle = session_row("b");
        same_handle.handle = row.handle;
        for (const auto& second : {same_key, same_handle}) {
            const auto added = store.insert(second);
            REQUIRE_FALSE(added);
            CHECK(added.error().kind == ErrorKind::internal);
            CHECK(added.error().source == ErrorSource::store);
        }
        CHECK(store.find(row.key)->value().sealed == row.sealed);
        CHECK_FALSE(store.find(sha256("b"))->has_value());
    }
    SUBCASE("G25 keys and handles are bytes, never syntax") {
        const std::string names[] = {
            std::string("a\0b", 3),   "'",       "a:b", "a' OR '1'='1", "%",
            std::string(10'000, 'x'), "\xff\xfe"};
        for (const auto& name : names) {
            auto odd = session_row(name);
            odd.key = name;
            REQUIRE(store.insert(odd));
        }
        CHECK_FALSE(store.find("a")->has_value());
        for (const auto& name : names) {
            CAPTURE(name);
            CHECK(store.find(name)->value().sealed == "sealed " + name);
            CHECK(store.find_handle("handle-" + name)->value().key == name);
            CHECK(*store.erase(name));
        }
        CHECK_FALSE(*store.has_sessions());
    }
    SUBCASE("update changes a session that is there") {
        REQUIRE(store.insert(row));
        auto changed = row;
        changed.sealed = "new";
        changed.expires += 1h;
        changed.last_seen += 1s;
        CHECK(*store.update(changed));
        const auto found = store.find(row.key);
        CHECK((*found)->sealed == "new");
        CHECK((*found)->expires == changed.expires);
        CHECK((*found)->last_seen == changed.last_seen);
    }
    SUBCASE("G18 an update never brings an ended session back") {
        REQUIRE(store.insert(row));
        CHECK(*store.erase(row.key));
        CHECK_FALSE(*store.update(row));
        CHECK_FALSE(*store.touch(row.key, noon + 1h));
        CHECK_FALSE(*store.erase(row.key));
        CHECK_FALSE(store.find(row.key)->has_value());
        CHECK_FALSE(store.find_handle(row.handle)->has_value());
    }
    SUBCASE("G13 replace changes a session only while it is as it was read") {
        REQUIRE(store.insert(row));
        auto changed = row;
        changed.sealed = "new";
        changed.expires += 1h;
        changed.last_seen += 1s;
        CHECK(*store.replace(changed, "something else") == Replaced::changed);
        CHECK(store.find(row.key)->value().sealed == row.sealed);
        CHECK(*store.replace(changed, row.sealed) == Replaced::yes);
        CHECK(*store.replace(changed, row.sealed) == Replaced::changed);
        const auto found = store.find(row.key);
        CHECK((*found)->sealed == "new");
        CHECK((*found)->expires == changed.expires);
        CHECK((*found)->last_seen == changed.last_seen);
        CHECK(*store.erase(row.key));
        CHECK(*store.replace(changed, "new") == Replaced::gone);
        CHECK_FALSE(store.find(row.key)->has_value());
    }
    SUBCASE("G9 last_seen moves forward only") {
        REQUIRE(store.insert(row));
        CHECK(*store.touch(row.key, noon + 10min));
        CHECK(*store.touch(row.key, noon - 1h));
        CHECK(store.find(row.key)->value().last_seen == noon + 10min);
        CHECK(*store.update(row));
        CHECK(store.find(row.key)->value().last_seen == noon + 10min);
    }
    SUBCASE("lists sessions page by page, each once, all of them") {
        for (int i = 0; i < 25; ++i) {
            REQUIRE(store.insert(session_row(std::to_string(i), i % 5 == 0 ? "7" : "8")));
        }
        struct Case {
            std::string user;
            std::size_t limit;
            std::size_t pages;
            std::size_t rows;
        };
        const Case cases[] = {
            {"",   10,  3, 25},
            {"",   25,  1, 25},
            {"",   100, 1, 25},
            {"7",  2,   3, 5 },
            {"8",  5,   4, 20},
            {"9",  5,   1, 0 },
            {"7'", 5,   1, 0 },
        };
        for (const auto& c : cases) {
            CAPTURE(c.user);
            CAPTURE(c.limit);
            std::set<std::string> seen;
            std::string cursor;
            std::size_t pages = 0;
            do {
                const auto page = store.list(c.user, cursor, c.limit);
                REQUIRE(page);
                CHECK(page->rows.size() <= c.limit);
                for (const auto& listed : page->rows) {
                    CHECK((c.user.empty() || listed.user_id == c.user));
                    CHECK(seen.insert(listed.handle).second);
                }
                cursor = page->next;
                REQUIRE(++pages <= 25);
            } while (!cursor.empty());
            CHECK(pages == c.pages);
            CHECK(seen.size() == c.rows);
        }
    }
    SUBCASE("G10 ends one session by handle, or all of a user, and tells the keys") {
        REQUIRE(store.insert(session_row("a", "7")));
        REQUIRE(store.insert(session_row("b", "7")));
        REQUIRE(store.insert(session_row("c", "77")));
        auto later = session_row("d", "7");
        later.created += 1h;
        REQUIRE(store.insert(later));

        CHECK(store.erase_handle("handle-a")->value() == sha256("a"));
        CHECK_FALSE(store.erase_handle("handle-a")->has_value());
        const auto before = store.erase_user("7", noon);
        CHECK(*before == std::vector{sha256("b")});
        CHECK(*store.erase_user("7", TimePoint::max()) == std::vector{later.key});
        CHECK(store.erase_user("7", TimePoint::max())->empty());
        CHECK(store.find(sha256("c"))->has_value());
    }
    SUBCASE("G10 ends many at once, and tells the keys of those that were there") {
        for (const auto* name : {"a", "b", "c"}) REQUIRE(store.insert(session_row(name)));
        CHECK(store.missing({})->empty());
        CHECK(store.missing({sha256("a"), sha256("c")})->empty());
        CHECK(*store.missing({sha256("nobody"), sha256("a"), sha256("no one")}) ==
              std::vector{sha256("nobody"), sha256("no one")});
        CHECK(store.erase_many({})->empty());
        const auto ended = store.erase_many({sha256("a"), sha256("nobody"), sha256("c")});
        CHECK(*ended == std::vector{sha256("a"), sha256("c")});
        CHECK_FALSE(store.find_handle("handle-a")->has_value());
        CHECK(store.find(sha256("b"))->has_value());
        CHECK(store.list("1", "", 10)->rows.size() == 1);
    }
    SUBCASE("a handle and a key of an ended session are free for another") {
        REQUIRE(store.insert(row));
        REQUIRE(*store.erase(row.key));
        auto again = row;
        again.user_id = "2";
        CHECK(store.insert(again));
        CHECK(store.list("1", "", 10)->rows.empty());
        CHECK(store.list("2", "", 10)->rows.size() == 1);
    }
    SUBCASE("tells whether it has sessions, and answers a ping") {
        CHECK_FALSE(*store.has_sessions());
        REQUIRE(store.insert(row));
        CHECK(*store.has_sessions());
        CHECK(store.ping());
    }
}

TEST_CASE_TEMPLATE("every session store keeps pending logins", Backend, InMemory, InSqlite,
                   InRedis) {
    Backend backend(20);
    SessionStore& store = *backend.store;

    SUBCASE("a login is returned as it was given, once") {
        const auto row = login_row("state");
        REQUIRE(store.put_login(row));
        const auto taken = store.take_login(row.key);
        REQUIRE(taken);
        REQUIRE(*taken);
        CHECK((*taken)->key == row.key);
        CHECK((*taken)->browser == row.browser);
        CHECK((*taken)->created == row.created);
        CHECK((*taken)->sealed == row.sealed);
        CHECK_FALSE(store.take_login(row.key)->has_value());
    }
    SUBCASE("a state is used for one login only") {
        REQUIRE(store.put_login(login_row("state", "one")));
        CHECK_FALSE(store.put_login(login_row("state", "other")));
        CHECK(store.take_login(sha256("state"))->value().browser == sha256("one"));
    }
    SUBCASE("of 50 threads that take one state, one gets it") {
        for (int round = 0; round < 5; ++round) {
            REQUIRE(store.put_login(login_row("state")));
            std::atomic<int> winners{0};
            std::atomic<int> failures{0};
            std::atomic<bool> go{false};
            std::vector<std::thread> threads;
            for (int i = 0; i < 50; ++i) {
                threads.emplace_back([&] {
                    while (!go) std::this_thread::yield();
                    const auto taken = store.take_login(sha256("state"));
                    if (!taken) {
                        ++failures;
                    } else if (*taken) {
                        ++winners;
                    }
                });
            }
            go = true;
            for (auto& thread : threads) thread.join();
            CHECK(winners == 1);
            CHECK(failures == 0);
        }
    }
    SUBCASE("D19 the sixth login of a browser drops its oldest, and nobody else's") {
        REQUIRE(store.put_login(login_row("other", "other browser")));
        for (int i = 0; i < 50; ++i) REQUIRE(store.put_login(login_row(std::to_string(i))));
        CHECK_FALSE(store.take_login(sha256("44"))->has_value());
        for (int i = 45; i < 50; ++i) {
            CHECK(store.take_login(sha256(std::to_string(i)))->has_value());
        }
        CHECK(store.take_login(sha256("other"))->has_value());
    }
    SUBCASE("G23 logins of many browsers stay within the bound, the oldest give way") {
        for (int i = 0; i < 300; ++i) {
            REQUIRE(store.put_login(login_row(std::to_string(i), "browser " + std::to_string(i))));
        }
        int left = 0;
        for (int i = 0; i < 300; ++i) {
            const auto taken = store.take_login(sha256(std::to_string(i)));
            REQUIRE(taken);
            CHECK(taken->has_value() == (i >= 280));
            left += taken->has_value() ? 1 : 0;
        }
        CHECK(left == 20);
        CHECK_FALSE(*store.has_sessions());
    }
}

TEST_CASE_TEMPLATE("every session store purges what reached a cut-off", Backend, InMemory, InSqlite,
                   InRedis) {
    Backend backend;
    SessionStore& store = *backend.store;
    const auto never = TimePoint::min();

    SUBCASE("and nothing else") {
        auto expired = session_row("expired");
        expired.expires = noon;
        auto idle = session_row("idle");
        idle.last_seen = noon - 1h;
        REQUIRE(store.insert(expired));
        REQUIRE(store.insert(idle));
        REQUIRE(store.insert(session_row("alive")));
        REQUIRE(store.put_login(login_row("old", "browser", noon - 20min)));
        REQUIRE(store.put_login(login_row("new", "browser", noon - 19min)));

        CHECK(*store.purge({never, never, never}, 100) == 0);
        CHECK(*store.purge({noon - 1ns, noon - 1h - 1ns, noon - 20min - 1ns}, 100) == 0);
        CHECK(*store.purge({noon, noon - 1h, noon - 20min}, 100) == 3);
        CHECK_FALSE(store.find(expired.key)->has_value());
        CHECK_FALSE(store.find(idle.key)->has_value());
        CHECK(store.find(sha256("alive"))->has_value());
        CHECK_FALSE(store.take_login(sha256("old"))->has_value());
        CHECK(store.take_login(sha256("new"))->has_value());
    }
    SUBCASE("G24 in batches, however much there is") {
        for (int i = 0; i < 25; ++i) {
            REQUIRE(store.insert(session_row(std::to_string(i))));
            REQUIRE(store.put_login(login_row(std::to_string(i), std::to_string(i))));
        }
        const Cutoffs all{noon + 24h, noon, noon};
        for (int batch = 0; batch < 5; ++batch) CHECK(*store.purge(all, 10) == 10);
        CHECK(*store.purge(all, 10) == 0);
        CHECK_FALSE(*store.has_sessions());
    }
    SUBCASE("by the time a session was last touched or updated") {
        REQUIRE(store.insert(session_row("a")));
        REQUIRE(*store.touch(sha256("a"), noon + 1h));
        CHECK(*store.purge({never, noon, never}, 10) == 0);
        auto longer = session_row("a");
        longer.expires = noon + 48h;
        REQUIRE(*store.update(longer));
        CHECK(*store.purge({noon + 24h, noon, never}, 10) == 0);
        CHECK(*store.purge({noon + 48h, noon, never}, 10) == 1);
    }
}

TEST_CASE_TEMPLATE("G14 every session store lends locks that end by themselves", Backend, InMemory,
                   InSqlite, InRedis) {
    Backend backend;
    SessionStore& store = *backend.store;
    const std::string name("grant\0\xff", 7);

    SUBCASE("to one holder, who may take them again, renew them and give them back") {
        CHECK(*store.try_lease(name, "one", 60s));
        CHECK_FALSE(*store.try_lease(name, "two", 60s));
        CHECK(*store.try_lease("another grant", "two", 60s));
        CHECK(*store.try_lease(name, "one", 60s));
        CHECK(*store.renew_lease(name, "one", 60s));
        CHECK_FALSE(*store.renew_lease(name, "two", 60s));
        CHECK_FALSE(*store.release_lease(name, "two"));
        CHECK(*store.release_lease(name, "one"));
        CHECK_FALSE(*store.release_lease(name, "one"));
        CHECK_FALSE(*store.renew_lease(name, "one", 60s));
        CHECK(*store.try_lease(name, "two", 60s));
    }
    SUBCASE("until the time is up; then to the next, and the first knows that he lost it") {
        const auto taken = std::chrono::steady_clock::now();
        REQUIRE(*store.try_lease(name, "one", 60ms));
        REQUIRE(comes_true([&] { return *store.try_lease(name, "two", 60s); }));
        CHECK(std::chrono::steady_clock::now() - taken >= 60ms);
        CHECK_FALSE(*store.renew_lease(name, "one", 60s));
        CHECK_FALSE(*store.release_lease(name, "one"));
        CHECK_FALSE(*store.try_lease(name, "one", 60s));
    }
    SUBCASE("for longer, as long as they are renewed") {
        // Again where the machine stood still for as long as the lock is lent.
        CHECK(comes_true([&] {
            REQUIRE(*store.try_lease(name, "one", 2s));
            const auto taken = std::chrono::steady_clock::now();
            auto renewed = taken;
            bool is_kept = true;
            while (is_kept && renewed - taken < 2500ms) {
                const auto before = std::exchange(renewed, std::chrono::steady_clock::now());
                is_kept =
                    *store.renew_lease(name, "one", 2s) && !*store.try_lease(name, "two", 1ms);
                if (!is_kept) CHECK(std::chrono::steady_clock::now() - before > 1500ms);
                std::this_thread::yield();
            }
            return is_kept;
        }));
    }
    SUBCASE("to one of 20 threads that ask at once") {
        std::atomic<int> winners{0};
        std::atomic<int> failures{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 20; ++i) {
            threads.emplace_back([&, i] {
                const auto taken = store.try_lease(name, std::to_string(i), 60s);
                if (!taken) ++failures;
                if (taken && *taken) ++winners;
            });
        }
        for (auto& thread : threads) thread.join();
        CHECK(winners == 1);
        CHECK(failures == 0);
    }
}

TEST_CASE_TEMPLATE("every session store may be used by many threads at once", Backend, InMemory,
                   InSqlite, InRedis) {
    Backend backend;
    SessionStore& store = *backend.store;
    constexpr int threads_count = 8;
    constexpr int rounds = 15;
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < threads_count; ++t) {
        threads.emplace_back([&, t] {
            const auto expect = [&](bool held) { failures += held ? 0 : 1; };
            for (int i = 0; i < rounds; ++i) {
                const auto name = std::to_string(t) + "-" + std::to_string(i);
                const auto row = session_row(name, std::to_string(t));
                expect(store.insert(row).has_value());
                const auto found = store.find(row.key);
                expect(found && *found && (*found)->sealed == row.sealed);
                expect(store.touch(row.key, noon + 1s).has_value());
                expect(store.list("", "", 5).has_value());
                if (i % 2 == 0) expect(store.erase(row.key).has_value());
                expect(store.purge({noon, noon - 1h, noon - 1h}, 5).has_value());
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(failures == 0);
    CHECK(store.list("", "", 1000)->rows.size() == threads_count * (rounds / 2));
}
