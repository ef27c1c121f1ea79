#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cordgate::config {

/// An OAuth2 scope of Discord's.
struct Scope {
    std::string_view name;
    std::string_view caution;  ///< why a login may fail with it; empty: open to everybody
};

/// The scopes that Discord documents (developer docs, "OAuth2 Scopes"). Discord
/// adds scopes, so one that is missing here is worth a warning, not an error.
const std::vector<Scope>& known_scopes();
const Scope* find_scope(std::string_view name);
std::vector<std::string> scope_names();

/// Scopes with which Discord always asks, whatever `prompt` says.
bool is_passthrough(std::string_view scope);

}  // namespace cordgate::config
