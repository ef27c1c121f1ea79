#pragma once

#include <list>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "store/session_store.hpp"

namespace cordgate {

/// Sessions in this process' memory: for tests, demos and sites that do not
/// mind that a restart logs everybody out.
class MemoryStore : public SessionStore {
public:
    explicit MemoryStore(std::size_t max_logins = default_max_logins) : max_logins_(max_logins) {}

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
    using Sessions = std::unordered_map<std::string, SessionRow>;
    using Logins = std::list<LoginRow>;  // oldest first
    struct Lease {
        std::string holder;
        std::chrono::steady_clock::time_point until;
    };
    using ByTime = std::set<std::pair<TimePoint, std::string>>;

    void replace_kept(SessionRow& kept, const SessionRow& row);
    Lease* live_lease(const std::string& name);
    void index(const SessionRow& row);
    void unindex(const SessionRow& row);
    void remove(Sessions::iterator session);
    void remove(Logins::iterator login);
    std::size_t remove_until(const ByTime& by_time, TimePoint cutoff, std::size_t limit);

    const std::size_t max_logins_;
    std::mutex mutex_;  // guards all below
    Sessions sessions_;
    std::map<std::string, std::string> by_handle_;           // handle -> key
    std::set<std::pair<std::string, std::string>> by_user_;  // user id, handle
    ByTime by_expires_;
    ByTime by_last_seen_;
    Logins logins_;
    std::unordered_map<std::string, Logins::iterator> logins_by_key_;
    std::unordered_map<std::string, std::list<Logins::iterator>> logins_by_browser_;
    std::unordered_map<std::string, Lease> leases_;
};

}  // namespace cordgate
