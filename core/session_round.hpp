#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/call_pauses.hpp"
#include "core/session_freshness.hpp"
#include "core/session_grants.hpp"
#include "core/session_look_ups.hpp"

namespace cordgate {

/// What came of looking at a session again.
struct Confirmation {
    enum class State {
        fresh,  ///< `known` is what Discord says
        stale,  ///< Discord could not tell all of it; `error` says why
        ended,  ///< there is no such session any more; `error` says why, if we ended it
    };
    State state = State::stale;
    KnownSession known;
    TimePoint again_at;  ///< stale: no use in asking before
    std::optional<Error> error;
    /// Why the grant could not be renewed although it is time; it still lives.
    std::optional<Error> not_renewed{};
};

/// One look at everything that a session says of its visitor. Blocks.
///
/// An answer and its age travel together, one by one: of two the newer counts, whoever
/// asked for it. What Discord cannot tell leaves what was known, until that is too old:
/// then it is forgotten, so that rules on it answer "unknown" and others go on.
class SessionRound {
public:
    struct Tools {
        const FreshnessSettings& settings;
        SessionRepository& sessions;
        const Now& now;
        CallPauses& pauses;
        SessionGrants& grants;
        SessionLookUps& look_ups;
    };
    SessionRound(const Tools& tools, KnownSession known)
        : tools_(tools), settings_(tools.settings), known_(std::move(known)) {}

    /// What to say without a round, when it could ask for nothing that is due. Does not block.
    std::optional<Confirmation> held_back();
    Confirmation run();
    /// Takes up what other look-ups brought since, without asking for more. nullopt: nothing.
    std::optional<Confirmation> learn();

private:
    Identity& identity() { return known_.session.identity; }
    const Identity& identity() const { return known_.session.identity; }
    std::string who() const { return identity().user.id.to_string(); }
    bool is_time(TimePoint at, std::chrono::seconds max_age) const;
    bool is_due(CallTarget target) const;
    std::vector<CallTarget> targets() const;
    bool needs_grant(CallTarget target) const;
    std::optional<CallPauses::Pause> held(CallTarget target) const;

    void take_news(const Caller& caller);
    void judge_members_by_list();
    void ask(Caller& caller, CallTarget target);
    Result<discord::CacheEntry> fetch(Caller& caller, CallTarget target);
    std::optional<Error> take(CallTarget target, const discord::CacheEntry& entry);
    void note(const Error& error);
    void forget_outdated(Identity& identity) const;
    Result<bool> keep();
    TimePoint again_at() const;
    Result<bool> read_again();
    Confirmation ended(std::optional<Error> why);
    Confirmation outcome();

    const Tools tools_;
    const FreshnessSettings& settings_;
    KnownSession known_;
    bool has_news_ = false;
    bool is_out_of_time_ = false;
    int silent_calls_ = 0;
    std::optional<Error> error_;  ///< the first
    std::optional<Error> not_renewed_;
};

}  // namespace cordgate
