import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import { type Command, type CommandTable, type Context, reads, writes } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { parseCount, parseInteger } from './numbers.ts'
import { Options } from './options.ts'
import { pick, pickDistinct } from './random.ts'
import { scanAll } from './scan.ts'

type Members = Set<Bytes>
type Combine = (first: Members, second: Members) => Members

const union: Combine = (a, b) => new Set([...a, ...b])
const intersection: Combine = (a, b) => new Set([...a].filter((member) => b.has(member)))
const difference: Combine = (a, b) => new Set([...a].filter((member) => !b.has(member)))

/** Commands on sets. */
export const setCommands: CommandTable = {
  sadd: writes(-3, ({ db }, [key = '', ...added]) =>
    db.edit(key, 'set', ({ members }) => {
      const before = members.size
      for (const member of added) members.add(member)
      return members.size - before
    }),
  ),
  srem: writes(-3, ({ db }, [key = '', ...gone]) =>
    db.edit(key, 'set', ({ members }) => gone.filter((member) => members.delete(member)).length),
  ),
  smembers: reads(2, ({ db }, [key = '']) => [...db.peek(key, 'set').members]),
  sismember: reads(3, ({ db }, [key = '', member = '']) => Number(db.peek(key, 'set').members.has(member))),
  smismember: reads(-3, ({ db }, [key = '', ...asked]) => {
    const { members } = db.peek(key, 'set')
    return asked.map((member) => Number(members.has(member)))
  }),
  scard: reads(2, ({ db }, [key = '']) => db.peek(key, 'set').members.size),
  spop: writes(-2, popMembers),
  srandmember: reads(-2, randomMembers),
  smove: writes(4, moveMember),
  sscan: reads(-3, ({ db }, [key = '', cursor = '', ...words]) =>
    scanAll(
      cursor,
      words,
      [...db.peek(key, 'set').members].map((member) => [member]),
    ),
  ),
  sunion: combining(union),
  sinter: combining(intersection),
  sdiff: combining(difference),
  sunionstore: storing(union),
  sinterstore: storing(intersection),
  sdiffstore: storing(difference),
  sintercard: reads(-3, countCommon),
}

function popMembers({ db }: Context, [key = '', count, ...extra]: Bytes[]): Reply {
  if (extra.length > 0) throw refusals.syntax()
  const wanted = count === undefined ? 1 : parseCount(count)
  const taken = db.edit(key, 'set', ({ members }) => {
    const picked = pickDistinct([...members], wanted)
    for (const member of picked) members.delete(member)
    return picked
  })
  return count === undefined ? (taken[0] ?? null) : taken
}

function randomMembers({ db }: Context, [key = '', count, ...extra]: Bytes[]): Reply {
  if (extra.length > 0) throw refusals.syntax()
  const wanted = count === undefined ? undefined : parseInteger(count)
  const members = [...db.peek(key, 'set').members]
  return wanted === undefined ? (pick(members, 1)[0] ?? null) : pick(members, wanted)
}

function moveMember({ db }: Context, [from = '', to = '', member = '']: Bytes[]): Reply {
  const source = db.find(from, 'set')
  if (source === undefined) return 0
  db.find(to, 'set') // Refuses a target of another type before anything has moved.
  if (!source.members.has(member)) return 0
  db.edit(from, 'set', ({ members }) => members.delete(member))
  db.edit(to, 'set', ({ members }) => members.add(member))
  return 1
}

function combined({ db }: Context, keys: Bytes[], combine: Combine): Members {
  const [first = new Set<Bytes>(), ...others] = keys.map((key) => db.peek(key, 'set').members)
  return others.reduce(combine, first)
}

function combining(combine: Combine): Command {
  return reads(-2, (context, keys) => [...combined(context, keys, combine)])
}

function storing(combine: Combine): Command {
  return writes(-3, (context, [target = '', ...keys]) => {
    const members = new Set(combined(context, keys, combine))
    context.db.put(target, { type: 'set', members })
    return members.size
  })
}

function countCommon(context: Context, [numkeys = '', ...words]: Bytes[]): Reply {
  const amount = parseInteger(numkeys, () => new RedisError('ERR numkeys should be greater than 0'))
  if (amount <= 0) throw new RedisError('ERR numkeys should be greater than 0')
  if (amount > words.length) throw new RedisError("ERR Number of keys can't be greater than number of args")
  const limit = readLimit(new Options(words.slice(amount)))
  return Math.min(combined(context, words.slice(0, amount), intersection).size, limit)
}

function readLimit(options: Options): number {
  if (!options.more()) return Infinity
  if (!options.take('LIMIT')) throw refusals.syntax()
  const limit = parseInteger(options.value(), () => new RedisError("ERR LIMIT can't be negative"))
  if (limit < 0) throw new RedisError("ERR LIMIT can't be negative")
  if (options.more()) throw refusals.syntax()
  return limit === 0 ? Infinity : limit
}
