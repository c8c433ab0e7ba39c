import { type HeaderLists, firstValue } from './header.ts'

const ONE_DAY_MS = 86_400_000

/** The result of one attempt. */
export type Outcome =
  | { readonly kind: 'answered'; readonly status: number; readonly header: HeaderLists; readonly body: Uint8Array }
  | { readonly kind: 'unreachable'; readonly error: string }

/** What an outcome means for its message. `waitMs` is not scaled. */
export type Verdict = { kind: 'delivered' } | { kind: 'retry'; waitMs: number } | { kind: 'failed' }

export interface Tries {
  /** The number of retries before this attempt; 0 for the first one. */
  readonly retried: number
  readonly maxRetries: number
  /** The `Upstash-Retry-Delay` expression. */
  readonly retryDelay?: string | undefined
}

/** Any 2xx delivers. Any other outcome is retried until the retries are used up. */
export function judge(outcome: Outcome, tries: Tries, now: number): Verdict {
  if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300) return { kind: 'delivered' }
  if (tries.retried >= tries.maxRetries) return { kind: 'failed' }
  const asked = outcome.kind === 'answered' ? firstValue(outcome.header, 'Retry-After') : undefined
  return { kind: 'retry', waitMs: (asked === undefined ? undefined : parseWait(asked.trim(), now)) ?? ownWait(tries) }
}

/** `Retry-After` in seconds (`10`), as a duration (`6m5s`) or as a date. Undefined when unreadable or beyond a day. */
function parseWait(text: string, now: number): number | undefined {
  const waitMs = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : (parseDuration(text) ?? Date.parse(text) - now)
  return waitMs <= ONE_DAY_MS ? Math.max(0, waitMs) : undefined
}

function ownWait({ retried, retryDelay }: Tries): number {
  if (retryDelay === undefined) return backoffMs(retried + 1)
  const waitMs = compileRetryDelay(retryDelay)(retried)
  return Number.isNaN(waitMs) ? backoffMs(retried + 1) : Math.min(ONE_DAY_MS, Math.max(0, waitMs))
}

/** Milliseconds before the n-th retry: `min(86400, e^(2.5 n))` seconds, so 12 s, 2 min 28 s, 30 min 8 s, … */
export function backoffMs(n: number): number {
  return Math.min(ONE_DAY_MS, Math.exp(2.5 * n) * 1000)
}

const unitMs = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: ONE_DAY_MS }
const units = new Map(Object.entries(unitMs))

/** Milliseconds of a duration such as `10s`, `1d10h30m` or `6m5s`; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)([a-zµ]+)/g))
    total += Number(amount) * (units.get(unit) ?? 0)
  return total
}

type Operator = (left: number, right: number) => number
type RetryDelay = (retried: number) => number

const sums = new Map<string, Operator>([
  ['+', (left, right) => left + right],
  ['-', (left, right) => left - right],
])
const products = new Map<string, Operator>([
  ['*', (left, right) => left * right],
  ['/', (left, right) => left / right],
])

/**
 * Compiles an `Upstash-Retry-Delay`: the milliseconds to wait as an expression over `retried`, for example
 * `3000 * (1 + retried)`. The functions of the real service (`pow`, `max`, …) are not supported. Throws an Error that says
 * what was not understood.
 */
export function compileRetryDelay(expression: string): RetryDelay {
  const tokens = expression.match(/\d+(?:\.\d+)?|[a-z]+|\S/gi) ?? []
  let at = 0

  const chain = (operators: Map<string, Operator>, operand: () => RetryDelay): RetryDelay => {
    let left = operand()
    for (;;) {
      const operator = operators.get(tokens[at] ?? '')
      if (operator === undefined) return left
      at += 1
      left = combined(operator, left, operand())
    }
  }
  const sum = (): RetryDelay => chain(sums, () => chain(products, atom))
  const atom = (): RetryDelay => {
    const token = tokens[at] ?? ''
    at += 1
    if (token === 'retried') return (retried) => retried
    if (token === '(') {
      const inner = sum()
      if (tokens[at] !== ')') throw new Error(`expected ')', got '${tokens[at] ?? ''}'`)
      at += 1
      return inner
    }
    if (!/^\d/.test(token)) throw new Error(`expected a number or 'retried', got '${token}'`)
    return () => Number(token)
  }

  const delay = sum()
  if (at < tokens.length) throw new Error(`unexpected '${tokens[at]}'`)
  return delay
}

function combined(operator: Operator, left: RetryDelay, right: RetryDelay): RetryDelay {
  return (retried) => operator(left(retried), right(retried))
}
