#pragma once

#include "proxy/exchange.hpp"
#include "proxy/session_cache.hpp"

namespace cordgate::proxy {

/// The session of whoever sent `exchange.head`; null when there is none. An
/// error is the store's: it could not say, which is not the same as "none".
/// From the cache without a lock beyond one shard's; else from the store.
Task<Result<LiveSessionPtr>> find_session(Exchange& exchange);

/// The same where the cache alone can tell, and nothing is at 80 % of its age; null: ask
/// find_fresh_session.
LiveSessionPtr find_cached_session(Exchange& exchange);

/// The session of find_session, and what it says is as young as the configuration
/// wants, or Discord cannot tell and it may still serve: then `exchange.stale` says for
/// how long. An error of the source discord: nobody can tell any more.
Task<Result<LiveSessionPtr>> find_fresh_session(Exchange& exchange);

/// Whether the request that asks is to tell the application `live`'s login data: true once
/// for each login, on whatever replica. False also while the store cannot be asked; a later
/// request tells it then.
Task<bool> take_login_data(Gate& gate, const LiveSession& live);

/// Notes the use of a session, and now and then tells the store, so that the idle
/// limit stays away: never a write per request. Whether it was told now.
bool note_use(Gate& gate, const LiveSession& live, TimePoint now);
/// Absolutely, or for want of use.
bool has_expired(const Gate& gate, const LiveSession& live, TimePoint now);

/// A session as requests will use it, with its headers rendered; what it says was
/// true at `read_at`. Discord is not to be asked of it in the while `pause`.
LiveSessionPtr make_live(const Gate& gate, Session session, std::string digest,
                         SteadyClock::time_point read_at = SteadyClock::now(), Span pause = {});

/// The well-formed session tokens among the cookies of a request, by digest, at
/// most four: another site on a parent domain can plant a cookie of our name, and
/// a planted one must not hide the right one. The exchange must outlive it.
class SessionDigests {
public:
    explicit SessionDigests(Exchange& exchange)
        : name_(exchange.gate.session_cookie),
          head_(exchange.head),
          recent_(exchange.recent_token) {}

    /// The next one, valid until the one after it; nullopt after the last.
    std::optional<std::string_view> next();

private:
    static constexpr std::size_t max_candidates = 4;

    std::string_view name_;
    const http::RequestHead& head_;
    RecentToken& recent_;
    std::size_t field_ = 0;  ///< behind the one that rest_ is of
    std::string_view rest_;
    std::size_t found_ = 0;
};

}  // namespace cordgate::proxy
