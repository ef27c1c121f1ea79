#include "cmd/cordgate/sample_app_pages.hpp"

#include <algorithm>
#include <optional>

#include "cmd/cordgate/sample_app_json.hpp"
#include "core/ascii.hpp"
#include "core/url.hpp"
#include "proxy/pages.hpp"

namespace cordgate::sample {
namespace {

using proxy::escape_html;

constexpr std::string_view style = R"css(:root {
  color-scheme: light dark;
  --page: #f7f5f0;
  --card: #ffffff;
  --text: #211f2b;
  --quiet: #5d5a69;
  --line: #e2ddd2;
  --edge: #8d8798;
  --accent: #6a3fa0;
  --accent-strong: #552f85;
  --on-accent: #ffffff;
  --tint: #f1eaf8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15131b;
    --card: #1e1b26;
    --text: #ece9f2;
    --quiet: #aaa5b7;
    --line: #332f3e;
    --edge: #777184;
    --accent: #c6a4f2;
    --accent-strong: #d7bffa;
    --on-accent: #251339;
    --tint: #2b2438;
  }
}
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  background: var(--page);
  color: var(--text);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--card); }
.top { background: var(--card); border-bottom: 1px solid var(--line); }
.inner, main, .foot { max-width: 58rem; margin: 0 auto; padding: 0 1.25rem; }
.inner {
  display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.25rem;
  padding-block: .5rem;
}
.brand { font-weight: 700; font-size: 1.125rem; letter-spacing: -.01em; }
nav { flex: 1 1 auto; }
nav ul { display: flex; flex-wrap: wrap; margin: 0; padding: 0; list-style: none; }
nav a {
  display: inline-flex; align-items: center; min-height: 2.75rem; padding: 0 .7rem;
  border-radius: .5rem; color: var(--quiet); text-decoration: none;
}
nav a:hover { color: var(--text); background: var(--tint); }
nav a[aria-current] { color: var(--accent); font-weight: 600; }
.me { display: flex; align-items: center; gap: .625rem; }
.me img { width: 2rem; height: 2rem; border-radius: 50%; background: var(--tint); }
.me .name {
  max-width: 12rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-weight: 600;
}
main { padding-block: 2.5rem 3rem; }
h1 {
  margin: 0 0 .5rem; font-size: clamp(1.75rem, 5vw, 2.4rem); line-height: 1.15;
  letter-spacing: -.02em; text-wrap: balance;
}
h2 { margin: 2.25rem 0 .75rem; font-size: 1.2rem; line-height: 1.3; }
h3 { margin: 0; font-size: 1.0625rem; line-height: 1.35; }
p { margin: 0 0 1rem; max-width: 42rem; }
.lead { font-size: 1.15rem; color: var(--quiet); }
a { color: var(--accent); text-underline-offset: .15em; }
code { font: .875em/1.5 ui-monospace, "SF Mono", Consolas, "Noto Sans Mono", monospace; }
.quiet { color: var(--quiet); font-size: .9375rem; }
.card {
  padding: 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .875rem;
}
.profile {
  display: flex; flex-wrap: wrap; align-items: center; gap: 1.25rem; margin-top: 1.5rem;
}
.profile > img { width: 5rem; height: 5rem; border-radius: 50%; background: var(--tint); }
.profile > div { flex: 1 1 14rem; min-width: 0; }
.profile .big { font-size: 1.4rem; font-weight: 700; line-height: 1.3; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .125rem 1rem; margin: .5rem 0 0; }
dt { color: var(--quiet); }
dd { margin: 0; }
.grid {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: .875rem; margin: 0; padding: 0; list-style: none;
}
.guild { display: flex; gap: .875rem; align-items: flex-start; }
.guild > div { min-width: 0; }
.icon {
  flex: none; width: 3rem; height: 3rem; border-radius: .875rem; background: var(--tint);
  color: var(--accent); display: grid; place-items: center; font-weight: 700;
}
.chip {
  display: inline-block; margin: .25rem .25rem 0 0; padding: 0 .55rem; border-radius: 1rem;
  background: var(--tint); color: var(--accent); font-size: .8125rem;
}
.button {
  display: inline-flex; align-items: center; justify-content: center; min-height: 2.75rem;
  padding: .375rem 1.1rem;
  border: 1px solid var(--edge); border-radius: .625rem; background: transparent;
  color: var(--text);
  font: inherit; font-weight: 600; text-decoration: none; cursor: pointer;
}
.button:hover { background: var(--tint); }
.primary { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
.primary:hover { border-color: var(--accent-strong); background: var(--accent-strong); }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .5rem; }
table {
  width: 100%; border-collapse: collapse; background: var(--card);
  border: 1px solid var(--line);
}
caption { padding: 0 0 .5rem; text-align: start; color: var(--quiet); }
th, td {
  padding: .5rem .875rem; text-align: start; vertical-align: top;
  border-top: 1px solid var(--line);
}
tbody th { width: 34%; font-weight: 500; }
tr.ours th { color: var(--accent); font-weight: 700; }
label { display: block; margin-bottom: .25rem; font-weight: 600; }
.say { display: flex; flex-wrap: wrap; gap: .75rem; }
input {
  flex: 1 1 14rem; min-width: 0; min-height: 2.75rem; padding: .375rem .875rem;
  border: 1px solid var(--edge); border-radius: .625rem; background: var(--page);
  color: var(--text); font: inherit;
}
.log {
  min-height: 10rem; max-height: 22rem; overflow-y: auto; margin: 1rem 0 0; padding: 0;
  list-style: none;
}
.log li { padding: .375rem 0; border-top: 1px solid var(--line); }
.foot { padding-block: 0 2.5rem; color: var(--quiet); font-size: .9375rem; }
@media (max-width: 40rem) {
  nav { order: 3; flex-basis: 100%; margin: 0 -.55rem; }
  nav a { padding: 0 .55rem; }
  .me { margin-inline-start: auto; }
  .me .name { max-width: 5rem; }
  .me .button { padding-inline: .75rem; }
  table, caption, tbody, tr, th, td { display: block; }
  table { border: 0; background: none; }
  tr { background: var(--card); }
  thead { position: absolute; left: -100rem; }
  tbody th { width: auto; padding-bottom: 0; }
  td { border-top: 0; padding-top: 0; }
}
)css";

