import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import { type Command, type Context, reads, writes } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { formatFloat, parseInteger } from './numbers.ts'
import { Options, sliceBounds } from './options.ts'
import { type Scored, SortedSet } from './sorted-set.ts'
import { lexRange, scoreRange } from './zset-bounds.ts'

/** By what a range is meant. */
export type By = 'RANK' | 'SCORE' | 'LEX'

interface Query {
  by: By
  reversed: boolean
  withScores: boolean
  limit?: { offset: number; count: number }
}

/** Members and, if asked, scores in the flat list RESP2 uses. */
export const listScored = (entries: readonly Scored[], withScores: boolean): Bytes[] =>
  entries.flatMap(({ member, score }) => (withScores ? [member, formatFloat(score)] : [member]))

/** One of the range commands; `fixed` is what its name already says and its options may not. */
export function ranging(fixed: Partial<Query> = {}): Command {
  return reads(-4, ({ db }, [key = '', first = '', last = '', ...words]) => {
    const query = readQuery(fixed, words)
    const select = selection(query, first, last)
    return listScored(select(db.peek(key, 'zset').members), query.withScores)
  })
}

/** ZRANGESTORE. */
export const storingRange: Command = writes(-5, ({ db }, [target = '', key = '', first = '', last = '', ...words]) => {
  const query = readQuery({ withScores: false }, words)
  const select = selection(query, first, last)
  const members = SortedSet.from(select(db.peek(key, 'zset').members))
  db.put(target, { type: 'zset', members })
  return members.size
})

/** ZCOUNT and ZLEXCOUNT. */
export function counting(by: By): Command {
  return reads(4, ({ db }, [key = '', min = '', max = '']) => {
    const select = selection({ by, reversed: false, withScores: false }, min, max)
    return select(db.peek(key, 'zset').members).length
  })
}

/** ZREMRANGEBYRANK, ZREMRANGEBYSCORE and ZREMRANGEBYLEX. */
export function removingRange(by: By): Command {
  return writes(4, ({ db }: Context, [key = '', min = '', max = '']: Bytes[]): Reply => {
    const select = selection({ by, reversed: false, withScores: false }, min, max)
    return db.edit(key, 'zset', ({ members }) => select(members).filter(({ member }) => members.delete(member)).length)
  })
}

/** Reads the bounds at once, so that a bad one is refused whatever the key holds. */
function selection({ by, reversed, limit }: Query, first: Bytes, last: Bytes): (members: SortedSet) => Scored[] {
  if (by === 'RANK') {
    const [start, stop] = [parseInteger(first), parseInteger(last)]
    return (members) => {
      const range = sliceBounds(start, stop, members.size)
      return members.list(reversed).slice(range.start, Math.max(range.start, range.end))
    }
  }
  const [min, max] = reversed ? [last, first] : [first, last]
  const inRange = by === 'SCORE' ? scoreRange(min, max) : lexRange(min, max)
  return (members) => page(members.list(reversed).filter(inRange), limit)
}

function page(entries: Scored[], limit: Query['limit']): Scored[] {
  if (limit === undefined) return entries
  if (limit.offset < 0) return []
  return entries.slice(limit.offset, limit.count < 0 ? undefined : limit.offset + limit.count)
}

/** Each thing can be said once, by the command's name or by an option; twice is a syntax error, as in Redis. */
function readQuery(fixed: Partial<Query>, words: Bytes[]): Query {
  const query = { ...fixed }
  const options = new Options(words)
  while (options.more()) {
    const word = options.word()
    if (word === 'WITHSCORES' && fixed.withScores === undefined) query.withScores = true
    else if (word === 'REV' && query.reversed === undefined) query.reversed = true
    else if (word === 'BYSCORE' && query.by === undefined) query.by = 'SCORE'
    else if (word === 'BYLEX' && query.by === undefined) query.by = 'LEX'
    else if (word === 'LIMIT') query.limit = readLimit(options.value(), options.value())
    else throw refusals.syntax()
  }
  return checked({ by: 'RANK', reversed: false, withScores: false, ...query })
}

const readLimit = (offset: Bytes, count: Bytes) => ({ offset: parseInteger(offset), count: parseInteger(count) })

function checked(query: Query): Query {
  const { by, withScores, limit } = query
  if (limit !== undefined && by === 'RANK')
    throw new RedisError('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX')
  if (withScores && by === 'LEX')
    throw new RedisError('ERR syntax error, WITHSCORES not supported in combination with BYLEX')
  return query
}
