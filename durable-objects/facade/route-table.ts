import type { StoredRoute } from '../../src/facade/rollout.ts'
import { maxRoutes, maxRoutesBytes, type DifferenceReport } from '../../src/protocol/facade-api.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { FacadeVersion } from '../contracts.ts'
import type { Sql } from '../shared/sql.ts'

/** Versions and reports of a route that are kept. */
const maxKept = 200

/** The routes of one tenant in SQLite, and in memory once they were read. */
export class RouteTable {
  readonly #sql: Sql
  readonly #routes = new Map<string, StoredRoute>()

  constructor(sql: Sql) {
    this.#sql = sql
    for (const { route } of sql.exec<{ route: string }>('SELECT route FROM routes ORDER BY name')) {
      const read = readRoute(route)
      this.#routes.set(read.name, read)
    }
  }

  /** In the order of their names. */
  get all(): StoredRoute[] {
    return [...this.#routes.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1))
  }

  find(name: string): StoredRoute | undefined {
    return this.#routes.get(name)
  }

  /** The refusal where this route would be too much, or undefined. */
  refuseFull(route: StoredRoute): Refusal | undefined {
    const others = this.all.filter(({ name }) => name !== route.name)
    if (others.length >= maxRoutes) return refuse('limitExceeded', `routes: at most ${maxRoutes}; delete one first`)
    const bytes = [...others, route].reduce((sum, each) => sum + JSON.stringify(each).length, 0)
    return bytes <= maxRoutesBytes
      ? undefined
      : refuse('limitExceeded', `routes: all together at most ${maxRoutesBytes} bytes of JSON, got ${bytes}`)
  }

  /** Stores a new version of a route with what made it. */
  write(route: StoredRoute, { action, by, reason }: Pick<FacadeVersion, 'action' | 'by' | 'reason'>): void {
    const { name, version, changedAt: at, state, percent, definition } = route
    const entry: FacadeVersion = { version, at, action, by, reason, state, percent, definition }
    this.#sql.exec('INSERT OR REPLACE INTO routes (name, route) VALUES (?, ?)', name, JSON.stringify(route))
    this.#sql.exec(
      'INSERT OR REPLACE INTO versions (route, version, entry) VALUES (?, ?, ?)',
      name,
      version,
      JSON.stringify(entry),
    )
    this.#sql.exec('DELETE FROM versions WHERE route = ? AND version <= ?', name, version - maxKept)
    this.#routes.set(name, route)
  }

  remove(name: string): void {
    for (const query of [
      'DELETE FROM routes WHERE name = ?',
      'DELETE FROM versions WHERE route = ?',
      'DELETE FROM differences WHERE route = ?',
    ])
      this.#sql.exec(query, name)
    this.#routes.delete(name)
  }

  /** The newest first. */
  versions(name: string, before: number, limit: number): FacadeVersion[] {
    const sql = 'SELECT entry FROM versions WHERE route = ? AND version < ? ORDER BY version DESC LIMIT ?'
    return this.#sql
      .exec<{ entry: string }>(sql, name, before, limit)
      .toArray()
      .map(({ entry }) => readVersion(entry))
  }

  addDifference(name: string, report: DifferenceReport): void {
    this.#sql.exec('INSERT INTO differences (route, report) VALUES (?, ?)', name, JSON.stringify(report))
    this.#sql.exec(
      `DELETE FROM differences WHERE route = ?1 AND id <=
         coalesce((SELECT id FROM differences WHERE route = ?1 ORDER BY id DESC LIMIT 1 OFFSET ${maxKept}), 0)`,
      name,
    )
  }

  /** The newest first. */
  differences(name: string, before: number, limit: number): (DifferenceReport & { readonly id: number })[] {
    const sql = 'SELECT id, report FROM differences WHERE route = ? AND id < ? ORDER BY id DESC LIMIT ?'
    return this.#sql
      .exec<{ id: number; report: string }>(sql, name, before, limit)
      .toArray()
      .map(({ id, report }) => ({ ...readReport(report), id }))
  }
}

function readRoute(text: string): StoredRoute {
  const route: StoredRoute = JSON.parse(text)
  return route
}

function readVersion(text: string): FacadeVersion {
  const version: FacadeVersion = JSON.parse(text)
  return version
}

function readReport(text: string): DifferenceReport {
  const report: DifferenceReport = JSON.parse(text)
  return report
}
