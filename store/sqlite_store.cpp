#include "store/sqlite_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <stdexcept>

#include "store/files.hpp"
#include "store/sqlite.hpp"

namespace cordgate {
namespace {

using sqlite::Blob;
using sqlite::Database;
using sqlite::Query;
using sqlite::Transaction;

// "CGAT": tells our files from other programs' SQLite files.
constexpr std::int64_t application_id = 0x43474154;

// The step from version n to n+1 is row n. Never change a row that was released.
constexpr const char* migrations[] = {
    R"(
    CREATE TABLE sessions (
        key       BLOB PRIMARY KEY,
        handle    TEXT NOT NULL UNIQUE,
        user_id   TEXT NOT NULL,
        created   INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        expires   INTEGER NOT NULL,
        sealed    BLOB NOT NULL
    ) STRICT;
    CREATE INDEX sessions_by_user ON sessions (user_id, handle);
    CREATE INDEX sessions_by_expires ON sessions (expires);
    CREATE INDEX sessions_by_last_seen ON sessions (last_seen);
    CREATE TABLE logins (
        seq     INTEGER PRIMARY KEY,
        key     BLOB NOT NULL UNIQUE,
        browser BLOB NOT NULL,
        created INTEGER NOT NULL,
        sealed  BLOB NOT NULL
    ) STRICT;
    CREATE INDEX logins_by_browser ON logins (browser, seq);
    CREATE INDEX logins_by_created ON logins (created);
    CREATE TABLE totals (logins INTEGER NOT NULL) STRICT;
    INSERT INTO totals VALUES (0);
    CREATE TRIGGER login_added AFTER INSERT ON logins
        BEGIN UPDATE totals SET logins = logins + 1; END;
    CREATE TRIGGER login_removed AFTER DELETE ON logins
        BEGIN UPDATE totals SET logins = logins - 1; END;
    )",
    R"(
    CREATE TABLE leases (
        name   BLOB PRIMARY KEY,
        holder BLOB NOT NULL,
        until  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    )",
};

constexpr std::string_view row_columns =
    "key, handle, user_id, created, last_seen, expires, sealed FROM sessions ";

const char* const damaged_advice =
    "The file was left as it is. Restore a backup, or move it away (with its -wal and -shm "
    "files) to start with an empty one; everybody then has to log in again.";

/// Says why a file cannot be used, with advice.
struct Refusal : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void refuse(const std::string& path, const std::string& what,
                         const std::string& advice) {
    throw Refusal("the session database " + path + " cannot be used: " + what + ". " + advice);
}

[[noreturn]] void refuse(const std::string& path, const Error& error) {
    switch (error.kind) {
        case ErrorKind::malformed_reply:
            refuse(path, "it is not a database or it is corrupt: " + error.detail, damaged_advice);
        case ErrorKind::timed_out:
            refuse(path, "it is locked: " + error.detail,
                   "Stop the other program that uses it, and try again.");
        default:
            refuse(path, error.detail,
                   "Check that the disk has space and that the file and its directory can be "
                   "written.");
    }
}

template <class T>
T or_refuse(Result<T> result, const std::string& path) {
    if (!result) refuse(path, result.error());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Nanoseconds since 1970, whatever the resolution of the clock.
std::int64_t to_number(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

TimePoint to_time(std::int64_t number) {
    // Somebody else may have written the number; sums with it must not overflow.
    constexpr std::int64_t limit = 4'000'000'000'000'000'000;  // years 1843 to 2096
    const auto sane = number > limit ? limit : number < -limit ? -limit : number;
    return TimePoint(std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds(sane)));
}

SessionRow read_session(const Query& query) {
    return SessionRow{query.bytes(0),
                      query.bytes(1),
                      query.bytes(2),
                      to_time(query.integer(3)),
                      to_time(query.integer(4)),
                      to_time(query.integer(5)),
                      query.bytes(6)};
}

Result<std::optional<SessionRow>> read_one(Result<Query> query) {
    if (!query) return query.error();
    const auto row = query->next();
    if (!row) return row.error();
    if (!*row) return std::optional<SessionRow>();
    return std::optional(read_session(*query));
}

// Steps to the end, so that the change is complete before it is committed.
Result<std::vector<std::string>> read_keys(Result<Query> query) {
    if (!query) return query.error();
    std::vector<std::string> keys;
    for (;;) {
        const auto row = query->next();
        if (!row) return row.error();
        if (!*row) return keys;
        keys.push_back(query->bytes(0));
    }
}

// --- start-up ------------------------------------------------------------------

Result<std::int64_t> migrate(Database& database) {
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    // Read inside the transaction: another process may have been first.
    const auto version = database.integer("PRAGMA user_version");
    if (!version) return version.error();
    for (auto step = *version; step < SqliteStore::schema_version; ++step) {
        const auto next = "PRAGMA user_version = " + std::to_string(step + 1);
        if (auto done = database.execute(migrations[step]); !done) return done.error();
        if (auto done = database.execute(next.c_str()); !done) return done.error();
    }
    if (auto done = transaction->commit(); !done) return done.error();
    return *version;
}

// A new file gets its name when its tables are in it, so that an empty or half
// made file under this name is never ours, and never taken for an empty store.
void create_database(const std::string& path) {
    files::NewFile file(path);
    {
        auto database = or_refuse(Database::open(file.draft(), std::chrono::seconds(2)), path);
        const auto mark = "PRAGMA application_id = " + std::to_string(application_id);
        or_refuse(database.execute(mark.c_str()), path);
        or_refuse(migrate(database), path);
    }
    file.publish();  // False: another process made it meanwhile; that one serves as well.
}

void require_usable_file(const std::string& path, const struct stat& status) {
    if (!S_ISREG(status.st_mode)) {
        refuse(path, "it is not a file", "Choose another path for session.store.");
    }
    // Not opened to look inside: closing it would drop the locks that SQLite
    // holds on it in this process (sqlite.org, "How To Corrupt", 2.2).
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) != 0) {
        refuse(path, files::error_text(), "Give the user cordgate runs as write access to it.");
    }
    // SQLite takes a file without a whole page for a new database.
    constexpr off_t smallest_page = 512;
    if (status.st_size < smallest_page) {
        refuse(path,
               "it is not a database or it is corrupt: it has only " +
                   std::to_string(status.st_size) + " bytes",
               damaged_advice);
    }
}

