#include "store/redis_scripts.hpp"

namespace cordgate::redis {
namespace {

// ARGV[1] is the prefix of the keys, ARGV[2] the channel of ended sessions.
constexpr const char* const prelude = R"lua(
local P, CHANNEL = ARGV[1], ARGV[2]
local HANDLES, EXPIRES, SEEN, LOGINS = P .. 'handles', P .. 'expires', P .. 'seen', P .. 'logins'
local function s_key(key) return P .. 's:' .. key end
local function u_key(user) return P .. 'u:' .. user end

-- handle NUL key, and the length of the key in two bytes
local function to_mark(handle, key)
    return handle .. '\0' .. key .. string.char(math.floor(#key / 256), #key % 256)
end
local function from_mark(mark)
    local length = mark:byte(-2) * 256 + mark:byte(-1)
    return mark:sub(1, -length - 4), mark:sub(-length - 2, -3)
end
-- What is of another type is not ours: no session.
local function fields(key, ...)
    local found = redis.pcall('HMGET', key, ...)
    if found.err or not found[1] then return nil end
    return found
end
local function keep_for(key, ttl)
    if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end
local function index(key, handle, user, expires, seen, ttl)
    local mark = to_mark(handle, key)
    redis.call('ZADD', HANDLES, 0, mark)
    redis.call('ZADD', EXPIRES, expires, mark)
    redis.call('ZADD', SEEN, seen, mark)
    redis.call('ZADD', u_key(user), expires, mark)
    for _, name in ipairs({HANDLES, EXPIRES, SEEN, u_key(user)}) do keep_for(name, ttl) end
end
local function forget(mark, user)
    for _, name in ipairs({HANDLES, EXPIRES, SEEN}) do redis.call('ZREM', name, mark) end
    if user then redis.call('ZREM', u_key(user), mark) end
end
-- The session first: should an index be damaged, it has ended all the same.
local function finish(key, handle, user)
    redis.call('DEL', s_key(key))
    redis.call('PUBLISH', CHANNEL, key)
    forget(to_mark(handle, key), user)
end
local function key_of(handle)
    local marks = redis.call('ZRANGEBYLEX', HANDLES, '[' .. handle .. '\0', '(' .. handle .. '\1')
    for _, mark in ipairs(marks) do
        local its, key = from_mark(mark)
        if its == handle then
            local found = fields(s_key(key), 'h')
            if found and found[1] == handle then return key end
            forget(mark)
        end
    end
    return nil
end
local function row(key)
    local found = fields(s_key(key), 'h', 'u', 'c', 'l', 'e', 's')
    if found then table.insert(found, 1, key) end
    return found
end
)lua";

Script script(const char* body) {
    return Script(std::string(prelude) + body);
}

}  // namespace

Scripts::Scripts()
    // key handle user created seen expires sealed, scores of expires and seen, ttl, score
    // of what has expired for long
    : insert(script(R"lua(
local key, handle, user = ARGV[3], ARGV[4], ARGV[5]
if redis.call('EXISTS', s_key(key)) == 1 then return 'key' end
if key_of(handle) then return 'handle' end
index(key, handle, user, ARGV[10], ARGV[11], ARGV[12])
redis.call('HSET', s_key(key), 'h', handle, 'u', user, 'c', ARGV[6], 'l', ARGV[7], 'e', ARGV[8],
           's', ARGV[9])
redis.call('PEXPIRE', s_key(key), ARGV[12])
redis.call('ZREMRANGEBYSCORE', u_key(user), '-inf', ARGV[13])
return ''
)lua")),
      // key seen expires sealed, scores of expires and seen, ttl [expected]
      update(script(R"lua(
local key = ARGV[3]
local found = fields(s_key(key), 'h', 'u', 'l', 's')
if not found then return 'gone' end
if ARGV[10] and found[4] ~= ARGV[10] then return 'changed' end
local seen = ARGV[8]
if found[3] > ARGV[4] then
    seen = redis.call('ZSCORE', SEEN, to_mark(found[1], key)) or seen
else
    redis.call('HSET', s_key(key), 'l', ARGV[4])
end
index(key, found[1], found[2], ARGV[7], seen, ARGV[9])
redis.call('HSET', s_key(key), 'e', ARGV[5], 's', ARGV[6])
redis.call('PEXPIRE', s_key(key), ARGV[9])
return ''
)lua")),
      // key seen, its score
      touch(script(R"lua(
local found = fields(s_key(ARGV[3]), 'h', 'l')
if not found then return 0 end
if found[2] < ARGV[4] then
    redis.call('HSET', s_key(ARGV[3]), 'l', ARGV[4])
    redis.call('ZADD', SEEN, ARGV[5], to_mark(found[1], ARGV[3]))
    keep_for(SEEN, redis.call('PTTL', s_key(ARGV[3])))
end
return 1
)lua")),
      // keys
      missing(script(R"lua(
local gone = {}
for i = 3, #ARGV do
    if redis.call('EXISTS', s_key(ARGV[i])) == 0 then gone[#gone + 1] = ARGV[i] end
end
return gone
)lua")),
      // keys
      erase(script(R"lua(
local ended = {}
for i = 3, #ARGV do
    local found = fields(s_key(ARGV[i]), 'h', 'u')
    if found then
        finish(ARGV[i], found[1], found[2])
        ended[#ended + 1] = ARGV[i]
    end
end
return ended
)lua")),
      // handle
      erase_handle(script(R"lua(
local key = key_of(ARGV[3])
if not key then return false end
finish(key, ARGV[3], redis.call('HGET', s_key(key), 'u'))
return key
)lua")),
      // user until
      erase_user(script(R"lua(
local ended = {}
for _, mark in ipairs(redis.call('ZRANGE', u_key(ARGV[3]), 0, -1)) do
    local handle, key = from_mark(mark)
    local found = fields(s_key(key), 'h', 'c')
    if not found then
        redis.call('ZREM', u_key(ARGV[3]), mark)
    elseif found[2] <= ARGV[4] then
        finish(key, handle, ARGV[3])
        ended[#ended + 1] = key
    end
end
return ended
)lua")),
      // handle
      find_handle(script(R"lua(
local key = key_of(ARGV[3])
return key and row(key)
)lua")),
      // user cursor limit; the last of the answer is where to go on
      list(script(R"lua(
local user, cursor, limit = ARGV[3], ARGV[4], tonumber(ARGV[5])
local page, more, last = {}, false, cursor
local function add(mark, home)
    local handle, key = from_mark(mark)
    local found = row(key)
    if not found then
        redis.call('ZREM', home, mark)
        return true
    end
    if #page == limit then
        more = true
        return false
    end
    page[#page + 1], last = found, handle
    return true
end
if user == '' then
    local from = cursor == '' and '-' or '[' .. cursor .. '\1'
    while true do
        local marks = redis.call('ZRANGEBYLEX', HANDLES, from, '+', 'LIMIT', 0, limit + 1)
        local go_on = #marks > 0
        for _, mark in ipairs(marks) do
            go_on = add(mark, HANDLES)
            if not go_on then break end
            from = '(' .. mark
        end
        if not go_on then break end
    end
else
    local marks = redis.call('ZRANGE', u_key(user), 0, -1)
    table.sort(marks)
    for _, mark in ipairs(marks) do
        if from_mark(mark) > cursor and not add(mark, u_key(user)) then break end
    end
end
page[#page + 1] = more and last or ''
return page
)lua")),
      // key browser created sealed, score of created, ttl, most of a browser, of all
      put_login(script(R"lua(
local key, browser = ARGV[3], P .. 'b:' .. ARGV[4]
local function l_key(mark) return P .. 'l:' .. mark:sub(17) end
if redis.call('EXISTS', P .. 'l:' .. key) == 1 then return 0 end
local number = redis.call('INCR', P .. 'login-number')
local mark = string.format('%016x', number) .. key
redis.call('PEXPIRE', P .. 'login-number', ARGV[8])
redis.call('ZADD', LOGINS, ARGV[7], mark)
redis.call('ZADD', browser, ARGV[7], mark)
redis.call('HSET', P .. 'l:' .. key, 'b', ARGV[4], 'c', ARGV[5], 's', ARGV[6], 'm', mark)
for _, name in ipairs({P .. 'l:' .. key, LOGINS, browser}) do keep_for(name, ARGV[8]) end
for _, old in ipairs(redis.call('ZRANGE', browser, 0, -1 - tonumber(ARGV[9]))) do
    redis.call('DEL', l_key(old))
    redis.call('ZREM', LOGINS, old)
    redis.call('ZREM', browser, old)
end
for _, old in ipairs(redis.call('ZRANGE', LOGINS, 0, -1 - tonumber(ARGV[10]))) do
    local its = redis.call('HGET', l_key(old), 'b')
    if its then redis.call('ZREM', P .. 'b:' .. its, old) end
    redis.call('DEL', l_key(old))
    redis.call('ZREM', LOGINS, old)
end
return 1
)lua")),
      // key
      take_login(script(R"lua(
local name = P .. 'l:' .. ARGV[3]
local found = fields(name, 'b', 'c', 's', 'm')
if not found then return false end
redis.call('DEL', name)
redis.call('ZREM', LOGINS, found[4])
redis.call('ZREM', P .. 'b:' .. found[1], found[4])
return found
)lua")),
      // scores of expires, seen and created; limit
      purge(script(R"lua(
local limit, removed = tonumber(ARGV[6]), 0
local function reached(name, cutoff)
    return redis.call('ZRANGEBYSCORE', name, '-inf', cutoff, 'LIMIT', 0, limit - removed)
end
for _, step in ipairs({{EXPIRES, ARGV[3]}, {SEEN, ARGV[4]}}) do
    for _, mark in ipairs(reached(step[1], step[2])) do
        local handle, key = from_mark(mark)
        local found = fields(s_key(key), 'h', 'u')
        local is_its = found and found[1] == handle
        if is_its then redis.call('DEL', s_key(key)) end
        forget(mark, is_its and found[2])
        removed = removed + 1
    end
end
for _, mark in ipairs(reached(LOGINS, ARGV[5])) do
    local name = P .. 'l:' .. mark:sub(17)
    local browser = redis.call('HGET', name, 'b')
    if browser then redis.call('ZREM', P .. 'b:' .. browser, mark) end
    redis.call('DEL', name)
    redis.call('ZREM', LOGINS, mark)
    removed = removed + 1
end
return removed
)lua")),
      // name holder duration
      try_lease(script(R"lua(
local name = P .. 'lease:' .. ARGV[3]
local holder = redis.call('GET', name)
if holder and holder ~= ARGV[4] then return 0 end
redis.call('SET', name, ARGV[4], 'PX', ARGV[5])
return 1
)lua")),
      renew_lease(script(R"lua(
local name = P .. 'lease:' .. ARGV[3]
if redis.call('GET', name) ~= ARGV[4] then return 0 end
return redis.call('PEXPIRE', name, ARGV[5])
)lua")),
      // name holder
      release_lease(script(R"lua(
local name = P .. 'lease:' .. ARGV[3]
if redis.call('GET', name) ~= ARGV[4] then return 0 end
return redis.call('DEL', name)
)lua")) {}

}  // namespace cordgate::redis
