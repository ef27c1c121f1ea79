#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "store/session_store.hpp"

namespace cordgate {

namespace sqlite {
class Database;
}  // namespace sqlite

struct SqliteOptions {
    /// How long a call waits for other writers, in this process or another.
    std::chrono::milliseconds busy_timeout{2000};
    /// Connections that read while a write waits for the disk.
    std::size_t readers = 3;
    std::size_t max_logins = SessionStore::default_max_logins;
    /// How long the file may be checked for damage at start.
    std::chrono::milliseconds check_time{2000};
};

/// Sessions in a SQLite file.
///
/// Durable at each commit (WAL, synchronous=FULL). Several processes may share
/// the file on one machine. To back it up while it runs, use SQLite's own way
/// (`sqlite3 cordgate.db ".backup copy.db"`), not `cp`.
/// When the file is removed or replaced under a running process, every call
/// fails with `unavailable` until a restart: writing on would lose sessions.
class SqliteStore : public SessionStore {
public:
    /// The version of the tables, in PRAGMA user_version.
    static const int schema_version;

    /// Opens the file at `path`, or makes it, with mode 0600, when there is none.
    /// Throws std::runtime_error with a sentence for people when the file is
    /// damaged, not ours, newer than us or cannot be written; it is then left
    /// as it was.
    explicit SqliteStore(const std::string& path, const SqliteOptions& options = {});
    ~SqliteStore() override;

    /// Whether the whole file was checked for damage at start. A large one is not: a
    /// restart should not take longer because many are signed in. Damage is then met,
    /// and told, by the calls that come across it.
    bool is_checked() const { return is_checked_; }

    Result<void> insert(const SessionRow& row) override;
    Result<std::optional<SessionRow>> find(const std::string& key) override;
    Result<std::optional<SessionRow>> find_handle(const std::string& handle) override;
    Result<bool> update(const SessionRow& row) override;
    Result<Replaced> replace(const SessionRow& row, const std::string& expected) override;
    Result<bool> touch(const std::string& key, TimePoint when) override;
    Result<bool> erase(const std::string& key) override;
    Result<std::optional<std::string>> erase_handle(const std::string& handle) override;
    Result<std::vector<std::string>> erase_user(const std::string& user_id,
                                                TimePoint until) override;
    Result<std::vector<std::string>> missing(const std::vector<std::string>& keys) override;
    Result<std::vector<std::string>> erase_many(const std::vector<std::string>& keys) override;
    Result<SessionPage> list(const std::string& user_id, const std::string& cursor,
                             std::size_t limit) override;
    Result<bool> has_sessions() override;
    Result<void> put_login(const LoginRow& row) override;
    Result<std::optional<LoginRow>> take_login(const std::string& key) override;
    Result<bool> try_lease(const std::string& name, const std::string& holder,
                           std::chrono::milliseconds duration) override;
    Result<bool> renew_lease(const std::string& name, const std::string& holder,
                             std::chrono::milliseconds duration) override;
    Result<bool> release_lease(const std::string& name, const std::string& holder) override;
    Result<std::size_t> purge(const Cutoffs& cutoffs, std::size_t limit) override;
    Result<void> ping() override;

private:
    class Connection;
    struct Return {
        void operator()(Connection* connection) const;
    };
    /// A connection that is ours until the lease ends.
    using Lease = std::unique_ptr<Connection, Return>;

    Result<Lease> lease_reader();
    Result<Lease> lease_writer();
    Result<void> check_file() const;
    Error busy() const;
    /// Runs `work(Database&)` in a transaction; its answer once it is durable.
    template <class Work>
    auto write(Work work) -> decltype(work(std::declval<sqlite::Database&>()));

    const std::string path_;
    const SqliteOptions options_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
    bool is_checked_ = false;
    std::unique_ptr<Connection> writer_;
    std::vector<std::unique_ptr<Connection>> readers_;
    std::atomic<std::size_t> next_reader_{0};
};

}  // namespace cordgate
