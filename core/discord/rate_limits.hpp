#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace cordgate::discord {

// Discord's limits as a calculation: no thread, no socket, and the time is given.
// RateQueue puts threads in front of it. Discord's documentation: "Rate Limits".

using SteadyTime = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

/// Whom a 429 is about: this identity, a resource that others use too, every
/// call of ours, or our address ("You are being blocked", error 1015).
enum class LimitScope { user, shared, global, ban };
std::string_view to_string(LimitScope scope);

/// What a call counts under.
struct LimitKey {
    std::string identity;  ///< whose limits: a user, the bot, or our address
    std::string
        shape;  ///< method and route with ids taken out; names the bucket until Discord does
    std::string top_level;  ///< "guilds/1": a bucket exists once for each of these
    bool has_pace = false;  ///< also under 50 calls a second (the bot, and our address)
};

/// What an answer said about limits. Absent: it did not say.
struct LimitNews {
    bool is_answer = false;               ///< by the API; without headers: this route has no limit
    std::optional<std::string> identity;  ///< whose limits these turned out to be
    std::optional<std::string> bucket;    ///< X-RateLimit-Bucket
    std::optional<long long> limit;       ///< X-RateLimit-Limit
    std::optional<long long> remaining;   ///< X-RateLimit-Remaining
    std::optional<Milliseconds> reset_after;  ///< X-RateLimit-Reset-After
    struct Block {
        LimitScope scope = LimitScope::user;
        Milliseconds duration{0};
    };
    std::optional<Block> block;  ///< the answer was a 429 or a ban
};

/// Who may call now, and how long everybody else must wait.
///
/// A call enters, asks until it may go, and is answered (or lost, or leaves).
/// Each bucket serves first come, first served. While nothing is known of a
/// bucket, one call goes ahead alone and the others wait for what it learns;
/// after that, as many go as Discord left. Not thread-safe.
class RateLimits {
public:
    using Ticket = std::uint64_t;

    struct Turn {
        /// Zero: the call may go, and has been counted. Otherwise an estimate of
        /// how long it takes until its turn, those before it included.
        Milliseconds wait{0};
        LimitScope scope = LimitScope::user;  ///< what it waits for
    };

    Ticket enter(LimitKey key, SteadyTime now);
    Turn ask(Ticket ticket, SteadyTime now);
    /// The call will not be sent after all.
    void leave(Ticket ticket);
    /// The call that went came back; `again`: it wants another turn, before
    /// everybody who entered later.
    void answered(Ticket ticket, const LimitNews& news, SteadyTime now, bool again = false);

    std::size_t buckets() const { return buckets_.size(); }

private:
    struct Bucket {
        bool known = false;  // units and resets_at mean something
        long long units = 0;
        SteadyTime resets_at;
        SteadyTime blocked_until;
        LimitScope block_scope = LimitScope::user;
        long long limit = 1;
        Milliseconds window{0};
        int in_flight = 0;
        Ticket last_sent = 0;
        SteadyTime last_sent_at;
        std::set<Ticket> waiting;  // in the order of entering

        bool is_idle(SteadyTime now) const;
    };
    struct Call {
        LimitKey key;
        std::string bucket;  // key in buckets_
        bool was_alone = false;
    };
    using Buckets = std::map<std::string, Bucket>;

    std::string bucket_of(const LimitKey& key) const;
    void follow_bucket(const Call& call);
    Turn turn_in(const Bucket& bucket, Ticket ticket, SteadyTime now) const;
    Milliseconds pace(const std::string& identity, SteadyTime now);
    static void learn(Bucket& bucket, const LimitNews& news, bool is_exact, SteadyTime now);
    void make_room(SteadyTime now);

    Ticket last_ticket_ = 0;
    std::map<Ticket, Call> calls_;
    Buckets buckets_;
    std::map<std::string, std::string> names_;                    // shape -> Discord's bucket
    std::map<std::string, std::deque<SteadyTime>> recent_sends_;  // by identity
    SteadyTime blocked_until_;
    LimitScope block_scope_ = LimitScope::global;
};

/// Opens when too many answers were 401, 403 or 429, long before Discord bans
/// our address for it (10,000 in ten minutes). Not thread-safe.
class InvalidRequests {
public:
    static constexpr std::size_t most = 1000;
    static constexpr std::chrono::minutes window{10};

    void count(SteadyTime now);
    /// How long nothing may be asked; zero: not open.
    Milliseconds open_for(SteadyTime now);

private:
    std::deque<SteadyTime> times_;
};

}  // namespace cordgate::discord
