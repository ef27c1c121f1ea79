#pragma once

#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// Revokes the grant of `session`, which has ended, at Discord. There that is the end of
/// every grant of this user to this application, so their sessions from up to `until`,
/// whose tokens are dead, end with it. Blocks. How many others were ended.
Result<std::size_t> revoke_grant(Gate& gate, const Session& session, TimePoint until);

/// What `logout.revoke` asks for after a logout out of `session`. Does not block.
void revoke_after_logout(Gate& gate, const Session& session);

}  // namespace cordgate::proxy
