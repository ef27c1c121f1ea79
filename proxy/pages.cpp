#include "proxy/pages.hpp"

#include <algorithm>

#include "core/ascii.hpp"
#include "core/json_text.hpp"
#include "proxy/assets.hpp"

namespace cordgate::proxy {
namespace {

/// Markup that was written by us: nothing but a literal can become one.
struct Markup {
    consteval Markup(const char* literal) : text(literal) {}
    std::string_view text;
};

/// A document under construction. What is not a literal is escaped.
class Html {
public:
    Html& operator<<(Markup markup) {
        out_ += markup.text;
        return *this;
    }
    Html& text(std::string_view foreign) {
        out_ += escape_html(foreign);
        return *this;
    }
    Html& text(const Href& href) { return text(href.str()); }
    std::string take() { return std::move(out_); }

private:
    std::string out_;
};

// --- texts ---------------------------------------------------------------------

// Rows of sentences, which a formatter would take for columns.
// clang-format off
constexpr StatusText texts[] = {
    {400, "invalid_request", "This request can't be read",
     "Your browser, or something between it and this site, sent a request that is damaged or "
     "could be understood in more than one way. It was not passed on.",
     "Go back and try again. If you followed a link, it may be broken: open the site's start "
     "page instead."},
    {401, "unauthorized", "Please log in",
     "This page is for visitors who are logged in. You are not, or your login has ended.",
     "Log in with Discord, and you'll come straight back here."},
    {403, "forbidden", "You don't have access to this page",
     "This site's rules don't allow what you asked for.",
     "If you think they should, ask the people who run this site."},
    {404, "not_found", "Page not found",
     "There is nothing at this address.",
     "Check the address for typing errors, or open the site's start page."},
    {405, "method_not_allowed", "That doesn't work here",
     "This address exists, but not for the kind of request that was sent.",
     "Go back and use the buttons and links of the page you came from."},
    {408, "request_timeout", "The request took too long",
     "The connection was open, but the rest of your request didn't arrive in time.",
     "Check your connection, then try again."},
    {413, "content_too_large", "That's too much to send",
     "What you sent is larger than this site accepts.",
     "Send something smaller. If you need to send files this large, ask the people who run this "
     "site."},
    {414, "uri_too_long", "This address is too long",
     "The address you opened is longer than this site accepts.",
     "Open the site's start page and find your way from there."},
    {421, "misdirected_request", "Nothing is served under this name",
     "Your request arrived here, but it's for a host name that this server doesn't answer for.",
     "Check the address, then reload the page."},
    {429, "rate_limited", "Too many requests",
     "A lot of requests came from you in a short time, so this one was not answered.",
     "Wait a minute, then try again."},
    {431, "header_fields_too_large", "Your browser sent too much with its request",
     "The cookies and other details that your browser keeps for this site have grown too large.",
     "Clear this site's cookies in your browser, then log in again."},
    {500, "internal_error", "Something went wrong here",
     "A fault on our side kept this page from being made. It's not because of anything you did.",
     "Try again in a moment. If it stays, tell the people who run this site."},
    {502, "bad_gateway", "The application didn't answer",
     "This site is up, but the application behind it can't be reached or gave an answer that "
     "can't be used.",
     "Try again in a moment. If it stays, tell the people who run this site."},
    {503, "unavailable", "Not available right now",
     "This site can't answer at the moment. Nothing is wrong with your account.",
     "Wait a minute, then reload the page."},
    {504, "gateway_timeout", "The application took too long",
     "The application behind this site didn't answer in time.",
     "Try again in a moment. If you were sending something, first check whether it arrived."},
};
// clang-format on

struct FailureText {
    LoginFailure failure;
    int status;
    std::string_view title;
    std::string_view what_happened;
    std::string_view what_next;
};

// clang-format off
constexpr FailureText failures[] = {
    {LoginFailure::access_denied, 403, "You cancelled the login",
     "At Discord, you chose not to continue. Nothing was shared with this site, and you're not "
     "logged in.",
     "If you changed your mind, log in again. Discord shows you what this site asks for before "
     "you agree."},
    {LoginFailure::invalid_state, 400, "This login can't be finished",
     "It was already used, or it was begun in another browser or in a private window.",
     "Log in again, and stay in this browser until you're back. If you see this page again, allow"
     " cookies for this site."},
    {LoginFailure::expired_login, 400, "This login took too long",
     "A login has to be finished within ten minutes, and this one was begun earlier.",
     "Log in again. You don't have to fill in anything twice."},
    {LoginFailure::discord_unavailable, 503, "Discord can't be reached right now",
     "This site asked Discord who you are and got no answer. You're not logged in.",
     "Wait a minute, then try again."},
    {LoginFailure::discord_rejected, 502, "Discord didn't accept this login",
     "Discord answered, but not with what is needed to log you in.",
     "Try again. If it stays, tell the people who run this site: its connection with Discord may "
     "be set up wrongly."},
    {LoginFailure::forbidden, 403, "This account has no access",
     "You're logged in at Discord, but this site doesn't let the account that you used come in.",
     "Log in with another account, or ask the people who run this site to let you in."},
    {LoginFailure::invalid_request, 400, "This login link is broken",
     "The address you opened lacks something that a login needs, or has too much of it.",
     "Begin a new login instead of opening this address again."},
    {LoginFailure::unavailable, 503, "Logging in isn't possible right now",
     "Discord knows you, but this site couldn't save your login.",
     "Wait a minute, then try again."},
};
// clang-format on

const FailureText& describe(LoginFailure failure) {
    const auto row = std::find_if(std::begin(failures), std::end(failures),
                                  [&](const FailureText& f) { return f.failure == failure; });
    return row != std::end(failures) ? *row : std::end(failures)[-1];
}

// "Wait a minute, ..." where it is known better how long.
std::string told_wait(const PageContext& context, std::string_view text) {
    constexpr std::string_view unknown = "Wait a minute, ";
    if (!context.wait || !text.starts_with(unknown)) return std::string(text);
    const auto seconds =
        std::max<long>(std::chrono::ceil<std::chrono::seconds>(*context.wait).count(), 1);
    const bool is_long = seconds > 120;
    const auto number = is_long ? (seconds + 59) / 60 : seconds;
    return "Wait " + std::to_string(number) + (is_long ? " minutes" : " second") +
           (is_long || number == 1 ? ", " : "s, ") + std::string(text.substr(unknown.size()));
}

// --- parts of a page -----------------------------------------------------------

Href address(const PageContext& context, const Asset& asset) {
    return Href::own(context.prefix + "/assets/" + std::string(asset.name));
}

Html begin_page(const PageContext& context, std::string_view title) {
    Html page;
    page << "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n"
            "<meta name=\"robots\" content=\"noindex\">\n<title>";
    page.text(title);
    if (!context.site.empty()) (page << " \u00b7 ").text(context.site);
    page << "</title>\n<link rel=\"icon\" type=\"image/svg+xml\" href=\"";
    page.text(address(context, icon_asset()));
    page << "\">\n<link rel=\"stylesheet\" href=\"";
    page.text(address(context, style_asset())) << "\">\n</head>\n<body>\n<header>\n<img src=\"";
    page.text(address(context, icon_asset()));
    page << "\" alt=\"\" width=\"32\" height=\"32\">\n<span class=\"site\">";
    page.text(context.site) << "</span>\n</header>\n<main aria-labelledby=\"title\">\n";
    return page;
}

void heading(Html& page, std::string_view title) {
    page << "<h1 id=\"title\">";
    page.text(title) << "</h1>\n";
}

void paragraph(Html& page, std::string_view text) {
    if (text.empty()) return;
    page << "<p>";
    page.text(text) << "</p>\n";
}

void next_step(Html& page, std::string_view text) {
    if (text.empty()) return;
    page << "<h2>What to do next</h2>\n";
    paragraph(page, text);
}

enum class Weight { primary, secondary };

void link_button(Html& page, const Href& href, std::string_view label, Weight weight) {
    page << "<a class=\"button";
    if (weight == Weight::primary) page << " primary";
    page << "\" href=\"";
    page.text(href) << "\">";
    page.text(label) << "</a>\n";
}

// A button that changes something posts: no link, image or prefetch can press it.
void form_button(Html& page, const Href& action, std::string_view label, Weight weight) {
    page << "<form method=\"post\" action=\"";
    page.text(action) << "\"><button class=\"button";
    if (weight == Weight::primary) page << " primary";
    page << "\" type=\"submit\">";
    page.text(label) << "</button></form>\n";
}

/// The bytes of its first character (UTF-8).
std::string_view initial_of(std::string_view name) {
    std::size_t end = name.empty() ? 0 : 1;
    while (end < name.size() && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) ++end;
    return name.substr(0, end);
}

// Names may be written from right to left: <bdi> keeps them from turning what follows. Their
// picture would come from another origin, so a letter stands in its place.
void account_card(Html& page, const Account& who) {
    page << "<p class=\"account\">\n<span class=\"initial\" aria-hidden=\"true\">";
    page.text(initial_of(who.display_name)) << "</span>\n";
    page << "<span><bdi class=\"name\">";
    page.text(who.display_name) << "</bdi> <span class=\"handle\"><bdi>";
    page.text(who.username) << "</bdi></span></span>\n</p>\n";
}

std::string end_page(Html page, const PageContext& context) {
    page << "</main>\n";
    if (!context.request_id.empty()) {
        page << "<footer>Request id: <code>";
        page.text(context.request_id) << "</code></footer>\n";
    }
    page << "</body>\n</html>\n";
    return page.take();
}

// --- policy --------------------------------------------------------------------

// clang-format off
constexpr PageHeader quiet_headers[] = {
    {"Cache-Control", "no-store", "a page speaks of one visitor at one time (RFC 9111, 5.2.2.5)"},
    {"X-Content-Type-Options", "nosniff", "a page is what its type says"},
    {"X-Frame-Options", "DENY", "frame-ancestors, for browsers without it (RFC 9700, 4.16)"},
    {"Cross-Origin-Opener-Policy", "same-origin", "no opener keeps a handle on the page"},
    {"Referrer-Policy", "no-referrer", "the address may hold a code or state (RFC 9700, 4.2)"},
};
// clang-format on

// Under no-referrer a browser posts with "Origin: null" (Fetch, 3.2), which the
// check of POST /logout could not tell from another site's.
constexpr PageHeader form_headers[] = {
    quiet_headers[0],
    quiet_headers[1],
    quiet_headers[2],
    quiet_headers[3],
    {"Referrer-Policy", "same-origin", "a form of ours has to name our origin"},
};

bool is_host_text(char c) {
    return is_alnum(c) || c == '-' || c == '.' || c == ':' || c == '_';
}

// A ';' or a blank in a host would begin another directive or source.
std::string source_of(const Origin& origin) {
    const bool fine = (origin.scheme == "https" || origin.scheme == "http") &&
                      !origin.host.empty() && std::ranges::all_of(origin.host, is_host_text);
    return fine ? " " + origin.to_string() : "";
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
    if (out.size() > 1) out += ',';
    out.append(json_quote(name)).append(":").append(json_quote(value));
}

std::string begin_problem(int status, std::string_view code, std::string_view title,
                          std::string_view detail, ProblemMembers extra) {
    std::string out = "{";
    append_member(out, "type", "about:blank");
    append_member(out, "title", title);
    out += ",\"status\":" + std::to_string(status);
    append_member(out, "detail", detail);
    append_member(out, "code", code);
    for (const auto& [name, value] : extra) append_member(out, name, value);
    return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                    out += "\xef\xbf\xbd";
                } else {
                    out += c;
                }
        }
    }
    return out;
}

