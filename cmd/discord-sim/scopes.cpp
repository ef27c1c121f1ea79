#include "cmd/discord-sim/scopes.hpp"

#include <algorithm>

namespace cordgate::sim {

Scopes split_scopes(std::string_view text) {
    Scopes scopes;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        const std::string word(text.substr(0, end));
        if (!word.empty() && !has_scope(scopes, word)) scopes.push_back(word);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return scopes;
}

bool has_scope(const Scopes& scopes, std::string_view scope) {
    return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

const Scopes& open_scopes() {
    static const Scopes scopes = {"identify",
                                  "email",
                                  "openid",
                                  "connections",
                                  "guilds",
                                  "guilds.members.read",
                                  "guilds.join",
                                  "gdm.join",
                                  "role_connections.write",
                                  "bot",
                                  "applications.commands",
                                  "applications.commands.permissions.update",
                                  "applications.builds.read",
                                  "applications.entitlements",
                                  "applications.store.update",
                                  "webhook.incoming",
                                  "messages.read"};
    return scopes;
}

bool are_open(const Scopes& scopes) {
    return !scopes.empty() && std::all_of(scopes.begin(), scopes.end(), [](const auto& scope) {
        return has_scope(open_scopes(), scope);
    });
}

bool has_passthrough(const Scopes& scopes) {
    return has_scope(scopes, "bot") || has_scope(scopes, "webhook.incoming");
}

bool is_bare_install(const Scopes& scopes) {
    return !scopes.empty() && std::all_of(scopes.begin(), scopes.end(), [](const auto& scope) {
        return scope == "bot" || scope == "applications.commands";
    });
}

}  // namespace cordgate::sim
