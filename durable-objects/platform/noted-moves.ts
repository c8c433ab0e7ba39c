import {
  figuresOfMoves,
  isForgotten,
  isOlder,
  moveReport,
  moveTotals,
  noMoves,
  totalsAfter,
  type MoveFigures,
  type MoveReport,
} from '../../src/tenants/move-figures.ts'

const prefix = 'moves/'
const totalsKey = 'moveTotals'

/** What is used of an actor's storage. */
export interface KeyValues {
  get(key: string): unknown
  put(key: string, value: unknown): void
  delete(key: string): boolean
  list(options: { readonly prefix: string }): Iterable<[string, unknown]>
}

/** The moves of all tenants, for /metrics. Each tenant's actor reports its own. */
export class NotedMoves {
  readonly #kv: KeyValues

  constructor(kv: KeyValues) {
    this.#kv = kv
  }

  note(tenant: string, report: MoveReport, now: number): void {
    const before = this.#reportOf(tenant)
    if (before !== undefined && isOlder(report, before)) return
    this.#kv.put(totalsKey, totalsAfter(this.#totals(), before, report))
    this.#kv.put(prefix + tenant, report)
    for (const [name, other] of this.#reports()) if (isForgotten(other, now)) this.#kv.delete(name)
  }

  figures(): MoveFigures {
    return figuresOfMoves(
      this.#reports().map(([, report]) => report),
      this.#totals(),
    )
  }

  /** Deletes what is noted of a tenant; returns how much that was. */
  eraseTenant(tenant: string): number {
    return this.#kv.delete(prefix + tenant) ? 1 : 0
  }

  rowsOfTenant(tenant: string): number {
    return this.#kv.get(prefix + tenant) === undefined ? 0 : 1
  }

  #reportOf(tenant: string): MoveReport | undefined {
    const stored = this.#kv.get(prefix + tenant)
    return stored === undefined ? undefined : moveReport.parse(stored)
  }

  #reports(): [string, MoveReport][] {
    return [...this.#kv.list({ prefix })].map(([name, stored]) => [name, moveReport.parse(stored)])
  }

  #totals() {
    return moveTotals.parse(this.#kv.get(totalsKey) ?? noMoves)
  }
}
