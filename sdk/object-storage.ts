/** A value of a Durable Object's SQLite. */
export type SqlValue = ArrayBuffer | string | number | null

/** The part of `ctx.storage` of a Durable Object with SQLite that the helpers use. */
export interface ObjectStorage {
  readonly sql: {
    exec(query: string, ...values: SqlValue[]): { toArray(): Record<string, SqlValue>[] }
  }
  transactionSync<T>(closure: () => T): T
  setAlarm(at: number): Promise<void>
}
