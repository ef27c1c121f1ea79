#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cmd/discord-sim/message.hpp"
#include "cmd/discord-sim/service.hpp"
#include "cmd/discord-sim/world.hpp"

namespace cordgate::sim {

/// For text and for quoted attributes.
std::string escape_html(std::string_view text);

/// A whole page around `body` (already HTML): our style, no script, and no
/// origin but our own.
Reply html_page(int status, std::string_view title, std::string_view body);

/// What the consent page says.
struct ConsentText {
    std::string application{};
    Scopes scopes{};
    std::string back_to{};  ///< origin of the redirect_uri
    std::string action{};   ///< where the form goes
    bool may_edit_scopes = false;
    std::vector<Guild> guilds{};  ///< where something may be added; none: no question
    std::optional<Snowflake> chosen_guild{};
    std::vector<Account> users{};
    Snowflake chosen{};  ///< who is preselected
};

/// A form that works without JavaScript: who, and Authorize or Cancel.
Reply consent_page(const ConsentText& text);

/// Asks for the code that a device shows.
Reply activation_page(std::string_view wrong_code);
/// "/avatars/..." or "/embed/avatars/..."; always there.
std::string avatar_path(const Account& user);

/// What Discord shows itself instead of redirecting.
Reply error_page(int status, std::string_view what, std::string_view why);

std::string front_page_body(const Application& application, const std::vector<Account>& users);

}  // namespace cordgate::sim
