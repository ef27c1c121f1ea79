#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/call_pauses.hpp"
#include "core/discord/api.hpp"
#include "core/session_freshness.hpp"
#include "core/session_repository.hpp"

namespace cordgate {

/// A session that calls to Discord are made for.
struct Caller {
    explicit Caller(const KnownSession& known)
        : digest(known.digest), user(known.session.identity.user.id), grant(known.session.grant) {}

    const std::string digest;
    const Snowflake user;
    TokenGrant grant;
    bool is_renewed = false;           ///< the grant came within this very call
    std::optional<Error> not_renewed;  ///< the grant serves on, though it is time
    std::optional<Error> no_grant;     ///< there is none that lives, for now
    std::optional<Error> ended;        ///< set: there is no session any more

    bool has_scope(std::string_view scope) const {
        return std::find(grant.scopes.begin(), grant.scopes.end(), scope) != grant.scopes.end();
    }
};

/// What a call is refused with that would need a scope which was not granted.
Error missing_scope(std::string_view scope);

/// Keeps the tokens of sessions alive.
///
/// A grant is renewed by one thread of one replica at a time, at 80 % of its life, and
/// the new pair is durable before it is used. Only a grant that Discord refuses ends a
/// session. Thread-safe; calls block. `stop` makes it quick.
class SessionGrants {
public:
    struct Parts {
        const FreshnessSettings& settings;
        discord::Api& discord;
        SessionRepository& sessions;
        Now now;
        CallPauses& pauses;
    };
    explicit SessionGrants(Parts parts) : parts_(std::move(parts)) {}

    /// Sees to it that the caller's grant lives; the error says why it does not. After a
    /// renewal that failed the grant serves as long as it lives.
    std::optional<Error> make_ready(Caller& caller);
    /// Renews it now; the caller has a new grant, or the error why not. `was_refused`:
    /// Discord takes the token no more.
    std::optional<Error> renew(Caller& caller, bool was_refused);
    /// Ends the session; returns `why`, or the store's error.
    std::optional<Error> end(Caller& caller, const Error& why);

    /// A call with the caller's token. One that Discord refuses is renewed once; refused
    /// when it is new, it never works (a fault that Discord has for some accounts), and
    /// trying again gets us banned: the session ends.
    template <class Call>
    auto as_user(Caller& caller, Call call) -> decltype(call(Secret())) {
        return as_user(caller, call, [](const Secret&) { return true; });
    }
    /// The same for calls that Discord may refuse for another reason, too: `is_dead` tells
    /// of the token that was refused whether it is why.
    template <class Call, class IsDead>
    auto as_user(Caller& caller, Call call, IsDead is_dead) -> decltype(call(Secret())) {
        if (auto failure = make_ready(caller)) return *std::move(failure);
        const auto is_over = [&](const auto& answer) {
            return !answer && answer.error().kind == ErrorKind::unauthorized &&
                   is_dead(caller.grant.access_token);
        };
        auto answer = call(caller.grant.access_token);
        if (answer) note_works(caller.grant);
        if (!is_over(answer)) return answer;
        if (!caller.is_renewed && !is_untried(caller.grant)) {
            if (caller.grant.refresh_token.empty()) return answer;
            if (auto failure = renew(caller, true)) return *std::move(failure);
            if (!caller.is_renewed) return answer;
            answer = call(caller.grant.access_token);
            if (answer) note_works(caller.grant);
            if (!is_over(answer)) return answer;
        }
        if (auto failure = end(caller, answer.error())) return *std::move(failure);
        return answer;
    }

    /// Writes grants that could not be made durable when they came. To be called now
    /// and then; costs nothing when there are none.
    void upkeep();
    void stop();
    bool is_stopped() const;

private:
    struct Flight;
    struct Unsaved {
        Secret spent;
        TokenGrant grant;
    };

    Result<TokenGrant> renew_once(const Caller& caller, bool was_refused);
    Result<TokenGrant> renew_alone(const Caller& caller, bool was_refused);
    Result<TokenGrant> renew_leased(const Caller& caller, bool was_refused,
                                    const std::function<void()>& keep_lease);
    Result<std::optional<TokenGrant>> newer_grant(const Caller& caller);
    Result<TokenGrant> keep_grant(const Caller& caller, Unsaved unsaved,
                                  const std::function<void()>& keep_lease);
    Result<bool> write_unsaved(const std::string& digest);
    bool wait(std::chrono::milliseconds time);
    /// Whether a renewal of ours brought it, and no call has succeeded with it yet.
    bool is_untried(const TokenGrant& grant) const;
    void note_works(const TokenGrant& grant);

    const Parts parts_;
    mutable std::mutex mutex_;  // guards all below
    std::condition_variable changed_;
    bool stopped_ = false;
    std::map<std::string, std::shared_ptr<Flight>> flights_;
    std::map<std::string, Unsaved> unsaved_;
    std::set<std::string> untried_;  ///< SHA-256 of access tokens
};

}  // namespace cordgate
