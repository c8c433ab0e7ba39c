import type { Bytes } from '../bytes.ts'
import { OK, type Reply, status } from '../reply.ts'
import { type CommandTable, type Context, reads, writes } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { glob } from './glob.ts'
import { readScan } from './scan.ts'
import { cloneValue } from './value.ts'

/** Commands on keys whatever they hold. */
export const keyCommands: CommandTable = {
  del: writes(-2, remove),
  unlink: writes(-2, remove),
  exists: reads(-2, countLiving),
  touch: reads(-2, countLiving),
  type: reads(2, ({ db }, [key = '']) => status(db.entry(key)?.value.type ?? 'none')),
  rename: writes(3, (context, [from = '', to = '']) => {
    move(context, from, to)
    return OK
  }),
  renamenx: writes(3, (context, [from = '', to = '']) => {
    if (context.db.entry(from) === undefined) throw refusals.noSuchKey()
    if (context.db.entry(to) !== undefined) return 0
    move(context, from, to)
    return 1
  }),
  copy: writes(-3, copy),
  keys: reads(2, ({ db }, [pattern = '']) => {
    const matches = glob(pattern)
    return db
      .living()
      .map(([key]) => key)
      .filter((key) => matches(key))
  }),
  scan: reads(-2, scanKeys),
  randomkey: reads(1, ({ db }) => {
    const keys = db.living()
    return keys[Math.floor(Math.random() * keys.length)]?.[0] ?? null
  }),
  dbsize: reads(1, ({ db }) => db.living().length),
  flushdb: writes(-1, flush),
  flushall: writes(-1, flush),
}

function remove({ db }: Context, keys: Bytes[]): number {
  return keys.filter((key) => db.delete(key)).length
}

function countLiving({ db }: Context, keys: Bytes[]): number {
  return keys.filter((key) => db.entry(key) !== undefined).length
}

function move({ db }: Context, from: Bytes, to: Bytes): void {
  const entry = db.entry(from)
  if (entry === undefined) throw refusals.noSuchKey()
  db.delete(from)
  db.delete(to)
  db.put(to, entry.value, entry.expiresAt)
}

function copy({ db }: Context, [from = '', to = '', ...words]: Bytes[]): Reply {
  if (words.some((word) => word.toUpperCase() !== 'REPLACE')) throw refusals.syntax()
  if (from === to) throw new RedisError('ERR source and destination objects are the same')
  const entry = db.entry(from)
  if (entry === undefined || (words.length === 0 && db.entry(to) !== undefined)) return 0
  db.put(to, cloneValue(entry.value), entry.expiresAt)
  return 1
}

function scanKeys({ db }: Context, [from = '', ...words]: Bytes[]): Reply {
  const { cursor, count, matches, type } = readScan(from, words)
  const later = db.living().filter(([, entry]) => entry.sequence > cursor)
  const page = later.slice(0, count)
  const next = later.length > page.length ? (page.at(-1)?.[1].sequence ?? 0) : 0
  const found = page.filter(([key, { value }]) => matches(key) && (type === undefined || type === value.type))
  return [String(next), found.map(([key]) => key)]
}

function flush({ db }: Context, words: Bytes[]): Reply {
  if (words.length > 1 || (words[0] !== undefined && !/^a?sync$/i.test(words[0]))) throw refusals.syntax()
  db.clear()
  return OK
}
