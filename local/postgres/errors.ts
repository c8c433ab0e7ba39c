/** Why Postgres cannot be had, as one sentence a person can act on. `cause` keeps the underlying error. */
export class PostgresError extends Error {
  override readonly name = 'PostgresError'
}

/** The words of any thrown thing. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
