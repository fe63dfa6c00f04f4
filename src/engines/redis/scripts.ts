/**
 * What the server does, one script for each step. Each script first removes the tickets whose lease has run out, and finally grants the lock to
 * every ticket whose turn it is. So any client that runs a script advances the queue.
 *
 *  1. Time is the server's own: a script calls TIME, and never takes a time from a client.
 *  2. Each script can run twice without harm, since a client repeats it if it gets no answer.
 *  3. The holders are always the first tickets of the queue.
 *  4. A grant is published on the channel of the ticket's client.
 *  5. If nobody else is there, joining and leaving take a shorter way, with the same result: each call of a command costs about a microsecond.
 */
import { createHash } from 'node:crypto'

/** KEYS: see names.ts. ARGV[1] is the prefix of the channels' names. */
const NAMES = `
local queue, leases, tickets, held, tokens = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local function clientOf(id)
  return string.match(id, '^[^.]*')
end
`

const CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local clock = time[1] * 1000000 + time[2]

local function asToken(number)
  return string.format('%.0f', number)
end

-- 0 if the key is gone: it has expired, or was evicted.
local function lastToken()
  return tonumber(redis.call('GET', tokens) or '0')
end

-- Also grows after the key is gone, as long as the server's clock does.
local function nextToken()
  local token = asToken(math.max(lastToken() + 1, clock))
  redis.call('SET', tokens, token, 'EX', 86400)
  return token
end
`

const SHARED = `
-- All clients of one session have one channel: see session.ts.
local function notify(id, message)
  redis.call('PUBLISH', ARGV[1] .. string.match(id, '^[^.~]*'), id .. ' ' .. message)
end

local function claimOf(id)
  return string.match(redis.call('HGET', tickets, id) or 'x', '^%S+')
end

-- 'ttl' is how long, in ms. With '>' before it, the lease isn't made shorter. RACE: a script may run late, and the lease may have been made longer meanwhile.
local function lease(id, ttl)
  local ends = now + string.match(ttl, '%d+')
  if string.sub(ttl, 1, 1) == '>' then
    ends = math.max(ends, tonumber(redis.call('ZSCORE', leases, clientOf(id)) or '0'))
  end
  redis.call('ZADD', leases, ends, clientOf(id))
end

-- How many permits a claim takes; and how many may be held, 'nil' if the claim isn't for permits.
local function takenBy(claim)
  local permits, take = string.match(claim, '^p(%d+)%.?(%d*)$')
  return tonumber(take) or 1, tonumber(permits)
end

-- Counts the permits that the holders take besides one each.
local function addExtra(extra)
  if extra == 0 then return end
  if redis.call('HINCRBY', tickets, '+', extra) <= 0 then redis.call('HDEL', tickets, '+') end
end

-- How many permits the holders take together.
local function taken()
  return redis.call('HLEN', held) + tonumber(redis.call('HGET', tickets, '+') or '0')
end

-- Returns 1 if it held.
local function remove(id)
  if redis.call('ZREM', queue, id) == 0 then return 0 end
  local take = takenBy(claimOf(id))
  redis.call('HDEL', tickets, id)
  local client = clientOf(id)
  if redis.call('HINCRBY', tickets, '#' .. client, -1) <= 0 then
    redis.call('HDEL', tickets, '#' .. client)
    redis.call('ZREM', leases, client)
  end
  local wasHeld = redis.call('HDEL', held, id)
  if wasHeld == 1 then addExtra(1 - take) end
  return wasHeld
end

-- Removes a ticket whose owner hasn't released it. If it held, the next holder gets 'recovered'.
local function drop(id)
  local claim = claimOf(id)
  if remove(id) == 1 and claim ~= 's' then redis.call('HSET', tickets, '!', '1') end
end

local function expire()
  local clients = redis.call('ZRANGEBYSCORE', leases, '-inf', now)
  if #clients == 0 then return end
  local isOver = {}
  for _, client in ipairs(clients) do isOver[client] = true end
  for _, id in ipairs(redis.call('ZRANGE', queue, 0, -1)) do
    if isOver[clientOf(id)] then drop(id) end
  end
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
end

-- Whether a claim can hold beside 'count' holders; 'last' is the claim of the last of them, undefined if there is none.
local function fits(claim, count, last)
  if count == 0 then return true end
  local take, permits = takenBy(claim)
  if not permits then return claim == 's' and last == 's' end
  return string.sub(last, 1, 1) == 'p' and taken() + take <= permits
