#include "store/memory_store.hpp"

#include <algorithm>

namespace cordgate {
namespace {

Error used_twice(const char* what) {
    return Error{ErrorKind::internal, ErrorSource::store, std::string(what) + " was used twice"};
}

}  // namespace

void MemoryStore::index(const SessionRow& row) {
    by_handle_.emplace(row.handle, row.key);
    by_user_.emplace(row.user_id, row.handle);
    by_expires_.emplace(row.expires, row.key);
    by_last_seen_.emplace(row.last_seen, row.key);
}

void MemoryStore::unindex(const SessionRow& row) {
    by_handle_.erase(row.handle);
    by_user_.erase({row.user_id, row.handle});
    by_expires_.erase({row.expires, row.key});
    by_last_seen_.erase({row.last_seen, row.key});
}

void MemoryStore::remove(Sessions::iterator session) {
    unindex(session->second);
    sessions_.erase(session);
}

void MemoryStore::remove(Logins::iterator login) {
    const auto browser = logins_by_browser_.find(login->browser);
    browser->second.remove(login);
    if (browser->second.empty()) logins_by_browser_.erase(browser);
    logins_by_key_.erase(login->key);
    logins_.erase(login);
}

Result<void> MemoryStore::insert(const SessionRow& row) {
    const std::lock_guard lock(mutex_);
    if (sessions_.count(row.key) != 0) return used_twice("a session's key");
    if (by_handle_.count(row.handle) != 0) return used_twice("a session's handle");
    sessions_.emplace(row.key, row);
    index(row);
    return {};
}

Result<std::optional<SessionRow>> MemoryStore::find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(key);
    if (found == sessions_.end()) return std::optional<SessionRow>();
    return std::optional(found->second);
}

Result<std::optional<SessionRow>> MemoryStore::find_handle(const std::string& handle) {
    const std::lock_guard lock(mutex_);
    const auto found = by_handle_.find(handle);
    if (found == by_handle_.end()) return std::optional<SessionRow>();
    return std::optional(sessions_.at(found->second));
}

Result<bool> MemoryStore::update(const SessionRow& row) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(row.key);
    if (found == sessions_.end()) return false;
    replace_kept(found->second, row);
    return true;
}

Result<Replaced> MemoryStore::replace(const SessionRow& row, const std::string& expected) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(row.key);
    if (found == sessions_.end()) return Replaced::gone;
    if (found->second.sealed != expected) return Replaced::changed;
    replace_kept(found->second, row);
    return Replaced::yes;
}

void MemoryStore::replace_kept(SessionRow& kept, const SessionRow& row) {
    unindex(kept);
    kept.expires = row.expires;
    kept.last_seen = std::max(kept.last_seen, row.last_seen);
    kept.sealed = row.sealed;
    index(kept);
}

Result<bool> MemoryStore::touch(const std::string& key, TimePoint when) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(key);
    if (found == sessions_.end()) return false;
    auto& row = found->second;
    if (when <= row.last_seen) return true;
    auto node = by_last_seen_.extract({row.last_seen, key});
    node.value().first = row.last_seen = when;
    by_last_seen_.insert(std::move(node));
    return true;
}

Result<bool> MemoryStore::erase(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(key);
    if (found == sessions_.end()) return false;
    remove(found);
    return true;
}

Result<std::optional<std::string>> MemoryStore::erase_handle(const std::string& handle) {
    const std::lock_guard lock(mutex_);
    const auto found = by_handle_.find(handle);
    if (found == by_handle_.end()) return std::optional<std::string>();
    std::optional<std::string> key = found->second;
    remove(sessions_.find(*key));
    return key;
}

Result<std::vector<std::string>> MemoryStore::erase_user(const std::string& user_id,
                                                         TimePoint until) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> keys;
    for (auto at = by_user_.lower_bound({user_id, ""}); at != by_user_.end(); ++at) {
        if (at->first != user_id) break;
        const auto& key = by_handle_.at(at->second);
        if (sessions_.at(key).created <= until) keys.push_back(key);
    }
    for (const auto& key : keys) remove(sessions_.find(key));
    return keys;
}

Result<std::vector<std::string>> MemoryStore::missing(const std::vector<std::string>& keys) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& key : keys) {
        if (!sessions_.contains(key)) out.push_back(key);
    }
    return out;
}