void require_our_schema(Database& database, const std::string& path) {
    const auto id = or_refuse(database.integer("PRAGMA application_id"), path);
    const auto version = or_refuse(database.integer("PRAGMA user_version"), path);
    if (id != application_id || version < 1) {
        refuse(path, "it belongs to another program", "Choose another path for session.store.");
    }
    if (version > SqliteStore::schema_version) {
        refuse(path,
               "it was written by a newer cordgate (schema " + std::to_string(version) +
                   ", we know up to " + std::to_string(SqliteStore::schema_version) + ")",
               "Run that version again, or move the file away to start with an empty one.");
    }
}

// False when the time was up before all of it was looked at.
bool require_sound(Database& database, const std::string& path, std::chrono::milliseconds time) {
    const sqlite::TimeLimit limit(database, time);
    const auto verdict = database.text("PRAGMA quick_check(1)");
    if (verdict && *verdict == "ok") return true;
    if (limit.is_up()) return false;
    if (!verdict) refuse(path, verdict.error());
    refuse(path, "it is corrupt: " + *verdict, damaged_advice);
}

}  // namespace

const int SqliteStore::schema_version = static_cast<int>(std::size(migrations));

/// A database connection and its door, for one at a time. (Not a timed_mutex:
/// GCC 12's ThreadSanitizer does not see how that is locked.)
class SqliteStore::Connection {
public:
    explicit Connection(Database opened) : database(std::move(opened)) {}

