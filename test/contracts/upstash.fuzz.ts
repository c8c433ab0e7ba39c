/** Command names with the kinds of words each takes; `*` repeats the last kind a few times. */
const grammar = `
  SET key val | SET key val opt num | SET key val opt | GET key | GETDEL key | GETEX key opt | GETSET key val
  SETNX key val | SETEX key num val | MSET key val key val | MGET key * | APPEND key val | STRLEN key
  GETRANGE key num num | SETRANGE key num val | INCR key | DECR key | INCRBY key num | DECRBY key num
  INCRBYFLOAT key num | DEL key * | EXISTS key * | TYPE key | EXPIRE key big | EXPIRE key big opt | TTL key
  PERSIST key | RENAME key key | RENAMENX key key | COPY key key | COPY key key opt | KEYS glob | DBSIZE | SCAN 0
  TOUCH key * | HSET key val val | HSET key val val val val | HGET key val | HDEL key val * | HGETALL key
  HMGET key val * | HLEN key | HINCRBY key val num | HINCRBYFLOAT key val num | HSETNX key val val
  HEXISTS key val | HKEYS key | HSTRLEN key val | LPUSH key val * | RPUSH key val * | LPOP key | RPOP key num
  LRANGE key num num | LINDEX key num | LSET key num val | LREM key num val | LTRIM key num num | LLEN key
  LINSERT key opt val val | LMOVE key key opt opt | RPOPLPUSH key key | LPOS key val | LPOS key val opt num
  LPUSHX key val | SADD key val * | SREM key val * | SMEMBERS key | SISMEMBER key val | SMISMEMBER key val *
  SCARD key | SMOVE key key val | SINTER key * | SUNION key * | SDIFF key * | SINTERSTORE key key *
  SUNIONSTORE key key * | SDIFFSTORE key key * | SINTERCARD num key key | ZADD key num val | ZADD key opt num val
  ZADD key opt opt num val num val | ZREM key val * | ZSCORE key val | ZMSCORE key val * | ZINCRBY key num val
  ZCARD key | ZRANK key val | ZREVRANK key val | ZRANGE key num num | ZRANGE key num num opt
  ZRANGE key bound bound opt opt | ZRANGE key bound bound BYSCORE LIMIT num num | ZREVRANGE key num num
  ZRANGEBYSCORE key bound bound | ZREVRANGEBYSCORE key bound bound WITHSCORES | ZRANGEBYLEX key bound bound
  ZCOUNT key bound bound | ZLEXCOUNT key bound bound | ZREMRANGEBYRANK key num num
  ZREMRANGEBYSCORE key bound bound | ZREMRANGEBYLEX key bound bound | ZPOPMIN key | ZPOPMAX key num
  ZUNIONSTORE key 2 key key | ZINTERSTORE key 2 key key WEIGHTS num num | ZDIFFSTORE key 2 key key
  ZUNION 2 key key WITHSCORES | ZINTER num key key opt | ZRANGESTORE key key num num
  ZRANGESTORE key key bound bound opt | val key | GET | SET key
`
  .trim()
  .split(/ \| |\n */)

const words: Readonly<Record<string, readonly string[]>> = {
  key: ['a', 'b', 'c', 'd'],
  val: ['x', 'y', 'z', '1', '2', '10', '', '3.5', 'é'],
  num: ['0', '1', '2', '3', '-1', '-2', '100', 'x', '1.5', '9223372036854775807', '-9223372036854775808'],
  big: ['1000', '2000', '3000', '100000', 'x'],
  bound: ['-inf', '+inf', '1', '(1', '2', '(2', '0', '-', '+', '[x', '(x', '[y', 'x', '(', ''],
  glob: ['*', '[ab]', '?', '[^a]', 'a*', '[a-c]'],
  opt: (
    'NX XX GT LT CH INCR GET KEEPTTL PERSIST REPLACE WITHSCORES REV BYSCORE BYLEX ' +
    'LEFT RIGHT BEFORE AFTER RANK COUNT MAXLEN MATCH LIMIT nonsense nx'
  ).split(' '),
}

/** A stream of random but repeatable commands: the same seed gives the same commands. */
export function randomCommands(seed: number, count: number): string[][] {
  const random = generator(seed)
  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? ''
  return Array.from({ length: count }, () => {
    const kinds = pick(grammar).split(' ')
    return kinds.flatMap((kind, at) => {
      if (kind !== '*') return [pick(words[kind] ?? [kind])]
      const repeated = kinds[at - 1] ?? ''
      return Array.from({ length: Math.floor(random() * 3) }, () => pick(words[repeated] ?? [repeated]))
    })
  })
}

/** Mulberry32: small, and good enough to choose words. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