constexpr std::string_view script = R"js("use strict";
const log = document.getElementById("log");
const status = document.getElementById("status");
const form = document.getElementById("say");
const again = document.getElementById("again");
let socket = null;

// Foreign text becomes text, never markup.
function show(text) {
  const line = document.createElement("li");
  line.dir = "auto";
  line.textContent = text;
  log.append(line);
  log.scrollTop = log.scrollHeight;
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  socket = new WebSocket(scheme + location.host + "/socket");
  status.textContent = "Connecting...";
  again.hidden = true;
  socket.addEventListener("open", () => { status.textContent = "Connected"; });
  socket.addEventListener("message", (event) => show(event.data));
  socket.addEventListener("close", () => {
    status.textContent = "Disconnected";
    again.hidden = false;
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const field = form.elements.text;
  if (field.value === "" || socket.readyState !== WebSocket.OPEN) return;
  socket.send(field.value);
  field.value = "";
  field.focus();
});
again.addEventListener("click", connect);
connect();

const ticks = new EventSource("/events");
ticks.addEventListener("message", (event) => {
  document.getElementById("tick").textContent = event.data;
});
)js";

struct MenuItem {
    std::string_view path;
    std::string_view label;
};

constexpr MenuItem menu[] = {
    {"/",        "Home"   },
    {"/members", "Members"},
    {"/staff",   "Staff"  },
    {"/live",    "Live"   },
    {"/headers", "Headers"},
};

std::string element(std::string_view tag, std::string_view text) {
    std::string out("<");
    return out.append(tag).append(">").append(escape_html(text)).append("</").append(tag) + ">";
}

std::string bdi(std::string_view name) {
    return element("bdi", name);
}

