#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <random>

#include "store/sqlite.hpp"
#include "store/sqlite_store.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::test;

namespace {

struct Acknowledged {
    int session;
    bool ended;
};

// What the child does until it is killed: sessions come, and every third ends
// again; what was acknowledged is told to the parent afterwards.
[[noreturn]] void write_for_ever(const std::string& path, int first, int pipe) {
    try {
        SqliteStore store(path);
        for (int i = first;; ++i) {
            auto row = session_row(std::to_string(i));
            row.sealed = std::string(static_cast<std::size_t>(i % 7) * 1500 + 10, 's');
            if (!store.insert(row)) ::_exit(2);
            const Acknowledged made{i, false};
            if (::write(pipe, &made, sizeof made) != sizeof made) ::_exit(3);
            if (!store.put_login(login_row(std::to_string(i)))) ::_exit(2);
            if (i % 3 != 0) continue;
            const auto gone = store.erase(row.key);
            if (!gone || !*gone) ::_exit(2);
            const Acknowledged ended{i, true};
            if (::write(pipe, &ended, sizeof ended) != sizeof ended) ::_exit(3);
        }
    } catch (const std::exception&) {
        ::_exit(4);
    }
}

}  // namespace

TEST_CASE("L9 after kill -9 at any moment every acknowledged login and logout is there") {
    constexpr int rounds = 30;
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    std::mt19937 random(std::random_device{}());
    std::map<int, bool> ended;  // by session, as last acknowledged
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(round);
        int pipe[2];
        REQUIRE(::pipe(pipe) == 0);
        const auto child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::close(pipe[0]);
            write_for_ever(path, round * 1'000'000, pipe[1]);
        }
        ::close(pipe[1]);
        // The moment: some acknowledgements later, and then some turns of a loop,
        // so that it falls anywhere in what the child does next.
        Acknowledged heard{};
        for (auto left = 1 + random() % 60; left > 0; --left) {
            if (::read(pipe[0], &heard, sizeof heard) != sizeof heard) break;
            ended[heard.session] = heard.ended;
        }
        for (auto spin = random() % 2'000'000; spin > 0; --spin) asm volatile("");
        REQUIRE(::kill(child, SIGKILL) == 0);
        while (::read(pipe[0], &heard, sizeof heard) == sizeof heard) {
            ended[heard.session] = heard.ended;
        }
        ::close(pipe[0]);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));  // it did not stop by itself

        SqliteStore store(path);
        auto database = sqlite::Database::open(path, 2s);
        REQUIRE(database);
        CHECK(*database->text("PRAGMA integrity_check") == "ok");
        for (const auto& [session, is_gone] : ended) {
            const auto found = store.find(sha256(std::to_string(session)));
            REQUIRE(found);
            // One that is due to end may have ended unacknowledged.
            if (is_gone) CHECK_FALSE(found->has_value());
            if (!is_gone && session % 3 != 0) CHECK(found->has_value());
        }
    }
    CHECK(ended.size() >= rounds);
}
