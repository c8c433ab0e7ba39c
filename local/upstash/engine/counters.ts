import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import { type CommandTable, type Context, writes } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { addDecimals } from './decimal.ts'
import { fitsInt64, parseFloat64, parseInt64 } from './numbers.ts'

/** INCR and its relatives, on strings and on hash fields. They keep a key's expiry. */
export const counterCommands: CommandTable = {
  incr: writes(2, (context, [key = '']) => increment(context, key, 1n)),
  decr: writes(2, (context, [key = '']) => increment(context, key, -1n)),
  incrby: writes(3, (context, [key = '', by = '']) => increment(context, key, parseInt64(by))),
  decrby: writes(3, (context, [key = '', by = '']) => {
    const amount = parseInt64(by)
    if (!fitsInt64(-amount)) throw new RedisError('ERR decrement would overflow')
    return increment(context, key, -amount)
  }),
  incrbyfloat: writes(3, ({ db }, [key = '', by = '']) => {
    const current = db.find(key, 'string')?.bytes ?? '0'
    const sum = addFloats(current, by, refusals.notAFloat)
    db.edit(key, 'string', (value) => (value.bytes = sum))
    return sum
  }),
  hincrby: writes(4, ({ db }, [key = '', field = '', by = '']) => {
    const amount = parseInt64(by)
    const current = db.peek(key, 'hash').fields.get(field) ?? '0'
    const sum = add(
      parseInt64(current, () => new RedisError('ERR hash value is not an integer')),
      amount,
    )
    db.edit(key, 'hash', ({ fields }) => fields.set(field, String(sum)))
    return sum
  }),
  hincrbyfloat: writes(4, ({ db }, [key = '', field = '', by = '']) => {
    if (!Number.isFinite(parseFloat64(by))) throw new RedisError('ERR value is NaN or Infinity')
    const current = db.peek(key, 'hash').fields.get(field) ?? '0'
    const sum = addFloats(current, by, () => new RedisError('ERR hash value is not a float'))
    db.edit(key, 'hash', ({ fields }) => fields.set(field, sum))
    return sum
  }),
}

function increment({ db }: Context, key: Bytes, amount: bigint): Reply {
  const sum = add(parseInt64(db.find(key, 'string')?.bytes ?? '0'), amount)
  db.edit(key, 'string', (value) => (value.bytes = String(sum)))
  return sum
}

function add(current: bigint, amount: bigint): bigint {
  const sum = current + amount
  if (!fitsInt64(sum)) throw refusals.overflow()
  return sum
}

function addFloats(current: Bytes, by: Bytes, refusal: () => Error): Bytes {
  const sum = parseFloat64(current, refusal) + parseFloat64(by)
  if (!Number.isFinite(sum)) throw new RedisError('ERR increment would produce NaN or Infinity')
  return addDecimals(current, by)
}
