import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
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
  requestDeletion,
  settleMs,
  tenantDeletion,
  type TenantDeletion,
} from '../../src/tenants/deletion.ts'
import { stages, stepsOf } from '../../src/tenants/deletion-plan.ts'
import { reportOf } from '../../src/tenants/deletion-report.ts'
import { actorStores, tenantStores } from '../../src/tenants/stores.ts'

const steps = stages.flatMap((stage) => stepsOf(stage))
const day = 86_400_000

/** The stores of one tenant, and a clock; a process that deletes may die at any call of theirs. */
class Stores {
  readonly parts = new Map(steps.map(({ id }, place) => [id, 1 + (place % 3)]))
  readonly order: string[] = []
  now = 1_000
  isFenced = false
  stored: TenantDeletion
  /** Calls until the process dies; Infinity for never. */
  callsLeft = Infinity
  /** What appears in a store when it is looked at the first time: a late write. */
  late = new Map<string, number>()

  constructor(graceDays: number) {
    this.stored = requestDeletion(undefined, 'active', graceDays, this.now)
  }

  #call(): void {
    if (this.callsLeft-- <= 0) throw new Error('the process died')
  }

  /** One action, stored once it is done. */
  act(): boolean {
    const deletion = this.stored
    const action = nextAction(deletion, this.now)
    if (action.kind === 'wait') {
      if (deletion.phase === 'deleted') return false
      this.now = Math.max(this.now, deletion.nextAt)
      return true
    }
    this.#call()
    if (action.kind === 'fence') {
      this.stored = begun(deletion, this.now)
      this.#call()
      this.isFenced = true
      this.stored = fenced(this.stored, this.now)
    } else if (action.kind === 'end') this.stored = ended(deletion, this.now)
    else this.#work(deletion, action)
    return true
  }

  #work(deletion: TenantDeletion, action: Extract<ReturnType<typeof nextAction>, { step: unknown }>): void {
    const { step, kind, isFirst } = action
    const left = this.parts.get(step.id) ?? 0
    if (kind === 'erase') {
      const known = isFirst ? counted(deletion, step, left) : deletion
      this.parts.set(step.id, Math.max(0, left - 1))
      if (left > 0) this.order.push(step.id)
      this.#call()
      const next = left > 1 ? String(left - 1) : null
      this.stored = afterErasing(known, step, { erased: Math.min(1, left), next })
    } else {
      const late = this.late.get(step.id) ?? 0
      this.late.delete(step.id)
      this.parts.set(step.id, left + late)
      this.#call()
      this.stored = afterChecking(deletion, { step, isFirst }, { checked: 1, left: left + late, next: null }, this.now)
    }
  }

  run(): void {
    for (let actions = 0; this.act(); actions++) if (actions > 2000) throw new Error('it never ends')
  }
}

