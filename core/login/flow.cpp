#include "core/login/flow.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/discord/calls.hpp"
#include "core/discord/json.hpp"
#include "core/random.hpp"
#include "core/url.hpp"

namespace cordgate {
namespace {

constexpr std::size_t max_code_bytes = 2048;

bool contains(const std::vector<std::string>& list, std::string_view item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

// Scopes that do something once instead of granting something: Discord asks the
// visitor every time, and a session never "has" them.
bool is_passthrough(const LoginProfile& profile) {
    return contains(profile.scopes, "bot") || contains(profile.scopes, "webhook.incoming");
}

// Discord refuses PKCE together with this scope.
bool uses_pkce(const LoginProfile& profile) {
    return !contains(profile.scopes, "role_connections.write");
}

const LoginProfile* find_profile(const LoginSettings& settings,
                                 const std::optional<std::string>& name) {
    if (!name) return &settings.standard;
    const auto it = settings.profiles.find(*name);
    return it == settings.profiles.end() ? nullptr : &it->second;
}

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text.append(text.empty() ? "" : " ").append(word);
    return text;
}

std::string_view prompt_of(const LoginProfile& profile, bool consent_again) {
    if (is_passthrough(profile) || profile.prompt == Prompt::consent) return "consent";
    return profile.prompt == Prompt::automatic && consent_again ? "consent" : "none";
}

// RFC 6749, 4.1.1 with RFC 7636, 4.3, and Discord's own parameters.
std::string authorize_location(const LoginSettings& settings, const LoginProfile& profile,
                               bool consent_again, const Secret& state, const Secret& verifier) {
    QueryBuilder query;
    std::set<std::string, std::less<>> named = {"code_challenge", "code_challenge_method"};
    const auto add = [&](std::string_view name, std::string_view value) {
        query.add(name, value);
        named.emplace(name);
    };
    add("response_type", "code");
    add("client_id", settings.client_id);
    add("redirect_uri", settings.redirect_uri);
    add("scope", join(profile.scopes));
    add("state", state.reveal());
    add("prompt", prompt_of(profile, consent_again));
    if (!verifier.empty()) {
        add("code_challenge", base64url_encode(sha256(verifier.reveal())));
        add("code_challenge_method", "S256");
    }
    if (contains(profile.scopes, "bot")) add("permissions", std::to_string(profile.permissions));
    if (profile.guild_id) add("guild_id", profile.guild_id->to_string());
    if (profile.disable_guild_select) {
        add("disable_guild_select", *profile.disable_guild_select ? "true" : "false");
    }
    if (profile.integration_type) {
        add("integration_type", std::to_string(*profile.integration_type));
    }
    // What an operator adds never replaces what we said.
    for (const auto& [name, value] : profile.extra_params) {
        if (named.find(name) == named.end()) add(name, value);
    }

    const bool has_query = settings.authorize_url.find('?') != std::string::npos;
    return settings.authorize_url + (has_query ? "&" : "?") + query.str();
}

Error refused(ErrorKind kind, std::string detail) {
    return {kind, ErrorSource::client, std::move(detail)};
}

// One callback on its way: each stage finds something out or ends the login.
class Callback {
public:
    Callback(const LoginSettings& settings, discord::Api& api, SessionRepository& sessions,
             const Now& now, const CallbackRequest& request)
        : settings_(settings), api_(api), sessions_(sessions), now_(now), request_(request) {}

    FinishedLogin run() {
        // Everything local comes before the code is spent (RFC 6749, 10.12).
        using Stage = bool (Callback::*)();
        constexpr Stage stages[] = {
            &Callback::read_query,    &Callback::read_state,   &Callback::take_pending,
            &Callback::check_browser, &Callback::check_age,    &Callback::check_issuer,
            &Callback::check_answer,  &Callback::read_code,    &Callback::exchange_code,
            &Callback::ask_user,      &Callback::ask_guilds,   &Callback::join_guilds,
            &Callback::ask_members,   &Callback::make_session,
        };
        for (const Stage stage : stages) {
            if (!(this->*stage)()) break;
        }
        return std::move(result_);
    }

private:
    // --- what the browser brought ------------------------------------------------

