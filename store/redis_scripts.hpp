#pragma once

#include "store/redis.hpp"

/// The changes of RedisStore, each one atomic. How the data lies (P: the prefix):
///
///     P s:KEY      hash    one session: h handle, u user, c created, l last seen,
///                          e expires, s sealed
///     P handles    zset    every session's MARK, all with score 0: by handle
///     P expires    zset    every session's MARK by expiry
///     P seen       zset    every session's MARK by last use
///     P u:USER     zset    the MARKs of a user's sessions by expiry
///     P l:KEY      hash    one login: b browser, c created, s sealed, m MARK
///     P logins     zset    every login's MARK by creation
///     P b:BROWSER  zset    the MARKs of a browser's logins by creation
///     P lease:NAME string  the holder of a lock
///
/// A MARK holds handle and key, so that an index can be cleaned when Redis has
/// dropped what it points to. Every key has a time to live; an index's is that of
/// its longest entry. Instants are 19 digits that sort as text; scores are
/// microseconds. A session is announced in the same step that ends it.
namespace cordgate::redis {

struct Scripts {
    Script insert, update, touch, missing, erase, erase_handle, erase_user, find_handle, list,
        put_login, take_login, purge, try_lease, renew_lease, release_lease;

    Scripts();
};

}  // namespace cordgate::redis