    bool enter(std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        const bool free = left_.wait_for(lock, patience, [&] { return !taken_; });
        if (free) taken_ = true;
        return free;
    }
    void leave() {
        {
            const std::lock_guard lock(mutex_);
            taken_ = false;
        }
        left_.notify_one();
    }

    Database database;  // for whoever entered

private:
    std::mutex mutex_;
    std::condition_variable left_;
    bool taken_ = false;
};

void SqliteStore::Return::operator()(Connection* connection) const {
    connection->leave();
}

SqliteStore::SqliteStore(const std::string& path, const SqliteOptions& options)
    : path_(path), options_(options) {
    struct stat status {};
    try {
        files::require_writable_directory(path);
        if (::stat(path.c_str(), &status) != 0) {
            if (errno != ENOENT) refuse(path, files::error_text(), "Check its permissions.");
            create_database(path);
            if (::stat(path.c_str(), &status) != 0) {
                refuse(path, files::error_text(), "Try again.");
            }
        }
    } catch (const Refusal&) {
        throw;
    } catch (const std::runtime_error& problem) {
        refuse(path, problem.what(),
               "Create the directory, give the user cordgate runs as write access to it, or "
               "choose another path for session.store.");
    }
    require_usable_file(path, status);
    device_ = status.st_dev;
    inode_ = status.st_ino;

    const auto connect = [&] {
        auto database = or_refuse(Database::open(path, options.busy_timeout), path);
        return std::make_unique<Connection>(std::move(database));
    };
    writer_ = connect();
    auto& database = writer_->database;
    require_our_schema(database, path);
    is_checked_ = require_sound(database, path, options.check_time);
    if (or_refuse(database.text("PRAGMA journal_mode = WAL"), path) != "wal") {
        refuse(path, "its file system does not support SQLite's WAL mode",
               "Put it on a local disk.");
    }
    // FULL: a commit that was acknowledged survives a power cut. The other two
    // bound the -wal file: copied back every 1000 pages, cut to 16 MiB then.
    or_refuse(database.execute("PRAGMA synchronous = FULL;"
                               "PRAGMA wal_autocheckpoint = 1000;"
                               "PRAGMA journal_size_limit = 16777216;"),
              path);
    or_refuse(migrate(database), path);
    for (std::size_t i = 0; i < options.readers; ++i) {
        readers_.push_back(connect());
        or_refuse(readers_.back()->database.execute("PRAGMA query_only = 1"), path);
    }
}

SqliteStore::~SqliteStore() = default;

// --- connections -----------------------------------------------------------------

Error SqliteStore::busy() const {
    return Error{ErrorKind::timed_out, ErrorSource::store, "SQLite: other calls took too long"};
}

Result<void> SqliteStore::check_file() const {
    struct stat status {};
    if (::stat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
        status.st_ino == inode_) {
        return {};
    }
    return Error{ErrorKind::unavailable, ErrorSource::store,
                 "the database " + path_ + " was removed or replaced; put it back, or restart"};
}

Result<SqliteStore::Lease> SqliteStore::lease_reader() {
    if (auto same = check_file(); !same) return same.error();
    const auto first = next_reader_.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < readers_.size(); ++i) {
        auto& reader = *readers_[(first + i) % readers_.size()];
        if (reader.enter(std::chrono::milliseconds(0))) return Lease(&reader);
    }
    auto& reader = *readers_[first % readers_.size()];
    if (!reader.enter(options_.busy_timeout)) return busy();
    return Lease(&reader);
}

// The calls of this process queue here; SQLite's own lock is then contended
// between processes only.
Result<SqliteStore::Lease> SqliteStore::lease_writer() {
    if (auto same = check_file(); !same) return same.error();
    if (!writer_->enter(options_.busy_timeout)) return busy();
    return Lease(writer_.get());
}

