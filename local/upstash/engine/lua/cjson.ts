/**
 * `cjson.encode` and `cjson.decode` as scripts know them from Redis (lua-cjson 2.1): numbers with 14 digits, `/`
 * escaped, an empty table is `{}`, `cjson.null` for null. Errors carry no position; the prelude adds it.
 */
export const cjson = String.raw`
local null = newproxy()
local cjson = { null = null, _NAME = 'cjson', _VERSION = '2.1.0' }
local escapes = { ['"'] = '\\"', ['\\'] = '\\\\', ['/'] = '\\/', ['\b'] = '\\b', ['\f'] = '\\f', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t' }
local unescapes = { ['"'] = '"', ['\\'] = '\\', ['/'] = '/', b = '\b', f = '\f', n = '\n', r = '\r', t = '\t' }
local encode

local function quote(text)
  return '"' .. text:gsub('[%z\1-\31\\"/\127]', function(c) return escapes[c] or ('\\u%04x'):format(c:byte()) end) .. '"'
end

-- The length if every key is a positive integer and the holes are few; nil means an object.
local function array_length(value)
  local highest, count = 0, 0
  for key in pairs(value) do
    if type(key) ~= 'number' or key < 1 or key ~= math.floor(key) then return nil end
    highest, count = math.max(highest, key), count + 1
  end
  if highest == 0 then return nil end
  if highest > 10 and highest > count * 2 then error('Cannot serialise table: excessively sparse array', 0) end
  return highest
end

local function encode_table(value, depth)
  if depth > 1000 then error('Cannot serialise, excessive depth (' .. depth .. ')', 0) end
  local out, length = {}, array_length(value)
  if length then
    for i = 1, length do out[i] = encode(value[i], depth) end
    return '[' .. table.concat(out, ',') .. ']'
  end
  for key, item in pairs(value) do
    if type(key) ~= 'string' and type(key) ~= 'number' then
      error('Cannot serialise ' .. type(key) .. ': table key must be a number or string', 0)
    end
    out[#out + 1] = quote(tostring(key)) .. ':' .. encode(item, depth)
  end
  return '{' .. table.concat(out, ',') .. '}'
end

function encode(value, depth)
  local kind = type(value)
  if value == nil or value == null then return 'null' end
  if kind == 'string' then return quote(value) end
  if kind == 'boolean' then return tostring(value) end
  if kind == 'table' then return encode_table(value, depth + 1) end
  if kind ~= 'number' then error('Cannot serialise ' .. kind .. ': type not supported', 0) end
  if value ~= value or value == math.huge or value == -math.huge then
    error('Cannot serialise number: must not be NaN or Inf', 0)
  end
  return ('%.14g'):format(value)
end

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
  end
  return string.char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

-- What stands at a position, in the words lua-cjson uses.
local function token_name(text, at)
  local c = text:sub(at, at)
  if c == '' then return 'T_END' end
  local names = { ['}'] = 'T_OBJ_END', [']'] = 'T_ARR_END', [','] = 'T_COMMA', [':'] = 'T_COLON', ['{'] = 'T_OBJ_BEGIN',
    ['['] = 'T_ARR_BEGIN', ['"'] = 'T_STRING' }
  local words = { ['true'] = 'T_BOOLEAN', ['false'] = 'T_BOOLEAN', null = 'T_NULL' }
  return names[c] or words[text:match('^%a+', at)] or (c:find('[%d-]') and 'T_NUMBER') or 'invalid token'
end

local function expected(what, text, at)
  error('Expected ' .. what .. ' but found ' .. token_name(text, at) .. ' at character ' .. at, 0)
end

local function skip(text, at)
  return text:find('[^ \t\r\n]', at) or #text + 1
end

local function decode_string(text, at)
  local out, i = {}, at + 1
  while true do
    local stop = text:find('["\\]', i)
    if not stop then error('Expected value but found unexpected end of string at character ' .. #text + 1, 0) end
    out[#out + 1] = text:sub(i, stop - 1)
    if text:sub(stop, stop) == '"' then return table.concat(out), stop + 1 end
    local c = text:sub(stop + 1, stop + 1)
    local hex = c == 'u' and text:match('^%x%x%x%x', stop + 2)
    if hex then
      local code = tonumber(hex, 16)
      i = stop + 6
      local low = code >= 0xD800 and code < 0xDC00 and text:match('^\\u(%x%x%x%x)', i)
      if low then
        code = 0x10000 + (code - 0xD800) * 1024 + (tonumber(low, 16) - 0xDC00)
        i = i + 6
      end
      out[#out + 1] = utf8(code)
    elseif unescapes[c] then
      out[#out + 1] = unescapes[c]
      i = stop + 2
    else
      error('Expected value but found invalid escape code at character ' .. stop, 0)
    end
  end
end

local decode_value

local function decode_array(text, at)
  local items, i = {}, skip(text, at + 1)
  if text:sub(i, i) == ']' then return items, i + 1 end
  while true do
    items[#items + 1], i = decode_value(text, i)
    i = skip(text, i)
    local c = text:sub(i, i)
    if c == ']' then return items, i + 1 end
    if c ~= ',' then expected('comma or array end', text, i) end
    i = skip(text, i + 1)
  end
end

local function decode_object(text, at)
  local fields, i, key = {}, skip(text, at + 1), nil
  if text:sub(i, i) == '}' then return fields, i + 1 end
  while true do
    if text:sub(i, i) ~= '"' then expected('object key string', text, i) end
    key, i = decode_string(text, i)
    i = skip(text, i)
    if text:sub(i, i) ~= ':' then expected('colon', text, i) end
    fields[key], i = decode_value(text, skip(text, i + 1))
    i = skip(text, i)
    local c = text:sub(i, i)
    if c == '}' then return fields, i + 1 end
    if c ~= ',' then expected('comma or object end', text, i) end
    i = skip(text, i + 1)
  end
end

function decode_value(text, at)
  local c = text:sub(at, at)
  if c == '{' then return decode_object(text, at) end
  if c == '[' then return decode_array(text, at) end
  if c == '"' then return decode_string(text, at) end
  if text:find('^true', at) then return true, at + 4 end
  if text:find('^false', at) then return false, at + 5 end
  if text:find('^null', at) then return null, at + 4 end
  local number = text:match('^-?%d+%.?%d*[eE]?[+-]?%d*', at)
  if number and tonumber(number) then return tonumber(number), at + #number end
  expected('value', text, at)
end

function cjson.encode(...)
  if select('#', ...) ~= 1 then error("bad argument #1 to 'encode' (expected 1 argument)", 0) end
  return encode((...), 0)
end

function cjson.decode(...)
  local text = ...
  if select('#', ...) ~= 1 then error("bad argument #1 to 'decode' (expected 1 argument)", 0) end
  if type(text) ~= 'string' and type(text) ~= 'number' then
    error("bad argument #1 to 'decode' (string expected, got " .. type(text) .. ')', 0)
  end
  local source = tostring(text)
  local value, at = decode_value(source, skip(source, 1))
  at = skip(source, at)
  if at <= #source then expected('the end', source, at) end
  return value
end

__cjson = cjson
`
