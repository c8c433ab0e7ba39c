import type { Sql } from './sql.ts'

type Value = string | number | null

/** Parameters of one statement, at most: Cloudflare's bound. */
const maxParameters = 100

/** Rows that are inserted together, as many in each statement as its parameters allow. They are not in the table before `flush`. */
export class RowInserts {
  readonly #sql: Sql
  readonly #head: string
  readonly #row: string
  readonly #together: number
  /** The statement for as many rows as it takes. */
  readonly #whole: string
  #values: Value[] = []
  #rows = 0

  /** `head` is the statement up to `VALUES`. */
  constructor(sql: Sql, head: string, columns: number) {
    this.#sql = sql
    this.#head = head
    this.#row = `(${Array.from({ length: columns }, () => '?').join(', ')})`
    this.#together = Math.floor(maxParameters / columns)
    this.#whole = this.#statement(this.#together)
  }

  /** Adds a row, with a value for each column. */
  add(...values: readonly Value[]): void {
    this.#values.push(...values)
    if (++this.#rows === this.#together) this.flush()
  }

  flush(): void {
    if (this.#rows === 0) return
    const statement = this.#rows === this.#together ? this.#whole : this.#statement(this.#rows)
    const values = this.#values
    this.clear()
    this.#sql.exec(statement, ...values)
  }

  /** Forgets rows that were not inserted, after a rollback. */
  clear(): void {
    this.#values = []
    this.#rows = 0
  }

  #statement(rows: number): string {
    return `${this.#head} VALUES ${Array.from({ length: rows }, () => this.#row).join(', ')}`
  }
}
