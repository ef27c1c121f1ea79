#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/login/flow.hpp"
#include "core/return_path.hpp"
#include "core/url.hpp"

namespace cordgate::proxy {

// The pages of our own: what happened, and what to do next. Pure functions from
// values to text. Whatever is passed in comes out as text, never as markup
// (CWE-79); what a link leads to is an Href, which only checked values can make.
// No page holds a script, a style or anything of another origin.

/// Where a link or form of ours leads: a path on this site, or a ReturnPath.
class Href {
public:
    /// A path of our own with its query: "/login?rd=%2Finbox". What a browser
    /// could read as another site or scheme ("//host", "/\host", "javascript:")
    /// or holds anything but visible ASCII becomes "/".
    static Href own(std::string_view path_and_query);
    Href(const ReturnPath& path) : text_(path.str()) {}

    const std::string& str() const { return text_; }

private:
    explicit Href(std::string text) : text_(std::move(text)) {}

    std::string text_;
};

struct Link {
    Href href;
    std::string label;
};

/// What every page needs to know of its request.
struct PageContext {
    std::string prefix;        ///< paths.prefix, "/_cordgate"
    std::string request_id;    ///< shown for support; empty: none
    bool accepts_html = true;  ///< else problem JSON, where there is a choice
    std::string site = {};     ///< host name as the visitor knows it; empty: not shown
    /// How long to wait before another try, where that is known.
    std::optional<std::chrono::milliseconds> wait = {};
};

/// What a status means to a visitor.
struct StatusText {
    int status;
    std::string_view code;  ///< stable, for programs: "not_found"
    std::string_view title;
    std::string_view what_happened;
    std::string_view what_next;
};
/// All statuses that we answer with on our own behalf.
std::span<const StatusText> status_texts();
/// The row of `status`; for one that has none, that of 400 or 500.
const StatusText& describe_status(int status);

std::string error_page(const PageContext& context, int status, std::string_view code,
                       std::string_view title, std::string_view what_happened,
                       std::string_view what_next, const std::optional<Link>& action);
/// With the texts of `describe_status`.
std::string error_page(const PageContext& context, int status,
                       const std::optional<Link>& action = std::nullopt);

/// 403, 400, 502 or 503: the status that goes with `login_failed_page`.
int status_of(LoginFailure failure);
std::string_view title_of(LoginFailure failure);
/// `try_again`: /login with the same rd. `go_on`: a place that needs no login.
std::string login_failed_page(const PageContext& context, LoginFailure failure,
                              const Href& try_again,
                              const std::optional<Href>& go_on = std::nullopt);

/// The account that a page speaks of.
struct Account {
    std::string display_name;
    std::string username;
};
/// 403: `who` is logged in, and lacks each of `missing` (see `describe(Requirement)`).
/// Offers another account, and a form that posts to `logout`; and before them `login_again`,
/// where the same account needs only that.
std::string denied_page(const PageContext& context, const Account& who,
                        std::span<const std::string> missing, const Href& switch_account,
                        const Href& logout, const std::optional<Href>& login_again = std::nullopt);

/// Asks whether to log out. The form posts nothing to `logout`?rd=`return_to`.
std::string logout_page(const PageContext& context, const Href& logout,
                        const ReturnPath& return_to);
std::string signed_out_page(const PageContext& context, const Href& login);

/// The policy of every page of ours, built from fixed directives.
///
/// `forms`: where a posted form may end up besides our own origin: browsers hold redirects after a
/// POST to form-action as well, and POST /logout may lead by way of /login to Discord or to one of
/// login.allowed_redirect_hosts. An Origin that `Origin::parse` would not have made is left out.
std::string content_security_policy(std::span<const Origin> forms = {});

/// A header field that goes with our own pages, and why.
struct PageHeader {
    std::string_view name;
    std::string_view value;
    std::string_view because;
};
/// For pages and problem documents; Content-Security-Policy comes besides them.
/// `has_form`: denied_page and logout_page.
std::span<const PageHeader> page_headers(bool has_form = false);

using ProblemMembers = std::span<const std::pair<std::string_view, std::string_view>>;
/// A problem document (RFC 9457), type "about:blank"; `extra` members are strings.
std::string problem_json(int status, std::string_view code, std::string_view title,
                         std::string_view detail, ProblemMembers extra = {});
/// The same as `denied_page` says, with the member "missing": ["..."].
std::string denied_json(std::span<const std::string> missing, ProblemMembers extra = {});

struct Rendered {
    std::string_view content_type;
    std::string body;
};
/// A refusal with the default texts, as the client asked for it: page or problem.
Rendered refusal(const PageContext& context, int status,
                 const std::optional<Link>& action = std::nullopt);

inline constexpr std::string_view html_type = "text/html; charset=utf-8";
inline constexpr std::string_view problem_type = "application/problem+json";

/// `text` for an element's content or a quoted attribute. Controls become U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace cordgate::proxy
