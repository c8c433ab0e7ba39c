import type { Bytes } from '../bytes.ts'
import type { Reply } from '../reply.ts'
import { RedisError, refusals } from './errors.ts'
import { glob } from './glob.ts'
import { parseInteger } from './numbers.ts'
import { Options } from './options.ts'

/** What a SCAN asks for. */
export interface Scan {
  readonly cursor: number
  readonly count: number
  readonly matches: (name: Bytes) => boolean
  readonly type: string | undefined
}

/** Reads a cursor and the options MATCH, COUNT and TYPE. */
export function readScan(from: Bytes, words: Bytes[]): Scan {
  if (!/^\d{1,20}$/.test(from)) throw new RedisError('ERR invalid cursor')
  let count = 10
  let matches: Scan['matches'] = () => true
  let type: string | undefined
  const options = new Options(words)
  while (options.more()) {
    const word = options.word()
    if (word === 'COUNT') count = parseInteger(options.value())
    else if (word === 'MATCH') matches = glob(options.value())
    else if (word === 'TYPE') type = options.value().toLowerCase()
    else throw refusals.syntax()
  }
  if (count < 1) throw refusals.syntax()
  return { cursor: Number(from), count, matches, type }
}

/** Answers HSCAN, SSCAN or ZSCAN in one page, as Redis does for small collections; COUNT is only a hint there. */
export function scanAll(from: Bytes, words: Bytes[], rows: Iterable<readonly [Bytes, ...Bytes[]]>): Reply {
  const { matches, type } = readScan(from, words)
  if (type !== undefined) throw refusals.syntax()
  return ['0', [...rows].filter(([name]) => matches(name)).flat()]
}
