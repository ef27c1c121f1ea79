#include "core/login/flow.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/base64.hpp"
#include "core/crypto.hpp"
#include "core/url.hpp"

using namespace cordgate;
using namespace std::chrono_literals;

namespace {

// --- vocabulary ---------------------------------------------------------------

class MemoryRepository final : public SessionRepository {
public:
    Result<void> create(const SessionToken& token, const Session& session) override {
        const std::lock_guard lock(mutex);
        if (down) return *down;
        sessions[token.digest()] = session;
        return {};
    }
    Result<std::optional<Session>> find(const std::string& digest, TimePoint) override {
        const std::lock_guard lock(mutex);
        const auto it = sessions.find(digest);
        return it == sessions.end() ? std::nullopt : std::optional(it->second);
    }
    Result<bool> update(const std::string&, const Session&) override { return false; }
    Result<void> touch(const std::string&, TimePoint) override { return {}; }
    Result<bool> end(const std::string&) override { return false; }
    Result<bool> change(const std::string&, TimePoint,
                        const std::function<bool(Session&)>&) override {
        return false;
    }
    Result<std::optional<KnownSession>> find_handle(const std::string&, TimePoint) override {
        return std::optional<KnownSession>();
    }
    Result<SessionList> list(std::optional<Snowflake>, const std::string&, std::size_t,
                             TimePoint) override {
        return SessionList();
    }
    Result<std::optional<std::string>> end_handle(const std::string&) override {
        return std::optional<std::string>();
    }
    Result<std::vector<std::string>> end_user(Snowflake, TimePoint) override {
        return std::vector<std::string>();
    }
    Result<std::vector<std::string>> missing(const std::vector<std::string>&) override {
        return std::vector<std::string>();
    }
    Result<std::vector<std::string>> end_many(const std::vector<std::string>&) override {
        return std::vector<std::string>();
    }
    Result<bool> try_lease(const std::string&, const std::string&,
                           std::chrono::milliseconds) override {
        return true;
    }
    Result<bool> renew_lease(const std::string&, const std::string&,
                             std::chrono::milliseconds) override {
        return true;
    }
    Result<bool> release_lease(const std::string&, const std::string&) override { return true; }
    Result<void> begin_login(const Secret& state, const PendingLogin& login) override {
        const std::lock_guard lock(mutex);
        if (down) return *down;
        pending[state.reveal()] = login;
        return {};
    }
    Result<std::optional<PendingLogin>> take_login(const Secret& state, TimePoint) override {
        const std::lock_guard lock(mutex);
        if (down) return *down;
        const auto it = pending.find(state.reveal());
        if (it == pending.end()) return std::optional<PendingLogin>();
        auto login = std::move(it->second);
        pending.erase(it);
        return std::optional(std::move(login));
    }
    Result<std::size_t> purge(TimePoint, std::size_t) override { return std::size_t{0}; }
    Result<void> ping() override { return {}; }

    std::mutex mutex;
    std::optional<Error> down;
    std::map<std::string, Session> sessions;
    std::map<std::string, PendingLogin> pending;
};

// Discord, with one account per code: "code-7" belongs to user 7.
class FakeApi final : public discord::Api {
public:
    Result<TokenGrant> exchange_code(const Secret& code, const Secret& verifier,
                                     std::string_view redirect_uri) override {
        const std::lock_guard lock(mutex);
        calls.push_back("exchange");
        last_code = code.reveal();
        last_verifier = verifier.reveal();
        last_redirect_uri = std::string(redirect_uri);
        if (exchange_error) return *exchange_error;
        if (!spent.insert(code.reveal()).second) {
            return Error{ErrorKind::unauthorized, ErrorSource::discord, "invalid_grant"};
        }
        TokenGrant grant;
        grant.access_token = Secret("token of " + code.reveal());
        grant.scopes = granted;
        return grant;
    }
    Result<TokenGrant> refresh(const Secret&) override { return Error{}; }
    Result<void> revoke(const Secret&) override {
        const std::lock_guard lock(mutex);
        calls.push_back("revoke");
        return {};
    }
    Result<discord::Reply> request(const discord::Request& request) override {
        const std::lock_guard lock(mutex);
        const std::string route = request.route.path();
        const std::string members = "/users/@me/guilds/";
        if (route == "/users/@me") return user_of(request.access_token.reveal());
        if (route == "/users/@me/guilds") return list_of_guilds();
        if (route.starts_with(members)) {
            return member_of(route.substr(members.size(), route.rfind('/') - members.size()));
        }
        return Error{};
    }

