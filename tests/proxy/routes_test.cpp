#include "proxy/routes.hpp"

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

config::Upstream upstream(std::string path, std::string host = "", bool strip = false) {
    config::Upstream out;
    out.path = std::move(path);
    out.match_host = std::move(host);
    out.strip_prefix = strip;
    return out;
}

Rule rule(std::string_view glob) {
    return {*PathGlob::parse(glob), {}, Access::login, std::nullopt, std::string(glob)};
}

/// Where everything leads, in one word.
std::string answer(const Routes& routes, std::string_view host, std::string_view raw,
                   std::string_view method = "GET") {
    const auto path = Path::parse(raw);
    if (!path) return "refused";
    const auto match = routes.match(host, *path, method);
    if (!match.route) {
        switch (match.why) {
            case NoRoute::ambiguous: return "ambiguous";
            case NoRoute::no_host: return "no host";
            case NoRoute::no_path: return "no path";
        }
    }
    const auto& route = *match.route;
    if (!route.own_page) {
        return "rule " + std::to_string(route.rule) + " upstream " + std::to_string(route.upstream);
    }
    switch (*route.own_page) {
        case OwnPage::login: return "login";
        case OwnPage::callback: return "callback";
        case OwnPage::logout: return "logout";
        case OwnPage::me: return "me";
        case OwnPage::guilds: return "guilds";
        case OwnPage::connections: return "connections";
        case OwnPage::avatar: return "avatar";
        case OwnPage::discord_events: return "discord-events";
        case OwnPage::assets: return "assets";
        case OwnPage::ping: return "ping";
        case OwnPage::unknown: return "unknown";
    }
    return "?";
}

const config::Paths standard_paths;

}  // namespace

TEST_CASE("own pages have one exact path each, and nothing under the prefix leaves us, C28") {
    const std::vector<config::Upstream> upstreams{upstream("/")};
    const RuleSet rules;
    const Routes routes(standard_paths, upstreams, rules);
    struct Case {
        std::string_view path;
        std::string_view leads_to;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"/login", "login"}, {"/callback", "callback"}, {"/logout", "logout"},
        {"/_cordgate/me", "me"}, {"/_cordgate/guilds", "guilds"},
        {"/_cordgate/connections", "connections"}, {"/_cordgate/avatar", "avatar"},
        {"/_cordgate/discord-events", "discord-events"}, {"/_cordgate/ping", "ping"},
        {"/_cordgate/assets/style.css", "assets"},
        {"/%6cogin", "login"}, {"/_cordgate/%6de", "me"},
        {"/login/", "rule 0 upstream 0"}, {"/LOGIN", "rule 0 upstream 0"},
        {"/callback/x", "rule 0 upstream 0"}, {"/logout%2f", "rule 0 upstream 0"},
        {"/loginx", "rule 0 upstream 0"}, {"/login%3fx", "rule 0 upstream 0"},
        {"/x/login", "rule 0 upstream 0"}, {"/_cordgatex/me", "rule 0 upstream 0"},
        {"/_CORDGATE/me", "rule 0 upstream 0"}, {"/", "rule 0 upstream 0"},
        {"/_cordgate", "unknown"}, {"/_cordgate/", "unknown"}, {"/_cordgate/ME", "unknown"},
        {"/_cordgate/me/", "unknown"}, {"/_cordgate/me/x", "unknown"},
        {"/_cordgate/assets", "unknown"}, {"/_cordgate/assets/a/b", "unknown"},
        {"/_cordgate/auth/nginx", "unknown"},
        {"//login", "ambiguous"}, {"/login;x", "ambiguous"}, {"/login.", "ambiguous"},
        {"/login%20", "ambiguous"}, {"/_cordgate//me", "ambiguous"},
        {"/_cordgate/me;x=1", "ambiguous"}, {"/_cordgate%2fme", "ambiguous"},
        {"/_cordgate%5cme", "ambiguous"}, {"/_cordgate/assets/a%2fb", "ambiguous"},
        {"//evil/login", "ambiguous"}, {"/x//login", "rule 0 upstream 0"},
        {"/x/../login", "refused"},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.path);
        CHECK(answer(routes, "app.example.com", c.path) == c.leads_to);
    }

    config::Paths nested;
    nested.login = "/auth/in";
    nested.prefix = "/auth/own";
    const Routes moved(nested, upstreams, rules);
    CHECK(answer(moved, "a", "/auth/in") == "login");
    CHECK(answer(moved, "a", "/login") == "rule 0 upstream 0");
    CHECK(answer(moved, "a", "/auth/own/me") == "me");
    CHECK(answer(moved, "a", "/auth/me") == "rule 0 upstream 0");
}

