import type { RedisClientType } from 'redis'

/** Refills by the time that passed, then takes one token if there is one. */
const script = `
  local time = redis.call('TIME')
  local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
  local rate = tonumber(ARGV[1])
  local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
  local tokens = tonumber(state[1]) or rate
  local at = tonumber(state[2]) or now
  tokens = math.min(rate, tokens + (now - at) * rate)
  local taken = 0
  if tokens >= 1 then
    tokens = tokens - 1
    taken = 1
  end
  redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
  redis.call('PEXPIRE', KEYS[1], 2000)
  return taken
`

type Client = Pick<RedisClientType, 'scriptLoad' | 'evalSha'>

/** One bucket per user, in Redis, so that every process of the stack sees the same. */
export async function createTokenBucket(
  redis: Client,
  perSecond: number,
): Promise<{ take(user: string): Promise<boolean> }> {
  const sha = await redis.scriptLoad(script)
  return {
    async take(user) {
      const taken = await redis.evalSha(sha, { keys: [`bucket:${user}`], arguments: [String(perSecond)] })
      return taken === 1
    },
  }
}
