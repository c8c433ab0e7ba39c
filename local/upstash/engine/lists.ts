import type { Bytes } from '../bytes.ts'
import { OK, type Reply } from '../reply.ts'
import { type CommandTable, type Context, reads, writes } from './command.ts'
import { refusals } from './errors.ts'
import { findPositions } from './list-search.ts'
import { parseCount, parseInteger } from './numbers.ts'
import { sliceBounds } from './options.ts'

type End = 'LEFT' | 'RIGHT'

/** Commands on lists. The blocking ones are refused by name: HTTP has no connection to block. */
export const listCommands: CommandTable = {
  lpush: writes(-3, (context, args) => push(context, 'LEFT', args)),
  rpush: writes(-3, (context, args) => push(context, 'RIGHT', args)),
  lpushx: writes(-3, (context, args) => pushIfThere(context, 'LEFT', args)),
  rpushx: writes(-3, (context, args) => pushIfThere(context, 'RIGHT', args)),
  lpop: writes(-2, (context, args) => pop(context, 'lpop', 'LEFT', args)),
  rpop: writes(-2, (context, args) => pop(context, 'rpop', 'RIGHT', args)),
  llen: reads(2, ({ db }, [key = '']) => db.peek(key, 'list').items.length),
  lrange: reads(4, ({ db }, [key = '', first = '', last = '']) => {
    const [start, stop] = [parseInteger(first), parseInteger(last)]
    const { items } = db.peek(key, 'list')
    const range = sliceBounds(start, stop, items.length)
    return items.slice(range.start, Math.max(range.start, range.end))
  }),
  lindex: reads(3, ({ db }, [key = '', index = '']) => {
    const list = db.find(key, 'list')
    return list?.items.at(parseInteger(index)) ?? null
  }),
  lset: writes(4, setItem),
  lrem: writes(4, removeItems),
  ltrim: writes(4, ({ db }, [key = '', first = '', last = '']) => {
    const [start, stop] = [parseInteger(first), parseInteger(last)]
    return db.edit(key, 'list', ({ items }) => {
      const range = sliceBounds(start, stop, items.length)
      items.splice(Math.max(range.start, range.end))
      items.splice(0, range.start)
      return OK
    })
  }),
  linsert: writes(5, insertItem),
  lmove: writes(5, ({ db }, [from = '', to = '', whence = '', whither = '']) =>
    move({ db }, from, to, readEnd(whence), readEnd(whither)),
  ),
  rpoplpush: writes(3, ({ db }, [from = '', to = '']) => move({ db }, from, to, 'RIGHT', 'LEFT')),
  lpos: reads(-3, ({ db }, [key = '', item = '', ...words]) =>
    findPositions(() => db.peek(key, 'list').items, item, words),
  ),
}

function push({ db }: Pick<Context, 'db'>, end: End, [key = '', ...added]: Bytes[]): number {
  return db.edit(key, 'list', ({ items }) =>
    end === 'RIGHT' ? items.push(...added) : items.unshift(...added.toReversed()),
  )
}

function pushIfThere(context: Context, end: End, args: Bytes[]): number {
  const [key = ''] = args
  return context.db.find(key, 'list') === undefined ? 0 : push(context, end, args)
}

function take(items: Bytes[], end: End, count: number): Bytes[] {
  if (end === 'LEFT') return items.splice(0, count)
  return items.splice(Math.max(items.length - count, 0)).toReversed()
}

function pop({ db }: Context, name: Bytes, end: End, [key = '', count, ...extra]: Bytes[]): Reply {
  if (extra.length > 0) throw refusals.arity(name)
  const wanted = count === undefined ? undefined : parseCount(count)
  if (db.find(key, 'list') === undefined) return null
  const taken = db.edit(key, 'list', ({ items }) => take(items, end, wanted ?? 1))
  return wanted === undefined ? (taken[0] ?? null) : taken
}

function setItem({ db }: Context, [key = '', index = '', item = '']: Bytes[]): Reply {
  const list = db.find(key, 'list')
  if (list === undefined) throw refusals.noSuchKey()
  const at = parseInteger(index)
  const position = at < 0 ? list.items.length + at : at
  if (position < 0 || position >= list.items.length) throw refusals.indexOutOfRange()
  list.items[position] = item
  return OK
}

function removeItems({ db }: Context, [key = '', count = '', item = '']: Bytes[]): Reply {
  const wanted = parseInteger(count)
  const limit = wanted === 0 ? Infinity : Math.abs(wanted)
  return db.edit(key, 'list', ({ items }) => {
    let removed = 0
    const search = () => (wanted < 0 ? items.lastIndexOf(item) : items.indexOf(item))
    for (let at = search(); at !== -1 && removed < limit; at = search()) {
      items.splice(at, 1)
      removed += 1
    }
    return removed
  })
}

function insertItem({ db }: Context, [key = '', where = '', pivot = '', item = '']: Bytes[]): Reply {
  const side = where.toUpperCase()
  if (side !== 'BEFORE' && side !== 'AFTER') throw refusals.syntax()
  const list = db.find(key, 'list')
  if (list === undefined) return 0
  const at = list.items.indexOf(pivot)
  if (at === -1) return -1
  list.items.splice(side === 'BEFORE' ? at : at + 1, 0, item)
  return list.items.length
}

function readEnd(word: Bytes): End {
  const end = word.toUpperCase()
  if (end !== 'LEFT' && end !== 'RIGHT') throw refusals.syntax()
  return end
}

function move({ db }: Pick<Context, 'db'>, from: Bytes, to: Bytes, whence: End, whither: End): Reply {
  if (db.find(from, 'list') === undefined) return null
  db.find(to, 'list') // Refuses a target of another type before anything has moved.
  const [item] = db.edit(from, 'list', ({ items }) => take(items, whence, 1))
  if (item === undefined) return null
  push({ db }, whither, [to, item])
  return item
}
