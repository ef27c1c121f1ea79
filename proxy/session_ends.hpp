#pragma once

#include "proxy/gate.hpp"

namespace cordgate::proxy {

/// Revokes the grant of `session`, which has ended, at Discord. There that is the end of
/// every grant of this user to this application, so their sessions from up to `until`,
/// whose tokens are dead, end with it. Blocks. How many others were ended.
Result<std::size_t> revoke_grant(Gate& gate, const Session& session, TimePoint until);

/// Whether `logout.revoke` asks for that after a logout out of `session`. Blocks: to be
/// asked before the logout is answered, since another one may follow.
bool is_to_be_revoked(Gate& gate, const Session& session);
/// Does it behind the answer's back. Does not block.
void revoke_soon(Gate& gate, const Session& session);

/// `session.max_per_user`: ends the oldest sessions of `user` beyond it, but never the one of
/// the digest `newest`, whatever clocks say. Logins at the same time take turns, on all
/// replicas, and one whose session the other has ended ends none. Blocks. How many.
Result<std::size_t> end_oldest_sessions(Gate& gate, Snowflake user, const std::string& newest);

}  // namespace cordgate::proxy