std::string image(std::string_view url, std::string_view css_class, int size) {
    const auto pixels = std::to_string(size);
    return "<img class=\"" + std::string(css_class) + "\" src=\"" + escape_html(url) +
           "\" alt=\"\" width=\"" + pixels + "\" height=\"" + pixels + "\">";
}

/// The visitor as the header fields tell, whether or not X-Discord-User is sent.
std::optional<Visitor> visitor_of(const Request& request) {
    auto visitor = parse_visitor(request.header("x-discord-user"));
    if (!visitor) {
        const auto id = request.header("x-discord-user-id");
        if (id.empty()) return std::nullopt;
        visitor.emplace();
        visitor->id = id;
        visitor->username = percent_decode(request.header("x-discord-user-name")).value_or("");
        visitor->avatar_url = request.header("x-discord-user-avatar");
        visitor->locale = request.header("x-discord-user-locale");
    }
    if (visitor->display_name.empty()) visitor->display_name = display_name(request);
    if (!HttpUrl::parse(visitor->avatar_url)) visitor->avatar_url.clear();
    return visitor;
}

// Pictures come from Discord's CDN and nothing else from anywhere else.
std::string policy_for(const std::optional<Visitor>& visitor) {
    std::string cdn;
    if (visitor) {
        if (const auto url = HttpUrl::parse(visitor->avatar_url))
            cdn = " " + url->origin.to_string();
    }
    return "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
           "img-src 'self'" +
           cdn + "; base-uri 'none'; frame-ancestors 'none'";
}

std::string account_corner(const std::optional<Visitor>& visitor, const Request& request) {
    if (!visitor) {
        return "<a class=\"button primary\" href=\"/login?rd=" + percent_encode(request.path) +
               "\">Log in with Discord</a>";
    }
    std::string out = visitor->avatar_url.empty() ? "" : image(visitor->avatar_url, "avatar", 32);
    out += "<bdi class=\"name\">" + escape_html(visitor->display_name) + "</bdi>";
    // Logging out changes something, so it posts.
    return out +
           "<form method=\"post\" action=\"/logout?rd=%2F\">"
           "<button class=\"button\" type=\"submit\">Log out</button></form>";
}

Answer page(const Request& request, std::string_view title, const std::string& content,
            bool live = false) {
    const auto visitor = visitor_of(request);
    std::string out =
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n" +
        element("title", std::string(title) + " \u00b7 Lantern Club") +
        "\n<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n"
        "<link rel=\"stylesheet\" href=\"/style.css\">\n";
    if (live) out += "<script src=\"/app.js\" defer></script>\n";
    out +=
        "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
        "<header class=\"top\"><div class=\"inner\">\n<span class=\"brand\">Lantern Club</span>\n"
        "<nav aria-label=\"Pages\"><ul>\n";
    for (const auto& item : menu) {
        out += "<li><a href=\"" + std::string(item.path) + "\"" +
               (item.path == request.path ? " aria-current=\"page\">" : ">") +
               std::string(item.label) + "</a></li>\n";
    }
    out +=
        "</ul></nav>\n<div class=\"me\">" + account_corner(visitor, request) +
        "</div>\n</div></header>\n<main id=\"main\">\n" + element("h1", title) + "\n" + content +
        "</main>\n<footer class=\"foot\">This is the sample application of "
        "<code>cordgate demo</code>. All it knows of you, it reads from header fields.</footer>\n"
        "</body>\n</html>\n";
    return {200, "text/html; charset=utf-8", std::move(out), policy_for(visitor)};
}

std::string profile_card(const Visitor& visitor) {
    std::string out = "<div class=\"card profile\">\n";
    if (!visitor.avatar_url.empty()) out += image(visitor.avatar_url, "avatar", 80);
    out += "<div><div class=\"big\">" + bdi(visitor.display_name) +
           "</div>\n<dl><dt>Username</dt><dd>" + bdi(visitor.username) +
           "</dd><dt>User id</dt><dd>" + element("code", visitor.id) + "</dd>";
    if (!visitor.locale.empty()) out += "<dt>Language</dt>" + element("dd", visitor.locale);
    return out + "</dl></div>\n</div>\n";
}