    bool read_query() {
        const auto query = Query::parse(request_.query);
        if (!query) return invalid_request("query: broken escape");
        for (const std::string_view name : {"state", "code", "error", "iss"}) {
            // RFC 6749, 3.1: parameters must not be repeated.
            if (query->count(name) > 1) {
                return invalid_request(std::string(name) + ": given more than once");
            }
        }
        query_ = *query;
        return true;
    }

    bool read_state() {
        const auto state = query_.get("state");
        const auto bytes = state ? base64url_decode(*state) : std::nullopt;
        if (!bytes || bytes->size() != 32) return invalid_state("state: missing or malformed");
        if (request_.browser.empty()) return invalid_state("the login cookie is missing");
        state_ = Secret(*state);
        return true;
    }

    // From here on the state is used up, whatever comes next.
    bool take_pending() {
        auto pending = sessions_.take_login(state_, now_());
        if (!pending) return fail(LoginFailure::unavailable, pending.error());
        if (!*pending) return invalid_state("state: unknown or used");
        pending_ = **std::move(pending);
        return true;
    }

    // Login CSRF: somebody else's answer, opened in this browser (RFC 9700, 4.7).
    bool check_browser() {
        if (!constant_time_equal(pending_.browser, sha256(request_.browser))) {
            return invalid_state("state: begun by another browser");
        }
        // What is allowed may have changed since /login.
        const auto target = ReturnPath::parse(pending_.return_to, settings_.return_policy);
        if (target) result_.return_to = *target;
        return true;
    }

    bool check_age() {
        if (now_() - pending_.created_at < PendingLogin::lifetime) return true;
        return fail(LoginFailure::expired_login, refused(ErrorKind::bad_request, "state: too old"));
    }

    // RFC 9207: Discord sends none; another issuer's answer is a mix-up.
    bool check_issuer() {
        if (query_.count("iss") == 0) return true;
        const auto own = HttpUrl::parse(settings_.authorize_url);
        if (own && query_.get("iss") == own->origin.to_string()) return true;
        return invalid_request("iss: not the issuer that was asked");
    }

    // RFC 6749, 4.1.2.1. The description is prose of whoever wrote the URL: unused.
    bool check_answer() {
        if (query_.count("error") == 0) return true;
        if (query_.get("error") == "access_denied") {
            return fail(LoginFailure::access_denied,
                        refused(ErrorKind::forbidden, "the visitor declined"));
        }
        return fail(LoginFailure::discord_rejected,
                    {ErrorKind::malformed_reply, ErrorSource::discord,
                     "Discord answered the login with an error"});
    }

    bool read_code() {
        const auto code = query_.get("code");
        const bool good =
            code && !code->empty() && code->size() <= max_code_bytes &&
            std::all_of(code->begin(), code->end(), [](char c) { return c >= 0x20 && c < 0x7f; });
        if (!good) return invalid_request("code: missing or malformed");
        code_ = Secret(*code);
        return true;
    }

    // --- what Discord knows --------------------------------------------------------

    bool exchange_code() {
        auto grant = api_.exchange_code(code_, pending_.verifier, settings_.redirect_uri);
        if (!grant) return discord_failed(grant.error());
        session_.grant = *std::move(grant);
        session_.login_extras = std::exchange(session_.grant.extras, Secret());
        return true;
    }

    bool ask_user() {
        auto user = discord::fetch_user(api_, session_.grant.access_token);
        if (!user) return discord_failed(user.error());
        session_.identity.user = std::move(user->value);
        session_.identity.user_at = now_();
        told(discord::Resource::user, std::move(user->json), session_.identity.user_at);
        return true;
    }