    std::mutex mutex;
    std::vector<std::string> calls;
    std::set<std::string> spent;
    std::string last_code, last_verifier, last_redirect_uri;
    std::vector<std::string> granted = {"identify", "guilds"};
    std::vector<Guild> guilds;
    std::optional<Error> exchange_error, user_error, guilds_error;
    std::map<Snowflake, Error> member_errors;

private:
    Result<discord::Reply> user_of(const std::string& token) {
        calls.push_back("user");
        if (user_error) return *user_error;
        const auto dash = token.rfind('-');
        const auto id = Snowflake::parse(dash == token.npos ? "1" : token.substr(dash + 1))
                            .value_or(Snowflake(1))
                            .to_string();
        return discord::Reply{200, R"({"id":")" + id + R"(","username":"u)" + id + "\"}", {}};
    }
    Result<discord::Reply> list_of_guilds() {
        calls.push_back("guilds");
        if (guilds_error) return *guilds_error;
        std::string list;
        for (const auto& each : guilds) {
            list.append(list.empty() ? "" : ",");
            list.append(R"({"id":")" + each.id.to_string() + "\"}");
        }
        return discord::Reply{200, "[" + list + "]", {}};
    }
    Result<discord::Reply> member_of(const std::string& guild) {
        calls.push_back("member " + guild);
        const auto error = member_errors.find(*Snowflake::parse(guild));
        if (error != member_errors.end()) return error->second;
        return discord::Reply{200, R"({"nick":"Nick","roles":["70"]})", {}};
    }
};

Error discord_error(ErrorKind kind) {
    return {kind, ErrorSource::discord, "as told"};
}

Guild guild(std::uint64_t id) {
    Guild guild;
    guild.id = Snowflake(id);
    return guild;
}

LoginSettings default_settings() {
    LoginSettings settings;
    settings.client_id = "1234";
    settings.authorize_url = "https://discord.com/oauth2/authorize";
    settings.redirect_uri = "https://app.example.com/callback";
    settings.return_policy.own = *Origin::parse("https://app.example.com");
    settings.return_policy.reserved = {"/login", "/callback", "/logout"};
    settings.standard.scopes = {"identify", "guilds"};
    LoginProfile invite;
    invite.scopes = {"bot", "identify"};
    invite.prompt = Prompt::none;
    invite.permissions = 8;
    invite.guild_id = Snowflake(55);
    invite.disable_guild_select = true;
    invite.integration_type = 0;
    settings.profiles["invite"] = invite;
    LoginProfile linked;
    linked.scopes = {"identify", "role_connections.write"};
    linked.extra_params = {
        {"nonce",          "a b" },
        {"state",          "evil"},
        {"prompt",         "evil"},
        {"code_challenge", "evil"}
    };
    settings.profiles["linked"] = linked;
    return settings;
}

// A whole site: begin a login, and come back from Discord with some query.
struct Site {
    explicit Site(LoginSettings settings = default_settings())
        : flow(std::move(settings), api, sessions, [this] { return now.load(); }) {}