TEST_CASE(
    "a path that can be read as two places goes to neither, C4-C11 CVE-2023-33189 "
    "CVE-2026-33494 CVE-2026-42274 oauth2-proxy #3") {
    const std::vector<config::Upstream> upstreams{upstream("/"), upstream("/api"),
                                                  upstream("/api/v2")};
    const RuleSet rules({rule("/public/**"), rule("/admin/**")});  // and 2, the default
    const Routes routes(standard_paths, upstreams, rules);
    struct Case {
        std::string_view name;
        std::string_view path;
        std::string_view leads_to;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"plain", "/public/a", "rule 0 upstream 0"},
        {"C8 unreserved escape", "/%61dmin/x", "rule 1 upstream 0"},
        {"C7 decoded once only", "/%2561dmin", "rule 2 upstream 0"},
        {"C12 case", "/ADMIN", "rule 2 upstream 0"},
        {"C10 segment border of a rule", "/administrator", "rule 2 upstream 0"},
        {"C10 segment border of a rule", "/publicity", "rule 2 upstream 0"},
        {"C10 segment border of a mount", "/apix", "rule 2 upstream 0"},
        {"C10 mount itself", "/api", "rule 2 upstream 1"},
        {"C10 mount with a slash", "/api/", "rule 2 upstream 1"},
        {"longest mount wins", "/api/v2/x", "rule 2 upstream 2"},
        {"longest mount on its border", "/api/v22", "rule 2 upstream 1"},
        {"C4 double slash", "//admin", "ambiguous"},
        {"C4 double slash within", "/public//x", "rule 0 upstream 0"},
        {"C4 double slash into a mount", "//api/x", "ambiguous"},
        {"C4 double slash within a mount", "/api//v2/x", "ambiguous"},
        {"C4 two slashes read as an authority", "//x/admin", "ambiguous"},
        {"C4 three slashes read as an empty authority", "///admin", "ambiguous"},
        {"C4 an authority before a mount", "//x/api/y", "ambiguous"},
        {"C4 an authority before a harmless path", "//x/y", "rule 2 upstream 0"},
        {"C5 escaped slash", "/admin%2fx", "ambiguous"},
        {"C5 escaped slash behind the border", "/admin/a%2fb", "rule 1 upstream 0"},
        {"C5 escaped slash into a mount", "/api%2fx", "ambiguous"},
        {"C6 escaped backslash", "/admin%5cx", "ambiguous"},
        {"C9 parameter", "/admin;x=1", "ambiguous"},
        {"C9 parameter before a segment", "/;/admin", "ambiguous"},
        {"C9 parameter within", "/admin/a;x=1", "rule 1 upstream 0"},
        {"C9 parameter of a mount", "/api;x/y", "ambiguous"},
        {"C9 dots with a parameter", "/public/..;/admin", "refused"},
        {"C11 trailing dot", "/admin./x", "ambiguous"},
        {"C11 trailing blank", "/admin%20/x", "ambiguous"},
        {"C11 trailing slash", "/admin/", "rule 1 upstream 0"},
        {"C11 star", "/admin/*", "rule 1 upstream 0"},
        {"C1 traversal", "/public/../admin", "refused"},
        {"C2 escaped traversal", "/public/%2e%2e/admin", "refused"},
        {"C16 look-alike slash", "/public%ef%bc%8fadmin", "rule 2 upstream 0"},
        {"C20 escaped question mark", "/admin%3f/public/", "rule 2 upstream 0"},
        {"CVE-2026-41059 escaped fragment", "/admin%23/public", "rule 2 upstream 0"},
        {"C31 extension that caches love", "/admin/x.css", "rule 1 upstream 0"},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        CAPTURE(c.path);
        CHECK(answer(routes, "a", c.path) == c.leads_to);
    }
}

TEST_CASE(
    "hosts are compared without case, final dot and port, C26 A22 CVE-2026-77560 "
    "CVE-2026-27588 CVE-2026-48794") {
    const std::vector<config::Upstream> upstreams{upstream("/", "app.example.com"),
                                                  upstream("/api", "App.Example.COM"),
                                                  upstream("/", "[2001:DB8::1]")};
    const RuleSet rules;
    const Routes routes(standard_paths, upstreams, rules);
    struct Case {
        std::string_view host;
        std::string_view leads_to;
    };
    // clang-format off
    constexpr Case cases[] = {
        {"app.example.com", "rule 0 upstream 0"},
        {"APP.Example.com", "rule 0 upstream 0"},
        {"app.example.com.", "rule 0 upstream 0"},
        {"app.example.com:443", "rule 0 upstream 0"},
        {"App.Example.COM.:8443", "rule 0 upstream 0"},
        {"[2001:db8::1]", "rule 0 upstream 2"},
        {"[2001:db8::1]:80", "rule 0 upstream 2"},
        {"evil", "no host"},
        {"app.example.com.evil", "no host"},
        {"evilapp.example.com", "no host"},
        {"app.example.com..", "no host"},
        {"example.com", "no host"},
        {".", "no host"},
        {"", "no host"},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.host);
        CHECK(answer(routes, c.host, "/x") == c.leads_to);
    }
    CHECK(answer(routes, "app.example.com", "/api/x") == "rule 0 upstream 1");
    // Own pages answer on every host: redirects are built from public_url.
    CHECK(answer(routes, "evil", "/login") == "login");
}

