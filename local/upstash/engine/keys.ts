import { type Bytes, OK, type Reply, status } from '../reply.ts'
import { type CommandTable, type Context, Options, parseInt64, reads, writes } from './command.ts'
import { RedisError, errors } from './errors.ts'
import { glob } from './glob.ts'
import type { Value } from './keyspace.ts'

const typeOf = (value: Value): string => (typeof value === 'string' ? 'string' : 'set')

/** Commands on keys of any type, and on the server. */
export const keyCommands: CommandTable = {
  del: writes(-2, remove),
  unlink: writes(-2, remove),
  exists: reads(-2, ({ db }, keys) => keys.filter((key) => db.entry(key) !== undefined).length),
  type: reads(2, ({ db }, [key = '']) => {
    const entry = db.entry(key)
    return status(entry === undefined ? 'none' : typeOf(entry.value))
  }),
  keys: reads(2, ({ db }, [pattern = '']) => {
    const matches = glob(pattern)
    return db.living().flatMap(([key]) => (matches(key) ? [key] : []))
  }),
  scan: reads(-2, scan),
  dbsize: reads(1, ({ db }) => db.living().length),
  flushdb: writes(-1, flush),
  flushall: writes(-1, flush),
  ping: reads(-1, (_, [text, ...extra]) => {
    if (extra.length > 0) throw errors.arity('ping')
    return text ?? status('PONG')
  }),
  echo: reads(2, (_, [text = '']) => text),
  time: reads(1, ({ now }) => [String(Math.floor(now / 1000)), String((now % 1000) * 1000)]),
}

function remove({ db }: Context, keys: Bytes[]): number {
  return keys.filter((key) => db.delete(key)).length
}

function flush({ db }: Context, words: Bytes[]): Reply {
  if (words.length > 1 || (words[0] !== undefined && !/^a?sync$/i.test(words[0]))) throw errors.syntax()
  db.clear()
  return OK
}

function scan({ db }: Context, [cursor = '', ...words]: Bytes[]): Reply {
  if (!/^\d{1,20}$/.test(cursor)) throw new RedisError('ERR invalid cursor')
  const { count, matches, type } = readScanOptions(words)
  const later = db.living().filter(([, { sequence }]) => sequence > Number(cursor))
  const page = later.slice(0, count)
  const next = later.length > page.length ? (page.at(-1)?.[1].sequence ?? 0) : 0
  const found = page.filter(([key, { value }]) => matches(key) && (type === undefined || type === typeOf(value)))
  return [String(next), found.map(([key]) => key)]
}

function readScanOptions(words: Bytes[]) {
  let count = 10
  let matches = (_key: Bytes) => true
  let type: string | undefined
  const options = new Options(words)
  while (options.more) {
    const name = options.name()
    if (name === 'COUNT') count = Number(parseInt64(options.value()))
    else if (name === 'MATCH') matches = glob(options.value())
    else if (name === 'TYPE') type = options.value().toLowerCase()
    else throw errors.syntax()
  }
  if (count < 1) throw errors.syntax()
  return { count, matches, type }
}
