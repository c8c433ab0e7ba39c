import type { Bytes } from '../bytes.ts'
import { OK, type Reply } from '../reply.ts'
import { type CommandTable, type Context, reads, writes } from './command.ts'
import { refusals } from './errors.ts'
import { parseInteger } from './numbers.ts'
import { flat, pairs } from './options.ts'
import { pick } from './random.ts'
import { scanAll } from './scan.ts'

/** Commands on hashes, apart from counting (counters.ts). */
export const hashCommands: CommandTable = {
  hset: writes(-4, (context, args) => setFields(context, 'hset', args)),
  hmset: writes(-4, (context, args) => {
    setFields(context, 'hmset', args)
    return OK
  }),
  hsetnx: writes(4, ({ db }, [key = '', field = '', value = '']) => {
    if (db.peek(key, 'hash').fields.has(field)) return 0
    db.edit(key, 'hash', ({ fields }) => fields.set(field, value))
    return 1
  }),
  hget: reads(3, ({ db }, [key = '', field = '']) => db.peek(key, 'hash').fields.get(field) ?? null),
  hmget: reads(-3, ({ db }, [key = '', ...wanted]) => {
    const { fields } = db.peek(key, 'hash')
    return wanted.map((field) => fields.get(field) ?? null)
  }),
  hgetall: reads(2, ({ db }, [key = '']) => flat(db.peek(key, 'hash').fields)),
  hkeys: reads(2, ({ db }, [key = '']) => [...db.peek(key, 'hash').fields.keys()]),
  hvals: reads(2, ({ db }, [key = '']) => [...db.peek(key, 'hash').fields.values()]),
  hlen: reads(2, ({ db }, [key = '']) => db.peek(key, 'hash').fields.size),
  hexists: reads(3, ({ db }, [key = '', field = '']) => Number(db.peek(key, 'hash').fields.has(field))),
  hstrlen: reads(3, ({ db }, [key = '', field = '']) => db.peek(key, 'hash').fields.get(field)?.length ?? 0),
  hdel: writes(-3, ({ db }, [key = '', ...gone]) =>
    db.edit(key, 'hash', ({ fields }) => gone.filter((field) => fields.delete(field)).length),
  ),
  hscan: reads(-3, ({ db }, [key = '', cursor = '', ...words]) => scanAll(cursor, words, db.peek(key, 'hash').fields)),
  hrandfield: reads(-2, randomFields),
}

function setFields({ db }: Context, name: Bytes, [key = '', ...words]: Bytes[]): number {
  const entries = pairs(words, () => refusals.arity(name))
  return db.edit(key, 'hash', ({ fields }) => {
    const before = fields.size
    for (const [field, value] of entries) fields.set(field, value)
    return fields.size - before
  })
}

function randomFields({ db }: Context, [key = '', count, withValues, ...extra]: Bytes[]): Reply {
  const entries = [...db.peek(key, 'hash').fields]
  if (count === undefined) return pick(entries, 1)[0]?.[0] ?? null
  const picked = pick(entries, parseInteger(count))
  if (withValues === undefined) return picked.map(([field]) => field)
  if (extra.length > 0 || withValues.toUpperCase() !== 'WITHVALUES') throw refusals.syntax()
  return flat(picked)
}
