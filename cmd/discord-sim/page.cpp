#include "cmd/discord-sim/page.hpp"

#include <algorithm>

#include "core/base64.hpp"
#include "core/crypto.hpp"

namespace cordgate::sim {
namespace {

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --ink: #1c1b18; --paper: #f6f4ee; --card: #fffdf8;
  --line: #8a867a; --soft: #57534a; --accent: #1f5c4d; --on-accent: #ffffff; --note: #fbe9c6; }
@media (prefers-color-scheme: dark) { :root { --ink: #efece4; --paper: #1a1917; --card: #24231f;
  --line: #7d796e; --soft: #b9b4a7; --accent: #8fd6c0; --on-accent: #10251f; --note: #4a3b17; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 32rem; margin: 2vh auto; padding: 1.25rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: .75rem 0; }
.note { margin: 0; padding: .5rem .75rem; background: var(--note); border-radius: .25rem; }
.soft { color: var(--soft); }
ul { padding-left: 1.25rem; }
fieldset { border: 1px solid var(--line); border-radius: .25rem; margin: 1rem 0; padding: .5rem; }
label { display: flex; align-items: center; gap: .75rem; min-height: 2.75rem; padding: .25rem;
  cursor: pointer; }
label:has(:checked) { outline: 1px solid var(--line); border-radius: .25rem; }
input[type=radio], input[type=checkbox] { width: 1.25rem; height: 1.25rem; flex: none; accent-color: var(--accent); }
img { width: 2.25rem; height: 2.25rem; border-radius: 50%; flex: none; }
select { width: 100%; min-height: 2.75rem; font: inherit; }
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; }
button { flex: 1 1 8rem; min-height: 2.75rem; font: inherit; border-radius: .25rem; cursor: pointer;
  border: 1px solid var(--line); background: transparent; color: inherit; }
button.main { background: var(--accent); color: var(--on-accent); border-color: transparent;
  font-weight: 600; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
code { font-size: .95em; }
)";

struct ScopeText {
    std::string_view scope;
    std::string_view words;
};

constexpr ScopeText scope_texts[] = {
    {"identify",               "know your username, avatar and display name"    },
    {"email",                  "know your e-mail address"                       },
    {"guilds",                 "know what servers you are in"                   },
    {"guilds.members.read",    "read your nickname and roles in those servers"  },
    {"guilds.join",            "add you to servers"                             },
    {"connections",            "know your accounts on other services"           },
    {"role_connections.write", "write your role connection for this application"},
    {"gdm.join",               "add you to group messages"                      },
    {"openid",                 "sign you in with OpenID Connect"                },
    {"bot",                    "add its bot to a server"                        },
    {"applications.commands",  "add its commands"                               },
    {"webhook.incoming",       "create a webhook"                               },
};

std::string words_of(std::string_view scope) {
    for (const auto& text : scope_texts) {
        if (text.scope == scope) return std::string(text.words);
    }
    return "use a permission that this simulator does not know";
}

// The two names of an account; <bdi> keeps right-to-left ones in their place.
std::string names_of(const Account& user) {
    const auto& shown = user.global_name ? *user.global_name : user.username;
    auto handle = user.username;
    if (user.discriminator != "0") handle += "#" + user.discriminator;
    return "<span><bdi>" + escape_html(shown) + "</bdi> <small class=\"soft\"><bdi>" +
           escape_html(handle) + "</bdi></small></span>";
}

// Radio buttons are quicker for a few, a list is shorter for many.
std::string user_choice(const ConsentText& text) {
    constexpr std::size_t many = 12;
    std::string html;
    const auto is_chosen = [&](const Account& user) {
        return text.chosen == Snowflake{} ? user.id == text.users.front().id
                                          : user.id == text.chosen;
    };
    if (text.users.size() > many) {
        html = "<select name=\"user\" aria-label=\"Account\">";
        for (const auto& user : text.users) {
            html += "<option value=\"" + user.id.to_string() + "\"" +
                    (is_chosen(user) ? " selected" : "") + ">" +
                    escape_html(user.global_name.value_or(user.username)) + " (" +
                    escape_html(user.username) + ")</option>";
        }
        return html + "</select>";
    }
    for (const auto& user : text.users) {
        html += "<label><input type=\"radio\" name=\"user\" required value=\"" +
                user.id.to_string() + "\"" + (is_chosen(user) ? " checked" : "") + "><img src=\"" +
                escape_html(avatar_path(user)) + "\" alt=\"\">" + names_of(user) + "</label>";
    }
    return html;
}

// What is asked for; with a box before each where people may take some away.
std::string scope_list(const ConsentText& text) {
    std::string html = "<p id=\"what\">It will be able to:</p>\n";
    html += text.may_edit_scopes ? "<input type=\"hidden\" name=\"edited\" value=\"yes\">\n" : "";
    html += "<ul aria-labelledby=\"what\">\n";
    for (const auto& scope : text.scopes) {
        const auto name = escape_html(scope);
        const auto words =
            escape_html(words_of(scope)) + " <code class=\"soft\">" + name + "</code>";
        const auto box = "<label><input type=\"checkbox\" name=\"scope:" + name +
                         "\" value=\"yes\" "
                         "checked><span>" +
                         words + "</span></label>";
        html += "<li>" + (text.may_edit_scopes ? box : words) + "</li>\n";
    }
    return html + "</ul>\n";
}

// Where the bot or the webhook shall go.
std::string guild_choice(const ConsentText& text) {
    if (text.guilds.empty()) return "";
    std::string html =
        "<fieldset><legend>Add to server</legend>\n<select name=\"guild\" "
        "aria-label=\"Server\">";
    for (const auto& guild : text.guilds) {
        const bool chosen = text.chosen_guild == guild.id;
        html += "<option value=\"" + guild.id.to_string() + "\"" + (chosen ? " selected" : "") +
                ">" + escape_html(guild.name) + "</option>";
    }
    return html + "</select></fieldset>\n";
}

}  // namespace

std::string avatar_path(const Account& user) {
    const auto id = user.id.to_string();
    if (user.avatar) return "/avatars/" + id + "/" + *user.avatar + ".png";
    const auto legacy = user.discriminator != "0" && !user.discriminator.empty();
    const auto index = legacy ? std::strtoul(user.discriminator.c_str(), nullptr, 10) % 5
                              : (user.id.value() >> 22) % 6;
    return "/embed/avatars/" + std::to_string(index) + ".png";
}

std::string escape_html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out += c;
        }
    }
    return out;
}

