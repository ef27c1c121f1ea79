#include "store/open.hpp"

#include <stdexcept>
#include <string_view>

#include "core/random.hpp"
#include "core/redis_url.hpp"
#include "store/files.hpp"
#include "store/key_file.hpp"
#include "store/memory_store.hpp"
#include "store/redis_store.hpp"
#include "store/sealed_sessions.hpp"
#include "store/sqlite_store.hpp"

namespace cordgate {
namespace {

constexpr std::string_view sqlite_prefix = "sqlite:";

void require_whole_keys(const std::vector<Secret>& keys) {
    for (const auto& key : keys) {
        if (key.size() != 32) {
            throw std::runtime_error("session.keys: each key has to be 32 bytes, not " +
                                     std::to_string(key.size()));
        }
    }
}

void seal(OpenedStore& opened, std::unique_ptr<SessionStore> store, const std::vector<Secret>& keys,
          std::chrono::seconds idle_timeout) {
    auto sessions =
        std::make_unique<SealedSessions>(std::move(store), keys, idle_timeout, opened.events.get());
    opened.unreadable = [sealed = sessions.get()] { return sealed->unreadable(); };
    opened.sessions = std::move(sessions);
}

OpenedStore open_memory(std::vector<Secret> keys, std::chrono::seconds idle_timeout) {
    if (keys.empty()) keys.emplace_back(random_bytes(32));
    OpenedStore opened;
    opened.events = std::make_unique<SessionEvents>();
    seal(opened, std::make_unique<MemoryStore>(), keys, idle_timeout);
    opened.description = "memory (a restart logs everybody out)";
    return opened;
}

OpenedStore open_sqlite(const std::string& path, std::vector<Secret> keys,
                        std::chrono::seconds idle_timeout) {
    OpenedStore opened;
    auto store = std::make_unique<SqliteStore>(path);
    opened.description = "SQLite " + path + ", keys of session.keys";
    if (keys.empty()) {
        const auto has_sessions = store->has_sessions();
        if (!has_sessions) throw std::runtime_error(has_sessions.error().detail);
        const auto key_path = path + ".key";
        keys.push_back(read_or_make_key(key_path, *has_sessions));
        opened.description = "SQLite " + path + ", key file " + key_path;
    }
    if (!store->is_checked()) {
        opened.warnings.push_back("the session database " + path +
                                  " is large: its check for damage was given up after 2 s. To "
                                  "check all of it: sqlite3 " +
                                  path + " 'PRAGMA quick_check'");
    }
    if (const auto name = files::network_file_system(path); !name.empty()) {
        opened.warnings.push_back("the session database " + path +
                                  " is on a network file system (" + name +
                                  "): its locks cannot be relied on, and it may be damaged. Put it "
                                  "on a local disk");
    }
    opened.events = std::make_unique<SessionEvents>();
    seal(opened, std::move(store), keys, idle_timeout);
    return opened;
}

OpenedStore open_redis(const std::string& text, const std::vector<Secret>& keys,
                       std::chrono::seconds idle_timeout) {
    const auto url = RedisUrl::parse(text);
    if (!url) throw std::runtime_error("session.store: " + url.error().detail);
    if (keys.empty()) {
        throw std::runtime_error(
            "session.keys: Redis needs a key, the same on every replica; make one with: openssl "
            "rand -base64 32");
    }
    OpenedStore opened;
    auto store = std::make_unique<RedisStore>(*url);
    opened.description = "Redis " + url->shown() + ", keys of session.keys";
    opened.warnings = store->warnings();
    opened.events = std::make_unique<RedisEvents>(*url);
    seal(opened, std::move(store), keys, idle_timeout);
    return opened;
}

}  // namespace

OpenedStore open_sessions(const std::string& url, const std::vector<Secret>& keys,
                          std::chrono::seconds idle_timeout) {
    require_whole_keys(keys);
    if (url == "memory:") return open_memory(keys, idle_timeout);
    if (url.starts_with(sqlite_prefix) && url.size() > sqlite_prefix.size()) {
        return open_sqlite(url.substr(sqlite_prefix.size()), keys, idle_timeout);
    }
    if (RedisUrl::is_meant(url)) return open_redis(url, keys, idle_timeout);
    // Not shown whole: a URL of a kind we do not know may hold a password.
    throw std::runtime_error("session.store: unknown kind \"" + url.substr(0, url.find(':')) +
                             "\"; allowed are memory:, sqlite:PATH and redis://HOST");
}

}  // namespace cordgate
