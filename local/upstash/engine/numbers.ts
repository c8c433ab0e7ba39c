import type { Bytes } from '../bytes.ts'
import { refusals } from './errors.ts'

const MAX_INT64 = 2n ** 63n - 1n
const MIN_INT64 = -(2n ** 63n)
const integerForm = /^(?:0|-?[1-9]\d{0,18})$/
const floatForm = /^[+-]?(?:inf(?:inity)?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i

/** Whether a sum still fits in the 64 bits Redis counts with. */
export const fitsInt64 = (value: bigint): boolean => value >= MIN_INT64 && value <= MAX_INT64

/** Reads a signed 64-bit integer in Redis' strict form: no plus, no leading zeros, no spaces. */
export function parseInt64(bytes: Bytes, refusal: () => Error = refusals.notAnInteger): bigint {
  if (!integerForm.test(bytes)) throw refusal()
  const value = BigInt(bytes)
  if (!fitsInt64(value)) throw refusal()
  return value
}

/** Reads an integer used as an index, a count or a time; what exceeds 2^53 loses its last digits harmlessly. */
export const parseInteger = (bytes: Bytes, refusal?: () => Error): number => Number(parseInt64(bytes, refusal))

/** Reads a count that may not be negative. */
export function parseCount(bytes: Bytes): number {
  const count = parseInteger(bytes, refusals.mustBePositive)
  if (count < 0) throw refusals.mustBePositive()
  return count
}

/** Reads a double as strtod would, infinities included and NaN excluded. */
export function parseFloat64(bytes: Bytes, refusal: () => Error = refusals.notAFloat): number {
  if (!floatForm.test(bytes)) throw refusal()
  if (!/inf/i.test(bytes)) return Number(bytes)
  return bytes.startsWith('-') ? -Infinity : Infinity
}

/** Writes a double in its shortest exact form, as Redis does since 7.2 (7.0 wrote seventeen digits). */
export function formatFloat(value: number): Bytes {
  if (value === Infinity) return 'inf'
  if (value === -Infinity) return '-inf'
  return String(value)
}
