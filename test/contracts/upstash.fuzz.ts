import { toBytes } from '../../local/upstash/reply.ts'

/** Command names with the kinds of words each takes. `*` repeats the last kind up to twice. */
const grammar = `
  SET key val | SET key val abs at | SET key val opt num | SET key val opt | SET key val abs at opt | GET key
  GETDEL key | GETEX key | GETEX key opt | GETEX key abs at | SETNX key val | SETEX key bad val | PSETEX key bad val
  MSET key val key val | MSET key val key | MGET key * | APPEND key val | STRLEN key | INCR key | DECR key
  INCRBY key num | DECRBY key num | DEL key * | UNLINK key * | EXISTS key * | TYPE key | EXPIRE key bad
  PEXPIRE key bad opt | EXPIREAT key at | EXPIREAT key at opt | EXPIREAT key at opt opt | PEXPIREAT key at opt
  EXPIRETIME key | PEXPIRETIME key | PERSIST key | KEYS glob | SCAN 0 | SCAN 0 opt glob | SADD key val *
  SREM key val * | SMEMBERS key | SISMEMBER key val | SMISMEMBER key val * | SCARD key | SPOP key 100
  SPOP key bad | SPOP key num val | PING val | ECHO val | val key | GET | SET key | FLUSHDB opt
`
  .trim()
  .split(/ \| |\n */)

const words: Readonly<Record<string, readonly string[]>> = {
  key: ['a', 'b', 'c', 'd'],
  val: ['x', 'y', 'z', '1', '2', '10', '', '3.5', toBytes('é')],
  num: ['0', '1', '2', '3', '-1', '-2', '100', 'x', '1.5', '9223372036854775807', '-9223372036854775808'],
  abs: ['EXAT', 'PXAT'],
  // Points in time only: a span would end at another millisecond on each side.
  at: ['9999999999', '8888888888', '7777777777777', '9999999999123', '1', '0', '-1', 'x', '9223372036854775807'],
  bad: ['0', '-1', 'x', '1.5', '-9223372036854775808'],
  glob: ['*', '[ab]', '?', '[^a]', 'a*', '[a-c]'],
  opt: 'NX XX GT LT GET KEEPTTL PERSIST MATCH TYPE ASYNC nonsense nx'.split(' '),
}

/** Random commands. The same seed gives the same commands. */
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

/** Mulberry32. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
