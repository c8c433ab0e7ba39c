import type { Bytes, Reply } from '../reply.ts'
import { type CommandTable, type Context, parseInt64, reads, writes } from './command.ts'
import { RedisError, errors } from './errors.ts'

const mustBePositive = () => new RedisError('ERR value is out of range, must be positive')

export const setCommands: CommandTable = {
  sadd: writes(-3, ({ db }, [key = '', ...added]) =>
    db.editMembers(key, (members) => added.forEach((member) => members.add(member))),
  ),
  srem: writes(-3, ({ db }, [key = '', ...removed]) =>
    db.editMembers(key, (members) => removed.forEach((member) => members.delete(member))),
  ),
  smembers: reads(2, ({ db }, [key = '']) => [...db.members(key)]),
  sismember: reads(3, ({ db }, [key = '', member = '']) => Number(db.members(key).has(member))),
  smismember: reads(-3, ({ db }, [key = '', ...asked]) => {
    const members = db.members(key)
    return asked.map((member) => Number(members.has(member)))
  }),
  scard: reads(2, ({ db }, [key = '']) => db.members(key).size),
  spop: writes(-2, pop),
}

/** Redis leaves open which members SPOP removes. The oldest go first here, so that a run can be repeated. */
function pop({ db }: Context, [key = '', count, ...extra]: Bytes[]): Reply {
  if (extra.length > 0) throw errors.syntax()
  const wanted = count === undefined ? 1 : Number(parseInt64(count, mustBePositive))
  if (wanted < 0) throw mustBePositive()
  const popped = [...db.members(key)].slice(0, wanted)
  db.editMembers(key, (members) => popped.forEach((member) => members.delete(member)))
  return count === undefined ? (popped[0] ?? null) : popped
}
