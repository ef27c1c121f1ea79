#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/net.hpp"

namespace cordgate::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

/// A browser as far as logins care: cookies by host, redirects between sites, and
/// what a navigation sends along. Notes every credential it sees in the LogArchive.
class Browser {
public:
    struct Site {
        int port = 0;
        Fields fields{};  ///< what a proxy in front would add
    };
    /// `home`: "http://127.0.0.1:4180"; paths are seen from there.
    Browser(std::string home, Site site);
    /// Where another origin is found; loopback origins need no telling.
    void knows(const std::string& origin, Site site) { sites_[origin] = std::move(site); }

    /// One request, no redirect followed.
    Message fetch(std::string_view method, const std::string& url, const Fields& fields = {},
                  std::string_view body = "");
    Message get(const std::string& url) { return fetch("GET", url); }
    /// Like a link that is followed: up to ten redirects.
    Message visit(const std::string& url);
    /// As a script of the page would ask: no navigation, wants JSON.
    Message ask(std::string_view method, const std::string& url);
    /// A form of ours is sent.
    Message post_form(const std::string& url);

    /// Where the last visit ended.
    const std::string& place() const { return place_; }
    std::string cookie(const std::string& name) const;  ///< of home; "" when absent
    void set_cookie(const std::string& name, const std::string& value);
    void drop_cookie(const std::string& name);
    const std::string& home() const { return home_; }
    /// What tells a gate whose request it is, as a line of a raw one.
    std::string cookie_line() const { return "Cookie: cordgate=" + cookie("cordgate") + "\r\n"; }
    /// The same visitor, who meets another gate of the same name.
    Browser at(int port) const {
        auto other = *this;
        other.sites_[home_].port = port;
        return other;
    }

    /// The Location of the hop that led to home's `path` during the last visit.
    std::string hop_to(const std::string& path) const;

private:
    std::string absolute(const std::string& url) const;
    void keep_cookies(const std::string& host, const Message& message);

    std::string home_;
    std::map<std::string, Site> sites_;
    std::map<std::string, std::map<std::string, std::string>> cookies_;
    std::vector<std::string> hops_;
    std::string place_;
};

/// From `login` to the address that Discord sends the browser back to, which is not asked yet.
std::string callback_of(Browser& browser, const std::string& login = "/login");
/// One parameter of a URL's query, decoded.
std::string parameter(const std::string& url, std::string_view name);
/// Everything before the path.
std::string origin_of(const std::string& url);
/// `url` from its path on.
std::string path_of(const std::string& url);

}  // namespace cordgate::test
