import { z } from 'zod'
import { runMoveAction, type MoveOutcome, type Notes } from '../../src/adapters/neon/moves.ts'
import { openShard } from '../../src/adapters/neon/shards.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { MoveOrder, MoveView } from '../../src/protocol/moves-api.ts'
import {
  afterAnswer,
  afterFailure,
  begun,
  decide,
  dueAt,
  isEnded,
  isFenced,
  nextAction,
  placementOf,
  startMove,
  stateOf,
  storedMove,
  viewOf,
  type Move,
  type MoveAction,
  type MoveDecision,
} from '../../src/tenants/move.ts'
import { moveReport, reportDueAt, reportOf } from '../../src/tenants/move-figures.ts'
import { stateOf as tenantStateOf, type Placement, type StoredTenant } from '../../src/tenants/record.ts'
import { ShardRefused } from '../../src/tenants/shards.ts'
import { platformOf } from '../address.ts'
import type { MoveAnswered } from '../contracts.ts'

/** How long the steps of one alarm take together; a move that holds up writes goes on. */
const roundMs = 500
const statementMs = 15_000
const key = 'move'
const reportedKey = 'moveReported'
const storedReport = z.object({ report: moveReport, at: z.number() })

/** What a move needs of the tenant's actor. */
interface MovedTenant {
  record(): StoredTenant | undefined
  /** Writes the record with another placement. */
  place(record: StoredTenant, placement: Placement): void
  /** Sets the alarm. */
  schedule(delayMs: number): void
}

/**
 * Moves the tenant to another shard, step by step. Each step is stored before it is begun and after it was done; one that was
 * cut off is done again. What follows what is decided in `src/tenants/move.ts`.
 */
export class TenantMove {
  readonly #env: Env
  readonly #kv: SyncKvStorage
  readonly #tenant: MovedTenant
  readonly #clock = systemClock

  constructor(env: Env, kv: SyncKvStorage, tenant: MovedTenant) {
    this.#env = env
    this.#kv = kv
    this.#tenant = tenant
  }

  start(order: MoveOrder & { readonly to: string }): MoveAnswered | Refusal {
    const record = this.#tenant.record()
    if (record === undefined) return refuse('notFound', 'there is no such tenant')
    const { placement } = record
    const state = tenantStateOf(record)
    return this.#decided(startMove({ order, placement, state, before: this.#stored(), now: this.#clock.now() }))
  }

  decide(decision: MoveDecision): MoveAnswered | Refusal {
    const move = this.#stored()
    if (move === undefined) return refuse('notFound', 'the tenant was never moved')
    return this.#decided(decide(move, decision, this.#clock.now()))
  }

  view(): MoveView | undefined {
    const move = this.#stored()
    return move === undefined ? undefined : viewOf(move, this.#clock.now())
  }

  /** Whether the move, and not the tenant, says which shard takes writes. */
  get ownsPlacement(): boolean {
    const move = this.#stored()
    return move !== undefined && isFenced(move)
  }

  /** Whether rows of the tenant are, or may be, on two shards. */
  get isUnderWay(): boolean {
    const move = this.#stored()
    return move !== undefined && !isEnded(move)
  }

  isPending(): boolean {
    return this.#dueAt() !== undefined
  }

  dueAt(): number {
    return this.#dueAt() ?? Infinity
  }

  /** Does the steps that are due, for a moment. Failures are part of the move. */
  async run(): Promise<void> {
    const endsAt = this.#clock.now() + roundMs
    let notes: Notes | undefined
    for (let move = this.#due(); move !== undefined; move = this.#due()) {
      notes = await this.#step(move, notes)
      if (this.#clock.now() >= endsAt && !this.ownsPlacement) break
    }
    const at = this.#dueAt()
    if (at !== undefined) this.#tenant.schedule(Math.max(0, at - this.#clock.now()))
  }

  /** Whether the platform is to be told how the move is. */
  isReportPending(): boolean {
    return this.#reportDueAt() !== undefined
  }

  reportDueAt(): number {
    return this.#reportDueAt() ?? Infinity
  }

  /** Tells the platform how the move is, for /metrics. */
  async report(): Promise<void> {
    const move = this.#stored()
    const tenant = this.#tenant.record()?.id
    if (move === undefined || tenant === undefined) return
    const report = reportOf(move)
    await platformOf(this.#env).noteMove(tenant, report)
    this.#kv.put(reportedKey, { report, at: this.#clock.now() })
  }

  #reportDueAt(): number | undefined {
    const move = this.#stored()
    if (move === undefined || this.#tenant.record() === undefined) return undefined
    const last = this.#kv.get(reportedKey)
    return reportDueAt(reportOf(move), last === undefined ? undefined : storedReport.parse(last))
  }

  #stored(): Move | undefined {
    const stored = this.#kv.get(key)
    return stored === undefined ? undefined : storedMove.parse(stored)
  }

  #dueAt(): number | undefined {
    const move = this.#stored()
    return move === undefined ? undefined : dueAt(move)
  }

  /** The move, when it has a step to do now. */
  #due(): Move | undefined {
    const move = this.#stored()
    const at = move === undefined ? undefined : dueAt(move)
    return at !== undefined && at <= this.#clock.now() ? move : undefined
  }

