-- Puts a table in its place where there is none; answers nothing then, else what is said of the one that is there.
-- KEYS: the rows as they were loaded, where they belong, what is said of them. ARGV: what is to be said of them.
local there = redis.call('GET', KEYS[3])
if there then
  redis.call('UNLINK', KEYS[1])
  return there
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('PERSIST', KEYS[1])
  redis.call('RENAME', KEYS[1], KEYS[2])
end
redis.call('SET', KEYS[3], ARGV[1])
return ''
