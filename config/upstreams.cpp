#include <sys/stat.h>

#include <algorithm>

#include "config/network.hpp"
#include "config/sections.hpp"
#include "core/ascii.hpp"

namespace cordgate::config {
namespace {

constexpr std::string_view forms = "write http://host:port, https://host or unix:/path";

// A URL with a password in it must not be repeated in a message.
std::string shown(const std::string& url) {
    return url.find('@') == url.npos ? in_quotes(url) : "the URL";
}

std::optional<std::string> url_problem(const std::string& url, Upstream& out) {
    if (url.starts_with("unix:")) {
        out.unix_path = url.substr(5);
        if (out.unix_path.starts_with("///")) out.unix_path.erase(0, 2);  // unix:///path
        if (out.unix_path.starts_with('/') && !out.unix_path.starts_with("//") &&
            out.unix_path.size() < 108)
            return std::nullopt;
        return "needs an absolute path of at most 107 bytes behind unix:";
    }
    const auto scheme = url.find("://");
    if (scheme == url.npos) {
        const bool plain = std::all_of(url.begin(), url.end(), [](char c) {
            return is_alnum(c) || c == '.' || c == ':' || c == '-';
        });
        return plain ? "has no scheme; did you mean \"http://" + url + "\"?"
                     : "is not a URL; " + std::string(forms);
    }
    const auto name = lowercase(url.substr(0, scheme));
    if (name != "http" && name != "https") return "has another scheme; " + std::string(forms);
    const auto authority =
        url.substr(scheme + 3, url.find_first_of("/?#", scheme + 3) - scheme - 3);
    if (authority.empty()) return "has no host; " + std::string(forms);
    if (authority.find('@') != authority.npos)
        return "holds a user name or password; use headers.inject to send credentials";
    if (!authority.starts_with('[') && std::count(authority.begin(), authority.end(), ':') > 1)
        return "is IPv6 without brackets; write " + name + "://[address]:port";
    const auto parsed = HttpUrl::parse(url);
    if (!parsed || parsed->origin.port == 0) return "is not a URL; " + std::string(forms);
    if (parsed->target != "/")
        return std::string("has a path; an upstream is an origin, and `path` chooses what it gets");
    out.tls = parsed->origin.is_secure();
    out.host = parsed->origin.host;
    out.port = parsed->origin.port;
    return std::nullopt;
}

std::optional<std::string> prefix_problem(const std::string& path) {
    if (!path.starts_with('/')) return "must start with /";
    if (path.find_first_of("*?#%\\;") != path.npos)
        return "is a plain prefix; it cannot hold any of * ? # % \\ ;";
    if (path == "/") return std::nullopt;
    for (std::size_t at = 1; at <= path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        const auto segment = path.substr(at, end - at);
        if (segment == "." || segment == "..") return "cannot hold dot segments";
        if (segment.empty() && end != path.size()) return "cannot hold empty segments";
        at = end + 1;
    }
    return std::nullopt;
}

void read_tls(Values& entry, Upstream& out) {
    for (const auto* const key : {"tls.ca_file", "tls.server_name"})
        if (entry.filled(key) && !out.tls) entry.error(key, "is for https upstreams only");
    out.tls_options.ca_file = entry.text("tls.ca_file");
    out.tls_options.server_name = entry.text("tls.server_name");
    out.tls_options.insecure_skip_verify = entry.boolean("tls.insecure_skip_verify");
    check_certificates(entry, "tls.ca_file", out.tls_options.ca_file);
    if (!out.tls_options.server_name.empty() && !is_host_name(out.tls_options.server_name) &&
        !is_ip_address(out.tls_options.server_name))
        entry.error("tls.server_name",
                    in_quotes(out.tls_options.server_name) + " is not a host name");
    if (!out.tls_options.insecure_skip_verify) return;
    if (!out.tls) {
        entry.error("tls.insecure_skip_verify", "is for https upstreams only");
    } else {
        entry.warning("tls.insecure_skip_verify",
                      "any machine in between can read and change what is sent to this upstream");
    }
}

// A gate that forwards to itself would forward for ever.
void refuse_loop(Values& entry, const Upstream& out, const Settings& settings) {
    const auto& internal = settings.internal.listen;
    for (const auto& own : settings.server.listen) {
        if (reaches(out.host, out.port, out.unix_path, own)) {
            entry.error("url", "is where Cordgate itself listens (" + own.to_string() +
                                   "); requests would go round in a loop");
            return;
        }
    }
    if (reaches(out.host, out.port, out.unix_path, internal)) {
        entry.error("url", "is where Cordgate's internal API listens (" + internal.to_string() +
                               "); it would be open to visitors");
        return;
    }
    const auto& own = settings.server.public_url;
    if (!own.host.empty() && own.host == out.host && own.port == out.port)
        entry.warning("url", "is the same as server.public_url; requests may go round in a loop");
}

Upstream read_upstream(Values& entry, const Settings& settings) {
    Upstream out;
    out.url = entry.text("url");
    if (!out.url.empty()) {
        if (const auto problem = url_problem(out.url, out)) {
            entry.error("url", shown(out.url) + " " + *problem);
        } else {
            refuse_loop(entry, out, settings);
            struct stat status {};
            if (!out.unix_path.empty() && ::stat(out.unix_path.c_str(), &status) != 0)
                entry.warning("url", "there is no socket at " + in_quotes(out.unix_path) + " yet");
        }
    }
    out.match_host = lowercase(entry.text("host"));
    if (!out.match_host.empty() && !is_host_name(out.match_host) && !is_ip_address(out.match_host))
        entry.error("host", in_quotes(out.match_host) +
                                " is not a host name; write it without "
                                "scheme, port and path");
    out.path = entry.text("path");
    if (const auto problem = prefix_problem(out.path))
        entry.error("path", in_quotes(out.path) + " " + *problem);
    while (out.path.size() > 1 && out.path.ends_with('/')) out.path.pop_back();
    out.strip_prefix = entry.boolean("strip_prefix");
    out.preserve_host = entry.boolean("preserve_host");
    if (!entry.problems().has_error(entry.full("url"))) read_tls(entry, out);
    return out;
}

}  // namespace

void read_upstreams(Values& values, Settings& settings) {
    const Node* const list = values.node("upstreams");
    const auto* const row = find_setting(settings_table(), "upstreams");
    if (!list || (list->kind == Node::Kind::list && list->items.empty())) {
        values.error("upstreams",
                     "is required: name the application to forward to, such as "
                     "- url: http://127.0.0.1:3000");
        return;
    }
    if (list->kind != Node::Kind::list) {
        values.error("upstreams",
                     "must be a list of mappings, such as - url: "
                     "http://127.0.0.1:3000");
        return;
    }
    std::vector<Place> places;
    for (std::size_t i = 0; i < list->items.size(); ++i) {
        const Node& item = list->items[i];
        const std::string name = "upstreams[" + std::to_string(i) + "]";
        Values entry(row->fields, name + ".", item.place, values.problems());
        if (item.kind == Node::Kind::scalar) {  // a bare URL
            entry.take("url", item);
        } else if (item.kind == Node::Kind::map) {
            entry.take_map(item);
        } else {
            values.problems().error(item.place, name, "must be a mapping with a url");
            continue;
        }
        auto upstream = read_upstream(entry, settings);
        for (std::size_t j = 0; j < settings.upstreams.size(); ++j) {
            const auto& other = settings.upstreams[j];
            if (other.match_host == upstream.match_host && other.path == upstream.path)
                values.problems().error(item.place, name,
                                        "has the same host and path as the one at " +
                                            places[j].to_string() +
                                            "; only one of them could ever be used");
        }
        settings.upstreams.push_back(std::move(upstream));
        places.push_back(item.place);
    }
}

}  // namespace cordgate::config
