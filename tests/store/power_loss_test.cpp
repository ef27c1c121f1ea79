#include <doctest/doctest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "store/sqlite.hpp"
#include "store/sqlite_store.hpp"
#include "support.hpp"

// What a power cut leaves of a SQLite file: what was synced, and of the rest any part.
// A file system for SQLite (a VFS) that hands everything on to the real one, and notes what
// a disk would be sure to hold.

using namespace cordgate;
using namespace cordgate::test;

namespace {

/// The disk under all files of the test. One thread uses it at a time.
class Disk {
public:
    struct Write {
        sqlite3_int64 at;
        std::string bytes;
    };
    struct File {
        std::string synced;
        std::vector<Write> since;  ///< a truncation has no bytes
    };

    static Disk& instance() {
        static Disk disk;
        return disk;
    }

    /// The power fails at the `operations`-th write or sync from now.
    void fail_after(unsigned operations) { left_ = operations; }
    bool is_off() const { return left_ == 0; }
    /// From now on the `operations`-th call of each kind fails, reads too; 0: none does.
    void refuse_every(unsigned operations) { refused_ = operations; }
    /// Whether this call is one that the device refuses (L5).
    bool refuses() { return refused_ > 0 && ++calls_ % refused_ == 0; }
    /// Counts an operation; false: there is no power for it.
    bool spend() {
        if (left_ > 0) --left_;
        return left_ > 0;
    }
    void begin(const std::string& path) { files_.try_emplace(path, File{read_file(path), {}}); }
    void write(const std::string& path, sqlite3_int64 at, std::string bytes) {
        files_[path].since.push_back({at, std::move(bytes)});
    }
    void sync(const std::string& path) {
        auto& file = files_[path];
        for (const auto& write : file.since) apply(file.synced, write);
        file.since.clear();
    }
    void forget(const std::string& path) { files_.erase(path); }

    /// The files as they may be found afterwards: of what was not synced, any writes in any
    /// order, one of them torn.
    void cut(std::mt19937& random) {
        for (auto& [path, file] : files_) {
            auto& since = file.since;
            std::shuffle(since.begin(), since.end(), random);
            since.resize(since.empty() ? 0 : random() % (since.size() + 1));
            if (!since.empty() && !since.back().bytes.empty()) {
                since.back().bytes.resize(random() % since.back().bytes.size() / 512 * 512);
            }
            for (const auto& write : since) {
                if (!write.bytes.empty()) apply(file.synced, write);
            }
            write_file(path, file.synced);
        }
        files_.clear();
    }

private:
    static void apply(std::string& content, const Write& write) {
        const auto at = static_cast<std::size_t>(write.at);
        if (write.bytes.empty()) return content.resize(at);
        if (content.size() < at + write.bytes.size()) content.resize(at + write.bytes.size());
        content.replace(at, write.bytes.size(), write.bytes);
    }

    unsigned left_ = ~0U;
    unsigned refused_ = 0;
    unsigned calls_ = 0;
    std::map<std::string, File> files_;
};

/// Ours, with the real one's behind it in the same memory.
struct OpenFile {
    sqlite3_file base;
    const char* path;  ///< lives as long as the file is open; null: no file of interest
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

OpenFile& ours(sqlite3_file* file) {
    return *reinterpret_cast<OpenFile*>(file);
}

sqlite3_vfs& real_vfs() {
    static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
    return *vfs;
}

/// Hands a call on to the real file.
template <auto Method, class... Arguments>
int pass(sqlite3_file* file, Arguments... arguments) {
    auto* const real = ours(file).real();
    return (real->pMethods->*Method)(real, arguments...);
}

int close(sqlite3_file* file) {
    return pass<&sqlite3_io_methods::xClose>(file);
}

int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
    if (Disk::instance().refuses()) return SQLITE_IOERR_WRITE;
    if (!Disk::instance().spend()) return SQLITE_IOERR_WRITE;
    if (ours(file).path) {
        Disk::instance().write(
            ours(file).path, at,
            std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size)));
    }
    return pass<&sqlite3_io_methods::xWrite>(file, bytes, size, at);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (!Disk::instance().spend()) return SQLITE_IOERR_TRUNCATE;
    if (ours(file).path) Disk::instance().write(ours(file).path, size, "");
    return pass<&sqlite3_io_methods::xTruncate>(file, size);
}

int sync(sqlite3_file* file, int) {
    if (Disk::instance().refuses()) return SQLITE_IOERR_FSYNC;
    if (!Disk::instance().spend()) return SQLITE_IOERR_FSYNC;
    if (ours(file).path) Disk::instance().sync(ours(file).path);
    return SQLITE_OK;  // the real power stays on
}

const sqlite3_io_methods methods = [] {
    using M = sqlite3_io_methods;
    M m{};
    m.iVersion = 2;
    m.xClose = close;
    m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
        if (Disk::instance().refuses()) return SQLITE_IOERR_READ;
        return pass<&M::xRead>(f, to, n, at);
    };
    m.xWrite = write;
    m.xTruncate = truncate;
    m.xSync = sync;
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return pass<&M::xFileSize>(f, size); };
    m.xLock = [](sqlite3_file* f, int lock) { return pass<&M::xLock>(f, lock); };
    m.xUnlock = [](sqlite3_file* f, int lock) { return pass<&M::xUnlock>(f, lock); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
        return pass<&M::xCheckReservedLock>(f, out);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* what) {
        return pass<&M::xFileControl>(f, op, what);
    };
    m.xSectorSize = [](sqlite3_file* f) { return pass<&M::xSectorSize>(f); };
    // No promises: a write may be torn, and come after a later one.
    m.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
        return pass<&M::xShmMap>(f, page, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
        return pass<&M::xShmLock>(f, offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) {
        auto* const real = ours(f).real();
        real->pMethods->xShmBarrier(real);
    };
    m.xShmUnmap = [](sqlite3_file* f, int remove) { return pass<&M::xShmUnmap>(f, remove); };
    return m;
}();

