#pragma once

#include <sqlite3.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "core/result.hpp"

/// SQLite's C API with owners and Results. A Database and all that came from
/// it is used by one thread at a time.
namespace cordgate::sqlite {

/// Bytes to bind as a BLOB; a bare string_view is bound as TEXT.
struct Blob {
    std::string_view bytes;
};

/// One run of a prepared statement, which goes back to its Database at the end.
/// A Database runs each statement once at a time.
class Query {
public:
    explicit Query(sqlite3_stmt* statement) : statement_(statement) {}

    /// Steps to the next row; false when there is none left and the work is done.
    Result<bool> next();
    /// A column of the row, counted from 0; TEXT or BLOB as it is stored.
    std::string bytes(int column) const;
    std::int64_t integer(int column) const;

private:
    struct Reset {
        void operator()(sqlite3_stmt* statement) const;
    };
    std::unique_ptr<sqlite3_stmt, Reset> statement_;
};

class Database {
public:
    /// Opens a file that exists. `busy_timeout`: how long a call waits for
    /// another connection's lock before it fails with timed_out.
    static Result<Database> open(const std::string& path, std::chrono::milliseconds busy_timeout);

    /// Runs statements that bring no rows, or whose rows do not matter.
    Result<void> execute(const char* sql);
    /// Starts a statement, which is compiled at its first use and then kept.
    template <class... Values>
    Result<Query> query(std::string_view sql, const Values&... values) {
        auto statement = prepared(sql);
        if (!statement) return statement.error();
        Query query(*statement);
        int position = 0;
        int code = SQLITE_OK;
        ((code = code == SQLITE_OK ? bind(*statement, ++position, values) : code), ...);
        if (code != SQLITE_OK) return error(code);
        return query;
    }
    /// Runs a statement to its end; how many rows it changed.
    template <class... Values>
    Result<std::size_t> change(std::string_view sql, const Values&... values) {
        auto started = query(sql, values...);
        if (!started) return started.error();
        if (const auto row = started->next(); !row) return row.error();
        return static_cast<std::size_t>(sqlite3_changes(handle_.get()));
    }
    /// The first column of the first row, for PRAGMAs; an Error when there is none.
    Result<std::string> text(std::string_view sql);
    Result<std::int64_t> integer(std::string_view sql);

    bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

private:
    friend class TimeLimit;
    struct Close {
        void operator()(sqlite3* handle) const;
    };
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };

    explicit Database(sqlite3* handle) : handle_(handle) {}
    Result<sqlite3_stmt*> prepared(std::string_view sql);
    Error error(int code) const;
    static int bind(sqlite3_stmt* statement, int position, std::int64_t value);
    static int bind(sqlite3_stmt* statement, int position, std::string_view text);
    static int bind(sqlite3_stmt* statement, int position, Blob blob);

    std::unique_ptr<sqlite3, Close> handle_;
    std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, std::less<>> statements_;
};

/// Cuts short what a database does when the time is up; whoever runs it gets an Error.
/// For work that is of no use when it takes long.
class TimeLimit {
public:
    TimeLimit(Database& database, std::chrono::milliseconds time);
    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;
    ~TimeLimit();

    bool is_up() const;

private:
    mutable std::mutex mutex_;  // guards the two below
    bool is_up_ = false;
    bool is_over_ = false;
    std::condition_variable over_;
    std::thread watch_;  // last: starts when all else is there
};

/// A transaction that may write: it takes the write lock at once, so that it
/// cannot find at its first write that its reads are out of date
/// (SQLITE_BUSY_SNAPSHOT). Rolled back unless committed.
class Transaction {
public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    Result<void> commit();

private:
    explicit Transaction(Database& database) : database_(&database) {}

    Database* database_;
};

}  // namespace cordgate::sqlite
