import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import type { Context } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { formatFloat, parseFloat64 } from './numbers.ts'
import { pairs } from './options.ts'
import type { SortedSet } from './sorted-set.ts'

type Flag = 'NX' | 'XX' | 'GT' | 'LT' | 'CH' | 'INCR'
type Flags = ReadonlySet<string>

const known: readonly string[] = ['NX', 'XX', 'GT', 'LT', 'CH', 'INCR'] satisfies Flag[]

/** ZADD with NX, XX, GT, LT, CH and INCR. */
export function addScored({ db }: Context, [key = '', ...words]: Bytes[]): Reply {
  const firstScore = words.findIndex((word) => !known.includes(word.toUpperCase()))
  const flags = new Set(words.slice(0, Math.max(firstScore, 0)).map((word) => word.toUpperCase()))
  const entries = firstScore === -1 ? [] : pairs(words.slice(firstScore), refusals.syntax)
  checkFlags(flags, entries.length)
  const scored = entries.map(([score, member]) => ({ member, score: parseFloat64(score) }))

  return db.edit(key, 'zset', ({ members }) => {
    const outcomes = scored.map(({ member, score }) => place(members, member, score, flags))
    if (flags.has('INCR')) return outcomes[0]?.score ?? null
    return outcomes.filter(({ kind }) => kind === 'added' || (flags.has('CH') && kind === 'changed')).length
  })
}

/** ZINCRBY, which is ZADD with INCR. */
export function incrementScore(context: Context, [key = '', by = '', member = '']: Bytes[]): Reply {
  return addScored(context, [key, 'INCR', by, member])
}

function checkFlags(flags: Flags, entries: number): void {
  if (entries === 0) throw refusals.syntax()
  if (flags.has('NX') && flags.has('XX'))
    throw new RedisError('ERR XX and NX options at the same time are not compatible')
  if ([flags.has('NX'), flags.has('GT'), flags.has('LT')].filter(Boolean).length > 1)
    throw new RedisError('ERR GT, LT, and/or NX options at the same time are not compatible')
  if (flags.has('INCR') && entries > 1) throw new RedisError('ERR INCR option supports a single increment-element pair')
}

interface Outcome {
  readonly kind: 'added' | 'changed' | 'kept'
  /** The score to answer under INCR; missing when the flags forbade the change. */
  readonly score?: Bytes
}

function place(members: SortedSet, member: Bytes, given: number, flags: Flags): Outcome {
  const current = members.score(member)
  if (current === undefined ? flags.has('XX') : flags.has('NX')) return { kind: 'kept' }

  const score = flags.has('INCR') ? (current ?? 0) + given : given
  if (Number.isNaN(score)) throw new RedisError('ERR resulting score is not a number (NaN)')
  if (current !== undefined && ((flags.has('GT') && score <= current) || (flags.has('LT') && score >= current)))
    return { kind: 'kept' }

  if (score !== current) members.set(member, score)
  const kind = current === undefined ? 'added' : score === current ? 'kept' : 'changed'
  return { kind, score: formatFloat(score) }
}