int open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out) {
    auto& opened = ours(file);
    opened.base.pMethods = nullptr;
    opened.path = (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0 ? path : nullptr;
    if (opened.path) Disk::instance().begin(path);
    const int code = real_vfs().xOpen(&real_vfs(), path, opened.real(), flags, out);
    if (opened.real()->pMethods) opened.base.pMethods = &methods;
    return code;
}

/// While it lives, SQLite's files are on the Disk.
class OnTheDisk {
public:
    OnTheDisk() : vfs_(real_vfs()) {
        vfs_.zName = "power";
        vfs_.szOsFile = static_cast<int>(sizeof(OpenFile)) + real_vfs().szOsFile;
        vfs_.pNext = nullptr;
        vfs_.xOpen = open;
        vfs_.xDelete = [](sqlite3_vfs*, const char* path, int) {
            // The entry of the directory may come back; that it is gone is no promise here.
            if (!Disk::instance().spend()) return SQLITE_IOERR_DELETE;
            Disk::instance().forget(path);
            return real_vfs().xDelete(&real_vfs(), path, 0);
        };
        sqlite3_vfs_register(&vfs_, 1);
    }
    ~OnTheDisk() {
        sqlite3_vfs_unregister(&vfs_);
        sqlite3_vfs_register(&real_vfs(), 1);
    }
    OnTheDisk(const OnTheDisk&) = delete;
    OnTheDisk& operator=(const OnTheDisk&) = delete;

private:
    sqlite3_vfs vfs_;
};

}  // namespace

TEST_CASE(
    "L10 after a power cut at any write the file is sound and has all that was acknowledged") {
    (void)real_vfs();
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    { SqliteStore store(path); }
    std::map<int, bool> is_live;  // what was acknowledged; what was under way is not in it
    int next = 0;
    for (int round = 0; round < 24; ++round) {
        CAPTURE(round);
        {
            const OnTheDisk disk;
            SqliteStore store(path, {.readers = 1});
            Disk::instance().fail_after(1 + random() % (round % 3 == 0 ? 3000 : 60));
            for (bool is_on = true; is_on;) {
                const int number = next++;
                auto row = session_row(std::to_string(number));
                row.sealed = std::string(random() % 9000, 's');
                is_on = store.insert(row).has_value();
                if (is_on) is_live[number] = true;
                if (!is_on || number % 3 != 0) continue;
                const int old = number - static_cast<int>(random() % 20);
                if (!is_live.contains(old)) continue;
                is_live.erase(old);
                const auto erased = store.erase(sha256(std::to_string(old)));
                is_on = erased.has_value();
                if (is_on) is_live[old] = false;
            }
            CHECK(Disk::instance().is_off());
        }
        std::filesystem::remove(path + "-shm");
        Disk::instance().cut(random);
        Disk::instance().fail_after(~0U);
        auto database = sqlite::Database::open(path, 2s);
        REQUIRE(database);
        REQUIRE(*database->text("PRAGMA integrity_check") == "ok");
        SqliteStore store(path);
        for (const auto& [number, lives] : is_live) {
            CAPTURE(number);
            REQUIRE(store.find(sha256(std::to_string(number)))->has_value() == lives);
        }
    }
    MESSAGE(next, " sessions in 24 power cuts");
}

TEST_CASE("L5 what a failing device refuses is unavailable: nothing is lost, and it recovers") {
    (void)real_vfs();
    const TempDir directory;
    const auto path = directory.file("cordgate.db");
    std::map<int, bool> is_live;
    int next = 0, failures = 0, successes = 0;
    for (const unsigned every : {1U, 2U, 3U, 7U, 40U, 200U, 1000U}) {
        CAPTURE(every);
        const OnTheDisk disk;
        SqliteStore store(path, {.readers = 1});
        const auto check = [&](const Error& error) {
            CAPTURE(error.detail);
            ++failures;
            CHECK(error.source == ErrorSource::store);
            CHECK(error.kind == ErrorKind::unavailable);
        };
        Disk::instance().refuse_every(every);
        for (int i = 0; i < 60; ++i) {
            const int number = next++;
            const auto key = sha256(std::to_string(number));
            auto row = session_row(std::to_string(number));
            row.sealed = std::string(5000, 's');
            const auto added = store.insert(row);
            if (!added) {
                check(added.error());
                continue;  // nobody knows
            }
            ++successes;
            is_live[number] = true;
            const auto found = store.find(key);
            if (!found) check(found.error());
            if (found) CHECK(found->has_value());
            if (i % 2 == 0) continue;
            is_live.erase(number);
            const auto erased = store.erase(key);
            if (!erased) check(erased.error());
            if (erased) is_live[number] = false;
        }
        Disk::instance().refuse_every(0);
        for (const auto& [number, lives] : is_live) {
            CAPTURE(number);
            const auto found = store.find(sha256(std::to_string(number)));
            REQUIRE(found);
            CHECK(found->has_value() == lives);
        }
        CHECK(store.insert(session_row("after " + std::to_string(every))));
    }
    CHECK(failures > 100);
    CHECK(successes > 50);
    auto database = sqlite::Database::open(path, 2s);
    REQUIRE(database);
    CHECK(*database->text("PRAGMA integrity_check") == "ok");
}
