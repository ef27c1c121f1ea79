#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cordgate::sim {

using Scopes = std::vector<std::string>;

/// Splits at spaces; empty words and repetitions are dropped.
Scopes split_scopes(std::string_view text);
bool has_scope(const Scopes& scopes, std::string_view scope);

/// The scopes that everybody may ask for; the others exist only for partners, or
/// not at all.
const Scopes& open_scopes();
/// At least one, and all of them open.
bool are_open(const Scopes& scopes);
/// Adding something to a server is asked every time.
bool has_passthrough(const Scopes& scopes);
/// Only the bot or commands are added: nobody waits for a code.
bool is_bare_install(const Scopes& scopes);

}  // namespace cordgate::sim