const Membership* membership_in(const Visitor& visitor, std::string_view guild_id) {
    for (const auto& member : visitor.memberships) {
        if (member.guild_id == guild_id) return &member;
    }
    return nullptr;
}

std::string guild_card(const Guild& guild, const Membership* member) {
    std::string out = "<li class=\"card guild\">";
    if (!guild.icon_url.empty()) {
        out += image(guild.icon_url, "icon", 48);
    } else {
        out += "<span class=\"icon\" aria-hidden=\"true\">#</span>";
    }
    out += "<div><h3>" + bdi(guild.name.empty() ? "Guild " + guild.id : guild.name) + "</h3>" +
           "<div class=\"quiet\">" + element("code", guild.id) + "</div>";
    if (guild.owner) out += "<span class=\"chip\">Owner</span>";
    if (member != nullptr) {
        if (!member->nick.empty()) {
            out += "<div class=\"quiet\">Known here as " + bdi(member->nick) + "</div>";
        }
        for (const auto& role : member->roles) {
            out += "<span class=\"chip\">role " + element("code", role) + "</span>";
        }
    }
    return out + "</div></li>\n";
}

std::string guild_list(const Visitor& visitor) {
    if (visitor.guilds.empty()) return "<p class=\"quiet\">Discord named no guild of yours.</p>\n";
    std::string out = "<ul class=\"grid\">\n";
    for (const auto& guild : visitor.guilds) {
        out += guild_card(guild, membership_in(visitor, guild.id));
    }
    out += "</ul>\n";
    if (visitor.guilds_truncated) out += "<p class=\"quiet\">There are more than fit here.</p>\n";
    return out;
}

Answer home(const Request& request) {
    const auto visitor = visitor_of(request);
    std::string out;
    if (visitor) {
        out = "<p class=\"lead\">Hello, " + bdi(visitor->display_name) +
              ". Anybody may read this page; as you are logged in, it knows your name.</p>\n" +
              profile_card(*visitor);
    } else {
        out =
            "<p class=\"lead\">Anybody may read this page. Log in with Discord, and it will greet "
            "you by name.</p>\n";
    }
    out +=
        "<h2>Where to go from here</h2>\n<ul class=\"grid\">\n"
        "<li class=\"card\"><h3><a href=\"/members\">Members</a></h3>For everybody who is logged "
        "in: your profile, guilds and roles.</li>\n"
        "<li class=\"card\"><h3><a href=\"/staff\">Staff</a></h3>For one role only. Without it, "
        "you "
        "learn what you lack.</li>\n"
        "<li class=\"card\"><h3><a href=\"/live\">Live</a></h3>A WebSocket and a stream of events, "
        "both behind the login.</li>\n"
        "<li class=\"card\"><h3><a href=\"/headers\">Headers</a></h3>What this application was "
        "sent, "
        "field by field.</li>\n</ul>\n";
    return page(request, "Welcome to the Lantern Club", out);
}

Answer members(const Request& request) {
    const auto visitor = visitor_of(request);
    if (!visitor) {
        return page(request, "Members", "<p class=\"lead\">Nobody said who you are.</p>\n");
    }
    return page(request, "Members",
                "<p class=\"lead\">Only people who are logged in get here. This is you:</p>\n" +
                    profile_card(*visitor) + "<h2>Your guilds</h2>\n" + guild_list(*visitor));
}

Answer staff(const Request& request) {
    const auto visitor = visitor_of(request);
    std::string out =
        "<p class=\"lead\">You hold the role that this page asks for: the rule was checked before "
        "your request came here.</p>\n";
    if (visitor) {
        out += profile_card(*visitor) + "<h2>Your roles</h2>\n<ul class=\"grid\">\n";
        for (const auto& member : visitor->memberships) {
            const auto in_guild = [&](const Guild& guild) { return guild.id == member.guild_id; };
            const auto guild =
                std::find_if(visitor->guilds.begin(), visitor->guilds.end(), in_guild);
            out += guild_card(
                guild != visitor->guilds.end() ? *guild : Guild{member.guild_id, "", "", false},
                &member);
        }
        out += "</ul>\n";
    }
    return page(request, "Staff room", out);
}

