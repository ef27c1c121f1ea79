#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/crypto.hpp"
#include "store/memory_store.hpp"
#include "store/redis.hpp"
#include "store/redis_store.hpp"
#include "store/session_store.hpp"
#include "store/sqlite_store.hpp"

namespace cordgate::test {

using namespace std::chrono_literals;

/// A directory of our own, gone at the end.
class TempDir {
public:
    TempDir() : path_(std::filesystem::temp_directory_path() / "cordgate-XXXXXX") {
        auto name = path_.string();
        if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
        path_ = name;
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string file(const std::string& name) const { return (path_ / name).string(); }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

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

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
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
        : store(std::make_unique<SqliteStore>(directory.file("cordgate.db"),
                                              SqliteOptions{.max_logins = max_logins})) {}

    TempDir directory;
    std::unique_ptr<SessionStore> store;
};

/// A redis-server of our own, on a unix socket in a directory of its own; gone at
/// the end. Throws std::runtime_error when it cannot be started.
class RedisServer {
public:
    /// `options`: more of redis-server's, as in {"--appendonly", "yes"}. PATH in them
    /// stands for the directory.
    explicit RedisServer(std::vector<std::string> options = {}) : options_(std::move(options)) {
        start();
    }
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;
    ~RedisServer() { kill(); }

    void start() {
        std::vector<std::string> words{
            "redis-server", "--port", "0", "--unixsocket", socket(),  "--dir",
            "PATH",         "--save", "",  "--logfile",    "PATH/log"};
        words.insert(words.end(), options_.begin(), options_.end());
        std::vector<char*> argv;
        for (auto& word : words) {
            if (word.starts_with("PATH")) word.replace(0, 4, directory_.path().string());
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        for (int i = 0; i < 3000; ++i) {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                throw std::runtime_error("redis-server did not start: " + log());
            }
            if (answers()) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        throw std::runtime_error("redis-server does not answer: " + log());
    }
    /// As a power cut would, as far as a process can.
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    void pause() const { ::kill(pid_, SIGSTOP); }
    void go_on() const { ::kill(pid_, SIGCONT); }

    std::string socket() const { return directory_.file("redis.sock"); }
    RedisUrl url(unsigned database = 0) const {
        RedisUrl url;
        url.unix_path = socket();
        url.database = database;
        return url;
    }
    std::string log() const { return read_file(directory_.file("log")); }
    std::string file(const std::string& name) const { return directory_.file(name); }
    const TempDir& directory() const { return directory_; }

    /// What Redis answers to a command of the test's own.
    redis::Reply ask(const redis::Words& words, const RedisUrl& url) const {
        auto connection = redis::Connection::open(url, nullptr, {});
        if (!connection) throw std::runtime_error(connection.error().detail);
        auto reply = connection->call(words, redis::SteadyClock::now() + 30s);
        if (!reply) throw std::runtime_error(reply.error().detail);
        return std::move(*reply);
    }
    redis::Reply ask(const redis::Words& words) const { return ask(words, url()); }
    /// The names of all keys.
    std::vector<std::string> keys() const {
        std::vector<std::string> names;
        const auto reply = ask({"KEYS", "*"});
        for (std::size_t i = 0; i < reply.view().size(); ++i) {
            names.emplace_back(reply.view()[i].text());
        }
        return names;
    }

private:
    bool answers() const {
        auto connection = redis::Connection::open(url(), nullptr, {});
        // One that wants a password is up, too.
        if (!connection) return connection.error().kind == ErrorKind::forbidden;
        const auto reply = connection->call({"PING"}, redis::SteadyClock::now() + 1s);
        return reply && !reply->view().is_error();
    }

    TempDir directory_;
    std::vector<std::string> options_;
    pid_t pid_ = -1;
};

/// One for all tests that leave it as they found it: running, without passwords.
inline RedisServer& shared_redis() {
    static RedisServer server;
    return server;
}

inline RedisOptions at_noon() {
    RedisOptions options;
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
