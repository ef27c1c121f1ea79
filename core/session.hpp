#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/identity.hpp"
#include "core/secret.hpp"

namespace cordgate {

/// What Discord granted us for one login (RFC 6749, 5.1).
struct TokenGrant {
    Secret access_token;
    Secret refresh_token;  ///< empty when Discord gave none
    TimePoint issued_at;
    TimePoint expires_at;
    std::vector<std::string> scopes;  ///< as granted: may be fewer or more than asked
    /// What came beside the tokens, of a code exchange only: {"guild": ..., "webhook": ...}
    /// as Discord sent them, JSON; empty for none. The webhook holds a token of its own.
    Secret extras = {};
};

/// A login that happened and has not ended. A value: copies are snapshots.
struct Session {
    static constexpr std::size_t max_user_agent = 256;  ///< of it is kept

    std::string handle;  ///< public name: internal API, X-Discord-Session. Not the cookie.
    TimePoint created_at;
    TimePoint last_seen_at;
    TimePoint expires_at;        ///< absolute: created_at + session.lifetime
    std::string client_address;  ///< where the login came from
    std::string user_agent;
    std::string profile;       ///< name of the login profile; empty: the default one
    std::string login_data;    ///< JSON given at /login?data=; may be empty
    std::string state_digest;  ///< SHA-256 of the state that made it, to know a reload
    std::string return_to;     ///< where that login went
    TokenGrant grant;
    Identity identity;
    Secret login_extras = {};      ///< TokenGrant::extras of the login; outlives its tokens
    bool login_data_told = false;  ///< the application has got its X-Discord-Login-Data

    bool has_scope(std::string_view scope) const {
        for (const auto& granted : grant.scopes) {
            if (granted == scope) return true;
        }
        return false;
    }
};

}  // namespace cordgate
