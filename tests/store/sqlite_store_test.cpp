#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include "store/sqlite.hpp"
#include "store/sqlite_store.hpp"
#include "support.hpp"

// What can befall a SQLite file, and what SqliteStore does then.

using namespace cordgate;
using namespace cordgate::test;
using sqlite::Database;

namespace {

constexpr SqliteOptions impatient{.busy_timeout = 50ms};

std::string why_refused(const std::string& path) {
    return complaint([&] { SqliteStore store(path); });
}

/// A file with `count` sessions, all of it in the main file.
std::string make_database(const TempDir& directory, int count = 50) {
    const auto path = directory.file("cordgate.db");
    SqliteStore store(path);
    for (int i = 0; i < count; ++i) {
        auto row = session_row(std::to_string(i));
        row.sealed = std::string(2000, 's');
        REQUIRE(store.insert(row));
    }
    return path;
}

std::string integrity(const std::string& path) {
    auto database = Database::open(path, 2s);
    REQUIRE(database);
    const auto verdict = database->text("PRAGMA integrity_check");
    return verdict ? *verdict : verdict.error().detail;
}

/// As the sqlite3 program does it.
bool back_up(const std::string& path, const std::string& copy) {
    sqlite3* from = nullptr;
    sqlite3* to = nullptr;
    bool is_done = sqlite3_open(path.c_str(), &from) == SQLITE_OK &&
                   sqlite3_open(copy.c_str(), &to) == SQLITE_OK;
    if (auto* const backup = is_done ? sqlite3_backup_init(to, "main", from, "main") : nullptr) {
        int code = SQLITE_OK;
        while (code == SQLITE_OK) code = sqlite3_backup_step(backup, 100);
        is_done = code == SQLITE_DONE && sqlite3_backup_finish(backup) == SQLITE_OK;
    }
    sqlite3_close(from);
    sqlite3_close(to);
    return is_done;
}

mode_t mode_of(const std::string& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("a new database is only its owner's, and what it keeps survives a restart") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    const auto before = ::umask(0);
    {
        SqliteStore store(path);
        REQUIRE(store.insert(session_row("a")));
        REQUIRE(store.put_login(login_row("state")));
        CHECK(mode_of(path) == 0600);
        CHECK(mode_of(path + "-wal") == 0600);
    }
    ::umask(before);
    SqliteStore again(path);
    CHECK(again.find(sha256("a"))->has_value());
    CHECK(again.take_login(sha256("state"))->has_value());
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        CHECK(entry.path().filename().string().starts_with("cordgate.db"));
        CHECK_FALSE(contains(entry.path().string(), ".new-"));
        ++files;
    }
    CHECK(files <= 3);
}

TEST_CASE("L1 while another program holds the lock, writes time out and reads go on") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    SqliteStore store(path, impatient);
    auto other = Database::open(path, 0ms);
    REQUIRE(other);
    REQUIRE(other->execute("BEGIN EXCLUSIVE"));

    const auto written = store.insert(session_row("new"));
    REQUIRE_FALSE(written);
    CHECK(written.error().kind == ErrorKind::timed_out);
    CHECK(written.error().source == ErrorSource::store);
    CHECK_FALSE(store.take_login(sha256("state")));
    CHECK(store.find(sha256("0"))->has_value());
    CHECK(store.ping());

    REQUIRE(other->execute("ROLLBACK"));
    CHECK(store.insert(session_row("new")));
}

TEST_CASE("L1 callers that queue for the writer time out as well") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    SqliteStore store(path, impatient);
    auto other = Database::open(path, 0ms);
    REQUIRE(other);
    REQUIRE(other->execute("BEGIN EXCLUSIVE"));
    std::atomic<int> timed_out{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&] {
            const auto touched = store.touch(sha256("0"), noon + 1h);
            if (!touched && touched.error().kind == ErrorKind::timed_out) ++timed_out;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(timed_out == 6);
}

TEST_CASE("L1 a lock held at start is named as such") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    make_database(directory, 1);
    auto other = Database::open(path, 0ms);
    REQUIRE(other);
    REQUIRE(other->execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE"));
    const auto why = complaint([&] { SqliteStore store(path, impatient); });
    CHECK(contains(why, path));
    CHECK(contains(why, "locked"));
}

