#include <chrono>

#include "config/sections.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::config;
using namespace std::chrono_literals;

namespace {

std::map<std::string, std::string> without(std::string_view name) {
    auto out = minimal();
    out.erase(std::string(name));
    return out;
}

Loaded load_path(const std::string& path) {
    return load({.file = path, .environment = minimal(), .flags = {}});
}

struct Row {
    std::string name;
    std::string yaml;
    std::string says;  // part of the one line that must be there
};

void check_refused(const Row& row, const std::map<std::string, std::string>& env = minimal()) {
    CAPTURE(row.name);
    const auto loaded = load_text(row.yaml, env);
    INFO(all(loaded));
    CHECK_FALSE(loaded.settings);
    CHECK(says(loaded, row.says));
}

void check_warned(const Row& row, const std::map<std::string, std::string>& env = minimal()) {
    CAPTURE(row.name);
    const auto loaded = load_text(row.yaml, env);
    INFO(all(loaded));
    CHECK(loaded.settings);
    CHECK(says(loaded, row.says));
}

void check_clean(const std::string& name, std::string_view yaml,
                 const std::map<std::string, std::string>& env = minimal()) {
    CAPTURE(name);
    const auto loaded = load_text(yaml, env);
    INFO(all(loaded));
    CHECK(loaded.settings);
    CHECK(loaded.problems.empty());
}

}  // namespace

TEST_CASE("a file is one YAML document, and what is none is refused at once and where it is") {
    const Row rows[] = {
        {"a second document",          "server: {}\n---\nserver: {}\n", "more than one YAML document"       },
        {"a stray comma, N1",          ",a",                            "1:1: is not valid YAML: unexpected"},
        {"a stray comma further down", "server: {}\n--- \n,a",          "more than one YAML document"       },
        {"a stray bracket",            "]",                             "is not valid YAML"                 },
    };
    for (const auto& row : rows) check_refused(row);
}

TEST_CASE("the required settings alone are enough (N20)") {
    const auto loaded = load({.file = "", .environment = minimal(), .flags = {}});
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    const auto& s = *loaded.settings;
    CHECK(s.server.listen.at(0).to_string() == "0.0.0.0:4180");
    CHECK(s.redirect_uri() == "https://app.example.com/callback");
    CHECK(s.server.limits.header_bytes == 32 * 1024);
    CHECK(s.server.limits.target_bytes == 16 * 1024);
    CHECK(s.server.limits.headers == 128);
    CHECK(s.server.limits.logins_per_minute == 30);
    CHECK(s.server.timeouts.header == 10s);
    CHECK(s.server.timeouts.idle == 75s);
    CHECK(s.server.timeouts.body == 60s);
    CHECK(s.server.timeouts.connect == 5s);
    CHECK(s.server.timeouts.upstream == 60s);
    CHECK(s.server.timeouts.drain == 30s);
    CHECK(s.discord.api_url == "https://discord.com/api/v10");
    CHECK(s.discord.authorize_url == "https://discord.com/oauth2/authorize");
    CHECK(s.discord.cdn_url == "https://cdn.discordapp.com");
    CHECK(s.login.standard.scopes == std::vector<std::string>{"identify", "guilds"});
    CHECK(s.login.standard.prompt == Prompt::automatic);
    CHECK(s.logout_revoke == LogoutRevoke::never);
    CHECK(s.session.lifetime == 7 * 24h);
    CHECK(s.session.idle_timeout == 24h);
    CHECK(s.session.cookie_name == "__Host-cordgate");
    CHECK(s.session.cookie_same_site == "Lax");
    CHECK(s.identity.user_max_age == 1h);
    CHECK(s.identity.guilds_max_age == 5min);
    CHECK(s.identity.max_stale == 1h);
    CHECK(s.cache.users == 10'000);
    CHECK(s.cache.sessions == 100'000);
    CHECK(s.headers.user_json);
    CHECK(s.headers.user_json_bytes == 6 * 1024);
    CHECK_FALSE(s.headers.email);
    CHECK(s.internal.listen.to_string() == "127.0.0.1:4181");
    CHECK(s.upstreams.at(0).port == 3000);
    CHECK(s.log.access);
    CHECK(s.rules.size() == 1);
}

TEST_CASE("a configuration with everything in it loads") {
    const Folder folder;
    const auto secret = folder.write("secret", std::string(good_secret) + "\n");
    const std::string yaml = R"(
server:
  listen: ["0.0.0.0:4180"]
  public_url: https://app.example.com
  trusted_proxies: ["10.0.0.0/8"]
  workers: 0
  tls: {cert_file: "", key_file: ""}
  limits: {header_bytes: 32KiB, headers: 128, target_bytes: 16KiB, body_bytes: 0, connections: 0,
           connections_per_client: 0, logins_per_minute: 30}
  timeouts: {header: 10s, idle: 75s, body: 60s, connect: 5s, upstream: 60s, drain: 30s}
paths: {login: /login, callback: /callback, logout: /logout, prefix: /_cordgate}
discord:
  client_id: "1234"
  client_secret_file: )" + secret +
                             R"(
  bot_token: ""
  public_key: ""
  api_url: https://discord.com/api/v10
  authorize_url: https://discord.com/oauth2/authorize
  cdn_url: https://cdn.discordapp.com
  ca_file: ""
login:
  scopes: [identify, guilds]
  prompt: auto
  profiles: {}
  auto_join: []
  allowed_redirect_hosts: []
logout: {revoke: never}
upstreams:
  - url: http://127.0.0.1:3000
    host: ""
    path: /
    strip_prefix: false
    preserve_host: true
    tls: {ca_file: "", server_name: "", insecure_skip_verify: false}
rules:
  - {path: "/assets/**", methods: [GET, HEAD], access: public}
  - {path: "/feed", access: optional}
  - path: "/staff/**"
    require: {guild: "197038439483310086", role: ["41771983423143936"]}
  - path: "/**"
    access: login
session:
  store: sqlite:cordgate.db
  keys: []
  lifetime: 7d
  idle_timeout: 24h
  cookie: {name: "", domain: "", same_site: lax}
identity:
  member_guilds: []
cache: {sessions: 100000}
headers:
  user_json: true
  user_json_bytes: 6KiB
  email: false
  access_token: false
  remote_user: false
  inject: {}
internal: {listen: "127.0.0.1:4181", token: "", expose_tokens: false}
log: {level: info, format: text, access: true}
)";
    const auto loaded = load_text(yaml, {});
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.problems.empty());
    const auto& s = *loaded.settings;
    CHECK(s.discord.client_secret.reveal() == good_secret);
    REQUIRE(s.rules.size() == 5);
    CHECK(s.rules.at(2).name == "rules[2] /staff/**");
    CHECK(s.rules.at(2).require->kind == Requirement::Kind::role);
    CHECK(s.login.standard.scopes ==
          std::vector<std::string>{"identify", "guilds", "guilds.members.read"});
}

