import { runMoveAction, type Notes } from '../../src/adapters/neon/moves.ts'
import type { Database } from '../../src/adapters/neon/connect.ts'
import {
  afterAnswer,
  afterFailure,
  begun,
  decide,
  dueAt,
  nextAction,
  placementOf,
  startMove,
  storedMove,
  type Move,
  type MoveDecision,
} from '../../src/tenants/move.ts'
import type { Placement } from '../../src/tenants/record.ts'

/**
 * What becomes of a step: `cut`: it never reached a shard; `half`: it reached only the shard that the tenant is on; `lost`: it was
 * done, and its answer did not arrive.
 */
export type Fate = 'done' | 'cut' | 'half' | 'lost'

/**
 * How long each step takes by the clock of the move. Measured, steps would become smaller and fences be taken down on a busy machine,
 * and a move beside writers would never end.
 */
const tookMs = 20

/** A move as the tenant's actor makes it, over real databases: what is stored survives, all else is lost at each kill. */
export class TestMove {
  readonly tenant: string
  readonly #shards: ReadonlyMap<string, Database>
  #stored: string
  #notes: Notes | undefined
  /** Shards that do not answer. */
  readonly away = new Set<string>()
  now = 1_790_000_000_000

  constructor(tenant: string, shards: ReadonlyMap<string, Database>, placement: Placement, to: string, before?: Move) {
    this.tenant = tenant
    this.#shards = shards
    const order = { to, rowsPerSecond: 1_000_000 }
    const started = startMove({ order, placement, state: 'active', before, now: this.now })
    if ('kind' in started) throw new Error(started.detail)
    this.#stored = JSON.stringify(started)
  }

  get move(): Move {
    return storedMove.parse(JSON.parse(this.#stored))
  }

  set move(move: Move) {
    this.#stored = JSON.stringify(move)
  }

  get placement(): Placement {
    return placementOf(this.move)
  }

  decide(decision: MoveDecision): void {
    const decided = decide(this.move, decision, this.now)
    if ('kind' in decided) throw new Error(decided.detail)
    this.move = decided
  }

  /** The next step, when it is due. False when there is none. */
  async step(fate: Fate = 'done'): Promise<boolean> {
    const at = dueAt(this.move)
    if (at === undefined) return false
    this.now = Math.max(this.now, at)
    const move = begun(this.move, this.now)
    const action = nextAction(move)
    if (action === undefined) return false
    this.move = move
    const notes = this.#notes
    this.#notes = undefined
    try {
      if (fate === 'cut') throw new Error('the connection was cut')
      const open = async (shard: string) =>
        fate === 'half' && shard === move.other ? cutOff(this.#database(shard)) : this.#database(shard)
      const outcome = await runMoveAction({ tenant: this.tenant, step: move.step, notes, open }, action)
      if (fate === 'lost') throw new Error('the answer was lost')
      this.now += tookMs
      this.move = afterAnswer(this.move, outcome.answer, this.now, tookMs)
      this.#notes = outcome.notes
    } catch (thrown) {
      if (fate === 'done') this.lastError = thrown
      this.move = afterFailure(this.move, String(thrown), this.now, 0.5)
    }
    return true
  }

  lastError: unknown

  /** Goes on until the move is in a stage, or ended. */
  async until(stage: Move['stage']): Promise<void> {
    this.move = { ...this.move, failures: 0 }
    for (let nth = 0; this.move.stage !== stage; nth++)
      if (nth > 500 || this.move.failures > 3 || !(await this.step()))
        throw new Error(`${this.move.stage} and not ${stage}: ${this.move.error ?? ''} ${String(this.lastError)}`)
  }

  /** The present shard refuses writes, and the other one was not reached. */
  async fence(): Promise<void> {
    await this.until('fence')
    await this.step('half')
  }

  #database(shard: string): Database {
    if (this.away.has(shard)) throw new Error(`${shard} is away`)
    const database = this.#shards.get(shard)
    if (database === undefined) throw new Error(`no shard ${shard}`)
    return database
  }
}

/** A database whose transactions do not arrive. */
const cutOff = (database: Database): Database =>
  new Proxy(database, {
    get: (of, name, receiver): unknown =>
      name === 'transaction'
        ? () => Promise.reject(new Error('the connection was cut'))
        : Reflect.get(of, name, receiver),
  })
