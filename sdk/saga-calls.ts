import type { ObjectStorage } from './object-storage.ts'
import { fields } from './parse.ts'

/** A call of a saga's step, of its compensation, or the question what became of it. */
export interface SagaCall {
  /** `<run>/<step>`, or `<run>/<step>/undo` for a compensation: the same for every attempt. */
  readonly key: string
  /** Rises with each call of the step; a question has a higher number than the call it asks about. */
  readonly number: number
}

/** What an endpoint answers. `retryAfterSeconds` with status 503 says that nothing was done. */
export interface SagaAnswer {
  readonly status: number
  readonly body: unknown
  readonly retryAfterSeconds?: number
}

/** The answer to a status call. */
export type StepStatus = { readonly outcome: 'done'; readonly result: unknown } | { readonly outcome: 'not-started' }

/** Reads the headers of a call of a saga; undefined when it is none. */
export function sagaCallOf(headers: { get(name: string): string | null }): SagaCall | undefined {
  const key = headers.get('idempotency-key')
  const number = Number(headers.get('parley-call') ?? Number.NaN)
  return key === null || !Number.isInteger(number) ? undefined : { key, number }
}

export const responseOf = ({ status, body, retryAfterSeconds }: SagaAnswer): Response =>
  Response.json(body, {
    status,
    headers: retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
  })

const neverAgain = Number.MAX_SAFE_INTEGER

/**
 * Makes the effect of each step of a saga once, in a Durable Object with SQLite: the answer is stored under the call's key in the
 * transaction of the effect, and given again when the call is repeated. A call that arrives after Parley was told that it had not
 * started, or after its compensation, is refused.
 */
export class SagaCalls {
  readonly #storage: ObjectStorage

  constructor(storage: ObjectStorage) {
    this.#storage = storage
    storage.sql.exec(
      'CREATE TABLE IF NOT EXISTS parley_calls (key TEXT PRIMARY KEY, status INTEGER, body TEXT, refused_to INTEGER NOT NULL DEFAULT 0)',
    )
  }

  /**
   * Runs `effect` in a transaction, unless the call was answered before. Answers of 500 and more, 408, 425 and 429 are not stored:
   * the effect runs again with the next attempt.
   */
  once(call: SagaCall, effect: () => SagaAnswer): SagaAnswer {
    return this.#storage.transactionSync(() => {
      const known = this.known(call)
      if (known !== undefined) return known
      const answer = effect()
      if (isFinal(answer.status))
        this.#storage.sql.exec(
          'INSERT INTO parley_calls (key, status, body) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET status = excluded.status, body = excluded.body',
          call.key,
          answer.status,
          JSON.stringify(answer.body ?? null),
        )
      return answer
    })
  }

  /** The same for a compensation; calls of its step that arrive from now on are refused. */
  undo(call: SagaCall, effect: () => SagaAnswer): SagaAnswer {
    return this.#storage.transactionSync(() => {
      this.close(call)
      return this.once(call, effect)
    })
  }

  /** Refuses calls of the step that a compensation undoes, from now on. `undo` does it as well. */
  close({ key }: SagaCall): void {
    this.#refuse(key.replace(/\/undo$/, ''), neverAgain)
  }

  /** The answer to a status call. After `not-started` the call that was asked about is refused if it arrives later. */
  status({ key, number }: SagaCall): StepStatus {
    return this.#storage.transactionSync(() => {
      const row = this.#row(key)
      if (row !== undefined && row.status >= 200 && row.status < 300) return { outcome: 'done', result: row.body }
      this.#refuse(key, number)
      return { outcome: 'not-started' }
    })
  }

  /** What a call was answered before, or its refusal; undefined when its effect is to be made. For effects that are awaited. */
  known({ key, number }: SagaCall): SagaAnswer | undefined {
    const row = this.#row(key)
    if (row === undefined) return undefined
    if (row.status > 0) return { status: row.status, body: row.body }
    return number <= row.refusedTo ? { status: 409, body: { error: 'this call was given up' } } : undefined
  }

  #row(key: string): { readonly status: number; readonly body: unknown; readonly refusedTo: number } | undefined {
    const [row] = this.#storage.sql
      .exec('SELECT status, body, refused_to FROM parley_calls WHERE key = ?', key)
      .toArray()
    if (row === undefined) return undefined
    const { status, body, refused_to } = fields(row)
    return {
      status: Number(status ?? 0),
      body: typeof body === 'string' ? JSON.parse(body) : null,
      refusedTo: Number(refused_to),
    }
  }

  #refuse(key: string, number: number): void {
    this.#storage.sql.exec(
      'INSERT INTO parley_calls (key, refused_to) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET refused_to = max(refused_to, excluded.refused_to)',
      key,
      number,
    )
  }
}

const isFinal = (status: number): boolean => status < 500 && status !== 408 && status !== 425 && status !== 429
