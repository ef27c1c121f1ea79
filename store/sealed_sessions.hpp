#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/crypto.hpp"
#include "core/session_events.hpp"
#include "core/session_repository.hpp"
#include "store/session_store.hpp"

namespace cordgate {

/// The SessionRepository over any SessionStore: seals what it stores, opens
/// what it finds, and decides what has expired.
///
/// What is sealed is bound to its row's key, so bytes moved to another row do
/// not open. A row that does not open (another installation's keys, tampering,
/// a newer version) is no session; `unreadable` counts those.
class SealedSessions : public SessionRepository {
public:
    /// `keys` as in Sealer; `idle_timeout` 0: sessions end only at `expires_at`.
    /// `events`, which may be null, is told of every session that is ended.
    SealedSessions(std::unique_ptr<SessionStore> store, const std::vector<Secret>& keys,
                   std::chrono::seconds idle_timeout, SessionEvents* events = nullptr);

    Result<void> create(const SessionToken& token, const Session& session) override;
    Result<std::optional<Session>> find(const std::string& digest, TimePoint now) override;
    Result<bool> update(const std::string& digest, const Session& session) override;
    Result<bool> change(const std::string& digest, TimePoint now,
                        const std::function<bool(Session&)>& edit) override;
    Result<void> touch(const std::string& digest, TimePoint when) override;
    Result<bool> end(const std::string& digest) override;
    Result<std::optional<KnownSession>> find_handle(const std::string& handle,
                                                    TimePoint now) override;
    Result<SessionList> list(std::optional<Snowflake> user, const std::string& cursor,
                             std::size_t limit, TimePoint now) override;
    Result<std::optional<std::string>> end_handle(const std::string& handle) override;
    Result<std::vector<std::string>> end_user(Snowflake user, TimePoint until) override;
    Result<std::vector<std::string>> missing(const std::vector<std::string>& digests) override;
    Result<std::vector<std::string>> end_many(const std::vector<std::string>& digests) override;
    Result<bool> try_lease(const std::string& name, const std::string& holder,
                           std::chrono::milliseconds duration) override;
    Result<bool> renew_lease(const std::string& name, const std::string& holder,
                             std::chrono::milliseconds duration) override;
    Result<bool> release_lease(const std::string& name, const std::string& holder) override;
    Result<void> begin_login(const Secret& state, const PendingLogin& login) override;
    Result<std::optional<PendingLogin>> take_login(const Secret& state, TimePoint now) override;
    Result<std::size_t> purge(TimePoint now, std::size_t limit) override;
    Result<void> ping() override;

    /// Rows met so far that did not open.
    std::uint64_t unreadable() const { return unreadable_.load(std::memory_order_relaxed); }

private:
    SessionRow to_row(const std::string& digest, const Session& session) const;
    std::optional<Session> from_row(const SessionRow& row) const;
    bool has_expired(const Session& session, TimePoint now) const;
    /// The session of a row that was read, unless it expired or does not open.
    std::optional<Session> live_session(const SessionRow& row, TimePoint now);
    Result<void> renew_seal(const std::string& digest);
    std::vector<std::string> tell(std::vector<std::string> ended) const;

    const std::unique_ptr<SessionStore> store_;
    const Sealer session_sealer_;
    const Sealer login_sealer_;
    const std::chrono::seconds idle_timeout_;
    const bool rotating_;  ///< there are older keys
    SessionEvents* const events_;
    std::atomic<std::uint64_t> unreadable_{0};
};

}  // namespace cordgate
