import { DatabaseError } from 'pg'
import type { Refusal } from './routes.ts'

/** An HTTP answer of the `/sql` endpoint. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

/** A request that never reached Postgres; the SDK shows the status and text, with no SQLSTATE. */
export class HttpRefusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** A caller that may not pass. */
export class NotAdmitted extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** Data as the SDK expects it. */
export function answerWith(data: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 200, headers, body: JSON.stringify(data) }
}

/**
 * An error as the SDK expects it: 400 and Postgres' fields where there is an SQLSTATE, else a status with plain text
 * (500 when Postgres could not be reached), which the SDK wraps in a sentence of its own.
 */
export function answerFor(error: unknown): Answer {
  if (error instanceof HttpRefusal) return { status: error.status, body: error.message }
  if (error instanceof NotAdmitted) return { status: 400, body: JSON.stringify(error.refusal) }
  if (error instanceof DatabaseError) return { status: 400, body: JSON.stringify(fieldsOf(error)) }
  return { status: 500, body: error instanceof Error ? error.message : String(error) }
}

/** The fields of NeonDbError, named alike in pg; absent ones are left out of the JSON. */
const fieldNames = [
  ...(['message', 'code', 'severity', 'detail', 'hint', 'position', 'internalPosition', 'internalQuery'] as const),
  ...(['where', 'schema', 'table', 'column', 'dataType', 'constraint', 'file', 'line', 'routine'] as const),
]

function fieldsOf(error: DatabaseError): Record<string, string | undefined> {
  return Object.fromEntries(fieldNames.map((name) => [name, error[name]]))
}