TEST_CASE(
    "an upstream for one host goes before one for any, and a path without either is nowhere") {
    const std::vector<config::Upstream> upstreams{upstream("/api"), upstream("/", "b.example"),
                                                  upstream("/x/y")};
    const RuleSet rules;
    const Routes routes(standard_paths, upstreams, rules);
    CHECK(answer(routes, "b.example", "/api/x") == "rule 0 upstream 1");
    CHECK(answer(routes, "a.example", "/api/x") == "rule 0 upstream 0");
    CHECK(answer(routes, "a.example", "/x/y/z") == "rule 0 upstream 2");
    CHECK(answer(routes, "a.example", "/x") == "no path");
    CHECK(answer(routes, "", "/") == "no path");
}

TEST_CASE("rules see the method, and GET covers HEAD, C24") {
    const std::vector<config::Upstream> upstreams{upstream("/")};
    auto reading = rule("/**");
    reading.methods = {"GET"};
    const RuleSet rules({reading});
    const Routes routes(standard_paths, upstreams, rules);
    for (const std::string_view method : {"GET", "HEAD"}) {
        CHECK(answer(routes, "a", "/x", method) == "rule 0 upstream 0");
    }
    for (const std::string_view method : {"POST", "get", "PROPFIND", "GETX", "OPTIONS"}) {
        CAPTURE(method);
        CHECK(answer(routes, "a", "/x", method) == "rule 1 upstream 0");
    }
}

TEST_CASE(
    "what is sent is what was judged, with the prefix taken off on its border, C29 "
    "CVE-2026-48020 CVE-2026-40912 CVE-2026-65600 CVE-2026-67309 CVE-2025-66490 "
    "CVE-2025-47952") {
    const std::vector<config::Upstream> upstreams{upstream("/"), upstream("/app", "", true),
                                                  upstream("/a/b", "", true)};
    const RuleSet rules;
    const Routes routes(standard_paths, upstreams, rules);
    struct Case {
        std::string_view name;
        std::size_t upstream;
        std::string_view path;
        std::string_view query;
        std::string_view target;  // empty: refused
    };
    // clang-format off
    constexpr Case cases[] = {
        {"kept byte for byte", 0, "/a%41;x//b%2f", "?q=%41", "/a%41;x//b%2f?q=%41"},
        {"C7 escapes are not decoded", 0, "/%2561dmin", "", "/%2561dmin"},
        {"C19 query", 0, "/admin", "?x=/public/../..", "/admin?x=/public/../.."},
        {"empty query stays", 0, "/a", "?", "/a?"},
        {"C29 prefix", 1, "/app/x", "", "/x"},
        {"C29 prefix alone", 1, "/app", "", "/"},
        {"C29 prefix alone with a query", 1, "/app", "?x", "/?x"},
        {"C29 prefix and slash", 1, "/app/", "", "/"},
        {"C29 prefix of an escape", 1, "/%61pp/x", "", "/x"},
        {"C29 prefix of two segments", 2, "/a/b/c", "?q", "/c?q"},
        {"C29 prefix of two segments alone", 2, "/a/b", "", "/"},
        {"C29 the rest reads as an authority", 1, "/app//evil.example/x", "", ""},
        {"C29 the rest is two slashes", 1, "/app//", "", ""},
        {"C29 slashes further in", 1, "/app/x//y", "", "/x//y"},
        {"C29 escaped slash first", 1, "/app/%2fevil.example", "", "/%2fevil.example"},
    };
    // clang-format on
    for (const auto& c : cases) {
        CAPTURE(c.name);
        REQUIRE(Path::parse(c.path));
        const Route route{std::nullopt, 0, c.upstream};
        CHECK(routes.forwarded_target(route, c.path, c.query).value_or("") == c.target);
    }
    CHECK(answer(routes, "a", "/apple") == "rule 0 upstream 0");
    CHECK(answer(routes, "a", "/app/../x") == "refused");
    CHECK(answer(routes, "a", "//app/x") == "ambiguous");
}

}  // namespace cordgate::proxy::test
