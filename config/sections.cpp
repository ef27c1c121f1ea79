#include "config/sections.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "config/network.hpp"
#include "core/ascii.hpp"
#include "core/base64.hpp"
#include "core/identity_headers.hpp"
#include "core/redis_url.hpp"

namespace cordgate::config {
namespace {

constexpr std::size_t max_pem_bytes = 4 * 1024 * 1024;

bool ends_with_label(std::string_view host, std::string_view domain) {
    return host == domain ||
           (host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.');
}

// One DER element that fills `bytes` exactly, as a certificate does (X.690, 8.1).
bool is_whole_der(std::string_view bytes) {
    if (bytes.size() < 4 || bytes[0] != 0x30) return false;
    const auto first = static_cast<unsigned char>(bytes[1]);
    if (first < 0x80) return bytes.size() == 2U + first;
    const std::size_t octets = first & 0x7fU;
    if (octets == 0 || octets > 4 || bytes.size() < 2 + octets) return false;
    std::size_t length = 0;
    for (std::size_t i = 0; i < octets; ++i)
        length = length << 8 | static_cast<unsigned char>(bytes[2 + i]);
    return bytes.size() == 2 + octets + length;
}

// What is wrong with the certificates in `pem`; nullopt when all are whole.
std::optional<std::string> certificates_problem(std::string_view pem) {
    constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
    constexpr std::string_view end = "-----END CERTIFICATE-----";
    std::size_t found = 0;
    for (auto at = pem.find(begin); at != pem.npos; at = pem.find(begin)) {
        pem.remove_prefix(at + begin.size());
        const auto stop = pem.find(end);
        if (stop == pem.npos) return "has a certificate without its end";
        std::string body;
        for (const char c : pem.substr(0, stop))
            if (c != '\n' && c != '\r' && c != ' ') body += c;
        const auto der = base64_decode(body);
        if (!der || !is_whole_der(*der)) return "has a broken certificate";
        pem.remove_prefix(stop + end.size());
        ++found;
    }
    if (found == 0) return "holds no PEM certificate";
    return std::nullopt;
}

std::optional<std::string> key_problem(std::string_view pem) {
    if (pem.find("ENCRYPTED") != pem.npos) return "is encrypted; give a key without a passphrase";
    const auto begin = pem.find("PRIVATE KEY-----");
    if (begin == pem.npos || pem.find("-----BEGIN ") == pem.npos) return "holds no PEM private key";
    if (pem.find("PRIVATE KEY-----", begin + 1) == pem.npos) return "has a key without its end";
    return std::nullopt;
}

void read_tls(Values& values, Settings& settings) {
    auto& tls = settings.server.tls;
    tls.cert_file = values.text("server.tls.cert_file");
    tls.key_file = values.text("server.tls.key_file");
    if (tls.cert_file.empty() != tls.key_file.empty()) {
        const auto* const given =
            tls.key_file.empty() ? "server.tls.cert_file" : "server.tls.key_file";
        const auto* const missing =
            tls.key_file.empty() ? "server.tls.key_file" : "server.tls.cert_file";
        values.error(given, std::string("needs ") + missing + " as well");
    }
    check_certificates(values, "server.tls.cert_file", tls.cert_file);
    if (tls.key_file.empty()) return;
    const auto file = read_file(tls.key_file, max_pem_bytes);
    if (!file.text) return values.error("server.tls.key_file", tls.key_file + " " + file.problem);
    if (const auto problem = key_problem(*file.text))
        values.error("server.tls.key_file", tls.key_file + " " + *problem);
    if (file.world_readable)
        values.warning("server.tls.key_file",
                       tls.key_file + " can be read by every user of this machine; chmod 600 it");
}

void read_public_url(Values& values, Settings& settings) {
    const auto text = values.text("server.public_url");
    settings.server.allow_insecure = values.boolean("server.allow_insecure");
    if (text.empty()) return;
    // No echo: a URL with a password in it must not be repeated.
    const auto shown = text.find('@') == text.npos ? in_quotes(text) + " " : "";
    const auto fail = [&](const std::string& what) {
        values.error("server.public_url", shown + what);
    };
    if (text.find("://") == text.npos)
        return fail("has no scheme; did you mean \"https://" +
                    (shown.empty() ? "\u2026" : text.substr(0, 100)) + "\"?");
    const auto origin = Origin::parse(text);
    if (!origin || origin->port == 0)
        return fail(
            "is not an origin; write scheme, host and perhaps a port, as in "
            "https://app.example.com, without path, query, fragment and user name");
    if (!is_host_name(origin->host) && !is_ip_address(origin->host))
        return fail(
            "has a host that is neither a name nor an address; write international names "
            "in their xn-- form");
    settings.server.public_url = *origin;
    if (!origin->is_secure() && !origin->is_loopback() && !settings.server.allow_insecure)
        fail(
            "is http, so that sessions could be overheard; use https, or set "
            "server.allow_insecure: true if you know that nobody can listen");
}

// The browser's address and the addresses listened on may differ when something
// stands in between; what is likely a mistake is a warning.
void warn_unreachable(Values& values, const Server& server) {
    const auto& own = server.public_url;
    if (own.host.empty() || !server.trusted_proxies.empty() ||
        values.problems().has_error("server.trusted_proxies"))
        return;
    const auto& all = server.listen;
    const bool only_unix = std::all_of(all.begin(), all.end(), [](const Endpoint& endpoint) {
        return !endpoint.unix_path.empty();
    });
    if (own.is_secure() && !server.tls.enabled())
        values.warning("server.public_url",
                       "is https, so TLS must end in a proxy before Cordgate; name the proxy in "
                       "server.trusted_proxies" +
                           std::string(only_unix ? " (unix)" : "") +
                           ", or all visitors count as one client");
    if (only_unix) return;
    const bool port_is_there = std::any_of(all.begin(), all.end(), [&](const Endpoint& endpoint) {
        return endpoint.port == 0 || endpoint.port == own.port;
    });
    if (!own.is_secure() && own.is_loopback() && !port_is_there)
        values.warning("server.public_url",
                       "has port " + std::to_string(own.port) +
                           ", which is in no address of server.listen; visitors come back from "
                           "Discord to that port");
}

// https, or http to this machine: tokens go there.
void read_discord_url(Values& values, std::string_view key, const Settings& settings,
                      std::string& out) {
    out = values.text(key);
    const auto url = HttpUrl::parse(out);
    if (out.find('@') != out.npos) return values.error(key, "cannot hold a user name or password");
    if (!url || url->target.find('?') != url->target.npos)
        return values.error(key, in_quotes(out) + " is not a URL without query and fragment");
    while (out.ends_with('/')) out.pop_back();
    if (!url->origin.is_secure() && !url->origin.is_loopback() && !settings.server.allow_insecure)
        values.error(key,
                     in_quotes(out) + " is http, so that tokens could be overheard; use https");
}

std::optional<std::string> path_problem(const std::string& path) {
    if (!path.starts_with('/') || path == "/") return "must start with / and name something";
    for (std::size_t i = 1; i < path.size(); ++i) {
        const char c = path[i];
        if (c == '/' && path[i - 1] == '/') return "holds an empty segment";
        if (!is_alnum(c) && c != '-' && c != '_' && c != '~' && c != '/')
            return "may hold letters, digits, -, _, ~ and / only";
    }
    if (path.ends_with('/')) return "must not end with /";
    return std::nullopt;
}

// The store's URL may hold a password, so it is never repeated.
std::optional<std::string> store_problem(const std::string& store) {
    if (store == "memory:") return std::nullopt;
    if (store.starts_with("sqlite:")) {
        const auto path = store.substr(7);
        if (path.empty() || path.ends_with('/')) return "needs the path of a file behind sqlite:";
        const auto slash = path.rfind('/');
        const auto folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
            return "names a folder that does not exist: " + in_quotes(folder);
        if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
            return "names a folder, not a file: " + in_quotes(path);
        return std::nullopt;
    }
    if (RedisUrl::is_meant(store)) {
        const auto url = RedisUrl::parse(store);
        if (!url) return url.error().detail;
        return std::nullopt;
    }
    return "is no store that Cordgate knows; use sqlite:PATH, redis://HOST:PORT/DATABASE or "
           "memory:";
}

void read_keys(Values& values, Settings& settings) {
    std::vector<std::string> seen;
    for (const auto& [text, place] : values.secrets("session.keys")) {
        const auto raw = base64_decode(text.reveal());
        std::string problem;
        if (is_placeholder(text.reveal())) {
            problem = "is a placeholder; make a key with: openssl rand -base64 32";
        } else if (!raw || raw->size() != 32) {
            problem = "is not base64 of exactly 32 bytes; make a key with: openssl rand -base64 32";
        } else if (std::all_of(raw->begin(), raw->end(),
                               [&](char c) { return c == raw->front(); })) {
            problem = "is the same byte over and over; make a key with: openssl rand -base64 32";
        } else if (std::find(seen.begin(), seen.end(), *raw) != seen.end()) {
            problem = "is listed twice";
        }
        if (!problem.empty()) {
            values.problems().error(place, "session.keys", "a key " + problem);
            continue;
        }
        seen.push_back(*raw);
        settings.session.keys.emplace_back(*raw);
    }
}

void read_cookie(Values& values, Settings& settings) {
    auto& session = settings.session;
    const auto& own = settings.server.public_url;
    session.cookie_domain = lowercase(values.text("session.cookie.domain"));
    if (session.cookie_domain.starts_with('.')) session.cookie_domain.erase(0, 1);
    const auto& domain = session.cookie_domain;
    if (!domain.empty() && !own.host.empty()) {
        constexpr auto key = "session.cookie.domain";
        if (!is_host_name(domain) || is_ip_address(domain)) {
            values.error(key, in_quotes(domain) + " is not a domain name");
        } else if (domain.find('.') == domain.npos && domain != "localhost") {
            values.error(key,
                         in_quotes(domain) + " is a top-level domain; no browser would keep it");
        } else if (!ends_with_label(own.host, domain)) {
            values.error(key, in_quotes(domain) + " is not " + own.host +
                                  " (server.public_url) or a domain above it");
        }
    }

    session.cookie_name = values.text("session.cookie.name");
    auto& name = session.cookie_name;
    if (name.empty()) {
        name = own.is_secure() && domain.empty() ? "__Host-cordgate" : "cordgate";
        settings.shown["session.cookie.name"].note = "is " + name;
    }
    // RFC 6265bis, 4.1.3: browsers drop such cookies silently, whatever the case.
    const auto lower = lowercase(name);
    constexpr std::string_view specials = "!#$%&'*+-.^_`|~";
    if (!std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_alnum(c) || specials.find(c) != specials.npos; })) {
        values.error("session.cookie.name", in_quotes(name) + " is not a cookie name");
    } else if (lower.starts_with("__host-") && (!own.is_secure() || !domain.empty())) {
        values.error("session.cookie.name",
                     "a name that starts with __Host- needs https and no session.cookie.domain");
    } else if (lower.starts_with("__secure-") && !own.is_secure()) {
        values.error("session.cookie.name", "a name that starts with __Secure- needs https");
    }

