#pragma once

#include "proxy/exchange.hpp"
#include "proxy/routes.hpp"

namespace cordgate::proxy {

/// Answers one of our own pages: /login, /callback, /logout and what is below
/// the prefix. Translates HTTP to LoginFlow and back; decides nothing itself.
Task<void> answer_own_page(Exchange& exchange, OwnPage page);

/// Sends a visitor who is not signed in to /login, or tells a program where it is.
Reply login_required(const Exchange& exchange);

/// "/login?rd=..." for the request at hand.
std::string login_location(const Exchange& exchange);

/// 403 for somebody who is signed in: what is missing, and as whom. Noted in the record.
/// `scope`: what the login would have to grant before more can be told.
Reply denied(Exchange& exchange, const Session& session, const Rule& rule,
             std::string_view scope = {});

/// 403 for what a page of another site asked for in the visitor's name.
Reply foreign_origin(const Exchange& exchange, std::string_view what_happened,
                     std::string_view what_next, const std::optional<Link>& action = std::nullopt);

}  // namespace cordgate::proxy
