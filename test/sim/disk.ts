/// <reference types="node" />
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Sql } from '../../durable-objects/shared/sql.ts'

type Value = string | number | null

/** One thing written, so that a life can be told again up to any moment. */
export type Written =
  | { readonly kind: 'sql'; readonly query: string; readonly bindings: readonly Value[] }
  | { readonly kind: 'value'; readonly key: string; readonly value: unknown }
  | { readonly kind: 'alarm'; readonly at: number | null }
  | { readonly kind: 'nothing' }

/**
 * What one actor has written: at once readable for itself, safe only once `confirm` said so. A turn is written whole
 * or not at all; a crash keeps what was confirmed and, as chance has it, some turns more, in their order.
 */
export class Disk implements Sql {
  #written: Written[] = []
  /** Ends of turns that are not confirmed yet. */
  #turns: number[] = []
  #confirmed = 0
  #database: DatabaseSync | undefined
  readonly #statements = new Map<string, StatementSync>()
  readonly #values = new Map<string, unknown>()
  #alarm: number | null = null

  /** How much was written in this life. */
  get size(): number {
    return this.#written.length
  }

  get confirmed(): number {
    return this.#confirmed
  }

  get alarm(): number | null {
    return this.#alarm
  }

  exec<Row extends Record<string, Value>>(query: string, ...bindings: Value[]) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as with SqlStorage, the query says what its rows are
    const rows = this.#run(query, bindings) as unknown as Row[]
    return Object.assign(rows, {
      toArray: () => [...rows],
      one: () => {
        const row = rows[0]
        if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`)
        return row
      },
    })
  }

  get(key: string): unknown {
    return structuredClone(this.#values.get(key))
  }

  put(key: string, value: unknown): void {
    this.#write({ kind: 'value', key, value: structuredClone(value) })
  }

  delete(key: string): boolean {
    const isKept = this.#values.get(key) !== undefined
    if (isKept) this.put(key, undefined)
    return isKept
  }

  list({
    prefix,
    limit,
    reverse = false,
  }: {
    readonly prefix: string
    readonly limit?: number
    readonly reverse?: boolean
  }): [string, unknown][] {
    const kept = [...this.#values].filter(([key, value]) => key.startsWith(prefix) && value !== undefined)
    const sorted = kept.sort(([one], [other]) => (one < other !== reverse ? -1 : 1))
    return structuredClone(sorted.slice(0, limit))
  }

  setAlarm(at: number | null): void {
    this.#write({ kind: 'alarm', at })
  }

  /** Nothing is left, no alarm either. */
  deleteAll(): void {
    this.#write({ kind: 'nothing' })
  }

  /** Everything that was written in its order, but for what crashes took. */
  get written(): readonly Written[] {
    return this.#written
  }

  /** All of it or nothing; what was written before stays. */
  transaction<T>(work: () => T): T {
    const before = this.#written.length
    this.#open().exec('SAVEPOINT work')
    try {
      const result = work()
      this.#open().exec('RELEASE work')
      return result
    } catch (thrown) {
      this.#open().exec('ROLLBACK TO work; RELEASE work')
      const undone = this.#written.splice(before)
      if (undone.some(({ kind }) => kind !== 'sql')) this.#rewrite(this.#written)
      throw thrown
    }
  }

  /** The turn is over. Returns where it ends, undefined when it wrote nothing. */
  endTurn(): number | undefined {
    if (this.#written.length === (this.#turns.at(-1) ?? this.#confirmed)) return undefined
    this.#turns.push(this.#written.length)
    return this.#written.length
  }

  /** Everything up to `end` is on the disk for good. */
  confirm(end: number): void {
    this.#confirmed = end
    this.#turns = this.#turns.filter((turn) => turn > end)
  }

  /** Memory is lost. Of the turns not confirmed the first `kept` had reached the disk all the same. */
  crash(kept: number): void {
    const end = kept === 0 ? this.#confirmed : (this.#turns[Math.min(kept, this.#turns.length) - 1] ?? this.#confirmed)
    this.#turns = []
    this.#confirmed = end
    if (end < this.#written.length) this.#rewrite(this.#written.slice(0, end))
  }

  close(): void {
    this.#database?.close()
    this.#database = undefined
    this.#statements.clear()
  }

  get unconfirmedTurns(): number {
    return this.#turns.length
  }

  #rewrite(written: readonly Written[]): void {
    this.#empty()
    this.#written = []
    for (const one of written) this.#redo(one)
  }

  #run(query: string, bindings: readonly Value[]): unknown[] {
    if (/^\s*SELECT/i.test(query)) return this.#statement(query).all(...bindings)
    if (/\bRETURNING\b/.test(query)) return this.#change(query, bindings)
    this.#write({ kind: 'sql', query, bindings })
    return []
  }

  /** A change that tells what it changed. */
  #change(query: string, bindings: readonly Value[]): unknown[] {
    const rows = this.#statement(query).all(...bindings)
    if (rows.length > 0) this.#written.push({ kind: 'sql', query, bindings })
    return rows
  }

  #redo(one: Written): void {
    if (one.kind === 'sql') this.#apply(one.query, one.bindings)
    else this.#note(one)
    this.#written.push(one)
  }

  #write(one: Written): void {
    if (one.kind === 'sql' && !this.#apply(one.query, one.bindings)) return
    if (one.kind !== 'sql') this.#note(one)
    this.#written.push(one)
  }

  #note(one: Exclude<Written, { kind: 'sql' }>): void {
    if (one.kind === 'value') this.#values.set(one.key, one.value)
    else if (one.kind === 'alarm') this.#alarm = one.at
    else this.#empty()
  }

  #empty(): void {
    this.close()
    this.#values.clear()
    this.#alarm = null
  }

  /** Whether anything changed: what changes nothing keeps no answer waiting. */
  #apply(query: string, bindings: readonly Value[]): boolean {
    if (bindings.length > 0) return this.#statement(query).run(...bindings).changes > 0
    this.#open().exec(query)
    return true
  }

  #statement(query: string): StatementSync {
    const known = this.#statements.get(query)
    if (known !== undefined) return known
    const statement = this.#open().prepare(query)
    this.#statements.set(query, statement)
    return statement
  }

  #open(): DatabaseSync {
    this.#database ??= new DatabaseSync(':memory:')
    return this.#database
  }
}
