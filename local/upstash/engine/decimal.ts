import type { Bytes } from '../bytes.ts'

const PLACES = 17
const decimalForm = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i

/**
 * Adds two decimal numbers and writes the sum with at most 17 places, trailing zeros dropped.
 *
 * INCRBYFLOAT adds long doubles in Redis, where 0.1 + 0.2 is 0.3. Doubles would answer 0.30000000000000004, so the
 * sum is taken on scaled integers instead.
 */
export function addDecimals(left: Bytes, right: Bytes): Bytes {
  return format(scaled(left) + scaled(right))
}

function scaled(decimal: Bytes): bigint {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = decimalForm.exec(decimal) ?? []
  const shift = PLACES - fraction.length + Number(exponent)
  const digits = BigInt(`${whole}${fraction}` || '0')
  const magnitude = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift)
  return sign === '-' ? -magnitude : magnitude
}

function format(sum: bigint): Bytes {
  const digits = (sum < 0n ? -sum : sum).toString().padStart(PLACES + 1, '0')
  const fraction = digits.slice(-PLACES).replace(/0+$/, '')
  const number = digits.slice(0, -PLACES) + (fraction === '' ? '' : `.${fraction}`)
  return sum < 0n ? `-${number}` : number
}