    const auto same_site = values.text("session.cookie.same_site");
    session.cookie_same_site = same_site == "none"     ? "None"
                               : same_site == "strict" ? "Strict"
                                                       : "Lax";
    if (same_site == "none" && !own.is_secure())
        values.error("session.cookie.same_site", "none needs https: browsers drop it otherwise");
    if (same_site == "strict")
        values.warning("session.cookie.same_site",
                       "strict: visitors who come from a link on another site look signed out");
}

// Frameworks fold names in their own ways; every non-alphanumeric counts as '-'.
std::string folded(std::string_view name) {
    auto out = lowercase(name);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return !is_alnum(c); }, '-');
    return out;
}

struct ReservedHeader {
    std::string_view name;
    std::string_view because;
};
constexpr ReservedHeader reserved_headers[] = {
    {"host",                "it names the site"                },
    {"cookie",              "it is the visitor's"              },
    {"set-cookie",          "it is for responses"              },
    {"content-length",      "it frames the body"               },
    {"transfer-encoding",   "it frames the body"               },
    {"trailer",             "it frames the body"               },
    {"te",                  "it is for one hop"                },
    {"connection",          "it is for one hop"                },
    {"keep-alive",          "it is for one hop"                },
    {"proxy-connection",    "it is for one hop"                },
    {"proxy-authenticate",  "it is for one hop"                },
    {"proxy-authorization", "it is for one hop"                },
    {"upgrade",             "it is for one hop"                },
    {"http2-settings",      "it is for one hop"                },
    {"expect",              "it is the visitor's"              },
    {"range",               "it is the visitor's"              },
    {"forwarded",           "it says where a request came from"},
    {"x-real-ip",           "it says where a request came from"},
    {"x-request-id",        "Cordgate sets it"                 },
};