TEST_CASE("a flag counts more than the environment, that more than the file") {
    const auto file = load_text("session: {idle_timeout: 1h}\n");
    REQUIRE(file.settings);
    CHECK(file.settings->session.idle_timeout == 1h);

    auto environment = minimal();
    environment["CORDGATE_SESSION_IDLE_TIMEOUT"] = "2h";
    const auto variable = load_text("session: {idle_timeout: 1h}\n", environment);
    REQUIRE(variable.settings);
    CHECK(variable.settings->session.idle_timeout == 2h);

    const auto flag = load_text("session: {idle_timeout: 1h}\n", environment,
                                {
                                    {"session-idle-timeout", "3h"}
    });
    REQUIRE(flag.settings);
    CHECK(flag.settings->session.idle_timeout == 3h);
}

TEST_CASE("lists are comma lists outside of the file") {
    auto environment = minimal();
    environment["CORDGATE_UPSTREAMS"] = "http://app:3000";
    environment["CORDGATE_LOGIN_SCOPES"] = "identify, guilds,email";
    environment["CORDGATE_SERVER_LISTEN"] = "127.0.0.1:0,[::1]:0";
    environment["CORDGATE_SERVER_TRUSTED_PROXIES"] = "10.0.0.0/8,::1";
    environment["CORDGATE_IDENTITY_MEMBER_GUILDS"] = "5,6";
    const auto loaded = load({.file = "", .environment = environment, .flags = {}});
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.settings->upstreams.at(0).host == "app");
    CHECK(loaded.settings->login.standard.scopes.size() == 4);  // and guilds.members.read
    CHECK(loaded.settings->server.listen.size() == 2);
    CHECK(loaded.settings->server.trusted_proxies.at(1).text == "::1");
    CHECK(loaded.settings->identity.member_guilds.size() == 2);
}

TEST_CASE("files that are no configuration are named with the reason (N1)") {
    const Folder folder;
    const auto refused = [](const std::string& path, std::string_view why) {
        const auto loaded = load_path(path);
        INFO(all(loaded));
        CHECK_FALSE(loaded.settings);
        CHECK(loaded.problems.size() == 1);
        CHECK(says(loaded, why));
        CHECK(says(loaded, path));
    };
    refused(folder.path() + "/absent.yaml", "No such file or directory");
    refused(folder.path(), "Is a directory");
    refused(folder.write("x", "") + "/y", "Not a directory");
    refused(folder.write("empty", ""), "is empty");
    refused(folder.write("blank", " \n\t\r\n"), "is empty");
    refused(folder.write("binary", std::string("\x7f"
                                               "ELF\0\0\1",
                                               7)),
            "not a text file");
    refused(folder.write("latin1", "a: \xe9\n"), "not a text file");
    // 100 MB that take no room on disk.
    const auto huge = folder.write("huge", "a: b\n");
    REQUIRE(::truncate(huge.c_str(), 100'000'000) == 0);
    refused(huge, "is too large");
    if (::geteuid() != 0)
        refused(folder.write("locked", "a: b\n", 0), "Permission denied");
    else  // root may read everything, but for what no rights can open
        refused("/proc/self/mem", "cannot be read: ");
}

