#include "store/sealed_sessions.hpp"

#include <algorithm>
#include <utility>

#include "store/session_codec.hpp"

namespace cordgate {

SealedSessions::SealedSessions(std::unique_ptr<SessionStore> store, const std::vector<Secret>& keys,
                               std::chrono::seconds idle_timeout)
    : store_(std::move(store)),
      session_sealer_(keys, "session"),
      login_sealer_(keys, "login"),
      idle_timeout_(idle_timeout) {}

SessionRow SealedSessions::to_row(const std::string& digest, const Session& session) const {
    SessionRow row;
    row.key = digest;
    row.handle = session.handle;
    row.user_id = session.identity.user.id.to_string();
    row.created = session.created_at;
    row.last_seen = session.last_seen_at;
    row.expires = session.expires_at;
    row.sealed = session_sealer_.seal(codec::encode(session).reveal(), digest);
    return row;
}

// What is sealed counts: a row's own columns only help to find and purge it, and
// whoever can write to the store could lengthen them. `last_seen` is the
// exception, since touching must not cost a sealing.
std::optional<Session> SealedSessions::from_row(const SessionRow& row) const {
    auto opened = session_sealer_.open(row.sealed, row.key);
    if (!opened) return std::nullopt;
    const Secret plain(std::move(*opened));
    auto session = codec::decode_session(plain.reveal());
    if (!session) return std::nullopt;
    session->last_seen_at = std::max(session->last_seen_at, row.last_seen);
    return std::move(*session);
}

bool SealedSessions::has_expired(const Session& session, TimePoint now) const {
    if (session.expires_at <= now) return true;
    return idle_timeout_.count() > 0 && now - session.last_seen_at >= idle_timeout_;
}

Result<void> SealedSessions::create(const SessionToken& token, const Session& session) {
    return store_->insert(to_row(token.digest(), session));
}

Result<std::optional<Session>> SealedSessions::find(const std::string& digest, TimePoint now) {
    const auto row = store_->find(digest);
    if (!row) return row.error();
    if (!*row) return std::optional<Session>();
    auto session = from_row(**row);
    if (!session) {
        unreadable_.fetch_add(1, std::memory_order_relaxed);
        return std::optional<Session>();
    }
    if (has_expired(*session, now)) {
        // Once seen as expired, it stays so even if the clock is set back. Should
        // erasing fail, purge comes by later; the answer is the same.
        (void)store_->erase(digest);
        return std::optional<Session>();
    }
    return session;
}

Result<bool> SealedSessions::update(const std::string& digest, const Session& session) {
    return store_->update(to_row(digest, session));
}

Result<void> SealedSessions::touch(const std::string& digest, TimePoint when) {
    const auto touched = store_->touch(digest, when);
    if (!touched) return touched.error();
    return {};
}

Result<bool> SealedSessions::end(const std::string& digest) {
    return store_->erase(digest);
}

Result<void> SealedSessions::begin_login(const Secret& state, const PendingLogin& login) {
    LoginRow row;
    row.key = sha256(state.reveal());
    row.browser = login.browser;
    row.created = login.created_at;
    row.sealed = login_sealer_.seal(codec::encode(login).reveal(), row.key);
    return store_->put_login(row);
}

Result<std::optional<PendingLogin>> SealedSessions::take_login(const Secret& state, TimePoint now) {
    const auto row = store_->take_login(sha256(state.reveal()));
    if (!row) return row.error();
    if (!*row) return std::optional<PendingLogin>();
    auto opened = login_sealer_.open((*row)->sealed, (*row)->key);
    if (opened) {
        const Secret plain(std::move(*opened));
        auto login = codec::decode_login(plain.reveal());
        if (login && now - login->created_at >= 2 * PendingLogin::lifetime) {
            return std::optional<PendingLogin>();
        }
        if (login) return std::optional(std::move(*login));
    }
    unreadable_.fetch_add(1, std::memory_order_relaxed);
    return std::optional<PendingLogin>();
}

Result<std::size_t> SealedSessions::purge(TimePoint now, std::size_t limit) {
    const auto idle_since = idle_timeout_.count() > 0 ? now - idle_timeout_ : TimePoint::min();
    return store_->purge({now, idle_since, now - 2 * PendingLogin::lifetime}, limit);
}

Result<void> SealedSessions::ping() {
    return store_->ping();
}

}  // namespace cordgate
