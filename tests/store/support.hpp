#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/crypto.hpp"
#include "store/memory_store.hpp"
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

}  // namespace cordgate::test
