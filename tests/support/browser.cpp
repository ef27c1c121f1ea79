#include "tests/support/browser.hpp"

#include <cstdlib>
#include <stdexcept>

#include "core/ascii.hpp"
#include "core/url.hpp"
#include "tests/support/daemon.hpp"

namespace cordgate::test {
namespace {

std::string host_of(const std::string& url) {
    const auto begin = url.find("://") + 3;
    return url.substr(begin, url.find_first_of(":/?#", begin) - begin);
}

std::string authority_of(const std::string& url) {
    const auto begin = url.find("://") + 3;
    return url.substr(begin, url.find_first_of("/?#", begin) - begin);
}

void note_secrets(const std::string& url) {
    for (const char* name : {"code", "state", "data", "code_challenge"}) {
        LogArchive::instance().keep_secret(parameter(url, name), std::string(name) + " of a URL");
    }
}

}  // namespace

std::string origin_of(const std::string& url) {
    return url.substr(0, url.find_first_of("/?#", url.find("://") + 3));
}

std::string path_of(const std::string& url) {
    const auto path = url.substr(origin_of(url).size());
    return path.empty() ? "/" : path.substr(0, path.find('#'));
}

std::string parameter(const std::string& url, std::string_view name) {
    const auto question = url.find('?');
    if (question == std::string::npos) return "";
    const auto query = Query::parse(std::string_view(url).substr(question + 1));
    return query ? query->get(name).value_or("") : "";
}

Browser::Browser(std::string home, Site site) : home_(std::move(home)) {
    sites_[home_] = std::move(site);
}

std::string Browser::absolute(const std::string& url) const {
    return url.starts_with("/") ? home_ + url : url;
}

Message Browser::fetch(std::string_view method, const std::string& url, const Fields& fields,
                       std::string_view body) {
    const auto full = absolute(url);
    note_secrets(full);
    const auto origin = origin_of(full);
    const auto host = host_of(full);
    Site site;
    if (const auto found = sites_.find(origin); found != sites_.end()) {
        site = found->second;
    } else if (host == "127.0.0.1") {
        site.port = std::atoi(origin.c_str() + origin.rfind(':') + 1);
    } else {
        throw std::runtime_error("the browser was led to " + full);
    }
    std::string request = std::string(method) + " " + path_of(full) + " HTTP/1.1\r\n";
    request += "Host: " + authority_of(full) + "\r\nUser-Agent: Mozilla/5.0 (test)\r\n";
    std::string cookies;
    for (const auto& [name, value] : cookies_[host]) {
        cookies.append(cookies.empty() ? "" : "; ").append(name).append("=").append(value);
    }
    if (!cookies.empty()) request += "Cookie: " + cookies + "\r\n";
    bool navigates = true;
    for (const auto& [name, value] : fields) navigates = navigates && !iequals(name, "accept");
    if (navigates) {
        request += "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
        request += "Sec-Fetch-Mode: navigate\r\n";
    }
    for (const auto& list : {fields, site.fields}) {
        for (const auto& [name, value] : list) request += name + ": " + value + "\r\n";
    }
    if (!body.empty() || method == "POST") {
        request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    request += "Connection: close\r\n\r\n";
    request += body;
    auto answer = Wire(site.port).send(request).read_response(method);
    keep_cookies(host, answer);
    note_secrets(answer.field("Location"));
    return answer;
}

void Browser::keep_cookies(const std::string& host, const Message& message) {
    for (const auto& line : message.all("Set-Cookie")) {
        const auto equals = line.find('=');
        const auto name = line.substr(0, equals);
        const auto value = line.substr(equals + 1, line.find(';') - equals - 1);
        if (line.find("Max-Age=0") != std::string::npos) {
            cookies_[host].erase(name);
        } else {
            cookies_[host][name] = value;
            // The simulator's own cookie names a user: no secret.
            const bool ours = name.find("cordgate") != std::string::npos;
            if (ours) LogArchive::instance().keep_secret(value, "cookie " + name);
        }
    }
}

Message Browser::visit(const std::string& url) {
    place_ = absolute(url);
    hops_.clear();
    for (int hop = 0; hop <= 10; ++hop) {
        auto answer = get(place_);
        const auto to = answer.field("Location");
        if (answer.status() < 300 || answer.status() > 399 || to.empty()) return answer;
        place_ = to.starts_with("/") ? origin_of(place_) + to : to;
        hops_.push_back(place_);
    }
    throw std::runtime_error("too many redirects, the last to " + place_);
}

Message Browser::ask(std::string_view method, const std::string& url) {
    return fetch(method, url,
                 {
                     {"Accept",         "application/json"},
                     {"Sec-Fetch-Mode", "cors"            }
    });
}

Message Browser::post_form(const std::string& url) {
    return fetch("POST", url,
                 {
                     {"Origin", home_}
    });
}

std::string Browser::cookie(const std::string& name) const {
    const auto jar = cookies_.find(host_of(home_ + "/"));
    if (jar == cookies_.end()) return "";
    const auto found = jar->second.find(name);
    return found == jar->second.end() ? "" : found->second;
}

void Browser::set_cookie(const std::string& name, const std::string& value) {
    cookies_[host_of(home_ + "/")][name] = value;
}

void Browser::drop_cookie(const std::string& name) {
    cookies_[host_of(home_ + "/")].erase(name);
}

std::string callback_of(Browser& browser, const std::string& login) {
    auto place = login;
    for (int hop = 0; hop < 2; ++hop) {
        const auto answer = browser.get(place);
        if (answer.status() != 302) throw std::runtime_error(place + ": no redirect");
        place = answer.field("Location");
    }
    return place;
}

std::string Browser::hop_to(const std::string& path) const {
    for (const auto& hop : hops_) {
        if (origin_of(hop) != home_) continue;
        const auto to = path_of(hop);
        if (to.substr(0, to.find('?')) == path) return hop;
    }
    return "";
}

}  // namespace cordgate::test