template <class Work>
auto SqliteStore::write(Work work) -> decltype(work(std::declval<Database&>())) {
    auto lease = lease_writer();
    if (!lease) return lease.error();
    auto transaction = Transaction::begin((*lease)->database);
    if (!transaction) return transaction.error();
    auto answer = work((*lease)->database);
    if (!answer) return answer.error();
    if (auto done = transaction->commit(); !done) return done.error();
    return answer;
}

// --- sessions ----------------------------------------------------------------------

Result<void> SqliteStore::insert(const SessionRow& row) {
    return write([&](Database& database) -> Result<void> {
        const auto done = database.change(
            "INSERT INTO sessions (key, handle, user_id, created, last_seen, expires, sealed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            Blob{row.key}, row.handle, row.user_id, to_number(row.created),
            to_number(row.last_seen), to_number(row.expires), Blob{row.sealed});
        if (!done) return done.error();
        return {};
    });
}

Result<std::optional<SessionRow>> SqliteStore::find(const std::string& key) {
    static const auto sql = "SELECT " + std::string(row_columns) + "WHERE key = ?";
    const auto lease = lease_reader();
    if (!lease) return lease.error();
    return read_one((*lease)->database.query(sql, Blob{key}));
}

Result<std::optional<SessionRow>> SqliteStore::find_handle(const std::string& handle) {
    static const auto sql = "SELECT " + std::string(row_columns) + "WHERE handle = ?";
    const auto lease = lease_reader();
    if (!lease) return lease.error();
    return read_one((*lease)->database.query(sql, handle));
}

Result<bool> SqliteStore::update(const SessionRow& row) {
    return write([&](Database& database) -> Result<bool> {
        const auto changed = database.change(
            "UPDATE sessions SET last_seen = max(last_seen, ?), expires = ?, sealed = ? "
            "WHERE key = ?",
            to_number(row.last_seen), to_number(row.expires), Blob{row.sealed}, Blob{row.key});
        if (!changed) return changed.error();
        return *changed > 0;
    });
}

Result<Replaced> SqliteStore::replace(const SessionRow& row, const std::string& expected) {
    return write([&](Database& database) -> Result<Replaced> {
        const auto changed = database.change(
            "UPDATE sessions SET last_seen = max(last_seen, ?), expires = ?, sealed = ? "
            "WHERE key = ? AND sealed = ?",
            to_number(row.last_seen), to_number(row.expires), Blob{row.sealed}, Blob{row.key},
            Blob{expected});
        if (!changed) return changed.error();
        if (*changed > 0) return Replaced::yes;
        auto query = database.query("SELECT 1 FROM sessions WHERE key = ?", Blob{row.key});
        if (!query) return query.error();
        const auto there = query->next();
        if (!there) return there.error();
        return *there ? Replaced::changed : Replaced::gone;
    });
}

Result<bool> SqliteStore::touch(const std::string& key, TimePoint when) {
    return write([&](Database& database) -> Result<bool> {
        const auto changed =
            database.change("UPDATE sessions SET last_seen = max(last_seen, ?) WHERE key = ?",
                            to_number(when), Blob{key});
        if (!changed) return changed.error();
        return *changed > 0;
    });
}

Result<bool> SqliteStore::erase(const std::string& key) {
    return write([&](Database& database) -> Result<bool> {
        const auto changed = database.change("DELETE FROM sessions WHERE key = ?", Blob{key});
        if (!changed) return changed.error();
        return *changed > 0;
    });
}

Result<std::optional<std::string>> SqliteStore::erase_handle(const std::string& handle) {
    return write([&](Database& database) -> Result<std::optional<std::string>> {
        const auto keys = read_keys(
            database.query("DELETE FROM sessions WHERE handle = ? RETURNING key", handle));
        if (!keys) return keys.error();
        if (keys->empty()) return std::optional<std::string>();
        return std::optional(keys->front());
    });
}