  #decided(decided: Move | Refusal): MoveAnswered | Refusal {
    if ('kind' in decided) return decided
    this.#store(decided)
    this.#tenant.schedule(0)
    return { kind: 'moving', move: viewOf(decided, this.#clock.now()) }
  }

  async #step(before: Move, notes: Notes | undefined): Promise<Notes | undefined> {
    const move = begun(before, this.#clock.now())
    const action = nextAction(move)
    if (action === undefined) return undefined
    this.#store(move)
    const beganAt = this.#clock.now()
    try {
      const outcome = await this.#act(move.step, action, notes)
      const now = this.#clock.now()
      this.#after(move, (current) => afterAnswer(current, outcome.answer, now, now - beganAt))
      return outcome.notes
    } catch (thrown) {
      const reason = reasonOf(thrown)
      log.warn('tenant.move-failed', { tenant: this.#tenant.record()?.id, stage: move.stage, reason })
      this.#after(move, (current) => afterFailure(current, reason, this.#clock.now(), Math.random()))
      return undefined
    }
  }

  /** The operator may have decided meanwhile. What the step did is then of no interest: each can be done again, or undone. */
  #after(begunAs: Move, change: (current: Move) => Move): void {
    const current = this.#stored()
    if (current?.stage !== begunAs.stage) return
    const next = change(current)
    if (stateOf(next) !== stateOf(current))
      log.info('tenant.move', { tenant: this.#tenant.record()?.id, from: stateOf(current), to: stateOf(next) })
    this.#store(next)
  }

  /** Stores the move; the record of the tenant has the same placement in the same commit. */
  #store(move: Move): void {
    this.#kv.put(key, move)
    const record = this.#tenant.record()
    const placement = placementOf(move)
    if (
      record !== undefined &&
      (record.placement.shard !== placement.shard || record.placement.epoch < placement.epoch)
    )
      this.#tenant.place(record, placement)
  }

  async #act(step: number, action: MoveAction, notes: Notes | undefined): Promise<MoveOutcome> {
    const tenant = this.#tenant.record()?.id ?? ''
    const config = loadConfig(this.#env)
    const open = (shard: string, use: 'read' | 'write') =>
      openShard(config, platformOf(this.#env), shard, use, statementMs)
    try {
      return await runMoveAction({ tenant, step, notes, open }, action)
    } catch (thrown) {
      const left = thrown instanceof ShardRefused && thrown.isUnknown ? withoutShard(action) : undefined
      if (left === undefined) throw thrown
      return left
    }
  }
}

/** A shard that was removed needs no clearing. */
function withoutShard(action: MoveAction): MoveOutcome | undefined {
  if (action.kind === 'clear') return { answer: { kind: 'cleared', rows: 0, cursor: null } }
  return action.kind === 'place' && action.phase === 'closed' && action.placed?.state === 'gone'
    ? { answer: { kind: 'done' } }
    : undefined
}
