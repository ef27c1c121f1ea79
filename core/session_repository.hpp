#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/login/pending_login.hpp"
#include "core/result.hpp"
#include "core/session.hpp"

namespace cordgate {

/// The value of a session cookie: 256 random bits. Only `make` and `parse` make
/// one, so holding it proves the form; it is never stored, only its SHA-256.
class SessionToken {
public:
    static SessionToken make();
    /// nullopt unless `text` is exactly 43 canonical characters of base64url,
    /// so that ill-formed cookies never reach a store.
    static std::optional<SessionToken> parse(std::string_view text);

    /// What parse(text)->digest() is, without a copy of the token.
    static std::optional<std::string> digest_of(std::string_view text);

    const Secret& secret() const { return secret_; }
    /// SHA-256 of the token, 32 raw bytes: the key in the store and the cache.
    std::string digest() const;

private:
    explicit SessionToken(Secret secret) : secret_(std::move(secret)) {}

    Secret secret_;
};

/// A session with the key that caches and `end` know it by.
struct KnownSession {
    std::string digest;
    Session session;
};

/// Some sessions, in the order of their handles.
struct SessionList {
    std::vector<KnownSession> sessions;
    std::string next;  ///< give this as the cursor to go on; empty: that was all
};

/// Sessions and logins under way, kept durably. What `create`, `end` and
/// `begin_login` acknowledged survives a crash.
///
/// Calls block, and may come from any thread at once. Failures have the source
/// `store` and the kind unavailable, timed_out or malformed_reply; absence is
/// an answer, not an error. After a failed change nobody knows whether it took
/// place. The implementation seals what it stores, and tells SessionEvents of
/// every session that was ended.
class SessionRepository {
public:
    virtual ~SessionRepository() = default;

    virtual Result<void> create(const SessionToken& token, const Session& session) = 0;
    /// nullopt when there is none, it was ended, or it expired at or before `now`
    /// (absolute or idle).
    virtual Result<std::optional<Session>> find(const std::string& digest, TimePoint now) = 0;
    /// Replaces the contents (identity, grant, last_seen). False when it is gone:
    /// an ended session never comes back.
    virtual Result<bool> update(const std::string& digest, const Session& session) = 0;
    /// Reads the session, lets `edit` change it and writes it back, all over again
    /// when somebody else wrote in between: of changes to different members at the
    /// same time, on whatever replica, none is lost. False when it is gone, and
    /// when `edit` returned false: nothing was changed.
    virtual Result<bool> change(const std::string& digest, TimePoint now,
                                const std::function<bool(Session&)>& edit) = 0;
    /// Notes that the session was used at `when`; keeps the idle limit away. Seals
    /// it with the current key when it was sealed with an older one.
    virtual Result<void> touch(const std::string& digest, TimePoint when) = 0;
    /// False when there was none.
    virtual Result<bool> end(const std::string& digest) = 0;

    /// As `find`, by the public name.
    virtual Result<std::optional<KnownSession>> find_handle(const std::string& handle,
                                                            TimePoint now) = 0;
    /// Sessions of `user` (nullopt: of everybody) behind `cursor` (empty: from the
    /// start), of at most `limit` rows; expired and unreadable ones are left out,
    /// so that a page may be short although `next` is not empty.
    virtual Result<SessionList> list(std::optional<Snowflake> user, const std::string& cursor,
                                     std::size_t limit, TimePoint now) = 0;
    /// The digest of the session that was ended; nullopt when there was none.
    virtual Result<std::optional<std::string>> end_handle(const std::string& handle) = 0;
    /// Ends the sessions of `user` created at or before `until`; their digests.
    virtual Result<std::vector<std::string>> end_user(Snowflake user, TimePoint until) = 0;
    /// Which of these there are no more, of at most some hundred: as cheap as it can be, for
    /// those that something runs for. One that expired may count as there.
    virtual Result<std::vector<std::string>> missing(const std::vector<std::string>& digests) = 0;
    /// Ends these at once, at most some hundred; the digests of those there were.
    virtual Result<std::vector<std::string>> end_many(const std::vector<std::string>& digests) = 0;

    /// Takes the lock `name` for `duration` (at most `max_lease`), unless another
    /// holder has it; true also when `holder` has it already. A lock over all
    /// replicas, for work that should happen once: it may pass to another while the
    /// holder is slow, so what it guards must bear being done twice. `holder`: a
    /// random_id() of the taker's own.
    virtual Result<bool> try_lease(const std::string& name, const std::string& holder,
                                   std::chrono::milliseconds duration) = 0;
    /// Makes it last for `duration` from now; false when it was lost.
    virtual Result<bool> renew_lease(const std::string& name, const std::string& holder,
                                     std::chrono::milliseconds duration) = 0;
    /// False when it was lost before.
    virtual Result<bool> release_lease(const std::string& name, const std::string& holder) = 0;
    static constexpr std::chrono::seconds max_lease{60};

    /// Keeps a login under its state for its life time, and drops the oldest of
    /// this browser beyond PendingLogin::max_per_browser.
    virtual Result<void> begin_login(const Secret& state, const PendingLogin& login) = 0;
    /// Takes a login out, at most once however many ask; nullopt when there is
    /// none under `state`. One that is older than its life time is returned once,
    /// within as long again, so that the caller can say so.
    virtual Result<std::optional<PendingLogin>> take_login(const Secret& state, TimePoint now) = 0;

    /// Deletes what expired at or before `now`, at most `limit` rows; how many. Other
    /// changes may have to wait for it: a few rows at a time, with pauses.
    static constexpr std::size_t purge_batch = 50;
    static constexpr std::chrono::milliseconds purge_pause{20};
    virtual Result<std::size_t> purge(TimePoint now, std::size_t limit) = 0;
    /// Whether the store answers; for /readyz.
    virtual Result<void> ping() = 0;
};

}  // namespace cordgate
