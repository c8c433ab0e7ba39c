import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import { type Command, type CommandTable, type Context, reads, writes } from './command.ts'
import { refusals } from './errors.ts'
import { formatFloat, parseCount } from './numbers.ts'
import { scanAll } from './scan.ts'
import { addScored, incrementScore } from './zset-add.ts'
import { combiningScored, storingScored } from './zset-combine.ts'
import { counting, listScored, ranging, removingRange, storingRange } from './zset-range.ts'

/** Commands on sorted sets. */
export const zsetCommands: CommandTable = {
  zadd: writes(-4, addScored),
  zincrby: writes(4, incrementScore),
  zrem: writes(-3, ({ db }, [key = '', ...gone]) =>
    db.edit(key, 'zset', ({ members }) => gone.filter((member) => members.delete(member)).length),
  ),
  zcard: reads(2, ({ db }, [key = '']) => db.peek(key, 'zset').members.size),
  zscore: reads(3, ({ db }, [key = '', member = '']) => scoreOrNil(db.peek(key, 'zset').members.score(member))),
  zmscore: reads(-3, ({ db }, [key = '', ...asked]) => {
    const { members } = db.peek(key, 'zset')
    return asked.map((member) => scoreOrNil(members.score(member)))
  }),
  zrank: reads(3, ({ db }, [key = '', member = '']) => db.peek(key, 'zset').members.rank(member) ?? null),
  zrevrank: reads(3, ({ db }, [key = '', member = '']) => {
    const { members } = db.peek(key, 'zset')
    const rank = members.rank(member)
    return rank === undefined ? null : members.size - 1 - rank
  }),
  zcount: counting('SCORE'),
  zlexcount: counting('LEX'),
  zrange: ranging(),
  zrevrange: ranging({ by: 'RANK', reversed: true }),
  zrangebyscore: ranging({ by: 'SCORE', reversed: false }),
  zrevrangebyscore: ranging({ by: 'SCORE', reversed: true }),
  zrangebylex: ranging({ by: 'LEX', reversed: false }),
  zrevrangebylex: ranging({ by: 'LEX', reversed: true }),
  zrangestore: storingRange,
  zremrangebyrank: removingRange('RANK'),
  zremrangebyscore: removingRange('SCORE'),
  zremrangebylex: removingRange('LEX'),
  zpopmin: popping(false),
  zpopmax: popping(true),
  zunion: combiningScored('UNION'),
  zinter: combiningScored('INTER'),
  zdiff: combiningScored('DIFF'),
  zunionstore: storingScored('UNION'),
  zinterstore: storingScored('INTER'),
  zdiffstore: storingScored('DIFF'),
  zscan: reads(-3, ({ db }, [key = '', cursor = '', ...words]) =>
    scanAll(
      cursor,
      words,
      db
        .peek(key, 'zset')
        .members.list()
        .map(({ member, score }) => [member, formatFloat(score)]),
    ),
  ),
}

const scoreOrNil = (score: number | undefined): Reply => (score === undefined ? null : formatFloat(score))

function popping(fromTheTop: boolean): Command {
  return writes(-2, ({ db }: Context, [key = '', count, ...extra]: Bytes[]): Reply => {
    if (extra.length > 0) throw refusals.syntax()
    const wanted = count === undefined ? 1 : parseCount(count)
    return db.edit(key, 'zset', ({ members }) => {
      const taken = members.list(fromTheTop).slice(0, wanted)
      for (const { member } of taken) members.delete(member)
      return listScored(taken, true)
    })
  })
}
