-- Stores those events of one user whose ids are not known; answers how many they are, and how many are of before his
-- erasure and so not stored.
-- KEYS: the interactions, the impressions, the ids of each, until when he is forgotten. Events are members of equal
-- score: their bytes are their order. Ids are scored by arrival.
-- ARGV: how many events are kept; then for each event 1 (interaction) or 2 (impression), its id or nothing, its bytes.
local limit = tonumber(ARGV[1])
-- Ids outlive events, so that a second delivery is known although the first has fallen out.
local remembered = 4 * limit

local kept = {}
-- Late events may have taken the place of a kept one among the remembered ids, once these are full.
local function is_kept(group, id)
  if redis.call('ZCARD', KEYS[group + 2]) < remembered then
    return false
  end
  if not kept[group] then
    kept[group] = {}
    for _, event in ipairs(redis.call('ZRANGE', KEYS[group], 0, -1)) do
      -- After twelve bytes of time the item ends in a zero byte, then the id does.
      local item_end = string.find(event, '%z', 13)
      local id_end = string.find(event, '%z', item_end + 1)
      kept[group][string.sub(event, item_end + 1, id_end - 1)] = true
    end
  end
  return kept[group][id]
end

local function is_known(id)
  for group = 1, 2 do
    if redis.call('ZSCORE', KEYS[group + 2], id) or is_kept(group, id) then
      return true
    end
  end
  return false
end

local forgotten = redis.call('GET', KEYS[5])
-- Twelve bytes of time, compared one by one: Lua compares texts as the server's language orders them.
local function is_forgotten(event)
  if not forgotten then
    return false
  end
  for i = 1, 12 do
    local a, b = string.byte(event, i), string.byte(forgotten, i)
    if a ~= b then
      return a < b
    end
  end
  return true
end

-- All are looked at before the first is stored.
local fresh, seen, erased = {}, {}, 0
for i = 2, #ARGV, 3 do
  local id = ARGV[i + 1]
  if is_forgotten(ARGV[i + 2]) then
    erased = erased + 1
  elseif id == '' or not (seen[id] or is_known(id)) then
    fresh[#fresh + 1] = i
  end
  seen[id] = true
end

local last = {}
for _, i in ipairs(fresh) do
  local group, id = tonumber(ARGV[i]), ARGV[i + 1]
  if id ~= '' then
    local arrival = last[group] or redis.call('ZRANGE', KEYS[group + 2], -1, -1, 'WITHSCORES')[2] or 0
    last[group] = tonumber(arrival) + 1
    redis.call('ZADD', KEYS[group + 2], last[group], id)
  end
  redis.call('ZADD', KEYS[group], 0, ARGV[i + 2])
end
for group = 1, 2 do
  redis.call('ZREMRANGEBYRANK', KEYS[group], 0, -limit - 1)
  redis.call('ZREMRANGEBYRANK', KEYS[group + 2], 0, -remembered - 1)
end
return {#fresh, erased}