Result<std::vector<std::string>> MemoryStore::erase_many(const std::vector<std::string>& keys) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> erased;
    for (const auto& key : keys) {
        const auto found = sessions_.find(key);
        if (found == sessions_.end()) continue;
        remove(found);
        erased.push_back(key);
    }
    return erased;
}

Result<SessionPage> MemoryStore::list(const std::string& user_id, const std::string& cursor,
                                      std::size_t limit) {
    const std::lock_guard lock(mutex_);
    SessionPage page;
    // True when the page is full, and there is more.
    const auto add = [&](const std::string& handle) {
        if (page.rows.size() == limit) {
            page.next = page.rows.empty() ? cursor : page.rows.back().handle;
            return true;
        }
        page.rows.push_back(sessions_.at(by_handle_.at(handle)));
        return false;
    };
    if (user_id.empty()) {
        for (auto at = by_handle_.upper_bound(cursor); at != by_handle_.end(); ++at) {
            if (add(at->first)) break;
        }
    } else {
        for (auto at = by_user_.upper_bound({user_id, cursor}); at != by_user_.end(); ++at) {
            if (at->first != user_id || add(at->second)) break;
        }
    }
    return page;
}

Result<bool> MemoryStore::has_sessions() {
    const std::lock_guard lock(mutex_);
    return !sessions_.empty();
}

Result<void> MemoryStore::put_login(const LoginRow& row) {
    const std::lock_guard lock(mutex_);
    if (logins_by_key_.count(row.key) != 0) return used_twice("a login's state");
    logins_.push_back(row);
    const auto added = std::prev(logins_.end());
    logins_by_key_.emplace(row.key, added);
    auto& of_browser = logins_by_browser_[row.browser];
    of_browser.push_back(added);
    if (of_browser.size() > PendingLogin::max_per_browser) remove(of_browser.front());
    if (logins_.size() > max_logins_) remove(logins_.begin());
    return {};
}

Result<std::optional<LoginRow>> MemoryStore::take_login(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = logins_by_key_.find(key);
    if (found == logins_by_key_.end()) return std::optional<LoginRow>();
    std::optional<LoginRow> row = *found->second;
    remove(found->second);
    return row;
}

// Null when nobody has it any longer; then it is out of the map as well.
MemoryStore::Lease* MemoryStore::live_lease(const std::string& name) {
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(leases_, [&](const auto& entry) { return entry.second.until <= now; });
    const auto found = leases_.find(name);
    return found == leases_.end() ? nullptr : &found->second;
}

Result<bool> MemoryStore::try_lease(const std::string& name, const std::string& holder,
                                    std::chrono::milliseconds duration) {
    const std::lock_guard lock(mutex_);
    const auto* const lease = live_lease(name);
    if (lease && lease->holder != holder) return false;
    leases_[name] = {holder, std::chrono::steady_clock::now() + duration};
    return true;
}

Result<bool> MemoryStore::renew_lease(const std::string& name, const std::string& holder,
                                      std::chrono::milliseconds duration) {
    const std::lock_guard lock(mutex_);
    auto* const lease = live_lease(name);
    if (!lease || lease->holder != holder) return false;
    lease->until = std::chrono::steady_clock::now() + duration;
    return true;
}

Result<bool> MemoryStore::release_lease(const std::string& name, const std::string& holder) {
    const std::lock_guard lock(mutex_);
    const auto* const lease = live_lease(name);
    if (!lease || lease->holder != holder) return false;
    leases_.erase(name);
    return true;
}

std::size_t MemoryStore::remove_until(const ByTime& by_time, TimePoint cutoff, std::size_t limit) {
    std::size_t removed = 0;
    while (removed < limit && !by_time.empty() && by_time.begin()->first <= cutoff) {
        remove(sessions_.find(by_time.begin()->second));
        ++removed;
    }
    return removed;
}

Result<std::size_t> MemoryStore::purge(const Cutoffs& cutoffs, std::size_t limit) {
    const std::lock_guard lock(mutex_);
    auto removed = remove_until(by_expires_, cutoffs.expires, limit);
    removed += remove_until(by_last_seen_, cutoffs.last_seen, limit - removed);
    for (auto at = logins_.begin(); at != logins_.end() && removed < limit;) {
        const auto login = at++;
        if (login->created > cutoffs.login_created) continue;
        remove(login);
        ++removed;
    }
    return removed;
}

Result<void> MemoryStore::ping() {
    return {};
}

}  // namespace cordgate