TEST_CASE("L2 two writers of one row never lose an update to a stale snapshot") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    SqliteStore one(path, {.busy_timeout = patience});
    SqliteStore two(path, {.busy_timeout = patience});
    std::atomic<int> failures{0};
    const auto hammer = [&](SqliteStore& store, int offset) {
        for (int i = 0; i < 50; ++i) {
            if (!store.touch(sha256("0"), noon + std::chrono::seconds(2 * i + offset))) ++failures;
            if (!store.find(sha256("0"))) ++failures;
        }
    };
    std::thread first([&] { hammer(one, 0); });
    std::thread second([&] { hammer(two, 1); });
    first.join();
    second.join();
    CHECK(failures == 0);
    CHECK(one.find(sha256("0"))->value().last_seen == noon + 99s);
}

TEST_CASE("L2 transactions that read before they write lose no update, and none fails") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    std::atomic<int> failures{0};
    const auto count_up = [&] {
        auto database = Database::open(path, 30s);
        for (int i = 0; i < 50; ++i) {
            auto transaction = sqlite::Transaction::begin(*database);
            const auto known = database->integer("SELECT created FROM sessions");
            std::this_thread::yield();
            const bool done = transaction && known &&
                              database->change("UPDATE sessions SET created = ?", *known + 1) &&
                              transaction->commit();
            if (!done) ++failures;
        }
    };
    auto reader = Database::open(path, 2s);
    REQUIRE(reader);
    const auto before = *reader->integer("SELECT created FROM sessions");
    std::thread first(count_up);
    std::thread second(count_up);
    first.join();
    second.join();
    CHECK(failures == 0);
    CHECK(*reader->integer("SELECT created FROM sessions") == before + 100);
}

TEST_CASE("L4 a database that turns read-only while it is open is unavailable for changes") {
    const TempDir directory;
    auto database = Database::open(make_database(directory, 1), 2s);
    REQUIRE(database);
    REQUIRE(database->execute("PRAGMA query_only = 1"));  // the same SQLITE_READONLY
    const auto changed = database->change("DELETE FROM sessions");
    REQUIRE_FALSE(changed);
    CHECK(changed.error().kind == ErrorKind::unavailable);
    CHECK(changed.error().source == ErrorSource::store);
    CHECK(database->integer("SELECT count(*) FROM sessions"));
}

TEST_CASE("L3 when there is no space, writes are unavailable, reads go on, and it recovers") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    // A real full disk where we may mount one; else files that may not grow, which
    // the operating system reports as an I/O error (L5).
    const bool mounted =
        ::mount("none", directory.path().c_str(), "tmpfs", 0, "size=1m,mode=0700") == 0;
    std::signal(SIGXFSZ, SIG_IGN);
    struct rlimit before {};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    {
        SqliteStore store(path, impatient);
        auto row = session_row("kept");
        row.sealed = std::string(10'000, 's');
        REQUIRE(store.insert(row));
        if (!mounted) {
            auto limit = before;
            limit.rlim_cur = 512 * 1024;
            REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        }
        std::optional<Error> failure;
        int acknowledged = 0;
        for (int i = 0; i < 300 && !failure; ++i) {
            auto more = session_row(std::to_string(i));
            more.sealed = std::string(10'000, 's');
            if (const auto added = store.insert(more); !added) failure = added.error();
            if (!failure) ++acknowledged;
        }
        ::setrlimit(RLIMIT_FSIZE, &before);
        REQUIRE(failure);
        CHECK(failure->kind == ErrorKind::unavailable);
        CHECK(store.find(row.key)->has_value());
        CHECK(store.ping());
        for (int i = 0; i < acknowledged; ++i) {
            CHECK(store.find(sha256(std::to_string(i)))->has_value());
        }
        if (mounted) {
            REQUIRE(::mount("none", directory.path().c_str(), "tmpfs", MS_REMOUNT, "size=8m") == 0);
        }
        CHECK(store.insert(session_row("after")));
    }
    CHECK(integrity(path) == "ok");
    if (mounted) ::umount(directory.path().c_str());
}

TEST_CASE("L5 an I/O error makes writes unavailable, for as long as it lasts") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    std::signal(SIGXFSZ, SIG_IGN);
    struct rlimit before {};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    {
        SqliteStore store(path, impatient);
        auto limit = before;
        limit.rlim_cur = 1024;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        const auto added = store.insert(session_row("new"));
        ::setrlimit(RLIMIT_FSIZE, &before);
        REQUIRE_FALSE(added);
        CHECK(added.error().kind == ErrorKind::unavailable);
        CHECK(store.find(sha256("0"))->has_value());
        CHECK(store.insert(session_row("new")));
    }
    CHECK(integrity(path) == "ok");
}

