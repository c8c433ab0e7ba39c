import type { Bytes } from '../bytes.ts'
import { type CommandTable, type Context, reads, writes } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { parseInt64 } from './numbers.ts'
import { Options } from './options.ts'

/** How a time argument counts: its unit in milliseconds, and whether it starts at now or at the epoch. */
export interface TimeForm {
  readonly unit: 1 | 1000
  readonly from: 'now' | 'epoch'
}

/** The four ways Redis spells a time: EX, PX, EXAT, PXAT. */
export const timeForms: Readonly<Record<string, TimeForm>> = {
  EX: { unit: 1000, from: 'now' },
  PX: { unit: 1, from: 'now' },
  EXAT: { unit: 1000, from: 'epoch' },
  PXAT: { unit: 1, from: 'epoch' },
}

const MAX_TIME = 2n ** 63n - 1n

/** The epoch milliseconds a time argument means; throws when 64 bits cannot hold them. */
export function endOf(time: Bytes, form: TimeForm, now: number, command: Bytes): number {
  const value = parseInt64(time) * BigInt(form.unit)
  const end = form.from === 'now' ? value + BigInt(now) : value
  if (end > MAX_TIME || end < -MAX_TIME || value > MAX_TIME) throw refusals.expireTime(command)
  return Number(end)
}

/** As `endOf`, for commands that also refuse times that are not positive (SET, GETEX, SETEX). */
export function positiveEndOf(time: Bytes, form: TimeForm, now: number, command: Bytes): number {
  if (parseInt64(time) <= 0n) throw refusals.expireTime(command)
  return endOf(time, form, now, command)
}

/** EXPIRE and its relatives, and the questions about what time is left. */
export const expiryCommands: CommandTable = {
  expire: expire('expire', { unit: 1000, from: 'now' }),
  pexpire: expire('pexpire', { unit: 1, from: 'now' }),
  expireat: expire('expireat', { unit: 1000, from: 'epoch' }),
  pexpireat: expire('pexpireat', { unit: 1, from: 'epoch' }),
  ttl: reads(2, ({ db, now }, [key = '']) => remaining(db.entry(key), (end) => Math.round((end - now) / 1000))),
  pttl: reads(2, ({ db, now }, [key = '']) => remaining(db.entry(key), (end) => end - now)),
  expiretime: reads(2, ({ db }, [key = '']) => remaining(db.entry(key), (end) => Math.round(end / 1000))),
  pexpiretime: reads(2, ({ db }, [key = '']) => remaining(db.entry(key), (end) => end)),
  persist: writes(2, ({ db }, [key = '']) => {
    if (db.entry(key)?.expiresAt === undefined) return 0
    db.expire(key, undefined)
    return 1
  }),
}

function expire(name: Bytes, form: TimeForm) {
  return writes(-3, ({ db, now }: Context, [key = '', time = '', ...words]: Bytes[]) => {
    const allows = readCondition(words)
    const end = endOf(time, form, now, name)
    const entry = db.entry(key)
    if (entry === undefined || !allows(entry.expiresAt, end)) return 0
    if (end <= now) db.delete(key)
    else db.expire(key, end)
    return 1
  })
}

type Condition = (current: number | undefined, next: number) => boolean

function readCondition(words: Bytes[]): Condition {
  const given = new Set<string>()
  const options = new Options(words)
  while (options.more()) {
    const word = options.value()
    if (!['NX', 'XX', 'GT', 'LT'].includes(word.toUpperCase())) throw new RedisError(`ERR Unsupported option ${word}`)
    given.add(word.toUpperCase())
  }
  if (given.has('NX') && given.size > 1)
    throw new RedisError('ERR NX and XX, GT or LT options at the same time are not compatible')
  if (given.has('GT') && given.has('LT'))
    throw new RedisError('ERR GT and LT options at the same time are not compatible')
  return (current, next) =>
    !(given.has('NX') && current !== undefined) &&
    !(given.has('XX') && current === undefined) &&
    // A key without an end lives forever: nothing is later than that, and everything is earlier.
    !(given.has('GT') && next <= (current ?? Infinity)) &&
    !(given.has('LT') && next >= (current ?? Infinity))
}

function remaining(entry: { expiresAt: number | undefined } | undefined, say: (end: number) => number): number {
  if (entry === undefined) return -2
  return entry.expiresAt === undefined ? -1 : say(entry.expiresAt)
}
