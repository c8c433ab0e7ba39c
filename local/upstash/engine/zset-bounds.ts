import type { Bytes } from '../bytes.ts'
import { RedisError } from './errors.ts'
import { parseFloat64 } from './numbers.ts'
import type { Scored } from './sorted-set.ts'

/** Says whether a member lies in a range. */
export type InRange = (entry: Scored) => boolean

const notAScore = () => new RedisError('ERR min or max is not a float')

/** A range of scores: `1`, `(1`, `-inf`, `+inf`. */
export function scoreRange(min: Bytes, max: Bytes): InRange {
  const [low, high] = [scoreBound(min), scoreBound(max)]
  return ({ score }) =>
    (low.open ? score > low.value : score >= low.value) && (high.open ? score < high.value : score <= high.value)
}

function scoreBound(bytes: Bytes): { open: boolean; value: number } {
  const open = bytes.startsWith('(')
  // Redis lets strtod read the number, and strtod reads nothing as 0: a lone `(` is "more than 0".
  return { open, value: parseFloat64((open ? bytes.slice(1) : bytes) || '0', notAScore) }
}

/** A range of bytes among members of one score: `[a`, `(a`, `-`, `+`. */
export function lexRange(min: Bytes, max: Bytes): InRange {
  const [low, high] = [lexBound(min), lexBound(max)]
  return ({ member }) => low(member) >= 0 && high(member) <= 0
}

/** Compares a member with a bound; an open bound never compares equal, neither from below nor from above. */
function lexBound(bytes: Bytes): (member: Bytes) => number {
  if (bytes === '-') return () => 1
  if (bytes === '+') return () => -1
  const [kind, bound] = [bytes.charAt(0), bytes.slice(1)]
  if (kind !== '[' && kind !== '(') throw new RedisError('ERR min or max not valid string range item')
  return (member) => {
    if (member === bound) return kind === '[' ? 0 : NaN
    return member < bound ? -1 : 1
  }
}