end

local function grant(own)
  local count = redis.call('HLEN', held)
  local last
  if count > 0 then last = claimOf(redis.call('ZRANGE', queue, count - 1, count - 1)[1] or '') end
  while true do
    local id = redis.call('ZRANGE', queue, count, count)[1]
    if not id then return end
    local claim = claimOf(id)
    if not fits(claim, count, last) then return end
    local recovered = redis.call('HEXISTS', tickets, '!')
    -- The crash of a writer concerns all readers up to the next writer.
    if claim ~= 's' then redis.call('HDEL', tickets, '!') end
    local facts = nextToken() .. ' ' .. recovered
    redis.call('HSET', held, id, facts .. ' ' .. now)
    addExtra(takenBy(claim) - 1)
    if id ~= own then notify(id, 'held ' .. facts) end
    count, last = count + 1, claim
  end
end

-- With 'waiting' comes a token that none so far exceeds: grants up to that one are not, or no longer, grants of this ticket.
local function stateOf(id)
  local facts = redis.call('HGET', held, id)
  if facts then return 'held ' .. facts end
  return redis.call('ZSCORE', queue, id) and 'waiting ' .. asToken(math.max(lastToken(), clock)) or 'gone'
end

-- In how many ms the first lease runs out.
local function nextExpiry()
  local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')[2]
  return first and first - now or -1
end
`

/** With less memory than it needs, the server refuses a script at its first write, unless an earlier write of the script can only free memory. */
const EVEN_IF_FULL = `redis.call('HDEL', tickets, '')`

export interface Script {
  readonly text: string
  readonly sha: string
}

/** If nobody is there, nobody has left a mark, and the request takes one permit at most, it holds at once. */
const JOIN_ALONE = `
local id, ttl, mode, claim = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if ARGV[7] == '' and not string.find(claim, '.', 1, true)
  and redis.call('HLEN', tickets) == 0 and redis.call('ZCARD', queue) == 0 then
  local client, facts, ms = clientOf(id), nextToken() .. ' 0 ' .. now, string.match(ttl, '%d+')
  redis.call('ZADD', queue, 1, id)
  redis.call('ZADD', leases, now + ms, client)
  redis.call('HSET', tickets, '#' .. client, 1, id, claim .. ' ' .. ARGV[6])
  redis.call('HSET', held, id, facts)
  return { 'held ' .. facts, ms }
end
`

/**
 * Joins the queue. ARGV: id, lease (see `lease`), `wait`, `try` or `steal`, claim, what the ticket says of its owner. Replies the state of the ticket and the next expiry; or
 * `refused` to a try; or `mismatch` and the other claim. ARGV[7] is an older ticket of the same client, or empty: if that is gone, it replies `too early`.
 */
export const JOIN: Script = script(
  NAMES,
  CLOCK,
  JOIN_ALONE,
  SHARED,
  `
expire()
if redis.call('ZSCORE', queue, id) then
  lease(id, ttl)
  -- Its turn may have come because leases have run out. The reply may not be read: so this is notified, too.
  grant()
  return { stateOf(id), nextExpiry() }
