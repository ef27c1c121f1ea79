#pragma once

#include <string>

#include "core/discord/models_json.hpp"
#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// How URLs of images in documents look.
discord::ImageSource images(const Gate& gate);

/// What a session was made with serves as the cached profile, until it is too old.
void keep_user_of(Gate& gate, const Session& session);

// What a visitor's own browser gets; the same as the internal API's, with the same
// ages. They block, and fail as SessionKeeper does.

Result<std::string> guilds_of(Gate& gate, const KnownSession& known);
Result<std::string> connections_of(Gate& gate, const KnownSession& known);

}  // namespace cordgate::proxy