    std::string begin(LoginRequest request = {}, std::string_view browser = "browser-1") {
        const auto begun = flow.begin(request, browser);
        REQUIRE(begun);
        location = begun->location;
        return begun->state.reveal();
    }
    FinishedLogin come_back(const std::string& query, std::string browser = "browser-1") {
        return flow.finish({query, std::move(browser), "203.0.113.5", "Firefox"});
    }
    // begin and come back with a good code
    FinishedLogin login(LoginRequest request = {}) {
        return come_back("code=code-7&state=" + begin(std::move(request)));
    }
    std::string parameter(std::string_view name) const {
        const auto query = Query::parse(location.substr(location.find('?') + 1));
        REQUIRE(query);
        return query->get(name).value_or("(none)");
    }
    bool asked_discord() const { return !api.calls.empty(); }

    MemoryRepository sessions;
    FakeApi api;
    std::atomic<TimePoint> now{TimePoint(std::chrono::hours(24 * 365 * 55))};
    LoginFlow flow;
    std::string location;
};

/// Wants to know of three guilds; who logs in is in two, and of one of them Discord does not say
/// as what.
struct SiteOfMembers : Site {
    SiteOfMembers() : Site(of_guilds({Snowflake(5), Snowflake(6), Snowflake(9)})) {
        api.granted = {"identify", "guilds", "guilds.members.read"};
        api.guilds = {guild(5), guild(6)};
        api.member_errors[Snowflake(6)] = discord_error(ErrorKind::rate_limited);
    }

private:
    static LoginSettings of_guilds(std::vector<Snowflake> guilds) {
        auto settings = default_settings();
        settings.member_guilds = std::move(guilds);
        return settings;
    }
};

}  // namespace

// --- begin ------------------------------------------------------------------------

TEST_CASE("begin: F19 F21 the authorize URL names everything once, percent-encoded") {
    Site site;
    const auto state = site.begin();
    CHECK(site.location.rfind("https://discord.com/oauth2/authorize?response_type=code&client_id="
                              "1234&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&scope="
                              "identify%20guilds&state=" +
                                  state,
                              0) == 0);
    CHECK(site.parameter("prompt") == "none");
    CHECK(site.parameter("code_challenge_method") == "S256");
    CHECK(site.parameter("permissions") == "(none)");
}

