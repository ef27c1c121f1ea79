#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/redis_url.hpp"
#include "core/session_events.hpp"
#include "store/session_store.hpp"

namespace cordgate {

namespace redis {
class Client;
class View;
struct Scripts;
struct Timing;
}  // namespace redis

struct RedisOptions {
    std::chrono::milliseconds connect_timeout{1000};
    /// How long a call waits for an answer, or for a connection to be free.
    std::chrono::milliseconds command_timeout{2000};
    std::size_t max_connections = 8;
    std::size_t max_logins = SessionStore::default_max_logins;
    /// What the times to live are counted from: our clock, so that Redis' own is
    /// never asked what time it is.
    Now now = Clock::now;
};

/// Sessions in a Redis (7.0 was tried; no Cluster), for several replicas at once.
///
/// Each call is one atomic step in Redis. What is acknowledged is as durable as
/// Redis is configured: `appendfsync always` for no loss at all. Every key has a
/// time to live, an hour longer than what it holds, so that nothing stays for
/// ever even when nobody purges. When Redis goes away calls fail at once or by
/// their time-out, and succeed within half a second of its return.
class RedisStore : public SessionStore {
public:
    static constexpr const char* prefix = "cordgate:";

    /// Throws std::runtime_error with a sentence for people when Redis answers but
    /// does not let us in, or TLS cannot be set up. One that does not answer is a
    /// warning: calls fail until it does.
    explicit RedisStore(const RedisUrl& url, const RedisOptions& options = {});
    ~RedisStore() override;

    /// What the operator should know about this Redis: no answer, sessions that
    /// may be evicted or lost when it restarts.
    const std::vector<std::string>& warnings() const { return warnings_; }
    /// The channel on which the digests of ended sessions are published.
    static std::string channel(const RedisUrl& url);

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
    std::string time_to_live(TimePoint end) const;
    Result<Replaced> write_over(const SessionRow& row, const std::string* expected);
    void look_for_risks();

    const RedisOptions options_;
    const std::string channel_;
    const std::unique_ptr<redis::Client> client_;
    const std::unique_ptr<redis::Scripts> scripts_;
    std::vector<std::string> warnings_;
};

/// Hears from Redis which sessions other replicas ended, on a thread of its own
/// that connects again whenever it has to.
///
/// `heard_since` is nullopt from when an answer is overdue (at most 0.5 s after
/// the line broke) until Redis answers again. While an answer is only late no
/// news is lost, and what is cached stays good.
class RedisEvents : public SessionEvents {
public:
    /// Throws as RedisStore does when TLS cannot be set up.
    explicit RedisEvents(const RedisUrl& url);
    ~RedisEvents() override;

    std::optional<SteadyTime> heard_since(SteadyTime now) const override;

private:
    class Listener;
    const std::unique_ptr<Listener> listener_;
};

}  // namespace cordgate