TEST_CASE("L4 N15 a file or directory that cannot be written is refused by name and reason") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    std::filesystem::permissions(directory.path(), std::filesystem::perms(0777));

    SUBCASE("the directory is missing") {
        const auto why = why_refused(directory.file("missing/cordgate.db"));
        CHECK(contains(why, directory.file("missing")));
        CHECK(contains(why, "No such file or directory"));
        CHECK(contains(why, "Create the directory"));
    }
    SUBCASE("the directory is a file") {
        const auto why = why_refused(path + "/cordgate.db");
        CHECK(contains(why, "Not a directory"));
    }
    SUBCASE("the path is a directory") {
        std::filesystem::create_directory(directory.file("d"));
        CHECK(contains(why_refused(directory.file("d")), "not a file"));
    }
    SUBCASE("the file is read-only") {
        REQUIRE(::chmod(path.c_str(), 0444) == 0);
        const Unprivileged user;
        const auto why = why_refused(path);
        CHECK(contains(why, path));
        CHECK(contains(why, "Permission denied"));
    }
    SUBCASE("the directory is read-only, with or without a database") {
        REQUIRE(::chmod(path.c_str(), 0666) == 0);
        std::filesystem::permissions(directory.path(), std::filesystem::perms(0555));
        {
            const Unprivileged user;
            for (const auto* name : {"cordgate.db", "new.db"}) {
                const auto why = why_refused(directory.file(name));
                CHECK(contains(why, directory.path().string()));
                CHECK(contains(why, "Permission denied"));
            }
        }
        std::filesystem::permissions(directory.path(), std::filesystem::perms(0700));
        CHECK_FALSE(std::filesystem::exists(directory.file("new.db")));
    }
}

