import { type Bytes, OK, type Reply } from '../reply.ts'
import { type CommandTable, type Context, Options, fitsInt64, parseInt64, reads, writes } from './command.ts'
import { RedisError, errors } from './errors.ts'
import { positiveExpiry, timeForms } from './expiry.ts'

const MAX_LENGTH = 512 * 1024 * 1024

/** Strings and counters. */
export const stringCommands: CommandTable = {
  get: reads(2, ({ db }, [key = '']) => db.string(key) ?? null),
  set: writes(-3, set),
  setnx: writes(3, (context, [key = '', value = '']) => (set(context, [key, value, 'NX']) === OK ? 1 : 0)),
  setex: writes(4, ({ db, now }, [key = '', time = '', bytes = '']) => {
    db.put(key, bytes, positiveExpiry(time, 'EX', now, 'setex'))
    return OK
  }),
  psetex: writes(4, ({ db, now }, [key = '', time = '', bytes = '']) => {
    db.put(key, bytes, positiveExpiry(time, 'PX', now, 'psetex'))
    return OK
  }),
  getdel: writes(2, ({ db }, [key = '']) => {
    const value = db.string(key) ?? null
    db.delete(key)
    return value
  }),
  getex: writes(-2, getAndExpire),
  mget: reads(-2, ({ db }, keys) =>
    keys.map((key) => {
      const value = db.entry(key)?.value
      return typeof value === 'string' ? value : null
    }),
  ),
  mset: writes(-3, ({ db }, args) => {
    if (args.length % 2 !== 0) throw errors.arity('mset')
    for (let at = 0; at < args.length; at += 2) db.put(args[at] ?? '', args[at + 1] ?? '')
    return OK
  }),
  append: writes(3, ({ db }, [key = '', tail = '']) => {
    const bytes = (db.string(key) ?? '') + tail
    if (bytes.length > MAX_LENGTH) throw new RedisError('ERR string exceeds maximum allowed size (proto-max-bulk-len)')
    db.put(key, bytes, db.entry(key)?.expiresAt)
    return bytes.length
  }),
  strlen: reads(2, ({ db }, [key = '']) => (db.string(key) ?? '').length),
  incr: writes(2, (context, [key = '']) => increment(context, key, 1n)),
  decr: writes(2, (context, [key = '']) => increment(context, key, -1n)),
  incrby: writes(3, (context, [key = '', by = '']) => increment(context, key, parseInt64(by))),
  decrby: writes(3, (context, [key = '', by = '']) => {
    const amount = parseInt64(by)
    if (!fitsInt64(-amount)) throw new RedisError('ERR decrement would overflow')
    return increment(context, key, -amount)
  }),
}

/** Counters keep their expiry. */
function increment({ db }: Context, key: Bytes, amount: bigint): Reply {
  const sum = parseInt64(db.string(key) ?? '0') + amount
  if (!fitsInt64(sum)) throw new RedisError('ERR increment or decrement would overflow')
  db.put(key, String(sum), db.entry(key)?.expiresAt)
  return sum
}

interface SetOptions {
  condition?: 'NX' | 'XX'
  get?: boolean
  keepTtl?: boolean
  time?: { readonly form: string; readonly value: Bytes }
}

/** SET with NX, XX, GET, KEEPTTL, EX, PX, EXAT, PXAT. */
function set({ db, now }: Context, [key = '', bytes = '', ...words]: Bytes[]): Reply {
  const { condition, get = false, keepTtl = false, time } = readSetOptions(words)
  const expiresAt = time && positiveExpiry(time.value, time.form, now, 'set')
  const previous = db.entry(key)
  const old = get ? (db.string(key) ?? null) : OK

  const refused = condition !== undefined && (condition === 'NX') === (previous !== undefined)
  if (refused) return get ? old : null
  db.put(key, bytes, keepTtl ? previous?.expiresAt : expiresAt)
  return old
}

function readSetOptions(words: Bytes[]): SetOptions {
  const read: SetOptions = {}
  const options = new Options(words)
  while (options.more) {
    const name = options.name()
    if ((name === 'NX' || name === 'XX') && (read.condition ?? name) === name) read.condition = name
    else if (name === 'GET') read.get = true
    else if (name === 'KEEPTTL' && read.time === undefined) read.keepTtl = true
    else if (name in timeForms && read.time === undefined && read.keepTtl !== true)
      read.time = { form: name, value: options.value() }
    else throw errors.syntax()
  }
  return read
}

/** GETEX with at most one of PERSIST, EX, PX, EXAT, PXAT. */
function getAndExpire({ db, now }: Context, [key = '', ...words]: Bytes[]): Reply {
  const options = new Options(words)
  const name = options.more ? options.name() : undefined
  const time = name !== undefined && name in timeForms ? options.value() : undefined
  if (options.more || (name !== undefined && name !== 'PERSIST' && time === undefined)) throw errors.syntax()

  const value = db.string(key)
  if (value === undefined) return null
  if (name === 'PERSIST') db.expire(key, undefined)
  if (name !== undefined && time !== undefined) db.expire(key, positiveExpiry(time, name, now, 'getex'))
  return value
}
