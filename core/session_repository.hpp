#pragma once

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

    const Secret& secret() const { return secret_; }
    /// SHA-256 of the token, 32 raw bytes: the key in the store and the cache.
    std::string digest() const;

private:
    explicit SessionToken(Secret secret) : secret_(std::move(secret)) {}

    Secret secret_;
};

/// Sessions and logins under way, kept durably. What `create`, `end` and
/// `begin_login` acknowledged survives a crash.
///
/// Calls block, and may come from any thread at once. Failures have the source
/// `store` and the kind unavailable, timed_out or malformed_reply; absence is
/// an answer, not an error. The implementation seals what it stores.
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
    /// Notes that the session was used at `when`; keeps the idle limit away.
    virtual Result<void> touch(const std::string& digest, TimePoint when) = 0;
    /// False when there was none.
    virtual Result<bool> end(const std::string& digest) = 0;

    /// Keeps a login under its state for its life time, and drops the oldest of
    /// this browser beyond PendingLogin::max_per_browser.
    virtual Result<void> begin_login(const Secret& state, const PendingLogin& login) = 0;
    /// Takes a login out, at most once however many ask; nullopt when there is
    /// none under `state`. One that is older than its life time is returned once,
    /// within as long again, so that the caller can say so.
    virtual Result<std::optional<PendingLogin>> take_login(const Secret& state, TimePoint now) = 0;

    /// Deletes what expired at or before `now`, at most `limit` rows; how many.
    virtual Result<std::size_t> purge(TimePoint now, std::size_t limit) = 0;
    /// Whether the store answers; for /readyz.
    virtual Result<void> ping() = 0;
};

}  // namespace cordgate