TEST_CASE("L6 a file that is no sound database is refused, and left as it was") {
    const TempDir directory;
    const auto path = make_database(directory);
    const auto sound = read_file(path);
    REQUIRE(sound.size() > 100'000);
    auto flipped = [&](std::size_t from, std::size_t count) {
        auto bytes = sound;
        for (std::size_t i = from; i < from + count; ++i) bytes[i] = static_cast<char>(~bytes[i]);
        return bytes;
    };
    struct Case {
        std::string name;
        std::string bytes;
    };
    const Case cases[] = {
        {"zero length",          ""},
        {                              "text", "# Notes\nbuy milk\n"  },
        {                    "much text",                  std::string(100'000,                    'x')},
        {                "magic flipped",                    flipped(0,                      1)},
        {               "header flipped",                  flipped(0,                    100)},
        {           "first page flipped",                 flipped(100,                   3900)},
        { "a page in the middle flipped",                 flipped(sound.size() / 2 & ~4095u,                   4096)},
        {                  "cut in half",     sound.substr(0,       sound.size() / 2)},
        {              "cut to one page",                 sound.substr(0,                   4096)},
        {        "cut within the header",                   sound.substr(0,                     50)},
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        std::filesystem::remove(path + "-wal");
        std::filesystem::remove(path + "-shm");
        write_file(path, c.bytes);
        const auto why = why_refused(path);
        CHECK(contains(why, path));
        CAPTURE(why);
        CHECK((contains(why, "not a database") || contains(why, "corrupt")));
        CHECK(contains(why, "Restore a backup"));
        CHECK(read_file(path) == c.bytes);
    }
    write_file(path, sound);
    CHECK(why_refused(path) == "");
}

TEST_CASE("L6 bytes that rot at any place are refused or answered, never a crash") {
    const TempDir directory;
    const auto path = make_database(directory, 20);
    const auto sound = read_file(path);
    std::mt19937 random(7);
    for (int round = 0; round < 150; ++round) {
        auto bytes = sound;
        for (int i = 0; i < 4; ++i) {
            // Half of them into the header and the schema.
            const auto range = random() % 2 == 0 ? 4096 : bytes.size();
            bytes[random() % range] = static_cast<char>(random());
        }
        std::filesystem::remove(path + "-wal");
        std::filesystem::remove(path + "-shm");
        write_file(path, bytes);
        try {
            SqliteStore store(path, impatient);
            for (int i = 0; i < 20; ++i) (void)store.find(sha256(std::to_string(i)));
            (void)store.list("", "", 100);
            (void)store.insert(session_row("new"));
            (void)store.put_login(login_row("new"));
            (void)store.purge({noon + 24h, noon, noon}, 100);
        } catch (const std::runtime_error& refusal) {
            CHECK(contains(refusal.what(), path));
        }
    }
}

TEST_CASE("L6 damage done while it runs is an error of the call, never a crash") {
    const TempDir directory;
    const auto path = make_database(directory, 200);
    SqliteStore store(path, impatient);
    {
        std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
        const std::string noise(4096, '\x5a');
        const auto pages = static_cast<std::streamoff>(std::filesystem::file_size(path) / 4096);
        for (std::streamoff page = 1; page < pages; ++page) {
            file.seekp(page * 4096);
            file.write(noise.data(), static_cast<std::streamsize>(noise.size()));
        }
    }
    int malformed = 0;
    for (int i = 0; i < 200; ++i) {
        const auto found = store.find(sha256(std::to_string(i)));
        if (!found && found.error().kind == ErrorKind::malformed_reply) ++malformed;
    }
    CHECK(malformed == 200);
    const auto added = store.insert(session_row("new"));
    // The writer still has the pages it needs in its cache; it may not notice yet.
    if (!added) CHECK(added.error().kind == ErrorKind::malformed_reply);
}

TEST_CASE("L6 L15 a large file is checked for damage for some time only, and then works") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    {
        auto filler = Database::open(path, 2s);
        REQUIRE(filler);
        REQUIRE(filler->execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
            "INSERT INTO sessions SELECT randomblob(32), 'h' || i, '1', 0, 0, i, "
            "zeroblob(4000) FROM n"));
    }
    auto options = impatient;
    options.check_time = 1ms;
    SqliteStore cut_short(path, options);
    CHECK_FALSE(cut_short.is_checked());
    CHECK(cut_short.find(sha256("0"))->has_value());
    REQUIRE(cut_short.insert(session_row("new")));
    CHECK(SqliteStore(path, {.check_time = patience}).is_checked());
}

TEST_CASE("L7 a file that was removed or replaced is noticed by every call until it is back") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    SqliteStore store(path);
    const auto away = directory.file("away.db");
    std::filesystem::rename(path, away);
    const auto unavailable = [&] {
        const auto found = store.find(sha256("0"));
        const auto added = store.insert(session_row("new"));
        return !found && found.error().kind == ErrorKind::unavailable && !added &&
               added.error().kind == ErrorKind::unavailable && !store.ping();
    };
    CHECK(unavailable());
    write_file(path, "another");
    CHECK(unavailable());
    std::filesystem::rename(away, path);
    CHECK(store.find(sha256("0"))->has_value());
    CHECK(store.insert(session_row("new")));
}

TEST_CASE("L8 without its -wal and -shm files the database is sound, with what was copied back") {
    const TempDir directory;
    const auto path = make_database(directory, 20);
    const auto copy = directory.file("copy.db");
    {
        SqliteStore store(path);
        REQUIRE(store.insert(session_row("in the wal")));
        std::filesystem::copy_file(path, copy);
    }
    SqliteStore store(copy);
    CHECK(store.find(sha256("19"))->has_value());
    CHECK_FALSE(store.find(sha256("in the wal"))->has_value());
    CHECK(store.insert(session_row("in the wal")));
    CHECK(integrity(copy) == "ok");
}