Href Href::own(std::string_view path) {
    const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f && c != '\\'; };
    const bool fine =
        path.starts_with('/') && !path.starts_with("//") && std::ranges::all_of(path, is_visible);
    return Href(fine ? std::string(path) : "/");
}

std::span<const StatusText> status_texts() {
    return texts;
}

const StatusText& describe_status(int status) {
    const auto find = [](int wanted) {
        return std::ranges::find(texts, wanted, &StatusText::status);
    };
    const auto row = find(status);
    return row != std::end(texts) ? *row : *find(status < 500 ? 400 : 500);
}

std::string error_page(const PageContext& context, int status, std::string_view code,
                       std::string_view title, std::string_view what_happened,
                       std::string_view what_next, const std::optional<Link>& action) {
    Html page = begin_page(context, title);
    page << "<p class=\"mark\">";
    page.text("Error " + std::to_string(status));
    if (!code.empty()) (page << " \u00b7 <code>").text(code) << "</code>";
    page << "</p>\n";
    heading(page, title);
    paragraph(page, what_happened);
    next_step(page, what_next);
    if (action) {
        page << "<div class=\"actions\">\n";
        link_button(page, action->href, action->label, Weight::primary);
        page << "</div>\n";
    }
    return end_page(std::move(page), context);
}

