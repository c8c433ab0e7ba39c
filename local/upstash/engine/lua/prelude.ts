/**
 * The Lua half of the sandbox: the `redis` table, read-only globals, error positions as Redis 7 words them.
 *
 * Rules followed: https://redis.io/docs/latest/develop/interact/programmability/lua-api/ and, for error texts,
 * `script_lua.c` of Redis 7.0 as observed by the differential test.
 */
export const prelude = String.raw`
local host_call, host_sha1, cjson = __host_call, __host_sha1, __cjson
local getinfo, sethook, clock = debug.getinfo, debug.sethook, os.clock
local sub, gsub, gmatch, format, byte, char = string.sub, string.gsub, string.gmatch, string.format, string.byte, string.char
local type, tonumber, tostring, concat, raw_pcall = type, tonumber, tostring, table.concat, pcall
local MAX_SECONDS, MAX_DEPTH = 5, 100

-- The wire of wire.ts -------------------------------------------------------------------------------------------

local function escape(s)
  return (gsub(s, '[^%w:_. -]', function(c) return format('%%%02x', byte(c)) end))
end

local function unescape(s)
  return (gsub(s, '%%(%x%x)', function(hex) return char(tonumber(hex, 16)) end))
end

local function read_next(next_line)
  local line = next_line()
  local tag, rest = sub(line, 1, 1), sub(line, 2)
  if tag == '$' then return unescape(rest) end
  if tag == ':' then return tonumber(rest) end
  if tag == '+' then return { ok = unescape(rest) } end
  if tag == '-' then return { err = unescape(rest) } end
  if tag == '_' then return false end
  local items = {}
  for i = 1, tonumber(rest) do items[i] = read_next(next_line) end
  return items
end

local function read(text)
  return read_next(gmatch(text, '([^\n]*)\n'))
end

local function write(value, out, depth)
  local kind = type(value)
  if kind == 'string' then out[#out + 1] = '$' .. escape(value)
  elseif kind == 'number' then out[#out + 1] = ':' .. format('%.0f', value < 0 and math.ceil(value) or math.floor(value))
  elseif kind == 'boolean' then out[#out + 1] = value and ':1' or '_'
  elseif kind ~= 'table' then out[#out + 1] = '_'
  elseif depth > MAX_DEPTH then out[#out + 1] = '-' .. escape('ERR reached lua stack limit')
  elseif type(value.err) == 'string' then out[#out + 1] = '-' .. escape(value.err)
  elseif type(value.ok) == 'string' then out[#out + 1] = '+' .. escape((gsub(value.ok, '[\r\n]', ' ')))
  else
    local head, count = #out + 1, 0
    out[head] = ''
    while value[count + 1] ~= nil do
      count = count + 1
      write(value[count], out, depth + 1)
    end
    out[head] = '*' .. count
  end
end

-- The redis table -----------------------------------------------------------------------------------------------

local last_line

local function request(...)
  local count = select('#', ...)
  if count == 0 then return nil, 'ERR Please specify at least one argument for this redis lib call' end
  local out = { '*' .. count }
  for i = 1, count do
    local word = select(i, ...)
    if type(word) == 'number' then word = format('%.17g', word) end
    if type(word) ~= 'string' then return nil, 'ERR Lua redis lib command arguments must be strings or integers' end
    out[i + 1] = '$' .. escape(word)
  end
  return concat(out, '\n') .. '\n'
end

local function ask(...)
  local text, problem = request(...)
  if not text then return { err = problem } end
  return read(host_call(text))
end

local redis = {
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}

function redis.call(...)
  local reply = ask(...)
  if type(reply) == 'table' and reply.err then error(reply) end
  return reply
end

redis.pcall = ask

function redis.error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then return { err = 'ERR wrong number or type of arguments' } end
  text = gsub(text, '^-', '')
  return { err = text:find(' ', 1, true) and text or 'ERR ' .. text }
end

function redis.status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then return { err = 'ERR wrong number or type of arguments' } end
  return { ok = text }
end

function redis.sha1hex(...)
  if select('#', ...) ~= 1 then error({ err = 'ERR wrong number of arguments' }) end
  return host_sha1(escape(tostring((...))))
end

function redis.log() end
function redis.replicate_commands() return true end
function redis.set_repl() end

function redis.setresp(version)
  if version ~= 2 then error({ err = 'ERR RESP version must be 2 here.' }) end
end

local function line_of_script(level)
  local info = getinfo(level, 'Sl')
  while info and info.source ~= '@user_script' do
    level = level + 1
    info = getinfo(level, 'Sl')
  end
  return info and info.currentline or last_line
end

-- The sandbox ---------------------------------------------------------------------------------------------------

local function readonly(target)
  return setmetatable({}, {
    __index = target,
    __newindex = function() error('Attempt to modify a readonly table', 2) end,
    __metatable = false,
  })
end

-- Redis flattens the errors its own calls raise, so that a script's pcall sees a string.
local function script_pcall(...)
  local results = { raw_pcall(...) }
  local problem = results[2]
  if not results[1] and type(problem) == 'table' and type(problem.err) == 'string' then return false, problem.err end
  return unpack(results, 1, table.maxn(results))
end

local json = { null = cjson.null, _NAME = cjson._NAME, _VERSION = cjson._VERSION }

-- Says where in the script a library function failed.
local function positioned(work)
  return function(...)
    local ok, result = raw_pcall(work, ...)
    if ok then return result end
    error('user_script:' .. (line_of_script(3) or '?') .. ': ' .. result, 0)
  end
end

json.encode, json.decode = positioned(cjson.encode), positioned(cjson.decode)

local globals = {
  redis = readonly(redis), cjson = readonly(json),
  string = readonly(string), table = readonly(table), math = readonly(math), coroutine = readonly(coroutine),
  assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, loadstring = loadstring, next = next,
  pairs = pairs, pcall = script_pcall, rawequal = rawequal, rawget = rawget, rawset = rawset, select = select,
  setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, xpcall = xpcall,
  _VERSION = _VERSION,
}

local env = setmetatable({}, {
  __index = function(_, name)
    local value = globals[name]
    if value == nil then
      error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end
    return value
  end,
  __newindex = function() error('Attempt to modify a readonly table', 2) end,
  __metatable = false,
})
globals._G = env

function globals.loadstring(...)
  local fn, problem = loadstring(...)
  return fn and setfenv(fn, env), problem
end

-- Running -------------------------------------------------------------------------------------------------------

local scripts, tail_calls = {}, {}

local function on_error(problem)
  local line = line_of_script(3)
  if type(problem) ~= 'table' then problem = { err = 'ERR ' .. tostring(problem) } end
  return { err = type(problem.err) == 'string' and problem.err or 'ERR unknown error', line = line }
end

-- Stops a script that would hang the whole process; and, where a tail call would hide it, remembers the line.
local function watch(follow_lines)
  local deadline = clock() + MAX_SECONDS
  sethook(function(event, line)
    if event == 'count' and clock() > deadline then
      error({ err = 'ERR Error running script: it took more than ' .. MAX_SECONDS .. ' seconds' })
    elseif event == 'line' and getinfo(2, 'S').source == '@user_script' then
      last_line = line
    end
  end, follow_lines and 'l' or '', 100000)
end

function __compile(sha, source)
  local text = unescape(source)
  local fn, problem = loadstring(text, '@user_script')
  if not fn then return '-' .. escape('ERR Error compiling script (new function): ' .. problem) .. '\n' end
  scripts[sha] = setfenv(fn, env)
  tail_calls[sha] = text:find('return%s+[%w_.]+%s*[({"\']') ~= nil
  return '_\n'
end

function __run(sha, keys, args)
  globals.KEYS, globals.ARGV, last_line = read(keys), read(args), nil
  watch(tail_calls[sha])
  local ok, result = xpcall(scripts[sha], on_error)
  sethook()
  local out = {}
  if not ok then
    -- Lua does not ask the handler when memory runs out.
    if type(result) ~= 'table' then result = { err = 'ERR ' .. tostring(result) } end
    local where = result.line and ', on @user_script:' .. result.line .. '.' or ''
    result = { err = result.err .. ' script: ' .. sha .. where }
  end
  write(result, out, 0)
  out[#out + 1] = ''
  return concat(out, '\n')
end

function __forget()
  scripts, tail_calls = {}, {}
  return '_\n'
end
`
