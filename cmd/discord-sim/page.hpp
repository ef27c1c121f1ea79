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
    std::string query{};    ///< of the authorize request; the form posts it again
    std::vector<Account> users{};
    Snowflake chosen{};  ///< who is preselected
};

/// A form that works without JavaScript: who, and Authorize or Cancel.
Reply consent_page(const ConsentText& text);

/// What Discord shows itself instead of redirecting.
Reply error_page(int status, std::string_view what, std::string_view why);

std::string front_page_body(const Application& application, const std::vector<Account>& users);

}  // namespace cordgate::sim