std::string error_page(const PageContext& context, int status, const std::optional<Link>& action) {
    const StatusText& text = describe_status(status);
    return error_page(context, status, text.code, text.title, text.what_happened,
                      told_wait(context, text.what_next), action);
}

int status_of(LoginFailure failure) {
    return describe(failure).status;
}

std::string_view title_of(LoginFailure failure) {
    return describe(failure).title;
}

std::string login_failed_page(const PageContext& context, LoginFailure failure,
                              const Href& try_again, const std::optional<Href>& go_on) {
    const FailureText& text = describe(failure);
    Html page = begin_page(context, text.title);
    page << "<p class=\"mark\">Login \u00b7 <code>";
    page.text(to_string(failure)) << "</code></p>\n";
    heading(page, text.title);
    paragraph(page, text.what_happened);
    next_step(page, told_wait(context, text.what_next));
    page << "<div class=\"actions\">\n";
    link_button(page, try_again,
                failure == LoginFailure::forbidden ? "Use another account" : "Log in again",
                Weight::primary);
    if (go_on) link_button(page, *go_on, "Go on without logging in", Weight::secondary);
    page << "</div>\n";
    return end_page(std::move(page), context);
}

std::string denied_page(const PageContext& context, const Account& who,
                        std::span<const std::string> missing, const Href& switch_account,
                        const Href& logout, const std::optional<Href>& login_again) {
    const std::string_view title = "This account has no access";
    Html page = begin_page(context, title);
    page << "<p class=\"mark warm\">No access \u00b7 <code>forbidden</code></p>\n";
    heading(page, title);
    page << "<p>You are logged in as this Discord account:</p>\n";
    account_card(page, who);
    if (!missing.empty()) {
        page << "<h2>What it lacks</h2>\n<ul class=\"missing\">\n";
        for (const auto& thing : missing) (page << "<li>").text(thing) << "</li>\n";
        page << "</ul>\n";
    }
    next_step(page, login_again ? "Log in again, and allow at Discord what this site asks for."
                                : "Use another account, or ask the people who run this site to "
                                  "give this one access.");
    page << "<div class=\"actions\">\n";
    if (login_again) link_button(page, *login_again, "Log in again", Weight::primary);
    link_button(page, switch_account, "Use another account",
                login_again ? Weight::secondary : Weight::primary);
    form_button(page, logout, "Log out", Weight::secondary);
    page << "</div>\n";
    return end_page(std::move(page), context);
}