Result<std::vector<std::string>> SqliteStore::erase_user(const std::string& user_id,
                                                         TimePoint until) {
    return write([&](Database& database) {
        return read_keys(
            database.query("DELETE FROM sessions WHERE user_id = ? AND created <= ? RETURNING key",
                           user_id, to_number(until)));
    });
}

Result<std::vector<std::string>> SqliteStore::missing(const std::vector<std::string>& keys) {
    const auto lease = lease_reader();
    if (!lease) return lease.error();
    std::vector<std::string> out;
    for (const auto& key : keys) {
        auto query = (*lease)->database.query("SELECT 1 FROM sessions WHERE key = ?", Blob{key});
        if (!query) return query.error();
        const auto is_there = query->next();
        if (!is_there) return is_there.error();
        if (!*is_there) out.push_back(key);
    }
    return out;
}

Result<std::vector<std::string>> SqliteStore::erase_many(const std::vector<std::string>& keys) {
    return write([&](Database& database) -> Result<std::vector<std::string>> {
        std::vector<std::string> erased;
        for (const auto& key : keys) {
            const auto changed = database.change("DELETE FROM sessions WHERE key = ?", Blob{key});
            if (!changed) return changed.error();
            if (*changed > 0) erased.push_back(key);
        }
        return erased;
    });
}

Result<SessionPage> SqliteStore::list(const std::string& user_id, const std::string& cursor,
                                      std::size_t limit) {
    static const auto of_all = "SELECT " + std::string(row_columns) +
                               "WHERE handle > ?2 AND ?1 = '' ORDER BY handle LIMIT ?3";
    static const auto of_user = "SELECT " + std::string(row_columns) +
                                "WHERE user_id = ?1 AND handle > ?2 ORDER BY handle LIMIT ?3";
    const auto lease = lease_reader();
    if (!lease) return lease.error();
    // One more than asked tells whether there are more.
    auto query = (*lease)->database.query(user_id.empty() ? of_all : of_user, user_id, cursor,
                                          static_cast<std::int64_t>(limit) + 1);
    if (!query) return query.error();
    SessionPage page;
    for (;;) {
        const auto row = query->next();
        if (!row) return row.error();
        if (!*row) return page;
        if (page.rows.size() == limit) {
            page.next = page.rows.empty() ? cursor : page.rows.back().handle;
            return page;
        }
        page.rows.push_back(read_session(*query));
    }
}

Result<bool> SqliteStore::has_sessions() {
    const auto lease = lease_reader();
    if (!lease) return lease.error();
    const auto found = (*lease)->database.integer("SELECT EXISTS (SELECT 1 FROM sessions)");
    if (!found) return found.error();
    return *found != 0;
}

// --- logins ------------------------------------------------------------------------

Result<void> SqliteStore::put_login(const LoginRow& row) {
    return write([&](Database& database) -> Result<void> {
        const auto added = database.change(
            "INSERT INTO logins (key, browser, created, sealed) VALUES (?, ?, ?, ?)", Blob{row.key},
            Blob{row.browser}, to_number(row.created), Blob{row.sealed});
        if (!added) return added.error();
        const auto trimmed = database.change(
            "DELETE FROM logins WHERE browser = ?1 AND seq NOT IN "
            "(SELECT seq FROM logins WHERE browser = ?1 ORDER BY seq DESC LIMIT ?2)",
            Blob{row.browser}, static_cast<std::int64_t>(PendingLogin::max_per_browser));
        if (!trimmed) return trimmed.error();
        // The total is kept by triggers: counting is slow just when it matters, in a flood.
        const auto bounded = database.change(
            "DELETE FROM logins WHERE seq IN (SELECT seq FROM logins ORDER BY seq "
            "LIMIT max(0, (SELECT logins FROM totals) - ?))",
            static_cast<std::int64_t>(options_.max_logins));
        if (!bounded) return bounded.error();
        return {};
    });
}

