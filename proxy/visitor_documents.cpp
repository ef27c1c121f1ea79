#include "proxy/visitor_documents.hpp"

namespace cordgate::proxy {

discord::ImageSource images(const Gate& gate) {
    return {gate.settings.discord.cdn_url, {}};
}

void keep_user_of(Gate& gate, const Session& session) {
    const auto& identity = session.identity;
    if (identity.user.raw.empty()) return;
    gate.keeper.cache().put(
        discord::key_for(identity.user.id, session.grant.scopes, discord::Resource::user),
        identity.user.raw, identity.user_at);
}

Result<std::string> guilds_of(Gate& gate, const KnownSession& known) {
    const auto entry = gate.keeper.guilds(known, gate.settings.identity.guilds_max_age);
    if (!entry) return entry.error();
    return discord::guilds_document(*entry->json, images(gate));
}

Result<std::string> connections_of(Gate& gate, const KnownSession& known) {
    const auto entry = gate.keeper.connections(known, gate.settings.identity.user_max_age);
    if (!entry) return entry.error();
    return discord::connections_document(*entry->json);
}

}  // namespace cordgate::proxy
