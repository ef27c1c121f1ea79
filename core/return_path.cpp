#include "core/return_path.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace cordgate {
namespace {

// Browsers drop tabs and newlines from a URL and read '\' as '/', so "/\t/host"
// and "/\host" leave the site although neither has a "//". A Location holds
// what RFC 3986 allows, so quotes, angle brackets and 8-bit bytes are out too.
bool is_refused(char c) {
    return c <= 0x20 || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>';
}

// Browsers send these as they are, although RFC 3986 has no place for them.
bool wants_escape(char c) {
    return c == '{' || c == '}' || c == '|' || c == '^' || c == '`';
}

std::string escape_leftovers(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (wants_escape(c)) {
            out += percent_encode({&c, 1});
        } else {
            out += c;
        }
    }
    return out;
}

// "." and ".." however they are dressed: "%2e", "..;x", ".. ". Such a segment
// may fold into "//host" on its way (GHSA-5m6c-jp6f-2vcv).
bool has_dot_segment(std::string_view decoded) {
    while (true) {
        const auto end = decoded.find_first_of("/\\");
        auto segment = decoded.substr(0, end);
        segment = segment.substr(0, segment.find(';'));
        if (segment.find('.') != std::string_view::npos &&
            segment.find_first_not_of(". ") == std::string_view::npos) {
            return true;
        }
        if (end == std::string_view::npos) return false;
        decoded.remove_prefix(end + 1);
    }
}

// An exact match, or something below, as the gate will read it.
bool is_reserved(std::string_view decoded, const std::vector<std::string>& reserved) {
    return std::any_of(reserved.begin(), reserved.end(), [&](std::string_view path) {
        if (path.empty() || !decoded.starts_with(path)) return false;
        return decoded.size() == path.size() || path.back() == '/' || decoded[path.size()] == '/';
    });
}

// A rooted path with query and fragment that stays the same path for everybody
// who resolves it.
bool is_rooted(std::string_view text) {
    if (!text.starts_with('/')) return false;
    if (std::count(text.begin(), text.end(), '#') > 1) return false;
    const auto path = text.substr(0, text.find_first_of("?#"));
    if (path.find("//") != std::string_view::npos) return false;
    const auto decoded = percent_decode(path);
    return decoded && !has_dot_segment(*decoded);
}

bool leads_to_reserved(std::string_view text, const std::vector<std::string>& reserved) {
    const auto decoded = percent_decode(text.substr(0, text.find_first_of("?#")));
    return !decoded || is_reserved(*decoded, reserved);
}

// One entry of allowed_redirect_hosts; without a port it means the scheme's own.
bool is_allowed_by(std::string_view entry, const Origin& origin) {
    const bool subdomains = entry.starts_with('.');
    if (subdomains) entry.remove_prefix(1);
    const auto wanted = Origin::parse(origin.scheme + "://" + std::string(entry));
    if (!wanted || wanted->port != origin.port) return false;
    if (!subdomains) return origin.host == wanted->host;
    return origin.host.size() > wanted->host.size() && origin.host.ends_with('.' + wanted->host);
}

bool is_allowed(const Origin& origin, const std::vector<std::string>& hosts) {
    if (!origin.is_secure() && !origin.is_loopback()) return false;
    return std::any_of(hosts.begin(), hosts.end(),
                       [&](const std::string& entry) { return is_allowed_by(entry, origin); });
}

}  // namespace

std::optional<ReturnPath> ReturnPath::parse(std::string_view raw, const ReturnPathPolicy& policy) {
    if (raw.empty() || raw.size() > max_size) return std::nullopt;
    if (std::any_of(raw.begin(), raw.end(), is_refused)) return std::nullopt;

    std::optional<Origin> origin;
    std::string_view rest = raw;
    if (!raw.starts_with('/')) {
        const auto host = raw.find("://");
        if (host == std::string_view::npos) return std::nullopt;
        const auto end = std::min(raw.find_first_of("/?#", host + 3), raw.size());
        origin = Origin::parse(raw.substr(0, end));
        if (!origin) return std::nullopt;
        rest = raw.substr(end);
    }
    std::string path = escape_leftovers(rest);
    if (origin && !path.starts_with('/')) path.insert(0, "/");
    if (path.size() > max_size || !is_rooted(path)) return std::nullopt;

    if (!origin || *origin == policy.own) {
        if (leads_to_reserved(path, policy.reserved)) return std::nullopt;
        return ReturnPath(std::move(path));
    }
    if (!is_allowed(*origin, policy.allowed_hosts)) return std::nullopt;
    return ReturnPath(origin->to_string() + path);
}

}  // namespace cordgate