TEST_CASE("without any file, the first problem says where one is looked for") {
    const auto lost = load({});
    REQUIRE(lost.problems.size() > 1);
    CHECK(lost.problems.front().to_string() ==
          "settings: no cordgate.yaml here and none in /etc/cordgate; use --config FILE, or "
          "'cordgate init' to write one");
    CHECK_FALSE(says(
        load({.file = "", .environment = without("CORDGATE_DISCORD_CLIENT_SECRET"), .flags = {}}),
        "no cordgate.yaml"));
    CHECK_FALSE(says(load_text("log: {}\n", {}), "no cordgate.yaml"));
}

TEST_CASE("who only asks the internal API needs its section alone, whatever else is wrong") {
    struct Case {
        std::string name;
        std::string yaml;
        std::string says;  // empty: it is loaded, with this address
        std::string listen = "127.0.0.1:5000";
        std::string token = "0123456789abcdef";
    };
    const std::string section = "internal: {listen: '127.0.0.1:5000', token: 0123456789abcdef}\n";
    const Case cases[] = {
        {"nothing else",                 section,                                                       ""                                     },
        {"a secret that cannot be read", section + "discord: {client_secret_file: /missing}\n",         ""                                     },
        {"mistakes elsewhere",           section + "server: {listen: 7, x: 1}\nrules: 3\nsesion: {}\n", ""                                     },
        {"nothing of it",                "log: {level: warn}\n",                                        "",                                      "127.0.0.1:4181", ""},
        {"no YAML",                            section + "]",                                                                                         "is not valid YAML"                                                                                                                       },
        {"an unknown name",           "internal: {tokn: x}\n","internal.tokn"},
        {"no mapping",               "internal: 7\n",                                                                                             "internal"                                                                                                                                                                                                                                         },
        {"no token for all the world",                    "internal: {listen: '0.0.0.0:1'}\n","set internal.token"},
        {"a token that cannot be read",          "internal: {token_file: /missing}\n",
         "internal.token_file"                                                                                                                                                                                                                                                                                                                                      },
    };
    const Folder folder;
    for (const auto& c : cases) {
        CAPTURE(c.name);
        const auto path = folder.write("c.yaml", c.yaml);
        const auto loaded = load_internal({.file = path, .environment = {}, .flags = {}});
        if (!c.says.empty()) {
            CHECK_FALSE(loaded.settings);
            REQUIRE(loaded.problems.size() == 1);
            CHECK(loaded.problems[0].to_string().find(c.says) != std::string::npos);
            continue;
        }
        REQUIRE(loaded.settings);
        CHECK(loaded.settings->listen.to_string() == c.listen);
        CHECK(loaded.settings->token.reveal() == c.token);
    }
    // Given from outside, both need no file, wherever one may be.
    const std::map<std::string, std::string> token{
        {"CORDGATE_INTERNAL_TOKEN", "0123456789abcdef"}
    };
    const std::map<std::string, std::string> listen{
        {"internal-listen", "127.0.0.1:5000"}
    };
    const auto missing = folder.path() + "/missing.yaml";
    CHECK(load_internal({.file = missing, .environment = token, .flags = listen}).settings);
    CHECK_FALSE(load_internal({.file = missing, .environment = {}, .flags = listen}).settings);
    CHECK_FALSE(load_internal({.file = missing, .environment = token, .flags = {}}).settings);
    CHECK(load_internal({.file = "", .environment = {}, .flags = listen}).settings);
    CHECK_FALSE(
        load_internal({.file = "", .environment = {}, .flags = {{"internal-x", "1"}}}).settings);
}

TEST_CASE("an address that browsers cannot come back to is a warning") {
    auto bare = without("CORDGATE_SERVER_TRUSTED_PROXIES");
    check_warned({"nothing speaks TLS", "log: {}\n", "TLS must end in a proxy"}, bare);
    check_warned({"a unix socket is for a proxy", "server: {listen: ['unix:/tmp/gate.sock']}\n",
                  "server.trusted_proxies (unix)"},
                 bare);
    bare["CORDGATE_SERVER_PUBLIC_URL"] = "http://localhost:8080";
    check_warned({"another port", "log: {}\n", "has port 8080, which is in no address"}, bare);
    check_clean("the same port", "server: {listen: ['127.0.0.1:8080']}\n", bare);
    check_clean("the kernel's port", "server: {listen: ['127.0.0.1:0']}\n", bare);
    bare["CORDGATE_SERVER_TRUSTED_PROXIES"] = "127.0.0.1";
    check_clean("a proxy has that port", "log: {}\n", bare);
}

TEST_CASE("an API without its version is a warning") {
    check_warned({"none", "discord: {api_url: 'https://discord.com/api'}\n", "such as /v10"});
    check_clean("another one", "discord: {api_url: 'https://discord.com/api/v11/'}\n");
}

TEST_CASE("byte order mark and CRLF change nothing, not even positions (N1)") {
    const auto loaded = load_text("\xef\xbb\xbfsession:\r\n  idle_timeout: 1h\r\n");
    INFO(all(loaded));
    REQUIRE(loaded.settings);
    CHECK(loaded.settings->session.idle_timeout == 1h);
    CHECK(says(load_text("\xef\xbb\xbfsession:\r\n  idle_timeout: 5x\r\n"), "c.yaml:2:17: "));
}

