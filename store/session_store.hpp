#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/login/pending_login.hpp"
#include "core/result.hpp"
#include "core/session_repository.hpp"

namespace cordgate {

/// A session as a store sees it: what it needs to find and expire it, and
/// bytes it cannot read.
struct SessionRow {
    std::string key;  ///< SHA-256 of the token, 32 raw bytes
    std::string handle;
    std::string user_id;
    TimePoint created;
    TimePoint last_seen;
    TimePoint expires;
    std::string sealed;
};

/// A login under way as a store sees it.
struct LoginRow {
    std::string key;      ///< SHA-256 of the state, 32 raw bytes
    std::string browser;  ///< SHA-256 of the login cookie
    TimePoint created;
    std::string sealed;
};

/// Some sessions in the order of their handles.
struct SessionPage {
    std::vector<SessionRow> rows;
    std::string next;  ///< give this as the cursor to go on; empty: that was all
};

/// What came of `SessionStore::replace`.
enum class Replaced {
    yes,
    gone,     ///< there is no such session
    changed,  ///< somebody else wrote it since it was read
};

/// What `SessionStore::purge` deletes: all at or before these instants.
struct Cutoffs {
    TimePoint expires;
    TimePoint last_seen;
    TimePoint login_created;
};

/// Where rows live. It judges nothing: what expired, and what the sealed bytes
/// mean, is SealedSessions' business.
///
/// Calls block, and may come from any thread at once, and from other processes
/// on the same data. A change that was acknowledged is durable, where the store
/// has anything that lasts; one that failed may have taken place or not. Failures
/// have the source `store` and the kind unavailable (try later), timed_out
/// (somebody else held it too long, or no answer came), malformed_reply (the data
/// is damaged) or internal (a key was used twice).
/// Every implementation passes tests/store/session_store_contract.cpp.
class SessionStore {
public:
    /// Logins pending in all; the oldest give way, so that a flood of anonymous
    /// visits stays bounded.
    static constexpr std::size_t default_max_logins = 100'000;

    virtual ~SessionStore() = default;

    /// Adds a session; never replaces one, by key or by handle.
    virtual Result<void> insert(const SessionRow& row) = 0;
    /// What others wrote over a row may come without `sealed`.
    virtual Result<std::optional<SessionRow>> find(const std::string& key) = 0;
    virtual Result<std::optional<SessionRow>> find_handle(const std::string& handle) = 0;
    /// Replaces `expires`, `sealed` and, unless it is known to be later,
    /// `last_seen` of the row with this key. False when there is none.
    virtual Result<bool> update(const SessionRow& row) = 0;
    /// As `update`, but only while the row's sealed bytes are `expected`.
    virtual Result<Replaced> replace(const SessionRow& row, const std::string& expected) = 0;
    /// Moves `last_seen` forward, never back. False when there is no such row.
    virtual Result<bool> touch(const std::string& key, TimePoint when) = 0;
    /// False when there was none.
    virtual Result<bool> erase(const std::string& key) = 0;
    /// The key of the session that was erased, for caches to drop.
    virtual Result<std::optional<std::string>> erase_handle(const std::string& handle) = 0;
    /// Erases the sessions of a user created at or before `until`; their keys.
    virtual Result<std::vector<std::string>> erase_user(const std::string& user_id,
                                                        TimePoint until) = 0;
    /// Which of these keys have no row.
    virtual Result<std::vector<std::string>> missing(const std::vector<std::string>& keys) = 0;
    /// Erases these in one step; the keys of those that were there.
    virtual Result<std::vector<std::string>> erase_many(const std::vector<std::string>& keys) = 0;
    /// Sessions of `user_id` (empty: of everybody) behind `cursor` (empty: from
    /// the start), at most `limit`. Rows come without their sealed bytes' meaning,
    /// in a stable order, each at most once.
    virtual Result<SessionPage> list(const std::string& user_id, const std::string& cursor,
                                     std::size_t limit) = 0;
    /// Whether there is any session at all.
    virtual Result<bool> has_sessions() = 0;

    /// Keeps a login, and drops the oldest of this browser beyond
    /// PendingLogin::max_per_browser and the oldest of all beyond the store's bound.
    virtual Result<void> put_login(const LoginRow& row) = 0;
    /// Removes a login and returns it; of many who ask at once, one gets it.
    virtual Result<std::optional<LoginRow>> take_login(const std::string& key) = 0;

    /// The lock `name` is `holder`'s for `duration`, by the store's own steady
    /// clock; false when another holder has it. The holder may take it again.
    virtual Result<bool> try_lease(const std::string& name, const std::string& holder,
                                   std::chrono::milliseconds duration) = 0;
    /// Makes the lock last for `duration` from now; false when `holder` lost it.
    virtual Result<bool> renew_lease(const std::string& name, const std::string& holder,
                                     std::chrono::milliseconds duration) = 0;
    /// False when `holder` had lost it.
    virtual Result<bool> release_lease(const std::string& name, const std::string& holder) = 0;
    /// The longest `duration`: what a crashed machine leaves behind blocks no longer.
    static constexpr auto max_lease = SessionRepository::max_lease;

    /// Deletes at most `limit` rows that reached a cut-off; how many. Short: other
    /// calls get their turn between two batches.
    virtual Result<std::size_t> purge(const Cutoffs& cutoffs, std::size_t limit) = 0;
    /// Whether the store answers.
    virtual Result<void> ping() = 0;
};

}  // namespace cordgate
