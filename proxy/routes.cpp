#include "proxy/routes.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace cordgate::proxy {
namespace {

/// "/a/b" -> {a, b}; "/" -> {}. For configured paths, which config has checked.
std::vector<std::string> segments_of(std::string_view path) {
    std::vector<std::string> out;
    while (!path.empty()) {
        path.remove_prefix(1);
        const auto slash = path.find('/');
        const auto segment = path.substr(0, slash);
        if (!segment.empty()) out.emplace_back(segment);
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash);
    }
    return out;
}

bool starts_with(const PathReading& path, const std::vector<std::string>& prefix) {
    return path.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

/// What is left of "//host/path" for a server that reads it as a reference with
/// an authority (RFC 3986, 4.2), as parsers of whole URLs do.
PathReading behind_authority(const PathReading& reading) {
    auto begin = reading.begin();
    if (begin->empty()) ++begin;
    if (begin != reading.end()) ++begin;
    if (begin == reading.end()) return {""};
    return {begin, reading.end()};
}

struct OwnName {
    std::string_view name;
    OwnPage page;
};

constexpr OwnName below_prefix[] = {
    {"me",             OwnPage::me            },
    {"guilds",         OwnPage::guilds        },
    {"connections",    OwnPage::connections   },
    {"avatar",         OwnPage::avatar        },
    {"discord-events", OwnPage::discord_events},
    {"ping",           OwnPage::ping          },
};

}  // namespace

std::string normal_host(std::string_view authority) {
    if (!authority.empty() && authority.front() == '[') {
        return lowercase(authority.substr(0, authority.find(']') + 1));
    }
    auto host = authority.substr(0, authority.find(':'));
    if (!host.empty() && host.back() == '.') host.remove_suffix(1);
    return lowercase(host);
}

Routes::Routes(const config::Paths& paths, const std::vector<config::Upstream>& upstreams,
               const RuleSet& rules)
    : upstreams_(upstreams), rules_(rules), prefix_(segments_of(paths.prefix)) {
    own_.push_back({segments_of(paths.login), OwnPage::login});
    own_.push_back({segments_of(paths.callback), OwnPage::callback});
    own_.push_back({segments_of(paths.logout), OwnPage::logout});
    for (std::size_t i = 0; i < upstreams.size(); ++i) {
        mounts_.push_back(
            {normal_host(upstreams[i].match_host), segments_of(upstreams[i].path), i});
        any_host_named_ = any_host_named_ || !mounts_.back().host.empty();
    }
    std::stable_sort(mounts_.begin(), mounts_.end(), [](const Mount& a, const Mount& b) {
        if (a.host.empty() != b.host.empty()) return !a.host.empty();
        return a.prefix.size() > b.prefix.size();
    });
}

std::optional<OwnPage> Routes::own_page(const PathReading& path) const {
    for (const auto& own : own_) {
        if (own.path.size() == path.size() && starts_with(path, own.path)) return own.page;
    }
    if (!starts_with(path, prefix_)) return std::nullopt;
    const auto rest = path.size() - prefix_.size();
    if (rest == 2 && path[prefix_.size()] == "assets") return OwnPage::assets;
    if (rest == 1) {
        for (const auto& [name, page] : below_prefix) {
            if (path.back() == name) return page;
        }
    }
    return OwnPage::unknown;
}

RouteMatch Routes::match_reading(std::string_view host, const PathReading& path,
                                 std::string_view method) const {
    if (const auto page = own_page(path))
        return {
            Route{page, 0, 0},
            { }
        };
    bool host_known = false;
    for (const auto& mount : mounts_) {
        if (!mount.host.empty() && mount.host != host) continue;
        host_known = true;
        if (!starts_with(path, mount.prefix)) continue;
        return {
            Route{std::nullopt,  rules_.match(path, method), mount.index},
            {}
        };
    }
    return {std::nullopt, host_known ? NoRoute::no_path : NoRoute::no_host};
}

RouteMatch Routes::match(std::string_view host, const Path& path, std::string_view method) const {
    const auto normal = any_host_named_ ? normal_host(host) : std::string();
    const auto& readings = path.readings();
    const auto first = match_reading(normal, readings.front(), method);
    const bool two_slashes = path.raw().starts_with("//");
    for (const auto& reading : readings) {
        const auto agrees = [&](const PathReading& other) {
            return match_reading(normal, other, method).route == first.route;
        };
        if (&reading != &readings.front() && !agrees(reading)) {
            return {std::nullopt, NoRoute::ambiguous};
        }
        if (two_slashes && !agrees(behind_authority(reading))) {
            return {std::nullopt, NoRoute::ambiguous};
        }
    }
    return first;
}

std::optional<std::string> Routes::forwarded_target(const Route& route, std::string_view raw_path,
                                                    std::string_view query) const {
    const auto& upstream = upstreams_[route.upstream];
    if (upstream.strip_prefix) {
        // Raw segments and those of the plain reading correspond one to one.
        for (auto left = segments_of(upstream.path).size(); left > 0; --left) {
            const auto slash = raw_path.find('/', 1);
            raw_path =
                slash == std::string_view::npos ? std::string_view{} : raw_path.substr(slash);
        }
        if (raw_path.empty()) raw_path = "/";
    }
    if (upstream.strip_prefix && raw_path.starts_with("//")) return std::nullopt;
    std::string target(raw_path);
    target += query;
    return target;
}

}  // namespace cordgate::proxy