TEST_CASE("L8 what a process that was killed leaves is used, or refused with its name") {
    const TempDir directory;
    const auto path = make_database(directory, 20);
    const auto copy = directory.file("copy.db");
    {
        SqliteStore store(path);
        REQUIRE(store.insert(session_row("in the wal")));
        for (const auto* end : {"", "-wal", "-shm"})
            std::filesystem::copy_file(path + end, copy + end);
    }
    const auto finds = [&](const std::string& name) {
        return SqliteStore(copy).find(sha256(name))->has_value();
    };
    SUBCASE("all of it") {
        CHECK(finds("in the wal"));
    }
    SUBCASE("without the -shm file") {
        std::filesystem::remove(copy + "-shm");
        CHECK(finds("in the wal"));
    }
    SUBCASE("without the -wal file") {
        std::filesystem::remove(copy + "-wal");
        CHECK_FALSE(finds("in the wal"));
        CHECK(finds("19"));
    }
    SUBCASE("with a -shm file that may not be written") {
        std::filesystem::permissions(directory.path(), std::filesystem::perms(0777));
        for (const auto* end : {"", "-wal"}) REQUIRE(::chmod((copy + end).c_str(), 0666) == 0);
        REQUIRE(::chmod((copy + "-shm").c_str(), 0444) == 0);
        {
            const Unprivileged user;
            const auto why = why_refused(copy);
            CHECK(contains(why, copy));
            CHECK(contains(why, "can be written"));
        }
        CHECK(finds("in the wal"));
    }
    CHECK(integrity(copy) == "ok");
}

TEST_CASE("L11 two stores on one file see each other's commits at once") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    SqliteStore one(path);
    SqliteStore two(path);
    REQUIRE(one.insert(session_row("a")));
    CHECK(two.find(sha256("a"))->has_value());
    CHECK(*two.erase(sha256("a")));
    CHECK_FALSE(one.find(sha256("a"))->has_value());
    REQUIRE(one.put_login(login_row("state")));
    CHECK(two.take_login(sha256("state"))->has_value());
    CHECK_FALSE(one.take_login(sha256("state"))->has_value());
}

TEST_CASE("L11 stores that start at once on no file all end up on the same one") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&, i] {
            const auto why = complaint([&] {
                SqliteStore store(path);
                if (!store.insert(session_row(std::to_string(i)))) ++failures;
            });
            if (!why.empty()) ++failures;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(failures == 0);
    SqliteStore store(path);
    CHECK(store.list("", "", 100)->rows.size() == 6);
}

TEST_CASE("L14 a backup taken while sessions are written is a whole database") {
    const TempDir directory;
    const auto path = make_database(directory, 20);
    const auto copy = directory.file("copy.db");
    SqliteStore store(path);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (int i = 0; !stop; ++i) (void)store.insert(session_row("w" + std::to_string(i)));
    });
    auto taken = false;
    SUBCASE("by SQLite itself") {
        taken = Database::open(path, 2s)->change("VACUUM INTO ?", copy).has_value();
    }
    SUBCASE("by the sqlite3 program's .backup") {
        taken = back_up(path, copy);
    }
    stop = true;
    writer.join();
    REQUIRE(taken);
    SqliteStore restored(copy);
    CHECK(restored.find(sha256("19"))->has_value());
    CHECK(integrity(copy) == "ok");
}

TEST_CASE("L15 the -wal file stays bounded while others read without a break") {
    const TempDir directory;
    const auto path = make_database(directory, 20);
    SqliteStore store(path);
    std::atomic<bool> stop{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            while (!stop) (void)store.find(sha256("7"));
        });
    }
    std::uintmax_t largest = 0;
    for (int i = 0; i < 600; ++i) {
        auto row = session_row("w" + std::to_string(i));
        row.sealed = std::string(40'000, 's');
        REQUIRE(store.insert(row));
        REQUIRE(*store.erase(row.key));
        largest = std::max(largest, std::filesystem::file_size(path + "-wal"));
    }
    stop = true;
    for (auto& reader : readers) reader.join();
    CHECK(largest < 16'777'216);  // 24 MB and more were written
    CHECK(std::filesystem::file_size(path) < 4'000'000);
}