end
if ARGV[7] ~= '' and not redis.call('ZSCORE', queue, ARGV[7]) then return { 'too early', -1 } end
local place
if mode == 'steal' then
  for _, victim in ipairs(redis.call('HKEYS', held)) do
    local token = string.match(redis.call('HGET', held, victim), '^%d+')
    drop(victim)
    notify(victim, 'stolen ' .. token)
  end
  place = (redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')[2] or 1) - 1
else
  local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')
  local other = last[1] and claimOf(last[1])
  if other and (string.sub(other, 1, 1) == 'p') ~= (string.sub(claim, 1, 1) == 'p') then
    return { 'mismatch ' .. other, -1 }
  end
  local count = redis.call('HLEN', held)
  if mode == 'try' and (redis.call('ZCARD', queue) > count or not fits(claim, count, other)) then
    return { 'refused', -1 }
  end
  place = (last[2] or 0) + 1
end
redis.call('ZADD', queue, place, id)
lease(id, ttl)
redis.call('HINCRBY', tickets, '#' .. clientOf(id), 1)
redis.call('HSET', tickets, id, claim .. ' ' .. ARGV[6])
grant(id)
return { stateOf(id), nextExpiry() }
`,
)

/**
 * Renews the lease of a client, and looks. ARGV: lease, an id made for this call, the ids of all the client's tickets. Replies the next expiry, how many wait, and
 * the state of each ticket. Other tickets of the client are removed if they are older than this call: they joined late, after they had been given up.
 *
 * RACE: the script may run late, or twice. A ticket whose id was made after that of the call may be held by then.
 */
export const RENEW: Script = script(
  NAMES,
  CLOCK,
  SHARED,
  `
${EVEN_IF_FULL}
expire()
local client, known, standing = clientOf(ARGV[3]), {}, 0
local function numberOf(id)
  return tonumber(string.match(id, '%d+$'))
end
for index = 4, #ARGV do
  known[ARGV[index]] = true
  if redis.call('ZSCORE', queue, ARGV[index]) then standing = standing + 1 end
end
if standing > 0 then lease(ARGV[3], ARGV[2]) end
if tonumber(redis.call('HGET', tickets, '#' .. client) or '0') > standing then
  for _, id in ipairs(redis.call('ZRANGE', queue, 0, -1)) do
    if clientOf(id) == client and not known[id] and numberOf(id) < numberOf(ARGV[3]) then drop(id) end
  end
end
grant()
local reply = { nextExpiry(), redis.call('ZCARD', queue) - redis.call('HLEN', held) }
for index = 4, #ARGV do reply[index - 1] = stateOf(ARGV[index]) end
return reply
`,
)

/** Writes a ticket again, as it is. ARGV: id. */
export const WRITE_AGAIN: Script = script(
  NAMES,
  `
${EVEN_IF_FULL}
local value = redis.call('HGET', tickets, ARGV[2])
if value then redis.call('HSET', tickets, ARGV[2], value) end
`,
)

/** Makes an exclusive holder a shared one. ARGV: id. Replies its state. */
export const DOWNGRADE: Script = script(
  NAMES,
  CLOCK,
  SHARED,
  `
${EVEN_IF_FULL}
local id = ARGV[2]
expire()
if redis.call('HEXISTS', held, id) == 1 and claimOf(id) == 'x' then
  redis.call('HSET', tickets, id, 's' .. string.sub(redis.call('HGET', tickets, id), 2))
end
grant()
return { stateOf(id) }
`,
)

/** If there is no other ticket and no mark, only what the ticket has left is removed. The hash has two fields then: the ticket, and the number of its client's tickets. */
const LEAVE_ALONE = `
local id = ARGV[2]
if ARGV[3] == '1' and redis.call('HLEN', tickets) == 2 and redis.call('HEXISTS', tickets, id) == 1 then
  local client = clientOf(id)
  redis.call('HDEL', tickets, id, '#' .. client)
  redis.call('ZREM', queue, id)
  redis.call('ZREM', leases, client)
  redis.call('HDEL', held, id)
  return { 'gone' }
end
`

/** Leaves the queue. ARGV: id, and whether its owner has known a grant: `1` or `0`, or `lost` if it has lost its lock. */
export const LEAVE: Script = script(
  NAMES,
  LEAVE_ALONE,
  CLOCK,
  SHARED,
  `
${EVEN_IF_FULL}
local recovered = string.match(redis.call('HGET', held, id) or '', '^%d+ (%d)')
if ARGV[3] == 'lost' then drop(id) else remove(id) end
if recovered == '1' and ARGV[3] == '0' then redis.call('HSET', tickets, '!', '1') end
expire()
grant()
return { 'gone' }
`,
)

/** Looks, and changes nothing. Replies, for each ticket in queue order, its id, what it says of its owner, and the facts of its grant or an empty text. */
export const LOOK: Script = script(
  NAMES,
  CLOCK,
  SHARED,
  `
local reply = {}
for _, id in ipairs(redis.call('ZRANGE', queue, 0, -1)) do
  if tonumber(redis.call('ZSCORE', leases, clientOf(id)) or '0') > now then
    reply[#reply + 1] = id
    reply[#reply + 1] = redis.call('HGET', tickets, id) or ''
    reply[#reply + 1] = redis.call('HGET', held, id) or ''
  end
end
return reply
`,
)

function script(...parts: readonly string[]): Script {
  const text = parts.join('')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