std::optional<std::string> header_problem(const std::string& name, const Headers& headers) {
    constexpr std::string_view specials = "!#$%&'*+-.^_`|~";
    const bool token =
        !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [&](char c) {
            return is_alnum(c) || specials.find(c) != specials.npos;
        });
    if (!token) return "is not a header name";
    const auto plain = folded(name);
    for (const auto& row : reserved_headers)
        if (plain == row.name) return "cannot be set: " + std::string(row.because);
    if (plain.starts_with("x-discord-")) return "cannot be set: X-Discord-* is Cordgate's own";
    if (plain.starts_with("x-forwarded-") &&
        (headers.x_forwarded_user || !(plain.ends_with("-user") || plain.ends_with("-username") ||
                                       plain.ends_with("-groups") || plain.ends_with("-email"))))
        return "cannot be set: Cordgate sets X-Forwarded-*";
    if (headers.remote_user && plain.starts_with("remote-"))
        return "cannot be set: headers.remote_user sets it";
    if (headers.x_auth_request && plain.starts_with("x-auth-request-"))
        return "cannot be set: headers.x_auth_request sets it";
    return std::nullopt;
}

// What may stand in braces, behind a problem that is about that.
std::string allowed_placeholders(std::string_view problem) {
    if (!problem.starts_with("unknown placeholder")) return "";
    std::string out;
    for (const auto name : inject_placeholders())
        out += (out.empty() ? "; allowed: {" : ", {") + std::string(name) + "}";
    return out;
}