    bool ask_guilds() {
        if (!session_.has_scope("guilds")) return true;
        auto guilds = discord::fetch_guilds(api_, session_.grant.access_token);
        if (!guilds) return discord_failed(guilds.error());
        take_guilds(*std::move(guilds));
        return true;
    }

    // login.auto_join: before members are asked for, so that rules see the new one. A
    // guild that cannot be joined is no reason to keep somebody out: rules decide that.
    bool join_guilds() {
        if (!session_.has_scope("guilds.join")) return true;
        auto& identity = session_.identity;
        bool is_new = false;
        for (const auto& [guild, options] : settings_.auto_join) {
            if (identity.find_guild(guild)) continue;
            const auto joined = discord::join_guild(api_, session_.grant.access_token,
                                                    identity.user.id, guild, options);
            if (joined) {
                is_new = is_new || joined->is_new;
                const auto member = discord::parse_member(joined->member);
                if (joined->is_new && member) identity.members[guild] = {*member, now_()};
                continue;
            }
            const Error& error = joined.error();
            result_.warnings.push_back("guild " + guild.to_string() +
                                       " not joined: " + error.detail);
            if (error.kind == ErrorKind::timed_out || error.kind == ErrorKind::unavailable) break;
        }
        if (!is_new || !identity.guilds) return true;
        auto guilds = discord::fetch_guilds(api_, session_.grant.access_token);
        std::erase_if(result_.documents, [](const auto& document) {
            return document.key.resource == discord::Resource::guilds;
        });
        // Without an answer the list is an old one: to be asked for again soon.
        identity.guilds_at = TimePoint();
        if (guilds) take_guilds(*std::move(guilds));
        return true;
    }

    void take_guilds(discord::Fetched<std::vector<Guild>> guilds) {
        session_.identity.guilds = std::move(guilds.value);
        session_.identity.guilds_at = now_();
        told(discord::Resource::guilds, std::move(guilds.json), session_.identity.guilds_at);
    }

    // What cannot be learned now stays unknown, so that it is asked for again soon;
    // rules on it answer "unknown" until then.
    bool ask_members() {
        if (!session_.has_scope("guilds.members.read")) return true;
        auto& identity = session_.identity;
        bool discord_answers = true;
        for (const Snowflake guild : settings_.member_guilds) {
            if (identity.members.contains(guild)) continue;  // joined just now
            if (identity.list_lacks(guild)) {
                identity.members[guild] = {std::nullopt, identity.guilds_at};
                continue;
            }
            if (!discord_answers) continue;
            const auto asked_at = now_();
            auto member = discord::fetch_member(api_, session_.grant.access_token, guild);
            if (member) {
                auto& known = identity.members[guild];
                known = {std::nullopt, asked_at};
                if (*member) known.member = std::move((*member)->value);
                told(discord::Resource::member,
                     *member ? std::move((*member)->json) : std::string("null"), asked_at, guild);
                continue;
            }
            const ErrorKind kind = member.error().kind;
            discord_answers = kind != ErrorKind::timed_out && kind != ErrorKind::unavailable;
        }
        return true;
    }

    void told(discord::Resource resource, std::string json, TimePoint at, Snowflake guild = {}) {
        const auto key =
            discord::key_for(session_.identity.user.id, session_.grant.scopes, resource, guild);
        result_.documents.push_back({key, std::move(json), at});
    }

    // --- the session ---------------------------------------------------------------------

    bool make_session() {
        const TimePoint now = now_();
        session_.handle = random_id();
        session_.created_at = now;
        session_.last_seen_at = now;
        session_.expires_at = now + settings_.session_lifetime;
        session_.client_address = request_.client_address;
        session_.user_agent = request_.user_agent;
        session_.profile = pending_.profile;
        session_.login_data = pending_.data;
        session_.state_digest = sha256(state_.reveal());
        session_.return_to = result_.return_to.str();
        // Always a new token: one that was planted beforehand must not become
        // the visitor's (session fixation).
        auto token = SessionToken::make();
        if (const auto created = sessions_.create(token, session_); !created) {
            return fail(LoginFailure::unavailable, created.error());
        }
        result_.token = std::move(token);
        result_.session = std::move(session_);
        return true;
    }