Reply html_page(int status, std::string_view title, std::string_view body) {
    Reply reply{status, "text/html; charset=utf-8", {}, {}};
    reply.body =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<link rel=\"icon\" href=\"/embed/avatars/0.png\">\n<title>" +
        escape_html(title) + "</title>\n<style>" + std::string(style) +
        "</style>\n</head>\n<body>\n<main>\n"
        "<p class=\"note\"><strong>Discord simulator.</strong> This is not Discord: a "
        "stand-in for trying things out. Everybody here is invented.</p>\n" +
        std::string(body) + "\n</main>\n</body>\n</html>\n";
    // No form-action: it would also forbid the redirect back to the application.
    reply.headers = {
        {"Content-Security-Policy",
         "default-src 'none'; img-src 'self'; base-uri 'none'; "
         "frame-ancestors 'none'; style-src 'sha256-" +
             base64_encode(sha256(style)) + "'"  },
        {"Cache-Control",           "no-store"   },
        {"Referrer-Policy",         "no-referrer"},
        {"X-Content-Type-Options",  "nosniff"    }
    };
    return reply;
}

Reply consent_page(const ConsentText& text) {
    const auto name = escape_html(text.application);
    const auto title = "Authorize " + text.application + " \u2013 Discord simulator";
    auto body = "<h1><bdi>" + name + "</bdi> wants to access your account</h1>\n";
    if (text.users.empty()) {
        body += "<p>Nobody lives in this world yet: add a user through the control API.</p>";
        return html_page(200, title, body);
    }
    body += "<form method=\"post\" action=\"" + escape_html(text.action) + "\">\n" +
            scope_list(text) + guild_choice(text) + "<fieldset><legend>Continue as</legend>\n" +
            user_choice(text) +
            "</fieldset>\n<p class=\"buttons\">"
            "<button class=\"main\" name=\"decision\" value=\"authorize\">Authorize</button>"
            "<button name=\"decision\" value=\"cancel\">Cancel</button></p>\n</form>\n"
            "<p class=\"soft\">Either way you return to <bdi>" +
            escape_html(text.back_to) + "</bdi>.</p>";
    return html_page(200, title, body);
}

Reply activation_page(std::string_view wrong_code) {
    std::string body = "<h1>Connect a device</h1>\n";
    if (!wrong_code.empty()) {
        body += "<p>No device waits for the code <bdi>" + escape_html(wrong_code) + "</bdi>.</p>\n";
    }
    body +=
        "<form method=\"get\" action=\"/activate\">\n<label>Code <input name=\"user_code\" "
        "required autocomplete=\"off\"></label>\n<p class=\"buttons\"><button class=\"main\">"
        "Continue</button></p>\n</form>";
    return html_page(wrong_code.empty() ? 200 : 404, "Connect a device \u2013 Discord simulator",
                     body);
}

Reply error_page(int status, std::string_view what, std::string_view why) {
    return html_page(status, std::string(what) + " \u2013 Discord simulator",
                     "<h1>" + escape_html(what) + "</h1>\n<p>" + escape_html(why) + "</p>");
}

std::string front_page_body(const Application& application, const std::vector<Account>& users) {
    std::string list;
    for (const auto& user : users) list += "<li>" + names_of(user) + "</li>\n";
    return "<h1>Discord simulator</h1>\n<p>It plays Discord's sign-in, API and CDN for the "
           "application <bdi>" +
           escape_html(application.name) + "</bdi> (client id <code>" +
           escape_html(application.client_id) +
           "</code>). Its control API is under <code>/sim/control/</code>.</p>\n<p>Who lives here:"
           "</p>\n<ul>" +
           list + "</ul>";
}

}  // namespace cordgate::sim