describe('the deletion of a tenant', () => {
  test('waits for the end of the grace, and can be asked for again with another one until then', () => {
    const asked = requestDeletion(undefined, 'active', 7, 0)
    expect(asked).toMatchObject({ phase: 'grace', eraseAt: 7 * day, nextAt: 7 * day })
    expect(nextAction(asked, 7 * day - 1)).toEqual({ kind: 'wait' })
    const again = requestDeletion(asked, 'suspended', 1, 1000)
    expect(again).toMatchObject({ eraseAt: day + 1000, requestedAt: 0, stateBefore: 'active' })
    expect(nextAction(again, day + 1000)).toEqual({ kind: 'fence' })
  })

  test('cannot be asked for again once the erasure has begun', () => {
    const started = begun(requestDeletion(undefined, 'active', 0, 0), 5)
    expect(isErasing(started)).toBe(true)
    expect(requestDeletion(started, 'active', 7, 10)).toBe(started)
  })

  test('keeps late calls out before it erases anything, and gives those under way their time', () => {
    const kept = fenced(begun(requestDeletion(undefined, 'active', 0, 0), 0), 10)
    expect(nextAction(kept, 10 + settleMs - 1)).toEqual({ kind: 'wait' })
    expect(nextAction(kept, 10 + settleMs)).toMatchObject({ kind: 'erase', cursor: '', isFirst: true })
  })

  test('erases every store of the registry, those that list others after those, and the placement last', () => {
    const stores = new Stores(0)
    stores.run()
    expect(stores.stored.phase).toBe('deleted')
    expect([...stores.parts.values()].every((left) => left === 0)).toBe(true)
    const registered = Object.keys(tenantStores).filter((name) => name !== 'Tenant')
    expect([...new Set(steps.map(({ store }) => store))].toSorted()).toEqual(registered.toSorted())
    const first = (id: string) => stores.order.indexOf(id)
    for (const list of ['InboxNotes', 'Activity', 'ActorNames', 'JobQueue/fixed', 'conversations', 'members'])
      for (const { id } of stepsOf('listed')) expect(first(list)).toBeGreaterThan(first(id))
    expect(stores.order.slice(-2).every((id) => id === 'placements' || id === 'tenants')).toBe(true)
  })

  test('has two parts of each class whose actors are listed', () => {
    const listed = Object.entries(actorStores).flatMap(([name, { found }]) => (found === 'listed' ? [name] : []))
    expect(stepsOf('listed').map(({ store }) => store)).toEqual(listed)
  })

  test('ends the same wherever its process dies, and however often', () => {
    const calls = (() => {
      const stores = new Stores(0)
      stores.callsLeft = 1_000_000
      stores.run()
      return 1_000_000 - stores.callsLeft
    })()
    for (let at = 0; at < calls; at++) {
      const stores = new Stores(0)
      stores.callsLeft = at
      expect(() => stores.run()).toThrow('the process died')
      stores.callsLeft = Infinity
      stores.run()
      expect(stores.stored.phase).toBe('deleted')
      expect([...stores.parts.values()].every((left) => left === 0)).toBe(true)
    }
  })

  test('erases again what was written late, and says in how many rounds', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...steps.map(({ id }) => id)), fc.integer({ min: 1, max: 3 })),
        (late) => {
          const stores = new Stores(0)
          stores.late = new Map(Object.entries(late))
          stores.run()
          expect([...stores.parts.values()].every((left) => left === 0)).toBe(true)
          expect(stores.stored.rounds > 0).toBe(Object.keys(late).length > 0)
          expect(Object.values(stores.stored.stores).every(({ isVerified, left }) => isVerified && left === 0)).toBe(
            true,
          )
        },
      ),
    )
  })

  test('repeats a part that failed after growing pauses, and says which store is waited for', () => {
    let deletion = fenced(begun(requestDeletion(undefined, 'active', 0, 0), 0), 0)
    deletion = afterFailure(deletion, 'Conversation: shard0 does not answer', 100, 0)
    expect(deletion).toMatchObject({ failures: 1, nextAt: 600 })
    deletion = afterFailure(deletion, 'Conversation: shard0 does not answer', 600, 0)
    expect(deletion).toMatchObject({ failures: 2, nextAt: 1600 })
    const report = reportOf('acme', deletion)
    expect(report).toMatchObject({ waitsFor: 'Conversation', failure: 'Conversation: shard0 does not answer' })
  })

  test('is proven by a report that names every store with what was erased and that nothing is left', () => {
    const stores = new Stores(0)
    stores.run()
    const report = reportOf('acme', tenantDeletion.parse(JSON.parse(JSON.stringify(stores.stored))))
    expect(report).toMatchObject({ phase: 'deleted', waitsFor: null, nextAt: null, rounds: 0 })
    expect(report.stores.map(({ store }) => store)).toEqual(steps.map(({ id }) => id))
    for (const { state, erased, of, checked, left } of report.stores) {
      expect({ state, left, checked }).toEqual({ state: 'empty', left: 0, checked: 1 })
      expect(erased).toBe(of)
    }
  })
})
