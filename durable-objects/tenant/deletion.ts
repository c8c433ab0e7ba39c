import type { Clock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import {
  afterChecking,
  afterErasing,
  afterFailure,
  begun,
  counted,
  ended,
  fenced,
  isErasing,
  nextAction,
  progressOf,
  requestDeletion,
  tenantDeletion,
  type DeletionAction,
  type DeletionProgress,
  type TenantDeletion,
} from '../../src/tenants/deletion.ts'
import { eraserOf, fence, type ErasedTenant } from './erasers.ts'

const key = 'deletion'
/** A run begins no further part after this time, in milliseconds, or so many parts. */
const runMs = 500
const partsPerRun = 16

/** What the deletion needs of the tenant's actor. */
interface DeletionContext {
  readonly kv: SyncKvStorage
  readonly clock: Clock
  readonly at: () => ErasedTenant
  /** Runs writes in one commit. */
  readonly commit: (writes: () => void) => void
}

/**
 * The deletion of this tenant: its grace, and then the erasure of all its stores, part by part. After each part the state is
 * stored, so that a process that dies repeats one part at most, and every part may be repeated.
 */
export class Deletion {
  readonly #context: DeletionContext
  #isRunning = false

  constructor(context: DeletionContext) {
    this.#context = context
  }

  /** Undefined for a tenant that was not deleted. */
  get state(): TenantDeletion | undefined {
    const stored = this.#context.kv.get(key)
    return stored === undefined ? undefined : tenantDeletion.parse(stored)
  }

  /** Whether nothing of the tenant may be written any more. */
  get isErasing(): boolean {
    const { state } = this
    return state !== undefined && isErasing(state)
  }

  /** See `requestDeletion`. */
  request(stateBefore: 'active' | 'suspended', graceDays: number): TenantDeletion {
    const requested = requestDeletion(this.state, stateBefore, graceDays, this.#context.clock.now())
    this.#store(requested)
    return requested
  }

  /** The tenant is restored. Only while `isErasing` is false. */
  drop(): void {
    this.#context.kv.delete(key)
  }

  isPending(): boolean {
    const { state } = this
    return state !== undefined && state.phase !== 'deleted'
  }

  /** Goes on with a step of the run that deletes the tenant. What fails is repeated after a growing pause, and shown meanwhile. */
  async goOn(step: string, requestedAt: number): Promise<DeletionProgress> {
    const known = this.state
    if (known?.requestedAt !== requestedAt) return { kind: 'none' }
    const { clock } = this.#context
    const progress = progressOf(known, step, clock.now())
    if (progress.kind !== 'unfinished' || step === 'grace') return progress
    if (!this.#isRunning) await this.#run()
    return progressOf(this.state ?? known, step, clock.now())
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    try {
      await this.#makeParts()
    } finally {
      this.#isRunning = false
    }
  }

  async #makeParts(): Promise<void> {
    const until = this.#context.clock.now() + runMs
    for (let parts = 0; parts < partsPerRun && this.#context.clock.now() <= until; parts++) {
      const { state } = this
      const action = state === undefined ? undefined : nextAction(state, this.#context.clock.now())
      if (state === undefined || action === undefined || action.kind === 'wait') break
      if (!(await this.#tryAction(state, action))) break
    }
  }

  async #tryAction(state: TenantDeletion, action: DeletionAction): Promise<boolean> {
    const { clock, at } = this.#context
    try {
      await this.#do(state, action)
      return true
    } catch (thrown) {
      const reason = `${'step' in action ? action.step.store : action.kind}: ${reasonOf(thrown)}`
      log.warn('tenants.deletion-failed', { tenant: at().tenant, reason })
      // A count may have been stored since.
      this.#store(afterFailure(this.state ?? state, reason, clock.now(), Math.random()))
      return false
    }
  }

  async #do(state: TenantDeletion, action: DeletionAction): Promise<void> {
    const { clock, at } = this.#context
    switch (action.kind) {
      case 'wait':
        return
      case 'fence': {
        const started = begun(state, clock.now())
        this.#store(started)
        await fence(at())
        return this.#store(fenced(started, clock.now()))
      }
      case 'erase': {
        const { step, cursor } = action
        const eraser = eraserOf(at(), step)
        const known = action.isFirst ? counted(state, step, (await eraser.count?.()) ?? null) : state
        const erased = await eraser.eraseSome(cursor)
        return this.#store(afterErasing(known, step, erased))
      }
      case 'verify': {
        const { step, cursor, isFirst } = action
        const checked = await eraserOf(at(), step).verifySome(cursor)
        return this.#store(afterChecking(state, { step, isFirst }, checked, clock.now()))
      }
      case 'end':
        return this.#end(state)
    }
  }

  /** Forgets the tenant itself: what stays says that there was one of this name, and that nothing was left of it. */
  #end(state: TenantDeletion): void {
    const { kv, commit, clock, at } = this.#context
    commit(() => {
      for (const [name] of kv.list()) kv.delete(name)
      this.#store(ended(state, clock.now()))
    })
    log.info('tenants.deleted', { tenant: at().tenant, rounds: state.rounds })
  }

  #store(state: TenantDeletion): void {
    this.#context.kv.put(key, state)
  }
}
