#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>

#include "store/sqlite.hpp"
#include "store/sqlite_store.hpp"
#include "support.hpp"

// Processes killed at random instants under a load of logins, logouts and token
// rotations. CORDGATE_CRASH_ROUNDS=300 makes each test as long as one likes.

using namespace cordgate;
using namespace cordgate::test;

namespace {

int rounds_or(int standard) {
    const char* const given = std::getenv("CORDGATE_CRASH_ROUNDS");
    return given ? std::atoi(given) : standard;
}

struct Acknowledged {
    enum Kind : int { made, rotated, ended, taken } kind;
    int session;
    int version;
};

/// What was acknowledged of one session.
struct Known {
    bool made = false;
    int version = 0;
    bool ended = false;
    bool taken = false;
};
using Everything = std::map<int, Known>;

SessionRow row_of(int session, int version) {
    auto row = session_row(std::to_string(session));
    row.sealed = std::to_string(version) +
                 std::string(static_cast<std::size_t>(session % 7) * 1500 + 10, 's');
    return row;
}

int version_of(const SessionRow& row) {
    return std::atoi(row.sealed.c_str());
}

/// Some sessions are rotated, every third ends again; the login that led to every
/// second was taken before. What was acknowledged is told to the parent afterwards.
/// Returns when a call fails.
void write_on(SessionStore& store, int first, int pipe) {
    const auto tell = [&](Acknowledged::Kind kind, int session, int version) {
        const Acknowledged news{kind, session, version};
        if (::write(pipe, &news, sizeof news) != sizeof news) ::_exit(3);
    };
    for (int i = first;; ++i) {
        const auto name = std::to_string(i);
        if (!store.put_login(login_row(name, name))) return;
        if (i % 2 == 0) {
            const auto login = store.take_login(sha256(name));
            if (!login || !*login) return;
            tell(Acknowledged::taken, i, 0);
        }
        auto row = row_of(i, 0);
        if (!store.insert(row)) return;
        tell(Acknowledged::made, i, 0);
        for (int version = 1; version <= i % 4; ++version) {
            const auto before = std::exchange(row, row_of(i, version)).sealed;
            const auto replaced = store.replace(row, before);
            if (!replaced || *replaced != Replaced::yes) return;
            tell(Acknowledged::rotated, i, version);
        }
        if (i % 3 != 0) continue;
        const auto gone = store.erase(row.key);
        if (!gone || !*gone) return;
        tell(Acknowledged::ended, i, 0);
    }
}

/// Whether one piece of news came.
bool hear(int pipe, Everything& all) {
    Acknowledged news{};
    if (::read(pipe, &news, sizeof news) != sizeof news) return false;
    auto& known = all[news.session];
    if (news.kind == Acknowledged::made) known.made = true;
    if (news.kind == Acknowledged::ended) known.ended = true;
    if (news.kind == Acknowledged::taken) known.taken = true;
    if (news.kind == Acknowledged::rotated) known.version = news.version;
    return true;
}

void check(SessionStore& store, const Everything& all) {
    for (const auto& [session, known] : all) {
        CAPTURE(session);
        const auto found = store.find(sha256(std::to_string(session)));
        REQUIRE(found);
        if (known.ended) CHECK_FALSE(found->has_value());
        // One that is due to end may have ended unacknowledged.
        const bool may_have_ended = session % 3 == 0;
        if (known.made && !known.ended && !may_have_ended) CHECK(found->has_value());
        // An older token would be one that Discord has replaced already.
        if (*found) CHECK(version_of(**found) >= known.version);
        if (!known.taken) continue;
        const auto taken = store.take_login(sha256(std::to_string(session)));
        REQUIRE(taken);
        CHECK_FALSE(taken->has_value());
    }
}

/// One round: `writes` in a process of its own, `strike` at a random moment; adds
/// what was acknowledged to `all` and answers it.
Everything strike_while(const std::function<void(int pipe)>& writes,
                        const std::function<void(pid_t)>& strike, Everything& all) {
    static std::mt19937 random(std::random_device{}());
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::close(pipe[0]);
        try {
            writes(pipe[1]);
        } catch (const std::exception&) {
            ::_exit(4);
        }
        ::_exit(0);
    }
    ::close(pipe[1]);
    Everything heard;
    // The moment: some acknowledgements later, and then some turns of a loop, so
    // that it falls anywhere in what the child does next.
    for (auto left = 1 + random() % 60; left > 0 && hear(pipe[0], heard); --left) continue;
    for (auto spin = random() % 2'000'000; spin > 0; --spin) asm volatile("");
    strike(child);
    while (hear(pipe[0], heard)) continue;
    ::close(pipe[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    const bool as_meant = WIFSIGNALED(status) || WEXITSTATUS(status) == 0;
    REQUIRE(as_meant);
    all.insert(heard.begin(), heard.end());
    return heard;
}

void kill_writer(pid_t writer) {
    int status = 0;
    REQUIRE(::waitpid(writer, &status, WNOHANG) == 0);  // it did not stop by itself
    REQUIRE(::kill(writer, SIGKILL) == 0);
}

}  // namespace

TEST_CASE("L9 after kill -9 at any moment every acknowledged login and logout is in SQLite") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    Everything all;
    for (int round = 0; round < rounds_or(20); ++round) {
        CAPTURE(round);
        const auto heard = strike_while(
            [&](int pipe) {
                SqliteStore store(path);
                write_on(store, round * 1'000'000, pipe);
            },
            kill_writer, all);
        SqliteStore store(path);
        auto database = sqlite::Database::open(path, 2s);
        REQUIRE(database);
        CHECK(*database->text("PRAGMA integrity_check") == "ok");
        check(store, heard);
    }
    SqliteStore store(path);
    check(store, all);
    CHECK(all.size() >= static_cast<std::size_t>(rounds_or(20)));
}

