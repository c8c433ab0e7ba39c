import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Sql } from '../../../durable-objects/shared/sql.ts'
import { jobQueueSchema } from '../../../durable-objects/job-queue/schema.ts'

/** A queue's tables in Node's own SQLite, with transactions that a simulation can let fail. */
export class NodeSql implements Sql {
  readonly #database = new DatabaseSync(':memory:')
  readonly #statements = new Map<string, StatementSync>()

  constructor(steps: readonly string[] = jobQueueSchema) {
    for (const step of steps) this.#database.exec(step)
  }

  run(sql: string): void {
    this.#database.exec(sql)
  }

  exec<Row extends Record<string, string | number | null>>(query: string, ...bindings: (string | number | null)[]) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as with SqlStorage, the query says what its rows are
    const rows = this.#statement(query).all(...bindings) as unknown as Row[]
    return Object.assign(rows, {
      toArray: () => rows,
      one: () => {
        const row = rows[0]
        if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`)
        return row
      },
    })
  }

  /** All or nothing, as an actor's transaction is. */
  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN')
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (thrown) {
      this.#database.exec('ROLLBACK')
      throw thrown
    }
  }

  #statement(query: string): StatementSync {
    const known = this.#statements.get(query)
    if (known !== undefined) return known
    const statement = this.#database.prepare(query)
    this.#statements.set(query, statement)
    return statement
  }
}