TEST_CASE("syntax errors have a position (N2)") {
    // clang-format off
    const Row rows[] = {
        {"unclosed quote", "log:\n  level: \"info\n", "c.yaml:"},
        {"tab as indentation", "log:\n\tlevel: info\n", "c.yaml:2:"},
        {"tab with its reason", "log:\n\tlevel: info\n", "tabs cannot indent YAML (line 2)"},
        {"unclosed bracket", "server: {listen: [a, b\n", "c.yaml:"},
        {"duplicate key", "log:\n  level: info\n  level: warn\n", "c.yaml:3:3: the key \"level\""},
        {"duplicate section", "log: {level: info}\nlog: {level: warn}\n", "c.yaml:2:1: the key"},
        {"a list at the top", "- a\n- b\n", "must be a mapping"},
        {"a text at the top", "hello\n", "must be a mapping"},
        {"two documents", "log: {level: info}\n---\nlog: {level: warn}\n", "more than one"},
        {"a mapping as key", "{a: b}: c\n", "a key must be a plain text"},
        {"unknown alias", "log: *x\n", "c.yaml:1:"},
    };
    // clang-format on
    for (const auto& row : rows) check_refused(row);
}

TEST_CASE("YAML that unfolds into a huge or endless tree is refused (O11)") {
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        const auto below = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int j = 0; j < 10; ++j) bomb += (j ? ", " : "") + below;
        bomb += "]\n";
    }
    check_refused({"billion laughs", bomb, "too deeply or too large"});
    check_refused({"a list that holds itself", "rules: &r [*r]\n", "c.yaml:1:"});
    check_refused({"deep", std::string(100'000, '['), "c.yaml:"});
    check_refused({"deep flow maps", std::string(5'000, '{'), "c.yaml:"});
}

TEST_CASE(
    "unknown names are errors with the likely one (N3, CVE-2021-21411, GHSA-652x-m2gr-hppm)") {
    // clang-format off
    const Row rows[] = {
        {"near miss at the top", "upsteams: []\n", "did you mean \"upstreams\"?"},
        {"singular", "upstream: x\n", "did you mean \"upstreams\"?"},
        {"position of the key", "session:\n  idletimeout: 1h\n",
         "c.yaml:2:3: session.idletimeout: is not a setting; did you mean \"idle_timeout\"?"},
        {"wrong section", "server: {idle_timeout: 1h}\n", "did you mean session.idle_timeout?"},
        {"dotted key", "session.idle_timeout: 1h\n", "is not a setting"},
        {"case matters", "Session: {}\n", "did you mean \"session\"?"},
        {"nothing near lists what is allowed", "log: {zzzzzz: 1}\n",
         "allowed here: access, format, level"},
        {"redirect_uri is derived (N9)", "discord: {redirect_uri: 'https://evil.example/cb'}\n",
         "server.public_url + paths.callback"},
        {"in an upstream", "upstreams: [{url: 'http://a', strip: true}]\n",
         "upstreams[0].strip: is not a setting"},
        {"in an upstream's tls", "upstreams: [{url: 'https://a', tls: {ca: x}}]\n",
         "did you mean \"ca_file\"?"},
        {"in a rule", "rules: [{path: /a, acess: login}]\n", "did you mean \"access\"?"},
        {"in a profile", "login: {profiles: {a: {scope: [identify]}}}\n",
         "login.profiles.a.scope: is not a setting; did you mean \"scopes\"?"},
        {"a newline in a key cannot forge a line", "\"a\\nb: c\": 1\n", "a\\x0ab"},
    };
    // clang-format on
    for (const auto& row : rows) {
        auto env = minimal();
        if (row.yaml.starts_with("upstreams")) env = without("CORDGATE_UPSTREAMS");
        check_refused(row, env);
    }

    auto environment = minimal();
    environment["CORDGATE_SESION_LIFETIME"] = "1h";
    const auto variable = load({.file = "", .environment = environment, .flags = {}});
    CHECK_FALSE(variable.settings);
    CHECK(says(variable,
               "environment CORDGATE_SESION_LIFETIME: is not a setting; did you mean "
               "CORDGATE_SESSION_LIFETIME?"));
    const auto flag =
        load({.file = "", .environment = minimal(), .flags = {{"log-levle", "info"}}});
    CHECK(says(flag, "did you mean --log-level?"));
    environment = minimal();
    environment["CORDGATE_RULES"] = "[]";
    CHECK(says(load({.file = "", .environment = environment, .flags = {}}),
               "can only be set in the configuration file"));
}

TEST_CASE("variables of other programs and of Kubernetes are nobody's mistake") {
    auto environment = minimal();
    environment["PATH"] = "/bin";
    environment["CORDGATE_CONFIG"] = "/etc/x";
    environment["CORDGATE_SERVICE_HOST"] = "10.0.0.1";
    environment["CORDGATE_SERVICE_PORT_HTTP"] = "4180";
    environment["CORDGATE_PORT"] = "tcp://10.0.0.1:4180";
    environment["CORDGATE_PORT_4180_TCP_ADDR"] = "10.0.0.1";
    const auto loaded = load({.file = "", .environment = environment, .flags = {}});
    INFO(all(loaded));
    CHECK(loaded.settings);
    CHECK(loaded.problems.empty());
}

TEST_CASE("wrong types, ranges and units say what is allowed (N4)") {
    // clang-format off
    const Row rows[] = {
        {"unit", "session:\n  idle_timeout: 5x\n", "c.yaml:2:17: session.idle_timeout: \"5x\""},
        {"no unit", "session: {idle_timeout: 15}\n", "add a unit"},
        {"negative", "server: {timeouts: {idle: -1}}\n", "write a duration such as"},
        {"exponent", "server: {timeouts: {idle: 1e99}}\n", "write a duration such as"},
        {"fraction of a second", "identity: {max_stale: 1500ms}\n", "whole seconds"},
        {"zero where it would hang", "server: {timeouts: {connect: 0}}\n", "is too small"},
        {"too long", "session: {lifetime: 1000d}\n", "is too large; at most 400d"},
        {"size without a unit", "server: {limits: {header_bytes: 32768}}\n", "add a unit"},
        {"size in KB", "server: {limits: {header_bytes: 32KB}}\n", "use KiB"},
        {"size out of range", "headers: {user_json_bytes: 1GiB}\n", "at most 1MiB"},
        {"count with a fraction", "server: {workers: 1.5}\n", "whole number"},
        {"count out of range", "server: {workers: 5000}\n", "at most 1024"},
        {"count overflow", "cache: {users: 99999999999999999999}\n", "is too large"},
        {"yes is no boolean", "log: {access: yes}\n", "\"yes\" is not true or false"},
        {"choice", "log: {level: loud}\n", "\"loud\" is not one of debug, info, warn, error"},
        {"list for a text", "log: {level: [a]}\n", "must be a text, not a list"},
        {"mapping for a list", "login: {scopes: {a: b}}\n", "must be a list, not a mapping"},
        {"text for a section", "log: loud\n", "must be a mapping, not a single value"},
        {"no value", "session: {lifetime: }\n", "has no value"},
        {"list in a list", "login: {scopes: [[identify]]}\n", "login.scopes[0]: must be a text"},
        {"twice in a list", "login: {scopes: [identify, identify]}\n", "is listed twice"},
        {"port 70000", "server: {listen: ['0.0.0.0:70000']}\n", "between 0 and 65535"},
        {"control characters", "discord: {ca_file: \"a\\nb\"}\n", "control characters"},
        {"variables are not expanded (N6)", "discord: {cdn_url: '${CDN}'}\n",
         "not expanded in this file; set the variable CORDGATE_DISCORD_CDN_URL"},
    };
    // clang-format on
    for (const auto& row : rows) check_refused(row);
}

TEST_CASE("an empty section is no error") {
    check_clean("sections with everything commented out", "log:\nrules:\nsession:\n  cookie:\n");
}

TEST_CASE("what is required is named when it is missing (N5, CVE-2026-54762)") {
    for (const auto& [variable, key] : std::map<std::string, std::string>{
             {"CORDGATE_SERVER_PUBLIC_URL",     "server.public_url"    },
             {"CORDGATE_DISCORD_CLIENT_ID",     "discord.client_id"    },
             {"CORDGATE_DISCORD_CLIENT_SECRET", "discord.client_secret"},
             {"CORDGATE_UPSTREAMS",             "upstreams"            }
    }) {
        CAPTURE(variable);
        const auto loaded = load_text("log: {level: info}\n", without(variable));
        INFO(all(loaded));
        CHECK_FALSE(loaded.settings);
        CHECK(loaded.problems.size() == 1);
        CHECK(says(loaded, key + ": is required"));
        CHECK(says(loaded, "c.yaml:1:1: "));
    }
    CHECK(says(load_text("upstreams: []\n", without("CORDGATE_UPSTREAMS")), "is required"));
    CHECK(says(load_text("a: b\nserver:\n  workers: 1\n", without("CORDGATE_SERVER_PUBLIC_URL")),
               "c.yaml:2:1: server.public_url: is required"));
}

TEST_CASE("all problems come in one run, from top to bottom") {
    const auto loaded = load_text(
        "server: {workers: x}\n"
        "log: {level: y}\n"
        "session: {lifetime: z}\n"
        "upsteams: []\n");
    REQUIRE(loaded.problems.size() == 4);
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(loaded.problems[i].where.starts_with("c.yaml:" + std::to_string(i + 1) + ":"));
}

TEST_CASE("public_url is an origin (N8)") {
    // clang-format off
    const Row rows[] = {
        {"no scheme", "server: {public_url: app.example.com}\n", "has no scheme"},
        {"path", "server: {public_url: 'https://a.example/x'}\n", "is not an origin"},
        {"query", "server: {public_url: 'https://a.example?x'}\n", "is not an origin"},
        {"fragment", "server: {public_url: 'https://a.example#x'}\n", "is not an origin"},
        {"userinfo", "server: {public_url: 'https://me:hunter2@a.example'}\n", "is not an origin"},
        {"other scheme", "server: {public_url: 'ftp://a.example'}\n", "is not an origin"},
        {"http", "server: {public_url: 'http://a.example'}\n", "allow_insecure"},
        {"http on an address", "server: {public_url: 'http://10.0.0.5:8080'}\n", "allow_insecure"},
        {"empty", "server: {public_url: ''}\n", "is required"},
        {"port 0", "server: {public_url: 'https://a.example:0'}\n", "is not an origin"},
        {"bad port", "server: {public_url: 'https://a.example:99999'}\n", "is not an origin"},
    };
    // clang-format on
    for (const auto& row : rows) {
        check_refused(row, without("CORDGATE_SERVER_PUBLIC_URL"));
        CHECK_FALSE(says(load_text(row.yaml, without("CORDGATE_SERVER_PUBLIC_URL")), "hunter2"));
    }
    for (const auto* const good :
         {"http://localhost:4180", "http://127.0.0.1:4180", "http://[::1]:4180",
          "https://app.example.com/", "https://app.example.com:8443", "http://app.localhost"})
        check_clean(good, "server: {public_url: '" + std::string(good) + "'}\n",
                    without("CORDGATE_SERVER_PUBLIC_URL"));
    check_clean("http that was asked for",
                "server: {public_url: 'http://a.example', allow_insecure: true}\n",
                without("CORDGATE_SERVER_PUBLIC_URL"));
}

TEST_CASE("tokens go to https or to this machine only (M28)") {
    check_refused({"http", "discord: {api_url: 'http://proxy.example/api'}\n", "overheard"});
    check_refused({"no scheme", "discord: {api_url: discord.com/api}\n", "is not a URL"});
    check_refused(
        {"query", "discord: {authorize_url: 'https://discord.com/a?b=c'}\n", "is not a URL"});
    check_clean("simulator", "discord: {api_url: 'http://127.0.0.1:4000/api/v10/'}\n");
    CHECK(load_text("discord: {api_url: 'http://127.0.0.1:4000/api/v10/'}\n")
              .settings->discord.api_url == "http://127.0.0.1:4000/api/v10");
}

TEST_CASE("listeners and proxies are addresses (N13, N19, CVE-2026-40575)") {
    // clang-format off
    const Row rows[] = {
        {"port alone", "server: {listen: ['4180']}\n", "0.0.0.0:4180 or [::]:4180"},
        {"no host", "server: {listen: [':4180']}\n", "0.0.0.0:4180 or [::]:4180"},
        {"name", "server: {listen: ['app.example.com:80']}\n", "names are not looked up"},
        {"v6 without brackets", "server: {listen: ['::1:4180']}\n", "without brackets"},
        {"URL", "server: {listen: ['http://0.0.0.0:80']}\n", "is a URL"},
        {"relative socket", "server: {listen: ['unix:sock']}\n", "absolute path"},
        {"long socket", "server: {listen: ['unix:/" + std::string(200, 'a') + "']}\n", "107"},
        {"twice", "server: {listen: ['127.0.0.1:80', 'localhost:80']}\n", "is listed twice"},
        {"none", "server: {listen: []}\n", "is empty"},
        {"everybody", "server: {trusted_proxies: ['0.0.0.0/0']}\n", "is every address"},
        {"everybody, v6", "server: {trusted_proxies: ['::/0']}\n", "is every address"},
        {"bad range", "server: {trusted_proxies: ['10.0.0.0/33']}\n", "prefix length"},
        {"host bits", "server: {trusted_proxies: ['10.0.0.1/8']}\n", "did you mean 10.0.0.0/8?"},
        {"host name", "server: {trusted_proxies: ['nginx']}\n", "names are not looked up"},
        {"junk behind", "server: {trusted_proxies: ['10.0.0.0/8x']}\n", "prefix length"},
        {"internal too", "internal: {listen: '0.0.0.0:4180', token: 0123456789abcdef}\n",
         "is in server.listen too"},
        {"open internal API", "internal: {listen: '0.0.0.0:4181'}\n", "set internal.token"},
        {"open internal API, v6", "internal: {listen: '[::]:4181'}\n", "set internal.token"},
    };
    // clang-format on
    for (const auto& row : rows) check_refused(row, without("CORDGATE_SERVER_TRUSTED_PROXIES"));
    check_clean("unix",
                "server: {listen: ['unix:/run/a.sock']}\ninternal: {listen: "
                "'unix:/run/b.sock'}\n");
    check_clean("internal with a token",
                "internal: {listen: '0.0.0.0:4181', token: 0123456789abcdef}\n");
    check_clean("ports from the kernel", "server: {listen: ['127.0.0.1:0', '[::1]:0']}\n");
    check_clean("unix sockets' peers",
                "server: {listen: ['unix:/run/a.sock'], trusted_proxies: [unix]}\n");
    check_clean("ranges", "server: {trusted_proxies: [10.0.0.0/8, 192.0.2.1, 'fd00::/8']}\n");
}

TEST_CASE("own paths are plain, distinct and apart from the prefix") {
    const Row rows[] = {
        {"no slash",          "paths: {login: login}\n",            "must start with /"    },
        {"root",              "paths: {prefix: /}\n",               "must start with /"    },
        {"dots",              "paths: {login: /a/../b}\n",          "letters, digits"      },
        {"query",             "paths: {login: '/login?x'}\n",       "letters, digits"      },
        {"escape",            "paths: {login: '/log%69n'}\n",       "letters, digits"      },
        {"empty segment",     "paths: {login: //login}\n",          "empty segment"        },
        {"slash at the end",  "paths: {login: /login/}\n",          "must not end"         },
        {"same",              "paths: {login: /x, logout: /x}\n",   "each needs its own"   },
        {"same as a default", "paths: {login: /callback}\n",        "each needs its own"   },
        {"below the prefix",  "paths: {login: /_cordgate/login}\n", "is under paths.prefix"},
    };
    for (const auto& row : rows) check_refused(row);
    check_clean("deep", "paths: {login: /auth/login, prefix: /auth-gate}\n");
}

TEST_CASE("upstreams in any wrong form are refused with the right one (N10)") {
    const auto env = without("CORDGATE_UPSTREAMS");
    // clang-format off
    const Row rows[] = {
        {"name alone", "upstreams: [{url: localhost}]\n", "did you mean \"http://localhost\"?"},
        {"name and port", "upstreams: [{url: 'app:3000'}]\n", "did you mean \"http://app:3000\"?"},
        {"no host", "upstreams: [{url: 'http://'}]\n", "has no host"},
        {"v6 without brackets", "upstreams: [{url: 'http://::1:80'}]\n", "without brackets"},
        {"path", "upstreams: [{url: 'http://a/b'}]\n", "has a path"},
        {"other scheme", "upstreams: [{url: 'ftp://a'}]\n", "has another scheme"},
        {"password", "upstreams: [{url: 'http://u:hunter2@a'}]\n", "user name or password"},
        {"no url", "upstreams: [{path: /a}]\n", "upstreams[0].url: is required"},
        {"relative socket", "upstreams: [{url: 'unix:a.sock'}]\n", "absolute path"},
        {"itself", "upstreams: [{url: 'http://127.0.0.1:4180'}]\n", "loop"},
        {"itself by name", "upstreams: [{url: 'http://localhost:4180'}]\n", "loop"},
        {"the internal API", "upstreams: [{url: 'http://127.0.0.1:4181'}]\n", "internal API"},
        {"a mapping", "upstreams: {url: 'http://a'}\n", "must be a list"},
        {"a list in it", "upstreams: [[a]]\n", "upstreams[0]: must be a mapping"},
        {"same twice", "upstreams: [{url: 'http://a'}, {url: 'http://b', path: /}]\n",
         "same host and path"},
        {"same but for a slash",
         "upstreams: [{url: 'http://a', path: /x}, {url: 'http://b', path: /x/}]\n",
         "same host and path"},
        {"same but for case",
         "upstreams: [{url: 'http://a', host: A.example}, {url: 'http://b', host: a.example}]\n",
         "same host and path"},
        {"host with a port", "upstreams: [{url: 'http://a', host: 'a:80'}]\n", "not a host name"},
        {"path pattern", "upstreams: [{url: 'http://a', path: '/a/**'}]\n", "plain prefix"},
        {"path without slash", "upstreams: [{url: 'http://a', path: a}]\n", "must start with /"},
        {"dots", "upstreams: [{url: 'http://a', path: /a/../b}]\n", "dot segments"},
        {"tls options without tls", "upstreams: [{url: 'http://a', tls: {server_name: b}}]\n",
         "https upstreams only"},
    };
    // clang-format on
    for (const auto& row : rows) {
        check_refused(row, env);
        CHECK_FALSE(says(load_text(row.yaml, env), "hunter2"));
    }
    check_clean("three forms",
                "upstreams:\n"
                "  - {url: 'http://[::1]:3000', path: /a}\n"
                "  - {url: 'https://b.example', path: /b, tls: {server_name: c.example}}\n"
                "  - http://c:1\n",
                env);
    check_warned(
        {"no socket yet", "upstreams: [{url: 'unix:/nonexistent/a.sock'}]\n", "there is no socket"},
        env);
    check_warned({"skip verify (K12)",
                  "upstreams: [{url: 'https://a', tls: {insecure_skip_verify: true}}]\n",
                  "any machine in between"},
                 env);
    check_warned({"public_url", "upstreams: [{url: 'https://app.example.com'}]\n", "loop"}, env);
    const auto loaded = load_text(
        "upstreams: [{url: 'https://B.example', host: Wiki.Example, path: /api/}]\n", env);
    REQUIRE(loaded.settings);
    const auto& upstream = loaded.settings->upstreams.at(0);
    CHECK(upstream.tls);
    CHECK(upstream.host == "b.example");
    CHECK(upstream.port == 443);
    CHECK(upstream.match_host == "wiki.example");
    CHECK(upstream.path == "/api");
}

TEST_CASE("stores are known and have a place (N15)") {
    // clang-format off
    const Row rows[] = {
        {"unknown driver", "session: {store: 'mysql://x'}\n", "is no store"},
        {"no driver", "session: {store: cordgate.db}\n", "is no store"},
        {"no path", "session: {store: 'sqlite:'}\n", "needs the path"},
        {"no folder", "session: {store: 'sqlite:/nonexistent/a.db'}\n", "does not exist"},
        {"a folder", "session: {store: 'sqlite:/tmp'}\n", "names a folder"},
        {"redis without keys", "session: {store: 'redis://u:hunter2@a:6379/0'}\n",
         "session.keys: Redis needs a key, the same on every replica"},
        {"redis with a bad port", "session: {store: 'redis://u:hunter2@a:b/0'}\n",
         "session.store: has a port that is not a number"},
    };
    // clang-format on
    for (const auto& row : rows) {
        check_refused(row, without("CORDGATE_SESSION_STORE"));
        CHECK_FALSE(says(load_text(row.yaml, without("CORDGATE_SESSION_STORE")), "hunter2"));
    }
    for (const auto* const good : {"memory:", "sqlite:a.db", "sqlite:/tmp/a.db"})
        check_clean(good, "session: {store: '" + std::string(good) + "'}\n",
                    without("CORDGATE_SESSION_STORE"));
}

TEST_CASE("a cookie that browsers would drop is refused (D2, D3)") {
    // clang-format off
    const Row rows[] = {
        {"__Host- with a domain", "session: {cookie: {name: __Host-a, domain: example.com}}\n",
         "needs https and no session.cookie.domain"},
        {"top-level domain", "session: {cookie: {domain: com}}\n", "top-level domain"},
        {"another domain", "session: {cookie: {domain: evil.example}}\n", "is not app.example.com"},
        {"not on a label", "session: {cookie: {domain: ample.com}}\n", "is not app.example.com"},
        {"below", "session: {cookie: {domain: x.app.example.com}}\n", "is not app.example.com"},
        {"name with a blank", "session: {cookie: {name: 'a b'}}\n", "is not a cookie name"},
    };
    // clang-format on
    for (const auto& row : rows) check_refused(row);
    auto plain = minimal();
    plain["CORDGATE_SERVER_PUBLIC_URL"] = "http://localhost:4180";
    check_refused({"__Host- on http", "session: {cookie: {name: __Host-a}}\n", "needs https"},
                  plain);
    check_refused({"any case of it", "session: {cookie: {name: __hOst-a}}\n", "needs https"},
                  plain);
    check_refused({"none on http", "session: {cookie: {same_site: none}}\n", "needs https"}, plain);
    CHECK(load_text("log: {}\n", plain).settings->session.cookie_name == "cordgate");
    const auto shared = load_text("session: {cookie: {domain: .example.com}}\n");
    REQUIRE(shared.settings);
    CHECK(shared.settings->session.cookie_name == "cordgate");
    CHECK(shared.settings->session.cookie_domain == "example.com");
    check_warned({"strict", "session: {cookie: {same_site: strict}}\n", "look signed out"});
}

TEST_CASE("injected headers cannot be ours, anybody's framing or twice (CVE-2026-33433)") {
    // clang-format off
    const Row rows[] = {
        {"identity", "headers: {inject: {X-Discord-User: x}}\n", "Cordgate's own"},
        {"identity in odd case", "headers: {inject: {x-dIsCord-uSer-Id: x}}\n", "Cordgate's own"},
        {"identity in odd spelling", "headers: {inject: {X_Discord_User: x}}\n", "Cordgate's own"},
        {"host", "headers: {inject: {HOST: x}}\n", "cannot be set"},
        {"cookie", "headers: {inject: {cookie: x}}\n", "cannot be set"},
        {"length", "headers: {inject: {Content_Length: '0'}}\n", "frames the body"},
        {"encoding", "headers: {inject: {transfer-encoding: chunked}}\n", "frames the body"},
        {"connection", "headers: {inject: {Connection: close}}\n", "one hop"},
        {"forwarded", "headers: {inject: {x-forwarded-for: 1.2.3.4}}\n", "X-Forwarded-*"},
        {"request id", "headers: {inject: {X-Request-ID: a}}\n", "Cordgate sets it"},
        {"not a token", "headers: {inject: {'X Team': a}}\n", "is not a header name"},
        {"line break", "headers: {inject: {\"X-A\\r\\nX-B\": a}}\n", "is not a header name"},
        {"twice but for case", "headers: {inject: {X-Team: a, x-team: b}}\n", "is given twice"},
        {"twice but for punctuation", "headers: {inject: {X-Team: a, X_Team: b}}\n", "given twice"},
        {"turned on as well", "headers: {remote_user: true, inject: {Remote-User: a}}\n",
         "headers.remote_user sets it"},
        {"braces without quotes", "headers: {inject: {X-Team: {user.id}}}\n", "in quotes"},
        {"bad template", "headers: {inject: {X-Team: '{nonsense}'}}\n", "headers.inject.X-Team:"},
        {"what would be right", "headers: {inject: {X-Team: '{user.username}'}}\n",
         "unknown placeholder {user.username}; allowed: {user.id}, "},
        {"a list", "headers: {inject: [a]}\n", "must be a mapping"},
    };
    // clang-format on
    for (const auto& row : rows) check_refused(row);
    check_clean("a header of one's own", "headers: {inject: {X-Team: '{user.id}'}}\n");
    check_warned({"e-mail without the scope", "headers: {email: true}\n", "scope email"});
}
