#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cmd/discord-sim/scopes.hpp"
#include "core/clock.hpp"
#include "core/snowflake.hpp"

namespace cordgate::sim {

/// What a login brings besides tokens, told once in the answer to its code.
struct Extras {
    std::optional<Snowflake> guild{};  ///< chosen for `bot` or `webhook.incoming`
    std::optional<Snowflake> channel{};
    std::string nonce{};  ///< of OpenID Connect
};

/// What the user agreed to, waiting to be exchanged once.
struct Code {
    Snowflake user{};
    Scopes scopes{};
    std::string redirect_uri{};
    std::string challenge{};  ///< PKCE S256; empty when the client sent none
    TimePoint expires{};
    Extras extras{};
};

/// One access token with its refresh token, which may be empty.
struct Grant {
    Snowflake user{};
    Scopes scopes{};
    std::string access_token{};
    std::string refresh_token{};
    TimePoint access_expires{};
    bool dead = false;  ///< issued, but answers 401 for good
    Extras extras{};
};

/// How tokens are made, and the faults of Discord that people reported.
struct TokenSettings {
    std::chrono::seconds code_lifetime{60};
    std::chrono::seconds access_token_lifetime{604800};
    bool same_token_on_login = false;       ///< a new login answers a living token again
    bool dead_token_after_refresh = false;  ///< refreshed tokens answer 401
    bool keep_token_on_refresh = false;     ///< the old access token lives on after a refresh
    bool scope_growth = false;              ///< a refresh carries all the user ever granted
    Scopes add_scopes{};                    ///< granted without being asked for
    Scopes drop_scopes{};                   ///< not granted though asked for
};

/// An error of the token endpoint (RFC 6749, 5.2).
struct OAuthError {
    std::string error{};
    std::string description{};
};

/// Codes, tokens and what each user granted the one application. Not
/// thread-safe: the Service holds its lock.
class Grants {
public:
    std::string issue_code(Code code);
    /// Spends the code, whether the exchange then succeeds or not.
    std::variant<Grant, OAuthError> exchange(std::string_view code,
                                             const std::optional<std::string>& redirect_uri,
                                             const std::optional<std::string>& verifier,
                                             bool has_secret, TimePoint now,
                                             const TokenSettings& settings);
    /// What a code waits for; nullptr when it is unknown or spent.
    const Code* find_code(std::string_view code) const;
    /// Tokens without a code: the device flow and, never refreshable, client credentials.
    Grant issue(Snowflake user, Scopes scopes, TimePoint now, const TokenSettings& settings,
                bool refreshable = true);
    /// Rotates: the refresh token is dead afterwards, and the access token too
    /// unless settings keep it.
    std::variant<Grant, OAuthError> refresh(std::string_view refresh_token, TimePoint now,
                                            const TokenSettings& settings);
    /// Refresh tokens that came again after they were spent.
    struct Reuses {
        int unheard = 0;  ///< nobody had used what they were spent for: that answer got lost
        int heard = 0;    ///< somebody had, so the application knew better once
    };
    Reuses reuses() const { return reuses_; }
    /// A call was made with this access token.
    void note_use(const std::string& access_token) const { used_.insert(access_token); }
    /// Whose access or refresh token it is; nullopt: nobody's.
    std::optional<Snowflake> user_of(std::string_view token) const;
    /// Ends everything of the user.
    void deauthorize(Snowflake user);
    /// Every access token of the user expires now; refresh tokens stay.
    void expire(Snowflake user, TimePoint now);
    void clear();

    /// The living grant of an access token.
    const Grant* find(std::string_view access_token, TimePoint now) const;
    /// Whether the user granted all of these, at any login since deauthorizing.
    bool granted(Snowflake user, const Scopes& scopes) const;
    /// The user agreed to these, now.
    void remember(Snowflake user, const Scopes& scopes);
    const std::map<std::string, Grant, std::less<>>& all() const { return by_access_; }

private:
    std::map<std::string, Code, std::less<>> codes_;
    std::map<std::string, Grant, std::less<>> by_access_;
    std::map<std::string, std::string, std::less<>> access_by_refresh_;
    std::map<Snowflake, std::set<std::string>> ever_granted_;
    std::map<std::string, std::string, std::less<>> successors_;  ///< by spent refresh token
    mutable std::set<std::string> used_;                          ///< access tokens
    Reuses reuses_;
};

}  // namespace cordgate::sim
