#include "store/sealed_sessions.hpp"

#include <algorithm>
#include <utility>

#include "store/session_codec.hpp"

namespace cordgate {
namespace {

constexpr std::chrono::milliseconds longest_lease = SessionRepository::max_lease;

}  // namespace

SealedSessions::SealedSessions(std::unique_ptr<SessionStore> store, const std::vector<Secret>& keys,
                               std::chrono::seconds idle_timeout, SessionEvents* events)
    : store_(std::move(store)),
      session_sealer_(keys, "session"),
      login_sealer_(keys, "login"),
      idle_timeout_(idle_timeout),
      rotating_(keys.size() > 1),
      events_(events) {}

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

std::optional<Session> SealedSessions::live_session(const SessionRow& row, TimePoint now) {
    auto session = from_row(row);
    if (!session) {
        unreadable_.fetch_add(1, std::memory_order_relaxed);
        return std::nullopt;
    }
    if (has_expired(*session, now)) {
        // Once seen as expired, it stays so even if the clock is set back. Should
        // erasing fail, purge comes by later; the answer is the same.
        (void)store_->erase(row.key);
        return std::nullopt;
    }
    return session;
}

Result<std::optional<Session>> SealedSessions::find(const std::string& digest, TimePoint now) {
    const auto row = store_->find(digest);
    if (!row) return row.error();
    if (!*row) return std::optional<Session>();
    return live_session(**row, now);
}

Result<bool> SealedSessions::update(const std::string& digest, const Session& session) {
    return store_->update(to_row(digest, session));
}

Result<bool> SealedSessions::change(const std::string& digest, TimePoint now,
                                    const std::function<bool(Session&)>& edit) {
    // Each turn is lost to a writer who got on with it, so all of them come through.
    constexpr int turns = 100;
    for (int turn = 0; turn < turns; ++turn) {
        const auto row = store_->find(digest);
        if (!row) return row.error();
        if (!*row) return false;
        auto session = live_session(**row, now);
        if (!session || !edit(*session)) return false;
        const auto replaced = store_->replace(to_row(digest, *session), (*row)->sealed);
        if (!replaced) return replaced.error();
        if (*replaced != Replaced::changed) return *replaced == Replaced::yes;
    }
    return Error{ErrorKind::timed_out, ErrorSource::store, "a session is written without a break"};
}

// Only what nobody else wrote meanwhile: that is sealed with the current key already.
Result<void> SealedSessions::renew_seal(const std::string& digest) {
    const auto found = store_->find(digest);
    if (!found) return found.error();
    if (!*found) return {};
    auto row = **found;
    auto renewed = session_sealer_.renew(row.sealed, row.key);
    if (!renewed) return {};
    const auto before = std::exchange(row.sealed, std::move(*renewed));
    const auto replaced = store_->replace(row, before);
    if (!replaced) return replaced.error();
    return {};
}

Result<void> SealedSessions::touch(const std::string& digest, TimePoint when) {
    const auto touched = store_->touch(digest, when);
    if (!touched) return touched.error();
    if (*touched && rotating_) return renew_seal(digest);
    return {};
}

std::vector<std::string> SealedSessions::tell(std::vector<std::string> ended) const {
    if (events_) {
        for (const auto& digest : ended) events_->publish_ended(digest);
    }
    return ended;
}

Result<bool> SealedSessions::end(const std::string& digest) {
    auto erased = store_->erase(digest);
    if (erased && *erased) tell({digest});
    return erased;
}

// --- by handle and by user ---------------------------------------------------------

Result<std::optional<KnownSession>> SealedSessions::find_handle(const std::string& handle,
                                                                TimePoint now) {
    const auto row = store_->find_handle(handle);
    if (!row) return row.error();
    if (!*row) return std::optional<KnownSession>();
    auto session = live_session(**row, now);
    // The name in the row is only a column; the session's own is sealed.
    if (!session || session->handle != handle) return std::optional<KnownSession>();
    return std::optional(KnownSession{(*row)->key, std::move(*session)});
}

Result<SessionList> SealedSessions::list(std::optional<Snowflake> user, const std::string& cursor,
                                         std::size_t limit, TimePoint now) {
    auto page = store_->list(user ? user->to_string() : "", cursor, limit);
    if (!page) return page.error();
    SessionList list;
    list.next = std::move(page->next);
    for (const auto& row : page->rows) {
        auto session = from_row(row);
        if (!session || has_expired(*session, now)) continue;
        if (user && session->identity.user.id != *user) continue;
        list.sessions.push_back({row.key, std::move(*session)});
    }
    return list;
}

Result<std::optional<std::string>> SealedSessions::end_handle(const std::string& handle) {
    auto ended = store_->erase_handle(handle);
    if (ended && *ended) tell({**ended});
    return ended;
}

Result<std::vector<std::string>> SealedSessions::end_user(Snowflake user, TimePoint until) {
    auto ended = store_->erase_user(user.to_string(), until);
    if (!ended) return ended;
    return tell(std::move(*ended));
}

Result<std::vector<std::string>> SealedSessions::missing(const std::vector<std::string>& digests) {
    return store_->missing(digests);
}

Result<std::vector<std::string>> SealedSessions::end_many(const std::vector<std::string>& digests) {
    auto ended = store_->erase_many(digests);
    if (!ended) return ended;
    return tell(std::move(*ended));
}

// --- leases ------------------------------------------------------------------------

Result<bool> SealedSessions::try_lease(const std::string& name, const std::string& holder,
                                       std::chrono::milliseconds duration) {
    return store_->try_lease(name, holder, std::min(duration, longest_lease));
}

Result<bool> SealedSessions::renew_lease(const std::string& name, const std::string& holder,
                                         std::chrono::milliseconds duration) {
    return store_->renew_lease(name, holder, std::min(duration, longest_lease));
}

Result<bool> SealedSessions::release_lease(const std::string& name, const std::string& holder) {
    return store_->release_lease(name, holder);
}

// --- logins and upkeep -------------------------------------------------------------

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
