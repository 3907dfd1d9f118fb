-- Forgets a user: what he did, and the key that his records elsewhere are sealed with.
-- KEYS: the interactions, the impressions, the ids of each, until when he is forgotten, his key, the list of erasures.
-- ARGV: until when, as twelve bytes that sort as times do; what a key's name begins with, before its id; the user's hash.
local key = redis.call('GET', KEYS[6])
if key then
  local id = string.gsub(string.sub(key, 1, 16), '.', function(byte)
    return string.format('%02x', string.byte(byte))
  end)
  redis.call('UNLINK', ARGV[2] .. id)
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[6])

local before = redis.call('GET', KEYS[5])
local later = not before
for i = 1, 12 do
  if later then
    break
  end
  local a, b = string.byte(ARGV[1], i), string.byte(before, i)
  if a ~= b then
    later = a > b
    break
  end
end
if later then
  redis.call('SET', KEYS[5], ARGV[1])
end

-- For the other routers, which look here every second.
local now = redis.call('TIME')
local millis = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZADD', KEYS[7], millis, ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', millis - 86400000)
return 1