Result<std::optional<LoginRow>> SqliteStore::take_login(const std::string& key) {
    return write([&](Database& database) -> Result<std::optional<LoginRow>> {
        auto query = database.query(
            "DELETE FROM logins WHERE key = ? RETURNING key, browser, created, sealed", Blob{key});
        if (!query) return query.error();
        std::optional<LoginRow> taken;
        for (;;) {
            const auto row = query->next();
            if (!row) return row.error();
            if (!*row) return taken;
            taken = LoginRow{query->bytes(0), query->bytes(1), to_time(query->integer(2)),
                             query->bytes(3)};
        }
    });
}

// --- leases ------------------------------------------------------------------------

namespace {

// The steady clock is one for all processes of a machine, and nobody sets it; it
// starts anew when the machine does, and what it left behind then is too far
// ahead to be true.
std::int64_t steady_now() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

std::int64_t to_number(std::chrono::nanoseconds duration) {
    return duration.count();
}

}  // namespace

Result<bool> SqliteStore::try_lease(const std::string& name, const std::string& holder,
                                    std::chrono::milliseconds duration) {
    return write([&](Database& database) -> Result<bool> {
        const auto now = steady_now();
        const auto ended = database.change("DELETE FROM leases WHERE until <= ? OR until > ?", now,
                                           now + to_number(max_lease));
        if (!ended) return ended.error();
        const auto changed = database.change(
            "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?) ON CONFLICT (name) "
            "DO UPDATE SET until = excluded.until WHERE holder = excluded.holder",
            Blob{name}, Blob{holder}, now + to_number(duration));
        if (!changed) return changed.error();
        return *changed > 0;
    });
}

Result<bool> SqliteStore::renew_lease(const std::string& name, const std::string& holder,
                                      std::chrono::milliseconds duration) {
    return write([&](Database& database) -> Result<bool> {
        const auto now = steady_now();
        const auto changed = database.change(
            "UPDATE leases SET until = ? WHERE name = ? AND holder = ? AND until > ?",
            now + to_number(duration), Blob{name}, Blob{holder}, now);
        if (!changed) return changed.error();
        return *changed > 0;
    });
}

Result<bool> SqliteStore::release_lease(const std::string& name, const std::string& holder) {
    return write([&](Database& database) -> Result<bool> {
        const auto changed =
            database.change("DELETE FROM leases WHERE name = ? AND holder = ? AND until > ?",
                            Blob{name}, Blob{holder}, steady_now());
        if (!changed) return changed.error();
        return *changed > 0;
    });
}

// --- upkeep ------------------------------------------------------------------------

Result<std::size_t> SqliteStore::purge(const Cutoffs& cutoffs, std::size_t limit) {
    struct Step {
        const char* sql;
        TimePoint cutoff;
    };
    const Step steps[] = {
        {"DELETE FROM sessions WHERE rowid IN "
         "(SELECT rowid FROM sessions WHERE expires <= ? LIMIT ?)",   cutoffs.expires      },
        {"DELETE FROM sessions WHERE rowid IN "
         "(SELECT rowid FROM sessions WHERE last_seen <= ? LIMIT ?)", cutoffs.last_seen    },
        {"DELETE FROM logins WHERE seq IN "
         "(SELECT seq FROM logins WHERE created <= ? LIMIT ?)",       cutoffs.login_created},
    };
    return write([&](Database& database) -> Result<std::size_t> {
        std::size_t removed = 0;
        for (const auto& step : steps) {
            const auto changed = database.change(step.sql, to_number(step.cutoff),
                                                 static_cast<std::int64_t>(limit - removed));
            if (!changed) return changed.error();
            removed += *changed;
        }
        return removed;
    });
}

Result<void> SqliteStore::ping() {
    const auto answer = has_sessions();
    if (!answer) return answer.error();
    return {};
}

}  // namespace cordgate