void read_inject(Values& values, Settings& settings) {
    constexpr auto key = "headers.inject";
    const Node* const node = values.node(key);
    if (!node) return;
    if (node->kind != Node::Kind::map)
        return values.error(key, "must be a mapping from header names to templates");
    std::vector<std::string> seen;
    for (std::size_t i = 0; i < node->fields.size(); ++i) {
        const auto& [name, value] = node->fields[i];
        const auto& at = node->field_places[i];
        if (const auto problem = header_problem(name, settings.headers)) {
            values.problems().error(at, key, in_quotes(name) + " " + *problem);
            continue;
        }
        if (std::find(seen.begin(), seen.end(), folded(name)) != seen.end()) {
            values.problems().error(at, key,
                                    in_quotes(name) +
                                        " is given twice: names that differ in "
                                        "case or punctuation are the same");
            continue;
        }
        seen.push_back(folded(name));
        const auto full = std::string(key) + "." + name;
        if (value.kind != Node::Kind::scalar) {
            values.problems().error(value.place, full,
                                    "must be a text; put it in quotes, as in \"{user.id}\"");
        } else if (const auto problem = inject_template_problem(value.text)) {
            values.problems().error(value.place, full, *problem + allowed_placeholders(*problem));
        } else {
            settings.headers.inject.emplace_back(name, value.text);
        }
    }
}

}  // namespace