bool is_from_gate(const std::pair<std::string, std::string>& field) {
    return lowercase(field.first).starts_with("x-discord-");
}

Answer headers(const Request& request) {
    auto fields = request.headers;
    std::stable_partition(fields.begin(), fields.end(), is_from_gate);
    std::string out =
        "<p class=\"lead\">This is the request as it arrived here. The marked fields are "
        "Cordgate's: whatever a visitor sends under such a name is removed first.</p>\n"
        "<table>\n<caption>Header fields received, Cordgate's first</caption>\n"
        "<thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Value</th></tr></thead>\n"
        "<tbody>\n";
    for (const auto& field : fields) {
        out += is_from_gate(field) ? "<tr class=\"ours\">" : "<tr>";
        out += "<th scope=\"row\">" + element("code", field.first) + "</th><td>" +
               element("code", field.second) + "</td></tr>\n";
    }
    return page(request, "Header fields", out + "</tbody>\n</table>\n");
}

Answer live(const Request& request) {
    return page(
        request, "Live",
        "<p class=\"lead\">A WebSocket through the gate: it knows your name, and what you "
        "say comes back.</p>\n"
        "<div class=\"card\">\n<p class=\"quiet\">WebSocket: <strong id=\"status\" "
        "role=\"status\">Needs JavaScript</strong></p>\n"
        "<form id=\"say\"><label for=\"text\">Say something</label><div class=\"say\">"
        "<input id=\"text\" name=\"text\" autocomplete=\"off\" maxlength=\"500\">"
        "<button class=\"button primary\" type=\"submit\">Send</button>"
        "<button class=\"button\" type=\"button\" id=\"again\" hidden>Connect again</button>"
        "</div></form>\n<ol class=\"log\" id=\"log\" aria-live=\"polite\" tabindex=\"0\" "
        "aria-label=\"Messages\"></ol>\n</div>\n"
        "<h2>Events</h2>\n<p>Ticks of the server, each as its own event: "
        "<code id=\"tick\">none yet</code></p>\n",
        true);
}

constexpr std::string_view icon =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8" fill="#6a3fa0"/>
<path d="M11 12h10l2 12H9zM12 12a4 4 0 0 1 8 0" fill="#f6c866"
  stroke="#fff" stroke-width="1.5" stroke-linejoin="round"/>
</svg>)svg";

Answer file(std::string_view type, std::string_view body) {
    return {200, type, std::string(body), "default-src 'none'"};
}

struct Endpoint {
    std::string_view path;
    Answer (*answer)(const Request&);
};

// clang-format off
constexpr Endpoint endpoints[] = {
    {"/", home}, {"/members", members}, {"/staff", staff}, {"/headers", headers}, {"/live", live},
    {"/style.css", [](const Request&) { return file("text/css; charset=utf-8", style); }},
    {"/app.js", [](const Request&) { return file("text/javascript; charset=utf-8", script); }},
    {"/icon.svg", [](const Request&) { return file("image/svg+xml", icon); }},
};
// clang-format on

}  // namespace

std::string_view Request::header(std::string_view name) const {
    for (const auto& [field, value] : headers) {
        if (iequals(field, name)) return value;
    }
    return "";
}

std::string display_name(const Request& request) {
    const auto name = percent_decode(request.header("x-discord-user-display-name"));
    return name && !name->empty() ? *name : "stranger";
}

Answer answer(const Request& request) {
    for (const auto& endpoint : endpoints) {
        if (endpoint.path == request.path) return endpoint.answer(request);
    }
    Answer missing = page(request, "Nothing here",
                          "<p class=\"lead\">The Lantern Club has no such page.</p>\n"
                          "<p><a href=\"/\">Back to the start</a></p>\n");
    missing.status = 404;
    return missing;
}

}  // namespace cordgate::sample
