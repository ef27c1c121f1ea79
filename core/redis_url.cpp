#include "core/redis_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/ascii.hpp"
#include "core/url.hpp"

namespace cordgate {
namespace {

constexpr std::string_view plain_scheme = "redis://";
constexpr std::string_view tls_scheme = "rediss://";
constexpr std::string_view unix_scheme = "redis+unix:";

Error wrong(std::string what) {
    return Error{ErrorKind::bad_request, ErrorSource::gate, std::move(what)};
}

template <class Number>
std::optional<Number> to_number(std::string_view text, Number max) {
    Number number{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size() || number > max) {
        return std::nullopt;
    }
    return number;
}

// Takes "user:password@" off the front.
std::optional<std::string> read_login(std::string_view& rest, RedisUrl& url) {
    const auto at = rest.substr(0, rest.find_first_of("/?")).rfind('@');
    if (at == rest.npos) return std::nullopt;
    const auto login = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    const auto colon = login.find(':');
    if (colon == login.npos) return "names a user without a password; write user:password@";
    const auto user = percent_decode(login.substr(0, colon));
    auto password = percent_decode(login.substr(colon + 1));
    if (!user || !password) return "has a broken % escape in the user or password";
    if (password->empty()) return "has an empty password";
    url.user = *user;
    url.password = Secret(std::move(*password));
    return std::nullopt;
}

std::optional<std::string> read_database(std::string_view text, RedisUrl& url) {
    const auto number = to_number<unsigned>(text, 1'000'000);
    if (!number) return "has a database that is not a number";
    url.database = *number;
    return std::nullopt;
}

std::optional<std::string> read_address(std::string_view text, RedisUrl& url) {
    std::string_view host = text;
    std::optional<std::string_view> port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == text.npos) return "has a [ without ]";
        host = text.substr(1, end - 1);
        if (text.size() > end + 1 && text[end + 1] != ':') return "has text behind the ]";
        if (text.size() > end + 1) port = text.substr(end + 2);
    } else if (const auto colon = text.find(':'); colon != text.npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
    }
    const auto in_host = [](char c) {
        return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == ':';
    };
    if (host.empty() || !std::all_of(host.begin(), host.end(), in_host)) {
        return "has no host that could be one; write redis://host:port/database, and escape "
               "characters like @ / ? # of a password as %40 %2f %3f %23";
    }
    url.host = lowercase(host);
    if (!port) return std::nullopt;
    const auto number = to_number<std::uint16_t>(*port, 65535);
    if (!number || *number == 0) return "has a port that is not a number from 1 to 65535";
    url.port = *number;
    return std::nullopt;
}

std::optional<std::string> read_options(std::string_view text, RedisUrl& url) {
    const auto options = Query::parse(text);
    if (!options) return "has a broken % escape behind the ?";
    std::size_t known = 0;
    if (const auto database = options->get("db"); database && !url.unix_path.empty()) {
        if (const auto problem = read_database(*database, url)) return problem;
        ++known;
    }
    if (const auto file = options->get("ca_file"); file && url.tls) {
        url.ca_file = *file;
        ++known;
    }
    const auto given = std::count(text.begin(), text.end(), '&') + 1;
    if (static_cast<std::size_t>(given) != known) {
        return url.tls                 ? "knows no option behind the ? but ca_file=PATH"
               : url.unix_path.empty() ? "knows no options behind a ?"
                                       : "knows no option behind the ? but db=NUMBER";
    }
    return std::nullopt;
}

// What is behind "redis+unix:".
std::optional<std::string> read_socket(std::string_view rest, RedisUrl& url) {
    if (rest.starts_with("//") && rest.find('@') != rest.npos) {
        rest.remove_prefix(2);
        if (const auto problem = read_login(rest, url)) return problem;
    }
    const auto question = rest.find('?');
    const auto path = percent_decode(rest.substr(0, question));
    if (!path || !path->starts_with('/') || path->ends_with('/') ||
        path->find('\0') != path->npos) {
        return "needs the path of a socket, as in redis+unix:/run/redis/redis.sock";
    }
    constexpr std::size_t longest = 107;  // sockaddr_un::sun_path
    if (path->size() > longest) return "has a path that is too long for a socket (107 bytes)";
    url.unix_path = *path;
    if (question == rest.npos) return std::nullopt;
    return read_options(rest.substr(question + 1), url);
}

std::optional<std::string> read_host(std::string_view rest, RedisUrl& url) {
    if (const auto problem = read_login(rest, url)) return problem;
    const auto question = rest.find('?');
    const auto place = rest.substr(0, question);
    const auto slash = place.find('/');
    if (const auto problem = read_address(place.substr(0, slash), url)) return problem;
    if (slash != place.npos && slash + 1 < place.size()) {
        if (const auto problem = read_database(place.substr(slash + 1), url)) return problem;
    }
    if (question == rest.npos) return std::nullopt;
    return read_options(rest.substr(question + 1), url);
}

}  // namespace

bool RedisUrl::is_meant(std::string_view text) {
    return text.starts_with("redis:") || text.starts_with("rediss:") || text.starts_with("redis+");
}

Result<RedisUrl> RedisUrl::parse(std::string_view text) {
    RedisUrl url;
    std::optional<std::string> problem;
    if (text.starts_with(unix_scheme)) {
        problem = read_socket(text.substr(unix_scheme.size()), url);
    } else if (text.starts_with(tls_scheme)) {
        url.tls = true;
        problem = read_host(text.substr(tls_scheme.size()), url);
    } else if (text.starts_with(plain_scheme)) {
        problem = read_host(text.substr(plain_scheme.size()), url);
    } else {
        problem = "must start with redis://, rediss:// or redis+unix:/";
    }
    if (problem) return wrong(std::move(*problem));
    return url;
}

std::string RedisUrl::shown() const {
    const std::string login = password.empty() ? "" : percent_encode(user) + ":********@";
    if (!unix_path.empty()) {
        return std::string(unix_scheme) + (login.empty() ? "" : "//" + login) + unix_path +
               (database == 0 ? "" : "?db=" + std::to_string(database));
    }
    const bool is_v6 = host.find(':') != host.npos;
    return std::string(tls ? tls_scheme : plain_scheme) + login +
           (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" +
           std::to_string(database) + (ca_file.empty() ? "" : "?ca_file=" + ca_file);
}

}  // namespace cordgate