bool is_placeholder(std::string_view text) {
    constexpr std::string_view words[] = {
        "changeme",         "secret",       "password",  "placeholder", "todo",
        "example",          "test",         "none",      "yourtoken",   "token",
        "yourclientsecret", "clientsecret", "replaceme", "bottoken",    "yourbottoken",
        "insertsecrethere", "fixme",        "default",   "admin",       "pasteclientsecret"};
    std::string plain;
    for (const char c : text)
        if (is_alnum(c)) plain += to_lower(c);
    if (text.starts_with('<') && text.ends_with('>')) return true;
    if (plain.empty()) return true;
    if (std::find(std::begin(words), std::end(words), plain) != std::end(words)) return true;
    if (plain.starts_with("changeme") || plain.starts_with("replaceme")) return true;
    return std::all_of(plain.begin(), plain.end(), [&](char c) { return c == plain.front(); });
}

bool refuse_placeholder(Values& values, std::string_view key, const Secret& secret) {
    if (secret.empty() || !is_placeholder(secret.reveal())) return false;
    const auto place =
        values.filled(key) ? values.place(key) : values.place(std::string(key) + "_file");
    values.problems().error(place, values.full(key), "is a placeholder; put the real one there");
    return true;
}

void check_certificates(Values& values, std::string_view key, const std::string& path) {
    if (path.empty()) return;
    const auto file = read_file(path, max_pem_bytes);
    if (!file.text) return values.error(key, path + " " + file.problem);
    if (const auto problem = certificates_problem(*file.text))
        values.error(key, path + " " + *problem);
}

void check_redis(Values& values, const SessionSettings& session) {
    const auto url = RedisUrl::parse(session.store);
    if (!url) return;
    if (!values.filled("session.keys") && !values.filled("session.keys_file"))
        values.error("session.keys",
                     "Redis needs a key, the same on every replica; make one with: openssl rand "
                     "-base64 32");
    if (!url->password.empty() && values.place("session.store").name.starts_with("flag "))
        values.warning("session.store",
                       "holds a password: on the command line, every user of this machine can "
                       "read it; use CORDGATE_SESSION_STORE");
    check_certificates(values, "session.store", url->ca_file);
}

void read_server(Values& values, Settings& settings) {
    auto& server = settings.server;
    for (const auto& item : values.list("server.listen")) {
        const auto parsed = parse_endpoint(item.text);
        if (const auto* const problem = std::get_if<std::string>(&parsed)) {
            values.problems().error(item.place, "server.listen",
                                    in_quotes(item.text) + " " + *problem);
            continue;
        }
        const auto& endpoint = std::get<Endpoint>(parsed);
        const bool twice =
            std::any_of(server.listen.begin(), server.listen.end(), [&](const Endpoint& other) {
                return other.to_string() == endpoint.to_string() &&
                       (endpoint.port != 0 || !endpoint.unix_path.empty());
            });
        if (twice)
            values.problems().error(item.place, "server.listen",
                                    in_quotes(item.text) + " is listed twice");
        server.listen.push_back(endpoint);
    }
    if (server.listen.empty() && !values.problems().has_error("server.listen"))
        values.error("server.listen", "is empty; name at least one address, such as 0.0.0.0:4180");
    read_public_url(values, settings);
    for (const auto& item : values.list("server.trusted_proxies")) {
        const auto parsed = parse_cidr(item.text);
        if (const auto* const problem = std::get_if<std::string>(&parsed)) {
            values.problems().error(item.place, "server.trusted_proxies",
                                    in_quotes(item.text) + " " + *problem);
        } else {
            server.trusted_proxies.push_back(std::get<Cidr>(parsed));
        }
    }
    server.workers = values.count("server.workers");
    read_tls(values, settings);
    warn_unreachable(values, server);

    auto& limits = server.limits;
    limits.header_bytes = values.count("server.limits.header_bytes");
    limits.headers = values.count("server.limits.headers");
    limits.target_bytes = values.count("server.limits.target_bytes");
    limits.body_bytes = values.count("server.limits.body_bytes");
    limits.connections = values.count("server.limits.connections");
    limits.connections_per_client = values.count("server.limits.connections_per_client");
    limits.logins_per_minute = values.count("server.limits.logins_per_minute");
    auto& timeouts = server.timeouts;
    timeouts.header = values.duration("server.timeouts.header");
    timeouts.idle = values.duration("server.timeouts.idle");
    timeouts.body = values.duration("server.timeouts.body");
    timeouts.connect = values.duration("server.timeouts.connect");
    timeouts.upstream = values.duration("server.timeouts.upstream");
    timeouts.drain = values.duration("server.timeouts.drain");
}