    // --- endings ----------------------------------------------------------------------------

    bool fail(LoginFailure failure, Error error) {
        result_.failure = failure;
        result_.error = std::move(error);
        return false;
    }
    bool invalid_request(std::string detail) {
        return fail(LoginFailure::invalid_request,
                    refused(ErrorKind::bad_request, std::move(detail)));
    }
    bool invalid_state(std::string detail) {
        return fail(LoginFailure::invalid_state,
                    refused(ErrorKind::bad_request, std::move(detail)));
    }
    // Discord said no, or nonsense: trying again later alone will not help.
    bool discord_failed(const Error& error) {
        switch (error.kind) {
            case ErrorKind::unauthorized:
            case ErrorKind::forbidden:
            case ErrorKind::not_found:
            case ErrorKind::bad_request:
            case ErrorKind::malformed_reply: return fail(LoginFailure::discord_rejected, error);
            default: return fail(LoginFailure::discord_unavailable, error);
        }
    }

    const LoginSettings& settings_;
    discord::Api& api_;
    SessionRepository& sessions_;
    const Now& now_;
    const CallbackRequest& request_;

    Query query_;
    Secret state_;
    Secret code_;
    PendingLogin pending_;
    Session session_;
    FinishedLogin result_;
};

}  // namespace

std::string_view to_string(LoginFailure failure) {
    switch (failure) {
        case LoginFailure::access_denied: return "access_denied";
        case LoginFailure::invalid_state: return "invalid_state";
        case LoginFailure::expired_login: return "expired_login";
        case LoginFailure::discord_unavailable: return "discord_unavailable";
        case LoginFailure::discord_rejected: return "discord_rejected";
        case LoginFailure::forbidden: return "forbidden";
        case LoginFailure::invalid_request: return "invalid_request";
        case LoginFailure::unavailable: return "unavailable";
    }
    return "unavailable";
}

LoginFlow::LoginFlow(LoginSettings settings, discord::Api& api, SessionRepository& sessions,
                     Now now)
    : settings_(std::move(settings)), api_(api), sessions_(sessions), now_(std::move(now)) {}

Result<BegunLogin> LoginFlow::begin(const LoginRequest& request, std::string_view browser) {
    const LoginProfile* const profile = find_profile(settings_, request.profile);
    if (!profile) return refused(ErrorKind::bad_request, "profile: unknown");
    if (request.data &&
        (request.data->size() > PendingLogin::max_data_bytes || !discord::is_json(*request.data))) {
        return refused(ErrorKind::bad_request, "data: not JSON of at most 1024 bytes");
    }

    const auto target = ReturnPath::parse(request.rd.value_or("/"), settings_.return_policy);
    PendingLogin pending;
    pending.browser = sha256(browser);
    if (uses_pkce(*profile)) pending.verifier = random_token();
    pending.return_to = target.value_or(ReturnPath::root()).str();
    pending.profile = request.profile.value_or("");
    pending.data = request.data.value_or("");
    pending.created_at = now_();

    Secret state = random_token();
    if (const auto kept = sessions_.begin_login(state, pending); !kept) return kept.error();
    std::string location =
        authorize_location(settings_, *profile, request.consent_again, state, pending.verifier);
    return BegunLogin{std::move(location), std::move(state)};
}

FinishedLogin LoginFlow::finish(const CallbackRequest& request) {
    return Callback(settings_, api_, sessions_, now_, request).run();
}

bool LoginFlow::satisfies(const Session& session, const std::optional<std::string>& profile) const {
    const LoginProfile* const wanted = find_profile(settings_, profile);
    if (!wanted || is_passthrough(*wanted)) return false;
    return std::all_of(wanted->scopes.begin(), wanted->scopes.end(),
                       [&](const auto& scope) { return session.has_scope(scope); });
}

}  // namespace cordgate