TEST_CASE("begin: F7 the challenge is S256 of a verifier that stays here") {
    // RFC 7636, appendix B
    CHECK(base64url_encode(sha256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")) ==
          "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    Site site;
    const auto state = site.begin();
    const Secret verifier = site.sessions.pending.at(state).verifier;
    CHECK(verifier.size() == 43);
    CHECK(site.parameter("code_challenge") == base64url_encode(sha256(verifier.reveal())));
    CHECK(site.location.find(verifier.reveal()) == std::string::npos);
    REQUIRE_FALSE(site.come_back("code=c&state=" + state).failure);
    CHECK(site.api.last_verifier == verifier.reveal());
    CHECK(site.api.last_redirect_uri == "https://app.example.com/callback");
}

TEST_CASE("begin: F5 ten thousand states and verifiers never repeat") {
    Site site;
    std::set<std::string> seen;
    for (int i = 0; i < 10000; ++i) {
        const auto state = site.begin();
        CHECK(state.size() == 43);
        CHECK(seen.insert(state).second);
        CHECK(seen.insert(site.sessions.pending.at(state).verifier.reveal()).second);
    }
}

TEST_CASE("begin: prompt follows the profile, and what cannot be silent asks") {
    struct Row {
        Prompt prompt;
        bool again;
        bool bot;
        const char* sent;
    };
    const Row rows[] = {
        {Prompt::automatic, false, false, "none"   },
        {Prompt::automatic, true,  false, "consent"},
        {Prompt::consent,   false, false, "consent"},
        {Prompt::none,      false, false, "none"   },
        {Prompt::none,      true,  false, "none"   },
        {Prompt::none,      false, true,  "consent"},
        {Prompt::automatic, false, true,  "consent"},
    };
    for (const auto& row : rows) {
        auto settings = default_settings();
        settings.standard.prompt = row.prompt;
        if (row.bot) settings.standard.scopes.push_back("bot");
        Site site(settings);
        LoginRequest request;
        request.consent_again = row.again;
        site.begin(request);
        CHECK(site.parameter("prompt") == row.sent);
    }
}

TEST_CASE("begin: profiles add Discord's own parameters and never replace ours") {
    Site site;
    LoginRequest request;
    request.profile = "invite";
    site.begin(request);
    CHECK(site.parameter("permissions") == "8");
    CHECK(site.parameter("guild_id") == "55");
    CHECK(site.parameter("disable_guild_select") == "true");
    CHECK(site.parameter("integration_type") == "0");

    request.profile = "linked";
    const auto state = site.begin(request);
    CHECK(site.parameter("nonce") == "a b");
    CHECK(site.parameter("state") == state);
    CHECK(site.parameter("prompt") == "none");
    // role_connections.write and PKCE exclude each other at Discord.
    CHECK(site.parameter("code_challenge") == "(none)");
    CHECK(site.sessions.pending.at(state).verifier.empty());

    auto settings = default_settings();
    settings.authorize_url = "http://127.0.0.1:9/authorize?as=7";
    Site simulated(settings);
    simulated.begin();
    CHECK(simulated.location.rfind("http://127.0.0.1:9/authorize?as=7&response_type=code", 0) == 0);
}

TEST_CASE("begin: bad data and unknown profiles are refused, a bad rd becomes the root") {
    struct Row {
        std::optional<std::string> profile, data;
        bool good;
    };
    const std::string longest = "\"" + std::string(1022, 'x') + "\"";
    const Row rows[] = {
        {std::nullopt, std::nullopt,       true },
        {"invite",     R"({"a":1})",       true },
        {std::nullopt, longest,            true },
        {std::nullopt, longest + " ",      false},
        {std::nullopt, "",                 false},
        {std::nullopt, "{",                false},
        {std::nullopt, R"({"a":1,"a":2})", false},
        {"nobody",     std::nullopt,       false},
        {"",           std::nullopt,       false},
    };
    for (const auto& row : rows) {
        Site site;
        LoginRequest request;
        request.profile = row.profile;
        request.data = row.data;
        const auto begun = site.flow.begin(request, "b");
        CHECK(begun.has_value() == row.good);
        if (!begun) CHECK(begun.error().kind == ErrorKind::bad_request);
        CHECK(site.sessions.pending.size() == (row.good ? 1 : 0));
    }

    for (const auto rd : {"https://evil.example/", "//evil.example", "/login", "/\r\nX: 1", ""}) {
        Site site;
        LoginRequest request;
        request.rd = rd;
        CHECK(site.sessions.pending[site.begin(request)].return_to == "/");
    }

    Site down;
    down.sessions.down = Error{ErrorKind::unavailable, ErrorSource::store, "down"};
    const auto begun = down.flow.begin({}, "b");
    REQUIRE_FALSE(begun);
    CHECK(begun.error().source == ErrorSource::store);
}

// --- finish -----------------------------------------------------------------------

TEST_CASE("finish: a good answer makes one durable session under a new token") {
    Site site;
    site.api.guilds = {guild(5)};
    LoginRequest request;
    request.rd = "/staff?x=1";
    request.data = R"({"plan":"pro"})";
    const auto state = site.begin(request);
    site.now = site.now.load() + 1min;
    const auto done = site.come_back("code=code-7&state=" + state + "&guild_id=1&session_state=x");
    REQUIRE_FALSE(done.failure);
    CHECK(done.return_to.str() == "/staff?x=1");
    REQUIRE(done.session);
    CHECK(done.session->identity.user.id == Snowflake(7));
    CHECK(done.session->identity.guilds->size() == 1);
    CHECK(done.session->login_data == R"({"plan":"pro"})");
    CHECK(done.session->return_to == "/staff?x=1");
    CHECK(done.session->state_digest == sha256(state));
    CHECK(done.session->client_address == "203.0.113.5");
    CHECK(done.session->user_agent == "Firefox");
    CHECK(done.session->created_at == site.now.load());
    CHECK(done.session->expires_at == site.now.load() + 168h);
    CHECK(done.session->handle.size() == 22);
    REQUIRE(site.sessions.sessions.size() == 1);
    CHECK(site.sessions.sessions.count(done.token->digest()) == 1);
    CHECK(done.session->handle != done.token->secret().reveal());
}

TEST_CASE("finish: F1 F12 F13 F15 F16 oauth2-proxy #9 refused before a code is spent") {
    struct Row {
        const char* query;  // "$" stands for the state
        LoginFailure failure;
        bool state_is_used;
    };
    const std::string long_code = "code=" + std::string(2049, 'x') + "&state=$";
    const Row rows[] = {
        {"",                                                         LoginFailure::invalid_state,    false},
        {"code=c",                                                   LoginFailure::invalid_state,    false},
        {"code=c&state=",                                            LoginFailure::invalid_state,    false},
        {"code=c&state=%zz",                                         LoginFailure::invalid_request,  false},
        {"code=c&state=abc",                                         LoginFailure::invalid_state,    false},
        {"code=c&state=$$",                                          LoginFailure::invalid_state,    false},
        {"code=c&state=$%00",                                        LoginFailure::invalid_state,    false},
        {"code=c&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", LoginFailure::invalid_state,
         false                                                                                            },
        {"error=access_denied",                                      LoginFailure::invalid_state,    false},
        {"code=c&state=$&state=$",                                   LoginFailure::invalid_request,  false},
        {"code=c&code=d&state=$",                                    LoginFailure::invalid_request,  false},
        {"code=c&state=$&iss=a&iss=b",                               LoginFailure::invalid_request,  false},
        {"state=$",                                                  LoginFailure::invalid_request,  true },
        {"code=&state=$",                                            LoginFailure::invalid_request,  true },
        {"code=a%0Ab&state=$",                                       LoginFailure::invalid_request,  true },
        {"code=a%00&state=$",                                        LoginFailure::invalid_request,  true },
        {"code=%C3%A9&state=$",                                      LoginFailure::invalid_request,  true },
        {long_code.c_str(),                                          LoginFailure::invalid_request,  true },
        {"code=c&state=$&iss=https://evil",                          LoginFailure::invalid_request,  true },
        {"code=c&state=$&iss=",                                      LoginFailure::invalid_request,  true },
        {"error=access_denied&error_description=<script>&state=$",   LoginFailure::access_denied,
         true                                                                                             },
        {"error=invalid_scope&state=$",                              LoginFailure::discord_rejected, true },
        {"error=&state=$",                                           LoginFailure::discord_rejected, true },
        {"error=x&code=y&state=$",                                   LoginFailure::discord_rejected, true },
        {"error=access_denied&code=y&state=$",                       LoginFailure::access_denied,    true },
    };
    for (const auto& row : rows) {
        CAPTURE(row.query);
        Site site;
        const auto state = site.begin();
        std::string query;
        for (const char c : std::string_view(row.query)) {
            query += c == '$' ? state : std::string(1, c);
        }
        const auto done = site.come_back(query);
        REQUIRE(done.failure);
        CHECK(*done.failure == row.failure);
        CHECK_FALSE(site.asked_discord());
        CHECK(site.sessions.sessions.empty());
        CHECK_FALSE(done.token);
        CHECK(site.sessions.pending.empty() == row.state_is_used);
        CHECK(done.error.detail.find("script") == std::string::npos);
    }
}

TEST_CASE("finish: F10 F11 F14 our own issuer and unknown parameters are fine") {
    Site site;
    const auto state = site.begin();
    CHECK_FALSE(site.come_back("iss=https%3A%2F%2Fdiscord.com&permissions=8&code=c&state=" + state)
                    .failure);
}

TEST_CASE(
    "finish: F6 GHSA-rrm8-32g4-w8m3 a state of another browser is refused, its code not spent") {
    for (const auto browser : {"browser-2", "", "browser-1 "}) {
        Site site;
        LoginRequest request;
        request.rd = "/private";
        const auto state = site.begin(request);
        const auto done = site.come_back("code=c&state=" + state, browser);
        CHECK(done.failure == LoginFailure::invalid_state);
        CHECK(done.return_to.str() == "/");
        CHECK_FALSE(site.asked_discord());
    }
}

TEST_CASE("finish: F2 D20 a state works once, also when the first answer was an error") {
    Site site;
    const auto state = site.begin();
    CHECK_FALSE(site.come_back("code=c&state=" + state).failure);
    CHECK(site.come_back("code=c2&state=" + state).failure == LoginFailure::invalid_state);
    CHECK(site.sessions.sessions.size() == 1);

    const auto declined = site.begin();
    CHECK(site.come_back("error=access_denied&state=" + declined).failure ==
          LoginFailure::access_denied);
    CHECK(site.come_back("code=c3&state=" + declined).failure == LoginFailure::invalid_state);
}

TEST_CASE("finish: F4 two tabs come back in reverse order, each to its own page") {
    Site site;
    LoginRequest first, second;
    first.rd = "/one";
    second.rd = "/two";
    const auto one = site.begin(first);
    const auto two = site.begin(second);
    CHECK(site.come_back("code=b&state=" + two).return_to.str() == "/two");
    CHECK(site.come_back("code=a&state=" + one).return_to.str() == "/one");
    CHECK(site.sessions.sessions.size() == 2);
}

TEST_CASE("finish: F3 F39 a state is good for ten minutes, and then says so") {
    struct Row {
        std::chrono::seconds later;
        bool good;
    };
    for (const Row row : {
             Row{599s,  true },
             Row{600s,  false},
             Row{24h,   false},
             Row{-120s, true }
    }) {
        Site site;
        LoginRequest request;
        request.rd = "/page";
        const auto state = site.begin(request);
        site.now = site.now.load() + row.later;
        const auto done = site.come_back("code=c&state=" + state);
        CHECK(done.failure ==
              (row.good ? std::nullopt : std::optional(LoginFailure::expired_login)));
        CHECK(done.return_to.str() == "/page");  // for "start again"
        CHECK(site.asked_discord() == row.good);
    }
}

TEST_CASE("finish: E11 a target that is not allowed any more becomes the root") {
    Site site;
    const auto state = site.begin();
    site.sessions.pending.at(state).return_to = "https://once-allowed.example/";
    const auto done = site.come_back("code=c&state=" + state);
    CHECK_FALSE(done.failure);
    CHECK(done.return_to.str() == "/");
}

TEST_CASE("finish: F8 F9 F26 M21 what Discord answers decides, and a half login is no session") {
    struct Row {
        const char* call;
        ErrorKind kind;
        LoginFailure failure;
    };
    const Row rows[] = {
        {"exchange", ErrorKind::unauthorized,    LoginFailure::discord_rejected   },
        {"exchange", ErrorKind::forbidden,       LoginFailure::discord_rejected   },
        {"exchange", ErrorKind::malformed_reply, LoginFailure::discord_rejected   },
        {"exchange", ErrorKind::rate_limited,    LoginFailure::discord_unavailable},
        {"exchange", ErrorKind::timed_out,       LoginFailure::discord_unavailable},
        {"exchange", ErrorKind::unavailable,     LoginFailure::discord_unavailable},
        {"user",     ErrorKind::unauthorized,    LoginFailure::discord_rejected   },
        {"user",     ErrorKind::unavailable,     LoginFailure::discord_unavailable},
        {"user",     ErrorKind::malformed_reply, LoginFailure::discord_rejected   },
        {"guilds",   ErrorKind::timed_out,       LoginFailure::discord_unavailable},
        {"guilds",   ErrorKind::rate_limited,    LoginFailure::discord_unavailable},
    };
    for (const auto& row : rows) {
        CAPTURE(row.call);
        Site site;
        const std::string call = row.call;
        (call == "exchange" ? site.api.exchange_error
         : call == "user"   ? site.api.user_error
                            : site.api.guilds_error) = discord_error(row.kind);
        const auto done = site.login();
        CHECK(done.failure == row.failure);
        CHECK(done.error.kind == row.kind);
        CHECK_FALSE(done.token);
        CHECK(site.sessions.sessions.empty());
        CHECK(site.api.calls.back() == call);  // nothing is asked afterwards, nothing revoked
        CHECK(std::count(site.api.calls.begin(), site.api.calls.end(), call) == 1);
    }
}

TEST_CASE("finish: a store that fails is unavailable, before and after Discord") {
    Site before;
    const auto state = before.begin();
    before.sessions.down = Error{ErrorKind::timed_out, ErrorSource::store, "down"};
    const auto done = before.come_back("code=c&state=" + state);
    CHECK(done.failure == LoginFailure::unavailable);
    CHECK(done.error.source == ErrorSource::store);
    CHECK_FALSE(before.asked_discord());

    struct FailsToCreate final : discord::Api {
        FakeApi inner;
        MemoryRepository* sessions = nullptr;
        Result<TokenGrant> exchange_code(const Secret& c, const Secret& v,
                                         std::string_view r) override {
            return inner.exchange_code(c, v, r);
        }
        Result<TokenGrant> refresh(const Secret& t) override { return inner.refresh(t); }
        Result<void> revoke(const Secret& t) override { return inner.revoke(t); }
        Result<discord::Reply> request(const discord::Request& r) override {
            sessions->down = Error{ErrorKind::unavailable, ErrorSource::store, "died"};
            return inner.request(r);
        }
    };
    MemoryRepository sessions;
    FailsToCreate api;
    api.sessions = &sessions;
    LoginFlow flow(default_settings(), api, sessions, [] { return TimePoint(); });
    const auto begun = flow.begin({}, "b");
    const auto late = flow.finish({"code=c&state=" + begun->state.reveal(), "b", "", ""});
    CHECK(late.failure == LoginFailure::unavailable);
    CHECK_FALSE(late.token);
}

TEST_CASE("finish: F22 only what was granted is asked") {
    Site site;
    site.api.granted = {"identify"};
    const auto done = site.login();
    REQUIRE_FALSE(done.failure);
    CHECK_FALSE(done.session->identity.guilds);
    CHECK(site.api.calls == std::vector<std::string>{"exchange", "user"});
}

TEST_CASE("finish: members are loaded for known guilds; what fails stays unknown (M23)") {
    SiteOfMembers site;
    const auto done = site.login();
    REQUIRE_FALSE(done.failure);
    const auto& identity = done.session->identity;
    REQUIRE(identity.members.count(Snowflake(5)));
    CHECK(identity.members.at(Snowflake(5)).member->roles == std::vector{Snowflake(70)});
    CHECK(identity.members.count(Snowflake(6)) == 0);
    REQUIRE(identity.members.count(Snowflake(9)));
    CHECK_FALSE(identity.members.at(Snowflake(9)).member);  // not in the list: not a member
    CHECK(identity.members_at() == site.now.load());        // of those that are known
    CHECK(std::count(site.api.calls.begin(), site.api.calls.end(), "member 9") == 0);
}

TEST_CASE("finish: M24 a guild list of full length proves no absence") {
    auto settings = default_settings();
    settings.member_guilds = {Snowflake(9)};
    Site site(settings);
    site.api.granted = {"identify", "guilds", "guilds.members.read"};
    for (std::uint64_t i = 0; i < 200; ++i) site.api.guilds.push_back(guild(1000 + i));
    const auto done = site.login();
    REQUIRE_FALSE(done.failure);
    CHECK(done.session->identity.members.at(Snowflake(9)).member);
    CHECK(done.session->identity.members_at() == site.now.load());
}

TEST_CASE("finish: F27 F28 oauth2-proxy #1 each login has its own token and handle") {
    Site site;
    const auto one = site.come_back("code=a-7&state=" + site.begin());
    const auto two = site.come_back("code=b-7&state=" + site.begin());
    CHECK(one.token->digest() != two.token->digest());
    CHECK(one.session->handle != two.session->handle);
}

TEST_CASE("finish: F38 one callback URL opened eight times at once asks for one token") {
    Site site;
    const auto state = site.begin();
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            if (!site.come_back("code=c&state=" + state).failure) ++good;
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(good == 1);
    CHECK(std::count(site.api.calls.begin(), site.api.calls.end(), "exchange") == 1);
}

TEST_CASE(
    "finish: CVE-2026-33544 CVE-2026-71326 a thousand logins on eight threads each get their own "
    "user") {
    Site site;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&site, &wrong, t] {
            for (int i = 0; i < 125; ++i) {
                const std::string id = std::to_string(1000 + t * 125 + i);
                const std::string browser = "browser-" + id;
                LoginRequest request;
                request.rd = "/of/" + id;
                const auto begun = site.flow.begin(request, browser);
                if (!begun) {
                    ++wrong;
                    continue;
                }
                const auto done = site.flow.finish(
                    {"code=code-" + id + "&state=" + begun->state.reveal(), browser, "", ""});
                const bool own = !done.failure &&
                                 done.session->identity.user.id.to_string() == id &&
                                 done.session->grant.access_token.equals("token of code-" + id) &&
                                 done.return_to.str() == "/of/" + id;
                if (!own) ++wrong;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK(site.sessions.sessions.size() == 1000);
}

TEST_CASE("satisfies: every scope of the profile, and never a pass-through one") {
    Site site;
    Session session;
    session.grant.scopes = {"guilds", "identify", "bot", "role_connections.write"};
    CHECK(site.flow.satisfies(session, std::nullopt));
    CHECK(site.flow.satisfies(session, "linked"));
    CHECK_FALSE(site.flow.satisfies(session, "invite"));
    CHECK_FALSE(site.flow.satisfies(session, "nobody"));
    session.grant.scopes = {"identify"};
    CHECK_FALSE(site.flow.satisfies(session, std::nullopt));
}

TEST_CASE("LoginFailure: each has its own code") {
    std::set<std::string_view> codes;
    for (const auto failure :
         {LoginFailure::access_denied, LoginFailure::invalid_state, LoginFailure::expired_login,
          LoginFailure::discord_unavailable, LoginFailure::discord_rejected,
          LoginFailure::forbidden, LoginFailure::invalid_request, LoginFailure::unavailable}) {
        CHECK(codes.insert(to_string(failure)).second);
    }
}

TEST_CASE("finish: what Discord told is handed on as it was said, for whoever asks next") {
    SiteOfMembers site;
    const auto done = site.login();
    REQUIRE_FALSE(done.failure);
    using discord::Resource;
    std::map<Resource, std::string> told;
    for (const auto& document : done.documents) {
        CHECK(document.key.user == done.session->identity.user.id);
        CHECK(document.key.view == discord::key_for(document.key.user, site.api.granted,
                                                    document.key.resource, document.key.guild)
                                       .view);
        CHECK(document.at == done.session->identity.user_at);
        told[document.key.resource] += document.key.guild.to_string() + document.json;
    }
    CHECK(told[Resource::user] == "0" + std::string(R"({"id":"7","username":"u7"})"));
    CHECK(told[Resource::guilds] == "0" + std::string(R"([{"id":"5"},{"id":"6"}])"));
    CHECK_MESSAGE(told[Resource::member] == "5" + std::string(R"({"nick":"Nick","roles":["70"]})"),
                  "what was not told, or only concluded, is not handed on");
}
