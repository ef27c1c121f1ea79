#include "proxy/session_ends.hpp"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "core/random.hpp"
#include "proxy/access_log.hpp"

namespace cordgate::proxy {
namespace {

/// Whether the user of `session` has no other. When the store cannot tell: no, since a
/// revocation would end sessions that nobody asked to end.
bool was_last(Gate& gate, const Session& session) {
    std::string cursor;
    do {
        const auto page = gate.sessions.list(session.identity.user.id, cursor, 100, gate.now());
        if (!page) {
            log_warn("revoke", describe_error(page.error()));
            return false;
        }
        if (!page->sessions.empty()) return false;
        cursor = page->next;
    } while (!cursor.empty());
    return true;
}

/// One of all that do the same thing, on whatever replica, at a time. Not taking turns is
/// better than not coming to an end: who waited too long goes on.
class Turn {
public:
    Turn(Gate& gate, std::string name) : gate_(gate), name_(std::move(name)), holder_(random_id()) {
        const auto end = SteadyClock::now() + patience;
        for (;;) {
            const auto taken = gate_.sessions.try_lease(name_, holder_, 2 * patience);
            if (!taken || *taken || SteadyClock::now() >= end) return;
            std::this_thread::sleep_for(pause);
        }
    }
    ~Turn() { (void)gate_.sessions.release_lease(name_, holder_); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

private:
    static constexpr std::chrono::milliseconds patience{2000};
    static constexpr std::chrono::milliseconds pause{5};

    Gate& gate_;
    const std::string name_;
    const std::string holder_;
};

}  // namespace

Result<std::size_t> revoke_grant(Gate& gate, const Session& session, TimePoint until) {
    // The refresh token lives longer: an access token that has expired names no grant.
    const auto& grant = session.grant;
    const auto& token = grant.refresh_token.empty() ? grant.access_token : grant.refresh_token;
    const auto revoked = gate.discord.revoke(token);
    if (!revoked) return revoked.error();
    const auto ended = gate.sessions.end_user(session.identity.user.id, until);
    if (!ended) return ended.error();
    for (const auto& digest : *ended) gate.cache.erase(digest);
    return ended->size();
}

Result<std::size_t> end_oldest_sessions(Gate& gate, Snowflake user, const std::string& newest) {
    const Turn turn(gate, "sessions of " + user.to_string());
    const auto most = gate.settings.session.max_per_user;
    std::vector<std::pair<TimePoint, std::string>> all;
    bool is_there = false;  // or a login at the same time has ended it already
    std::string cursor;
    do {
        const auto page = gate.sessions.list(user, cursor, 100, gate.now());
        if (!page) return page.error();
        for (const auto& known : page->sessions) {
            is_there = is_there || known.digest == newest;
            if (known.digest != newest) all.emplace_back(known.session.created_at, known.digest);
        }
        cursor = page->next;
    } while (!cursor.empty());
    if (!is_there) return 0;
    const auto kept = most - 1;  // beside the newest, whatever the clock says of the others
    if (all.size() <= kept) return 0;
    std::sort(all.begin(), all.end());
    std::vector<std::string> oldest;
    for (std::size_t i = 0; i + kept < all.size(); ++i) oldest.push_back(all[i].second);
    const auto ended = gate.sessions.end_many(oldest);
    if (!ended) return ended.error();
    return ended->size();
}

bool is_to_be_revoked(Gate& gate, const Session& session) {
    switch (gate.settings.logout_revoke) {
        case config::LogoutRevoke::never: return false;
        case config::LogoutRevoke::last_session: return was_last(gate, session);
        case config::LogoutRevoke::always: return true;
    }
    return false;
}

void revoke_soon(Gate& gate, const Session& session) {
    const bool taken = gate.discord_calls.run([&gate, session, until = gate.now()] {
        const auto done = revoke_grant(gate, session, until);
        if (!done) log_warn("revoke", describe_error(done.error()));
    });
    if (!taken) log_warn("revoke", "not asked for: too many calls to Discord are waiting");
}

}  // namespace cordgate::proxy