std::string logout_page(const PageContext& context, const Href& logout,
                        const ReturnPath& return_to) {
    Html page = begin_page(context, "Log out?");
    heading(page, "Log out?");
    paragraph(page, "This ends your login on this site. You stay logged in at Discord itself.");
    const bool has_query = logout.str().find('?') != std::string::npos;
    const Href action =
        Href::own(logout.str() + (has_query ? "&" : "?") + "rd=" + percent_encode(return_to.str()));
    page << "<div class=\"actions\">\n";
    form_button(page, action, "Log out", Weight::primary);
    link_button(page, return_to, "Cancel", Weight::secondary);
    page << "</div>\n";
    return end_page(std::move(page), context);
}

std::string signed_out_page(const PageContext& context, const Href& login) {
    Html page = begin_page(context, "You're logged out");
    heading(page, "You're logged out");
    paragraph(page, "Your login on this site has ended. At Discord itself you're still logged in.");
    next_step(page,
              "Close this tab, or log in again. On a computer that others use too, also log out "
              "at discord.com.");
    page << "<div class=\"actions\">\n";
    link_button(page, login, "Log in again", Weight::primary);
    page << "</div>\n";
    return end_page(std::move(page), context);
}

std::string content_security_policy(std::span<const Origin> forms) {
    std::string out = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'";
    for (const auto& origin : forms) out += source_of(origin);
    return out += "; frame-ancestors 'none'; base-uri 'none'";
}

std::span<const PageHeader> page_headers(bool has_form) {
    if (has_form) return form_headers;
    return quiet_headers;
}

std::string problem_json(int status, std::string_view code, std::string_view title,
                         std::string_view detail, ProblemMembers extra) {
    return begin_problem(status, code, title, detail, extra) + "}";
}

std::string denied_json(std::span<const std::string> missing, ProblemMembers extra) {
    std::string list;
    for (const auto& thing : missing) list += (list.empty() ? "" : ",") + json_quote(thing);
    const StatusText& text = describe_status(403);
    return begin_problem(403, text.code, text.title, text.what_happened, extra) + ",\"missing\":[" +
           list + "]}";
}

Rendered refusal(const PageContext& context, int status, const std::optional<Link>& action) {
    if (context.accepts_html) return {html_type, error_page(context, status, action)};
    const StatusText& text = describe_status(status);
    std::vector<std::pair<std::string_view, std::string_view>> extra;
    if (!context.request_id.empty()) extra.emplace_back("request_id", context.request_id);
    return {problem_type, problem_json(status, text.code, text.title, text.what_happened, extra)};
}

}  // namespace cordgate::proxy
