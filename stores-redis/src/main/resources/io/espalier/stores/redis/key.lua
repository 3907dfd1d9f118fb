-- A user's key, made of what is offered where he has none; answers it, and until when he is forgotten.
-- KEYS: his key, until when he is forgotten. ARGV: an id and a key, one after the other; the name of a key of this id.
local key = redis.call('GET', KEYS[1])
if not key then
  key = ARGV[1]
  redis.call('SET', KEYS[1], key)
  redis.call('SET', ARGV[2], string.sub(key, 17))
end
return {key, redis.call('GET', KEYS[2]) or ''}
