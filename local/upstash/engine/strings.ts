import type { Bytes } from '../bytes.ts'
import { OK, type Reply } from '../reply.ts'
import { type CommandTable, type Context, reads, writes } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { positiveEndOf, timeForms } from './expiry.ts'
import { parseInteger } from './numbers.ts'
import { Options, pairs, sliceBounds } from './options.ts'
import { runSet } from './set-command.ts'

const MAX_LENGTH = 512 * 1024 * 1024

/** Commands on strings, apart from counting (counters.ts). */
export const stringCommands: CommandTable = {
  get: reads(2, ({ db }, [key = '']) => db.find(key, 'string')?.bytes ?? null),
  set: writes(-3, runSet),
  setnx: writes(3, (context, [key = '', value = '']) => (runSet(context, [key, value, 'NX']) === OK ? 1 : 0)),
  setex: writes(4, (context, args) => setWithEnd(context, 'setex', 'EX', args)),
  psetex: writes(4, (context, args) => setWithEnd(context, 'psetex', 'PX', args)),
  getset: writes(3, (context, [key = '', value = '']) => runSet(context, [key, value, 'GET'])),
  getdel: writes(2, ({ db }, [key = '']) => {
    const value = db.find(key, 'string')
    db.delete(key)
    return value?.bytes ?? null
  }),
  getex: writes(-2, getAndExpire),
  mget: reads(-2, ({ db }, keys) =>
    keys.map((key) => {
      const value = db.entry(key)?.value
      return value?.type === 'string' ? value.bytes : null
    }),
  ),
  mset: writes(-3, ({ db }, args) => {
    for (const [key, bytes] of pairs(args, () => refusals.arity('mset'))) db.put(key, { type: 'string', bytes })
    return OK
  }),
  msetnx: writes(-3, ({ db }, args) => {
    const entries = pairs(args, () => refusals.arity('msetnx'))
    if (entries.some(([key]) => db.entry(key) !== undefined)) return 0
    for (const [key, bytes] of entries) db.put(key, { type: 'string', bytes })
    return 1
  }),
  append: writes(3, ({ db }, [key = '', tail = '']) =>
    db.edit(key, 'string', (value) => {
      value.bytes = checkLength(value.bytes + tail)
      return value.bytes.length
    }),
  ),
  strlen: reads(2, ({ db }, [key = '']) => db.peek(key, 'string').bytes.length),
  getrange: reads(4, getRange),
  substr: reads(4, getRange),
  setrange: writes(4, setRange),
}

function setWithEnd({ db, now }: Context, name: Bytes, form: 'EX' | 'PX', args: Bytes[]): Reply {
  const [key = '', time = '', bytes = ''] = args
  const { [form]: timeForm } = timeForms
  if (timeForm !== undefined) db.put(key, { type: 'string', bytes }, positiveEndOf(time, timeForm, now, name))
  return OK
}

function getAndExpire({ db, now }: Context, [key = '', ...words]: Bytes[]): Reply {
  const options = new Options(words)
  const word = options.more() ? options.word() : undefined
  const form = timeForms[word ?? '']
  const time = form === undefined ? undefined : options.value()
  if (options.more() || (word !== undefined && word !== 'PERSIST' && form === undefined)) throw refusals.syntax()

  const value = db.find(key, 'string')
  if (value === undefined) return null
  if (word === 'PERSIST') db.expire(key, undefined)
  if (form !== undefined && time !== undefined) db.expire(key, positiveEndOf(time, form, now, 'getex'))
  return value.bytes
}

function getRange({ db }: Context, [key = '', first = '', last = '']: Bytes[]): Reply {
  const [start, stop] = [parseInteger(first), parseInteger(last)]
  const { bytes } = db.peek(key, 'string')
  if (start < 0 && stop < 0 && start > stop) return ''
  const range = sliceBounds(start, Math.max(stop, -bytes.length), bytes.length)
  return bytes.slice(range.start, Math.max(range.start, range.end))
}

function setRange({ db }: Context, [key = '', offset = '', patch = '']: Bytes[]): Reply {
  const at = parseInteger(offset)
  if (at < 0) throw new RedisError('ERR offset is out of range')
  const { bytes } = db.peek(key, 'string')
  if (patch === '') return bytes.length

  if (at + patch.length > MAX_LENGTH) throw tooLong()
  return db.edit(key, 'string', (value) => {
    value.bytes = bytes.slice(0, at).padEnd(at, '\0') + patch + bytes.slice(at + patch.length)
    return value.bytes.length
  })
}

function checkLength(bytes: Bytes): Bytes {
  if (bytes.length > MAX_LENGTH) throw tooLong()
  return bytes
}

const tooLong = () => new RedisError('ERR string exceeds maximum allowed size (proto-max-bulk-len)')
