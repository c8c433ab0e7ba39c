import type { Bytes } from '../reply.ts'
import { type Command, type CommandTable, Options, fitsInt64, parseInt64, reads, writes } from './command.ts'
import { RedisError, errors } from './errors.ts'
import type { Entry } from './keyspace.ts'

interface TimeForm {
  /** In milliseconds. */
  readonly unit: bigint
  readonly from: 'now' | 'epoch'
}

const seconds: TimeForm = { unit: 1000n, from: 'now' }

/** The four ways to write a time: EX, PX, EXAT, PXAT. */
export const timeForms: Readonly<Record<string, TimeForm>> = {
  EX: seconds,
  PX: { unit: 1n, from: 'now' },
  EXAT: { unit: 1000n, from: 'epoch' },
  PXAT: { unit: 1n, from: 'epoch' },
}

/** The epoch milliseconds that a time in one of the `timeForms` means. Throws when they exceed 64 bits. */
function expiry(time: Bytes, form: string, now: number, command: Bytes): number {
  const { unit, from } = timeForms[form] ?? seconds
  const value = parseInt64(time) * unit
  const end = from === 'now' ? value + BigInt(now) : value
  if (!fitsInt64(value) || !fitsInt64(end)) throw errors.expireTime(command)
  return Number(end)
}

/** As `expiry`, for SET, SETEX and GETEX, which also refuse times of zero and below. */
export function positiveExpiry(time: Bytes, form: string, now: number, command: Bytes): number {
  if (parseInt64(time) <= 0n) throw errors.expireTime(command)
  return expiry(time, form, now, command)
}

/** EXPIRE and its variants, and the questions about the time left. */
export const expiryCommands: CommandTable = {
  expire: expire('expire', 'EX'),
  pexpire: expire('pexpire', 'PX'),
  expireat: expire('expireat', 'EXAT'),
  pexpireat: expire('pexpireat', 'PXAT'),
  ttl: ask((end, now) => Math.round((end - now) / 1000)),
  pttl: ask((end, now) => end - now),
  expiretime: ask((end) => Math.round(end / 1000)),
  pexpiretime: ask((end) => end),
  persist: writes(2, ({ db }, [key = '']) => {
    if (db.entry(key)?.expiresAt === undefined) return 0
    db.expire(key, undefined)
    return 1
  }),
}

/** A question about the expiry of a key: -2 without the key, -1 without an expiry. */
function ask(answer: (end: number, now: number) => number): Command {
  return reads(2, ({ db, now }, [key = '']) => {
    const entry = db.entry(key)
    if (entry === undefined) return -2
    return entry.expiresAt === undefined ? -1 : answer(entry.expiresAt, now)
  })
}

function expire(name: Bytes, form: string): Command {
  return writes(-3, ({ db, now }, [key = '', time = '', ...words]) => {
    const allows = readCondition(words)
    const end = expiry(time, form, now, name)
    const entry = db.entry(key)
    if (entry === undefined || !allows(entry, end)) return 0
    if (end <= now) db.delete(key)
    else db.expire(key, end)
    return 1
  })
}

function readCondition(words: Bytes[]): (entry: Entry, end: number) => boolean {
  const given = new Set<string>()
  const options = new Options(words)
  while (options.more) {
    const word = options.value()
    if (!['NX', 'XX', 'GT', 'LT'].includes(word.toUpperCase())) throw new RedisError(`ERR Unsupported option ${word}`)
    given.add(word.toUpperCase())
  }
  if (given.has('NX') && given.size > 1)
    throw new RedisError('ERR NX and XX, GT or LT options at the same time are not compatible')
  if (given.has('GT') && given.has('LT'))
    throw new RedisError('ERR GT and LT options at the same time are not compatible')
  return ({ expiresAt }, end) =>
    !(given.has('NX') && expiresAt !== undefined) &&
    !(given.has('XX') && expiresAt === undefined) &&
    // A key without an expiry counts as one that expires after every other time.
    !(given.has('GT') && end <= (expiresAt ?? Infinity)) &&
    !(given.has('LT') && end >= (expiresAt ?? Infinity))
}