TEST_CASE("L9 after kill -9 at any moment every acknowledged login and logout is in Redis") {
    RedisServer server;
    Everything all;
    for (int round = 0; round < rounds_or(20); ++round) {
        CAPTURE(round);
        const auto heard = strike_while(
            [&](int pipe) {
                RedisStore store(server.url(), at_noon());
                write_on(store, round * 1'000'000, pipe);
            },
            kill_writer, all);
        RedisStore store(server.url(), at_noon());
        check(store, heard);
    }
    RedisStore store(server.url(), at_noon());
    check(store, all);
    CHECK(all.size() >= static_cast<std::size_t>(rounds_or(20)));
}

TEST_CASE("L23 with appendfsync always nothing acknowledged is lost when Redis is killed") {
    RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
    Everything all;
    for (int round = 0; round < rounds_or(8); ++round) {
        CAPTURE(round);
        const auto heard = strike_while(
            [&](int pipe) {
                RedisStore store(server.url(), at_noon());
                write_on(store, round * 1'000'000, pipe);
            },
            [&](pid_t) { server.kill(); }, all);
        server.start();
        RedisStore store(server.url(), at_noon());
        check(store, heard);
    }
    RedisStore store(server.url(), at_noon());
    check(store, all);
    CHECK(all.size() >= static_cast<std::size_t>(rounds_or(8)));
}

// A killed process leaves what it wrote to the operating system, so that only what Redis
// held back while its disk was busy is lost (up to two seconds); a machine that loses power
// loses what it had not synced, too.
TEST_CASE("L23 with appendfsync everysec what is older than two seconds survives Redis") {
    using SteadyClock = std::chrono::steady_clock;
    struct Change {
        bool ended;
        SteadyClock::time_point acknowledged;
    };
    RedisServer server({"--appendonly", "yes", "--appendfsync", "everysec"});
    std::size_t older = 0, recent = 0, lost = 0;
    for (int round = 0; round < rounds_or(2); ++round) {
        CAPTURE(round);
        std::map<int, Change> changes;
        SteadyClock::time_point killed;
        {
            RedisStore store(server.url(), at_noon());
            auto end = SteadyClock::time_point::max();
            for (int i = round * 1'000'000; SteadyClock::now() < end; ++i) {
                // So many will be old enough, however slow the machine is.
                if (changes.size() == 30) end = SteadyClock::now() + 2500ms;
                const auto row = row_of(i, 0);
                REQUIRE(store.insert(row));
                if (i % 3 == 0) REQUIRE(*store.erase(row.key));
                changes[i] = {i % 3 == 0, SteadyClock::now()};
            }
            server.kill();
            killed = SteadyClock::now();
        }
        server.start();
        RedisStore store(server.url(), at_noon());
        for (const auto& [session, change] : changes) {
            CAPTURE(session);
            const auto found = store.find(sha256(std::to_string(session)));
            REQUIRE(found);
            const bool is_lost = found->has_value() == change.ended;
            const bool is_older = killed - change.acknowledged > 2s;
            if (is_older) CHECK_FALSE(is_lost);
            ++(is_older ? older : recent);
            if (is_lost) ++lost;
        }
    }
    CHECK(older > 50);
    MESSAGE("of ", recent, " changes of the last two seconds ", lost, " were lost");
}
