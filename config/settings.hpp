#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/login/flow.hpp"
#include "core/rule.hpp"
#include "core/secret.hpp"
#include "core/url.hpp"

namespace cordgate::config {

using Duration = std::chrono::milliseconds;

/// host:port, [v6]:port or unix:/path.
struct Endpoint {
    std::string host;        ///< address without brackets; empty for unix
    std::uint16_t port = 0;  ///< 0: the kernel chooses
    std::string unix_path;   ///< not empty: a unix socket
    std::string to_string() const;
};

/// An address range: "10.0.0.0/8", "::1/128", or one address.
struct Cidr {
    std::string text;
};

struct Tls {
    std::string cert_file;
    std::string key_file;
    bool enabled() const { return !cert_file.empty(); }
};

struct Limits {
    std::size_t header_bytes = 32 * 1024;
    std::size_t headers = 128;
    std::size_t target_bytes = 16 * 1024;
    std::uint64_t body_bytes = 0;            ///< 0: no limit
    std::size_t connections = 0;             ///< 0: no limit
    std::size_t connections_per_client = 0;  ///< 0: no limit
    std::size_t logins_per_minute = 30;      ///< per client address (v6: per /64); 0: no limit
};

struct Timeouts {
    Duration header{10'000};
    Duration idle{75'000};
    Duration body{60'000};  ///< without any progress
    Duration connect{5'000};
    Duration upstream{60'000};  ///< without any progress
    Duration drain{30'000};
};

struct Server {
    std::vector<Endpoint> listen;
    Origin public_url;
    std::vector<Cidr> trusted_proxies;
    std::size_t workers = 0;  ///< 0: one per core
    bool allow_insecure = false;
    Tls tls;
    Limits limits;
    Timeouts timeouts;
};

struct Paths {
    std::string login = "/login";
    std::string callback = "/callback";
    std::string logout = "/logout";
    std::string prefix = "/_cordgate";
};

struct Discord {
    std::string client_id;
    Secret client_secret;
    Secret bot_token;
    std::string public_key;
    std::string api_url;
    std::string authorize_url;
    std::string cdn_url;
    std::string ca_file;
};

/// A guild that visitors join at login.
struct AutoJoin {
    Snowflake guild;
    std::vector<Snowflake> roles;
    std::string nick;  ///< empty: none
};

struct Login {
    LoginProfile standard;  ///< `login.scopes`, `login.prompt`, and scopes that rules need
    std::map<std::string, LoginProfile> profiles;
    std::vector<AutoJoin> auto_join;
    std::vector<std::string> allowed_redirect_hosts;
};

enum class LogoutRevoke { never, last_session, always };

struct UpstreamTls {
    std::string ca_file;
    std::string server_name;
    bool insecure_skip_verify = false;
};

struct Upstream {
    std::string url;  ///< as written, for logs
    bool tls = false;
    std::string host;  ///< of the url; empty for unix
    std::uint16_t port = 0;
    std::string unix_path;
    std::string match_host;  ///< `host`: lower case; empty: every host
    std::string path = "/";  ///< longest prefix wins, on segment borders
    bool strip_prefix = false;
    bool preserve_host = true;
    UpstreamTls tls_options;
};

struct SessionSettings {
    std::string store;         ///< memory: | sqlite:PATH | a RedisUrl; may hold a password
    std::vector<Secret> keys;  ///< 32 raw bytes each; empty: key file beside the database
    std::chrono::seconds lifetime{7 * 24 * 3600};
    std::chrono::seconds idle_timeout{24 * 3600};  ///< 0: none
    std::size_t max_per_user = 0;                  ///< a further login ends the oldest; 0: no limit
    std::string cookie_name;                       ///< effective, never empty
    std::string cookie_domain;
    std::string cookie_same_site;  ///< Lax | Strict | None, as a browser spells it
};

struct IdentitySettings {
    std::chrono::seconds user_max_age{3600};
    std::chrono::seconds guilds_max_age{300};
    std::chrono::seconds max_stale{3600};
    std::vector<Snowflake> member_guilds;
};

struct CacheSettings {
    std::size_t users = 10'000;
    std::size_t sessions = 100'000;
};

struct Headers {
    bool user_json = true;
    std::size_t user_json_bytes = 6 * 1024;
    bool email = false;
    bool access_token = false;
    bool remote_user = false;
    bool x_forwarded_user = false;
    bool x_auth_request = false;
    std::vector<std::pair<std::string, std::string>> inject;
};

struct Internal {
    Endpoint listen;
    Secret token;
    bool expose_tokens = false;
};

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { text, json };

struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    bool access = true;
};

/// How `check` shows a setting: nothing of a secret is in here.
struct Shown {
    std::string yaml;    ///< the value in one line of YAML, masked where secret
    std::string origin;  ///< "cordgate.yaml:12:3", "environment CORDGATE_X", ..., "default"
    std::string note;    ///< what was added or worked out; usually empty
};

/// Everything an operator can set, checked: what is here can be used as it is.
struct Settings {
    Server server;
    Paths paths;
    Discord discord;
    Login login;
    LogoutRevoke logout_revoke = LogoutRevoke::never;
    std::vector<Upstream> upstreams;
    RuleSet rules;
    SessionSettings session;
    IdentitySettings identity;
    CacheSettings cache;
    Headers headers;
    Internal internal;
    Log log;
    std::map<std::string, Shown> shown;  ///< by key, for effective_settings()

    /// public_url + paths.callback: what is registered at Discord.
    std::string redirect_uri() const { return server.public_url.to_string() + paths.callback; }
};

}  // namespace cordgate::config
