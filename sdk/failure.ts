import { count, fields, isFields, text } from './parse.ts'

/** What went wrong, in the words a user interface decides by. */
export type FailureKind =
  /** No connection, or no answer in time. */
  | 'unreachable'
  | 'tooFast'
  | 'tooLarge'
  | 'invalid'
  | 'notAllowed'
  | 'notFound'
  | 'conflict'
  | 'unauthorized'
  | 'notAvailable'
  /** The server failed; trying again may help. */
  | 'server'

/** Every refusal and every failure the client knows, whichever way it came. */
export class ParleyError extends Error {
  override readonly name = 'ParleyError'
  readonly kind: FailureKind
  /** The wire's code, the HTTP status, or 0 when there was no answer at all. */
  readonly code: number
  /** When to come back, where the server said so. */
  readonly retryAfterMs: number | undefined

  constructor(
    kind: FailureKind,
    message: string,
    { code = 0, retryAfterMs }: { code?: number; retryAfterMs?: number | undefined } = {},
  ) {
    super(message)
    this.kind = kind
    this.code = code
    this.retryAfterMs = retryAfterMs
  }

  /** True when the same request may succeed later, unchanged. */
  get temporary(): boolean {
    return this.kind === 'unreachable' || this.kind === 'tooFast' || this.kind === 'server'
  }
}

/** By wire code and by HTTP status alike: Parley's own codes follow the statuses. */
const kinds: ReadonlyMap<number, FailureKind> = new Map([
  [100, 'server'],
  [101, 'unauthorized'],
  [102, 'notFound'],
  [103, 'notAllowed'],
  [104, 'notAvailable'],
  [106, 'notAllowed'],
  [107, 'invalid'],
  [108, 'notAvailable'],
  [109, 'unauthorized'],
  [110, 'unauthorized'],
  [111, 'tooFast'],
  [112, 'conflict'],
  [400, 'invalid'],
  [401, 'unauthorized'],
  [403, 'notAllowed'],
  [404, 'notFound'],
  [409, 'conflict'],
  [413, 'tooLarge'],
  [422, 'invalid'],
  [423, 'notAllowed'],
  [429, 'tooFast'],
  [440, 'conflict'],
  [441, 'conflict'],
  [460, 'notFound'],
  [461, 'conflict'],
  [462, 'conflict'],
  [470, 'conflict'],
  [471, 'conflict'],
  [472, 'conflict'],
])

/** Reads what the realtime client threw: `{code, message}` of the wire, or its own codes below 100. */
export function wireFailure(thrown: unknown): ParleyError {
  if (thrown instanceof ParleyError) return thrown
  if (!isFields(thrown)) return new ParleyError('unreachable', 'no answer')

  const code = count(thrown['code'])
  const message = text(thrown['message'], 'no answer')
  if (code < 100) return new ParleyError('unreachable', message, { code })
  return new ParleyError(kinds.get(code) ?? 'server', message, { code, retryAfterMs: wait(thrown, message) })
}

/** The wait is a field of the error; a client that keeps only the sentence finds it there ("… in 1200 ms"). */
function wait(thrown: unknown, message: string): number | undefined {
  const given = count(fields(fields(thrown)['data'])['retryAfterMs'], -1)
  if (given >= 0) return given
  const [, amount, unit] = /(\d+)\s?(ms|s)\b/.exec(message) ?? []
  return amount === undefined ? undefined : Number(amount) * (unit === 's' ? 1000 : 1)
}

/** Reads an HTTP answer that is not a success: RFC 9457 problem details, or at least its status. */
export function httpFailure(status: number, body: unknown, retryAfter: string | null): ParleyError {
  const problem = fields(body)
  const message = text(problem['detail'], text(problem['title'], `the server answered ${status}`))
  const seconds = retryAfter === null || retryAfter === '' ? Number.NaN : Number(retryAfter)
  const header = Number.isFinite(seconds) ? seconds * 1000 : -1
  const wait = count(problem['retryAfterMs'], header)
  const retryAfterMs = wait < 0 ? undefined : wait
  return new ParleyError(kinds.get(status) ?? 'server', message, { code: status, retryAfterMs })
}
