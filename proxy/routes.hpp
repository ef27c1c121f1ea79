#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "core/path.hpp"
#include "core/rule.hpp"

namespace cordgate::proxy {

/// The pages that Cordgate answers itself. A reserved path never reaches an upstream.
enum class OwnPage {
    login,
    callback,
    logout,
    me,
    guilds,
    connections,
    avatar,
    discord_events,
    assets,
    ping,
    unknown,
};

/// Where a request goes: to one of our own pages, or to an upstream under a rule.
struct Route {
    std::optional<OwnPage> own_page;
    std::size_t rule = 0;      ///< index into the rule set
    std::size_t upstream = 0;  ///< index into settings.upstreams
    bool operator==(const Route&) const = default;
};

/// Why there is no route.
enum class NoRoute {
    ambiguous,  ///< 400: the readings of the path lead to different places
    no_host,    ///< 421: no upstream serves this host
    no_path,    ///< 404: no upstream serves this path
};

struct RouteMatch {
    std::optional<Route> route;
    NoRoute why = NoRoute::no_path;
};

/// Decides where a path leads, under every way it can be read. Immutable.
class Routes {
public:
    /// Both must outlive this.
    Routes(const config::Paths& paths, const std::vector<config::Upstream>& upstreams,
           const RuleSet& rules);

    RouteMatch match(std::string_view host, const Path& path, std::string_view method) const;

    /// The target to send: path with the upstream's prefix taken off where it
    /// says so, and the query. nullopt when the rest could be read as an
    /// authority ("//..."): judged again after rewriting.
    std::optional<std::string> forwarded_target(const Route& route, std::string_view raw_path,
                                                std::string_view query) const;

private:
    using Segments = std::vector<std::string>;  ///< of a configured path
    struct Mount {
        std::string host;
        Segments prefix;
        std::size_t index = 0;
    };
    struct Own {
        Segments path;
        OwnPage page;
    };

    RouteMatch match_reading(std::string_view host, const PathReading& path,
                             std::string_view method) const;
    std::optional<OwnPage> own_page(const PathReading& path) const;

    const std::vector<config::Upstream>& upstreams_;
    const RuleSet& rules_;
    std::vector<Own> own_;
    Segments prefix_;
    std::vector<Mount> mounts_;  ///< longest prefix first, named hosts before any host
    bool any_host_named_ = false;
};

/// A host as it is compared: lower case, without port and trailing dot.
std::string normal_host(std::string_view authority);

}  // namespace cordgate::proxy
