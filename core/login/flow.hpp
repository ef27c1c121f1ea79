#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/discord/api.hpp"
#include "core/discord/cache.hpp"
#include "core/discord/models_json.hpp"
#include "core/result.hpp"
#include "core/return_path.hpp"
#include "core/rule.hpp"
#include "core/session_repository.hpp"

namespace cordgate {

enum class Prompt { automatic, consent, none };

/// What a login asks Discord for; `login` itself, or one of `login.profiles`.
struct LoginProfile {
    std::vector<std::string> scopes;
    Prompt prompt = Prompt::automatic;
    std::uint64_t permissions = 0;  ///< with the scope `bot`
    std::optional<Snowflake> guild_id;
    std::optional<bool> disable_guild_select;
    std::optional<int> integration_type;
    std::map<std::string, std::string> extra_params;
};

/// A guild that visitors become members of at login (`login.auto_join`).
struct JoinAtLogin {
    Snowflake guild;
    discord::JoinOptions options;
};

struct LoginSettings {
    std::string client_id;
    std::string authorize_url;
    std::string redirect_uri;  ///< public_url + paths.callback, byte for byte
    ReturnPathPolicy return_policy;
    LoginProfile standard;  ///< with the scopes that rules need added
    std::map<std::string, LoginProfile> profiles;
    std::vector<Snowflake> member_guilds;  ///< identity.member_guilds and those of rules
    std::vector<JoinAtLogin> auto_join;    ///< for logins that grant the scope guilds.join
    std::chrono::seconds session_lifetime{7 * 24 * 3600};
};

/// What /login was asked for, as it came. Nothing here is trusted.
struct LoginRequest {
    std::optional<std::string> rd;
    std::optional<std::string> profile;
    std::optional<std::string> data;
    bool consent_again = false;  ///< "switch account": ask even if granted
};

/// A login that was begun: where to send the browser.
struct BegunLogin {
    std::string location;
    Secret state;
};

/// What came back to /callback, as it came, and who asks.
struct CallbackRequest {
    std::string query;
    std::string browser;  ///< value of the login cookie; empty when there is none
    std::string client_address;
    std::string user_agent;
};

/// Why a login did not finish; each has one page, one code and one status.
enum class LoginFailure {
    access_denied,        ///< 403: the visitor pressed Cancel
    invalid_state,        ///< 400: unknown, used, or another browser's
    expired_login,        ///< 400: older than ten minutes
    discord_unavailable,  ///< 503: Discord cannot be asked now
    discord_rejected,     ///< 502: Discord refused the code or answered nonsense
    forbidden,            ///< 403: signed in at Discord, and not allowed here; the gateway's to say
    invalid_request,      ///< 400: parameters missing, repeated or malformed
    unavailable,          ///< 503: our own store cannot answer
};
std::string_view to_string(LoginFailure failure);  ///< the code: "access_denied", ...

/// A login that ended, well or not. `error` is for the log.
struct FinishedLogin {
    std::optional<LoginFailure> failure;
    Error error;
    /// Where the visitor wanted to go: for "try again" and the redirect.
    ReturnPath return_to = ReturnPath::root();
    /// Set on success.
    std::optional<SessionToken> token;
    std::optional<Session> session;
    /// What Discord said on the way, for a cache: nobody needs to ask for it again soon.
    std::vector<discord::Document> documents;
    /// What went wrong without ending the login, for the log: a guild that was not joined.
    std::vector<std::string> warnings;
};

/// The login, from /login to the session: RFC 6749 4.1 with RFC 7636.
/// Blocks (store, Discord); safe from any thread at once.
class LoginFlow {
public:
    LoginFlow(LoginSettings settings, discord::Api& api, SessionRepository& sessions, Now now);

    /// `browser` is the value of the login cookie, which the caller sets when it
    /// was missing. Fails with bad_request for an unknown profile or bad `data`.
    Result<BegunLogin> begin(const LoginRequest& request, std::string_view browser);

    /// Checks the state before anything else, then spends the code, asks who it
    /// is, and makes the session under a new token.
    FinishedLogin finish(const CallbackRequest& request);

    /// Whether a visitor who has `session` needs no new login for `profile`.
    bool satisfies(const Session& session, const std::optional<std::string>& profile) const;

    const LoginSettings& settings() const { return settings_; }

private:
    LoginSettings settings_;
    discord::Api& api_;
    SessionRepository& sessions_;
    Now now_;
};

}  // namespace cordgate
