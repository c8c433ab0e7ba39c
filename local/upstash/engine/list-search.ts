import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import { RedisError, refusals } from './errors.ts'
import { parseInteger } from './numbers.ts'
import { Options } from './options.ts'

interface Search {
  rank: number
  count?: number
  maxlen: number
}

/** LPOS: where an item stands, from the front or, with a negative RANK, from the back. */
export function findPositions(read: () => Bytes[], item: Bytes, words: Bytes[]): Reply {
  const { rank, count, maxlen } = readSearch(words)
  const items = read()
  const order = rank > 0 ? [...items.keys()] : [...items.keys()].toReversed()
  const looked = maxlen === 0 ? order : order.slice(0, maxlen)
  const found = looked.filter((at) => items[at] === item).slice(Math.abs(rank) - 1)
  if (count === undefined) return found[0] ?? null
  return count === 0 ? found : found.slice(0, count)
}

function readSearch(words: Bytes[]): Search {
  const search: Search = { rank: 1, maxlen: 0 }
  const options = new Options(words)
  while (options.more()) {
    const word = options.word()
    if (word === 'RANK') search.rank = parseInteger(options.value())
    else if (word === 'COUNT') search.count = notNegative('COUNT', options.value())
    else if (word === 'MAXLEN') search.maxlen = notNegative('MAXLEN', options.value())
    else throw refusals.syntax()
  }
  if (search.rank === 0) throw new RedisError(rankZero)
  return search
}

const rankZero =
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"

function notNegative(name: string, bytes: Bytes): number {
  const value = parseInteger(bytes, () => new RedisError(`ERR ${name} can't be negative`))
  if (value < 0) throw new RedisError(`ERR ${name} can't be negative`)
  return value
}
