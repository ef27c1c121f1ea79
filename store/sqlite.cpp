#include "store/sqlite.hpp"

#include <utility>

namespace cordgate::sqlite {
namespace {

struct Meaning {
    int code;
    ErrorKind kind;
};

// By primary result code; what is not listed is `unavailable`.
constexpr Meaning meanings[] = {
    {SQLITE_BUSY,       ErrorKind::timed_out      },
    {SQLITE_LOCKED,     ErrorKind::timed_out      },
    {SQLITE_CORRUPT,    ErrorKind::malformed_reply},
    {SQLITE_NOTADB,     ErrorKind::malformed_reply},
    {SQLITE_ERROR,      ErrorKind::malformed_reply}, // our SQL is tested: the tables are not ours
    {SQLITE_MISMATCH,   ErrorKind::malformed_reply},
    {SQLITE_CONSTRAINT, ErrorKind::internal       },
    {SQLITE_MISUSE,     ErrorKind::internal       },
    {SQLITE_RANGE,      ErrorKind::internal       },
};

Error to_error(sqlite3* handle, int code) {
    auto kind = ErrorKind::unavailable;
    for (const auto& meaning : meanings) {
        if (meaning.code == (code & 0xff)) kind = meaning.kind;
    }
    std::string detail = "SQLite: " + std::string(sqlite3_errstr(code));
    if (handle) detail += " (" + std::string(sqlite3_errmsg(handle)) + ")";
    return Error{kind, ErrorSource::store, detail + ", code " + std::to_string(code)};
}

}  // namespace

void Query::Reset::operator()(sqlite3_stmt* statement) const {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

Result<bool> Query::next() {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return to_error(sqlite3_db_handle(statement_.get()), code);
}

std::string Query::bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return data ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::int64_t Query::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

void Database::Close::operator()(sqlite3* handle) const {
    sqlite3_close_v2(handle);
}

void Database::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Result<Database> Database::open(const std::string& path, std::chrono::milliseconds busy_timeout) {
    sqlite3* handle = nullptr;
    // No SQLITE_OPEN_CREATE and no URIs: a path is just a path to a file that exists.
    const int code = sqlite3_open_v2(path.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(handle);
    if (code != SQLITE_OK) return to_error(handle, code);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, static_cast<int>(busy_timeout.count()));
    // The file may have been made by somebody else: its schema is no program.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    return database;
}

Result<void> Database::execute(const char* sql) {
    const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return error(code);
    return {};
}

Result<std::string> Database::text(std::string_view sql) {
    auto started = query(sql);
    if (!started) return started.error();
    const auto row = started->next();
    if (!row) return row.error();
    if (!*row) return Error{ErrorKind::malformed_reply, ErrorSource::store, "SQLite: no row"};
    return started->bytes(0);
}

Result<std::int64_t> Database::integer(std::string_view sql) {
    auto started = query(sql);
    if (!started) return started.error();
    const auto row = started->next();
    if (!row) return row.error();
    if (!*row) return Error{ErrorKind::malformed_reply, ErrorSource::store, "SQLite: no row"};
    return started->integer(0);
}

Result<sqlite3_stmt*> Database::prepared(std::string_view sql) {
    const auto known = statements_.find(sql);
    if (known != statements_.end()) return known->second.get();
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return error(code);
    statements_.emplace(std::string(sql), statement);
    return statement;
}

Error Database::error(int code) const {
    return to_error(handle_.get(), code);
}

int Database::bind(sqlite3_stmt* statement, int position, std::int64_t value) {
    return sqlite3_bind_int64(statement, position, value);
}

// Length given and bytes copied: NULs and the caller's temporaries are safe.
int Database::bind(sqlite3_stmt* statement, int position, std::string_view text) {
    return sqlite3_bind_text64(statement, position, text.data() ? text.data() : "", text.size(),
                               SQLITE_TRANSIENT, SQLITE_UTF8);
}

int Database::bind(sqlite3_stmt* statement, int position, Blob blob) {
    // A null pointer would bind NULL.
    const char* const data = blob.bytes.data() ? blob.bytes.data() : "";
    return sqlite3_bind_blob64(statement, position, data, blob.bytes.size(), SQLITE_TRANSIENT);
}

TimeLimit::TimeLimit(Database& database, std::chrono::milliseconds time)
    : watch_([this, handle = database.handle_.get(), time] {
          std::unique_lock lock(mutex_);
          auto pause = time;
          // Again and again: between two statements it has no effect.
          while (!over_.wait_for(lock, pause, [this] { return is_over_; })) {
              is_up_ = true;
              pause = std::chrono::milliseconds(5);
              sqlite3_interrupt(handle);
          }
      }) {}

TimeLimit::~TimeLimit() {
    {
        const std::lock_guard lock(mutex_);
        is_over_ = true;
    }
    over_.notify_one();
    watch_.join();
}

bool TimeLimit::is_up() const {
    const std::lock_guard lock(mutex_);
    return is_up_;
}

Result<Transaction> Transaction::begin(Database& database) {
    const auto begun = database.change("BEGIN IMMEDIATE");
    if (!begun) return begun.error();
    return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
    // Some errors (disk full, I/O) roll back by themselves.
    if (database_ && database_->in_transaction()) (void)database_->change("ROLLBACK");
}

Result<void> Transaction::commit() {
    const auto done = database_->change("COMMIT");
    if (!done) return done.error();
    database_ = nullptr;
    return {};
}

}  // namespace cordgate::sqlite
