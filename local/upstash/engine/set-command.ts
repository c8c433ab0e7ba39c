import type { Bytes } from '../bytes.ts'
import { OK, type Reply } from '../reply.ts'
import type { Context } from './command.ts'
import { refusals } from './errors.ts'
import { positiveEndOf, timeForms } from './expiry.ts'
import { Options } from './options.ts'

interface SetOptions {
  condition?: 'NX' | 'XX'
  get?: boolean
  keepTtl?: boolean
  time?: { name: string; value: Bytes }
}

/** SET with all its options: NX, XX, GET, KEEPTTL, EX, PX, EXAT, PXAT. */
export function runSet({ db, now }: Context, [key = '', bytes = '', ...words]: Bytes[]): Reply {
  const options = readOptions(words)
  const expiresAt = endOfSet(options, now)
  const previous = db.entry(key)
  const old = options.get === true ? (db.find(key, 'string')?.bytes ?? null) : OK

  const refused = options.condition === 'NX' ? previous !== undefined : options.condition === 'XX' && !previous
  if (refused) return options.get === true ? old : null

  db.put(key, { type: 'string', bytes }, options.keepTtl === true ? previous?.expiresAt : expiresAt)
  return old
}

function endOfSet({ time }: SetOptions, now: number): number | undefined {
  const form = timeForms[time?.name ?? '']
  return time === undefined || form === undefined ? undefined : positiveEndOf(time.value, form, now, 'set')
}

function readOptions(words: Bytes[]): SetOptions {
  const read: SetOptions = {}
  const options = new Options(words)
  while (options.more()) {
    const word = options.word()
    if ((word === 'NX' || word === 'XX') && (read.condition ?? word) === word) read.condition = word
    else if (word === 'GET') read.get = true
    else if (word === 'KEEPTTL' && read.time === undefined) read.keepTtl = true
    else if (word in timeForms && read.time === undefined && read.keepTtl !== true)
      read.time = { name: word, value: options.value() }
    else throw refusals.syntax()
  }
  return read
}
