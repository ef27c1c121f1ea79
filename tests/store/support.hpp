#pragma once

#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/crypto.hpp"
#include "store/memory_store.hpp"
#include "store/redis_store.hpp"
#include "store/session_store.hpp"
#include "store/sqlite_store.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/temp_dir.hpp"

namespace cordgate::test {

using namespace std::chrono_literals;

/// While it lives, permissions count for us even if we are root. The effective
/// user is the whole process', so only for tests without other threads.
class Unprivileged {
public:
    Unprivileged() {
        if (::geteuid() == 0 && ::seteuid(65534) != 0) throw std::runtime_error("seteuid failed");
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;
    ~Unprivileged() { (void)::seteuid(::getuid()); }
};

/// What `call` throws, as text; empty when it does not.
template <class Call>
std::string complaint(Call call) {
    try {
        call();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

inline const TimePoint noon = TimePoint{} + std::chrono::hours(24 * 365 * 55 + 12);

inline SessionRow session_row(const std::string& name, const std::string& user = "1") {
    return {sha256(name), "handle-" + name, user, noon, noon, noon + 24h, "sealed " + name};
}

inline LoginRow login_row(const std::string& name, const std::string& browser = "browser",
                          TimePoint created = noon) {
    return {sha256(name), sha256(browser), created, "sealed " + name};
}

struct InMemory {
    explicit InMemory(std::size_t max_logins = SessionStore::default_max_logins)
        : store(std::make_unique<MemoryStore>(max_logins)) {}

    std::unique_ptr<SessionStore> store;
};

struct InSqlite {
    explicit InSqlite(std::size_t max_logins = SessionStore::default_max_logins)
        : store(std::make_unique<SqliteStore>(
              directory.file("cordgate.db"),
              SqliteOptions{.busy_timeout = patience, .max_logins = max_logins})) {}

    TempDir directory;
    std::unique_ptr<SessionStore> store;
};

/// One for all tests that leave it as they found it: running, without passwords.
inline RedisServer& shared_redis() {
    static RedisServer server;
    return server;
}

/// And with time enough for any answer that comes at all.
inline RedisOptions at_noon() {
    RedisOptions options;
    options.connect_timeout = options.command_timeout = patience;
    options.now = [] { return noon; };
    return options;
}

struct InRedis {
    explicit InRedis(std::size_t max_logins = SessionStore::default_max_logins) {
        (void)shared_redis().ask({"FLUSHALL"});
        auto options = at_noon();
        options.max_logins = max_logins;
        store = std::make_unique<RedisStore>(shared_redis().url(), options);
    }

    std::unique_ptr<SessionStore> store;
};

}  // namespace cordgate::test
