import type { Sql } from './sql.ts'

/** Small named values of one actor, in its table `facts` and in memory. */
export class Settings {
  readonly #sql: Sql
  readonly #known = new Map<string, string>()

  constructor(sql: Sql, exists: boolean) {
    this.#sql = sql
    if (exists)
      for (const row of sql.exec('SELECT name, value FROM facts'))
        this.#known.set(String(row['name']), String(row['value']))
  }

  get(name: string): string | undefined {
    return this.#known.get(name)
  }

  /** A number, 0 when never set. */
  number(name: string): number {
    return Number(this.#known.get(name) ?? 0)
  }

  set(name: string, value: string | number): void {
    const text = String(value)
    if (this.#known.get(name) === text) return
    this.#sql.exec(
      'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      text,
    )
    this.#known.set(name, text)
  }
}