void read_paths(Values& values, Settings& settings) {
    auto& paths = settings.paths;
    struct Named {
        const char* key;
        std::string* path;
    };
    const Named all[] = {
        {"paths.login",    &paths.login   },
        {"paths.callback", &paths.callback},
        {"paths.logout",   &paths.logout  },
        {"paths.prefix",   &paths.prefix  }
    };
    for (const auto& one : all) {
        *one.path = values.text(one.key);
        if (const auto problem = path_problem(*one.path))
            values.error(one.key, in_quotes(*one.path) + " " + *problem);
    }
    for (std::size_t i = 0; i < std::size(all); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (*all[i].path != *all[j].path) continue;
            values.error(values.given(all[i].key) ? all[i].key : all[j].key,
                         in_quotes(*all[i].path) + " is " + all[j].key + " and " + all[i].key +
                             "; each needs its own path");
        }
        if (i < 3 && all[i].path->starts_with(paths.prefix + "/"))
            values.error(values.given(all[i].key) ? all[i].key : "paths.prefix",
                         in_quotes(*all[i].path) + " is under paths.prefix, which has other uses");
    }
}

void read_discord(Values& values, Settings& settings) {
    auto& discord = settings.discord;
    discord.client_id = values.text("discord.client_id");
    const auto id = Snowflake::parse(discord.client_id);
    if (!discord.client_id.empty() && (!id || id->value() == 0))
        values.error("discord.client_id",
                     in_quotes(discord.client_id) +
                         " is not an application's id; copy the digits from Discord's developer "
                         "portal");
    discord.client_secret = values.secret("discord.client_secret");
    refuse_placeholder(values, "discord.client_secret", discord.client_secret);
    discord.bot_token = values.secret("discord.bot_token");
    refuse_placeholder(values, "discord.bot_token", discord.bot_token);
    discord.public_key = lowercase(values.text("discord.public_key"));
    if (!discord.public_key.empty() &&
        (discord.public_key.size() != 64 ||
         !std::all_of(discord.public_key.begin(), discord.public_key.end(),
                      [](char c) { return hex_value(c) >= 0; })))
        values.error("discord.public_key", "is not an Ed25519 key: 64 hexadecimal digits");
    read_discord_url(values, "discord.api_url", settings, discord.api_url);
    const auto version = discord.api_url.substr(discord.api_url.rfind('/') + 1);
    const bool versioned = version.size() > 1 && version.front() == 'v' &&
                           std::all_of(version.begin() + 1, version.end(), is_digit);
    if (!versioned && !values.problems().has_error("discord.api_url"))
        values.warning(
            "discord.api_url",
            "does not end in a version such as /v10; Discord may answer in another form");
    read_discord_url(values, "discord.authorize_url", settings, discord.authorize_url);
    read_discord_url(values, "discord.cdn_url", settings, discord.cdn_url);
    discord.ca_file = values.text("discord.ca_file");
    check_certificates(values, "discord.ca_file", discord.ca_file);
}