TEST_CASE("L15 after a reader that would not end, the -wal file shrinks again") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    SqliteStore store(path);
    auto other = Database::open(path, 2s);
    REQUIRE(other);
    REQUIRE(other->execute("BEGIN; SELECT count(*) FROM sessions"));
    auto row = session_row("0");
    for (int i = 0; i < 500; ++i) {
        row.sealed = std::string(50'000, static_cast<char>('a' + i % 2));
        REQUIRE(*store.update(row));
    }
    CHECK(std::filesystem::file_size(path + "-wal") > 17'000'000);
    REQUIRE(other->execute("COMMIT"));
    for (int i = 0; i < 3; ++i) REQUIRE(store.touch(row.key, noon + std::chrono::seconds(i + 1)));
    CHECK(std::filesystem::file_size(path + "-wal") <= 16'777'216);
}

TEST_CASE("G24 purging much is many short transactions, and others get in between") {
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    SqliteStore store(path);
    auto filler = Database::open(path, 2s);
    REQUIRE(filler);
    REQUIRE(filler->execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
        "INSERT INTO sessions SELECT randomblob(32), 'h' || i, '1', 0, 0, i, x'00' FROM n"));
    const Cutoffs cutoffs{noon, TimePoint::min(), TimePoint::min()};
    std::size_t batches = 0;
    for (;;) {
        const auto removed = store.purge(cutoffs, 1000);
        REQUIRE(removed);
        REQUIRE(*removed <= 1000);
        if (*removed == 0) break;
        ++batches;
        REQUIRE(store.insert(session_row("between " + std::to_string(batches))));
    }
    CHECK(batches == 20);
    CHECK(store.list("", "", 100)->rows.size() == 20);
}

TEST_CASE("G26 a file of another program or of a newer cordgate is refused, and left as it was") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    struct Case {
        std::string name;
        const char* change;
        const char* said;
    };
    const Case cases[] = {
        {"newer",             "PRAGMA user_version = 99",                           "newer cordgate" },
        {"another program's", "PRAGMA application_id = 1",                          "another program"},
        {"without a version", "PRAGMA user_version = 0",                            "another program"},
        {"a bare database",   "PRAGMA application_id = 0; PRAGMA user_version = 0",
         "another program"                                                                           },
    };
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto copy = directory.file("copy.db");
        std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
        {
            auto database = Database::open(copy, 2s);
            REQUIRE(database);
            REQUIRE(database->execute("PRAGMA journal_mode = DELETE"));
            REQUIRE(database->execute(c.change));
        }
        const auto before = read_file(copy);
        const auto why = why_refused(copy);
        CHECK(contains(why, copy));
        CHECK(contains(why, c.said));
        CHECK(read_file(copy) == before);
    }
}

TEST_CASE("G26 a file of an older cordgate is brought up to date, with its sessions") {
    const TempDir directory;
    const auto path = make_database(directory, 3);
    {
        auto database = Database::open(path, 2s);
        REQUIRE(database);
        REQUIRE(database->execute("DROP TABLE leases; PRAGMA user_version = 1"));
    }
    SqliteStore store(path);
    CHECK(store.find(sha256("2"))->has_value());
    CHECK(*store.try_lease("name", "holder", 1s));
    auto database = Database::open(path, 2s);
    CHECK(*database->integer("PRAGMA user_version") == SqliteStore::schema_version);
}

TEST_CASE("our file without our tables is an error of the call, never a crash") {
    const TempDir directory;
    const auto path = make_database(directory, 1);
    SqliteStore store(path);
    {
        auto other = Database::open(path, 2s);
        REQUIRE(other);
        REQUIRE(other->execute("DROP TABLE sessions"));
    }
    const auto found = store.find(sha256("0"));
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == ErrorKind::malformed_reply);
}