void read_session(Values& values, Settings& settings) {
    auto& session = settings.session;
    session.store = values.text("session.store");
    if (const auto problem = store_problem(session.store)) values.error("session.store", *problem);
    read_keys(values, settings);
    if (RedisUrl::is_meant(session.store)) check_redis(values, session);
    session.lifetime = values.seconds("session.lifetime");
    session.idle_timeout = values.seconds("session.idle_timeout");
    session.max_per_user = values.count("session.max_per_user");
    if (values.given("session.idle_timeout") && session.idle_timeout > session.lifetime)
        values.warning("session.idle_timeout",
                       "is longer than session.lifetime, which ends "
                       "sessions first");
    read_cookie(values, settings);
    settings.cache.users = values.count("cache.users");
    settings.cache.sessions = values.count("cache.sessions");
}

void read_identity(Values& values, Settings& settings) {
    auto& identity = settings.identity;
    identity.user_max_age = values.seconds("identity.user_max_age");
    identity.guilds_max_age = values.seconds("identity.guilds_max_age");
    identity.max_stale = values.seconds("identity.max_stale");
    identity.member_guilds = values.ids("identity.member_guilds");
}

void read_headers(Values& values, Settings& settings) {
    auto& headers = settings.headers;
    headers.user_json = values.boolean("headers.user_json");
    headers.user_json_bytes = values.count("headers.user_json_bytes");
    headers.email = values.boolean("headers.email");
    headers.access_token = values.boolean("headers.access_token");
    headers.remote_user = values.boolean("headers.remote_user");
    headers.x_forwarded_user = values.boolean("headers.x_forwarded_user");
    headers.x_auth_request = values.boolean("headers.x_auth_request");
    const auto& scopes = settings.login.standard.scopes;
    if (headers.email && std::find(scopes.begin(), scopes.end(), "email") == scopes.end())
        values.warning("headers.email", "sends nothing without the scope email in login.scopes");
    read_inject(values, settings);
}

void read_internal(Values& values, Settings& settings) {
    auto& internal = settings.internal;
    const auto text = values.text("internal.listen");
    const auto parsed = parse_endpoint(text);
    internal.token = values.secret("internal.token");
    refuse_placeholder(values, "internal.token", internal.token);
    internal.expose_tokens = values.boolean("internal.expose_tokens");
    if (const auto* const problem = std::get_if<std::string>(&parsed))
        return values.error("internal.listen", in_quotes(text) + " " + *problem);
    internal.listen = std::get<Endpoint>(parsed);
    if (!internal.token.empty() && internal.token.size() < 16)
        values.warning("internal.token", "is short; make one with: openssl rand -hex 32");
    if (!is_local(internal.listen) && internal.token.empty() &&
        !values.problems().has_error("internal.token") &&
        !values.problems().has_error("internal.token_file"))
        values.error("internal.listen",
                     in_quotes(text) +
                         " can be reached from other machines; set internal.token, or "
                         "listen on 127.0.0.1 or a unix socket");
    for (const auto& own : settings.server.listen)
        if (own.to_string() == internal.listen.to_string() &&
            (own.port != 0 || !own.unix_path.empty()))
            values.error("internal.listen", in_quotes(text) + " is in server.listen too");
}

void read_log(Values& values, Settings& settings) {
    const auto level = values.text("log.level");
    settings.log.level = level == "debug"   ? LogLevel::debug
                         : level == "warn"  ? LogLevel::warn
                         : level == "error" ? LogLevel::error
                                            : LogLevel::info;
    settings.log.format = values.text("log.format") == "json" ? LogFormat::json : LogFormat::text;
    settings.log.access = values.boolean("log.access");
}

}  // namespace cordgate::config
