import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ActivityTable, keptDeletedMs } from '../../durable-objects/activity/activity-table.ts'
import { activitySchema } from '../../durable-objects/activity/schema.ts'
import type { ConversationActivity, DeletedConversation } from '../../src/events/activity.ts'
import { Disk } from '../sim/disk.ts'
import { properties } from './recounted-conversation.ts'

const hour = 3_600_000
const ids = ['lunch', 'tea', 'news']

type Call =
  | { readonly kind: 'update'; readonly update: ConversationActivity }
  | { readonly kind: 'deleted'; readonly deleted: DeletedConversation }

/** A conversation that ends and begins anew under its id. Its calls arrive when the test says so, also more than once. */
class Conversation {
  readonly id: string
  version = 1
  incarnation = 1
  last = 0
  isDeleted = false
  /** Every call that it has made. */
  readonly calls: Call[] = []

  constructor(id: string) {
    this.id = id
    this.#report()
  }

  send(): void {
    if (this.isDeleted) return
    this.last++
    this.#report()
  }

  delete(): void {
    if (this.isDeleted) return
    this.isDeleted = true
    this.version++
    this.calls.push({ kind: 'deleted', deleted: { conversation: this.id, version: this.version } })
  }

  begin(): void {
    if (!this.isDeleted) return
    this.isDeleted = false
    this.version++
    this.incarnation++
    this.#report()
  }

  #report(): void {
    const { id, version, incarnation, last } = this
    const at = { statesAfter: last, changesAfter: last, states: [], changes: [], last, number: last, at: last }
    this.calls.push({
      kind: 'update',
      update: { ...properties, ...at, conversation: id, version, epoch: `epoch-${incarnation}` },
    })
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('send' as const), id: fc.constantFrom(...ids) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('delete' as const), id: fc.constantFrom(...ids) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('begin' as const), id: fc.constantFrom(...ids) }) },
  // Any call so far arrives, for the first time or again.
  {
    weight: 8,
    arbitrary: fc.record({ does: fc.constant('arrives' as const), id: fc.constantFrom(...ids), back: fc.nat(6) }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('wait' as const), id: fc.constant('') }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('restart' as const), id: fc.constant('') }) },
)

function open() {
  const disk = new Disk()
  for (const statements of activitySchema) disk.exec(statements)
  return disk
}

const rowsIn = (disk: Disk) =>
  disk.exec<{ id: string; activity: string }>('SELECT id, activity FROM conversations ORDER BY id').toArray()

const isDeletion = ({ kind }: Call): boolean => kind === 'deleted'

function arrive(table: ActivityTable, call: Call, now: number): void {
  if (call.kind === 'deleted') table.forget(call.deleted, now)
  else table.merge(call.update, now)
}

test('once its last call has arrived, a conversation has a row if it exists and none if it is deleted, however late and often others came', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, size: 'max', maxLength: 120 }), (steps) => {
      const disk = open()
      let table = new ActivityTable(disk, true)
      let now = 1_000_000
      const conversations = new Map(ids.map((id) => [id, new Conversation(id)]))
      for (const { does, id, ...more } of steps) {
        const conversation = conversations.get(id)
        // Less than a day altogether: no call is later than that.
        if (does === 'wait') now += hour / 10
        if (does === 'restart') table = new ActivityTable(disk, true)
        if (does === 'send') conversation?.send()
        if (does === 'delete') conversation?.delete()
        if (does === 'begin') conversation?.begin()
        const call = 'back' in more ? conversation?.calls.at(-1 - more.back) : undefined
        if (call !== undefined) arrive(table, call, now)
      }
      for (const { calls } of conversations.values()) {
        const last = calls.at(-1)
        if (last !== undefined) arrive(table, last, now)
        // Then all of them again, the oldest last, and once more the updates after the deletions.
        const again = calls.toReversed()
        const [deletions, updates] = [again.filter(isDeletion), again.filter((call) => !isDeletion(call))]
        for (const call of [...again, ...deletions, ...updates]) arrive(table, call, now)
      }
      const alive = [...conversations.values()].filter(({ isDeleted }) => !isDeleted)
      expect(rowsIn(disk).map(({ id, activity }) => [id, JSON.parse(activity).last])).toEqual(
        alive.map(({ id, last }) => [id, last]).toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
      )
      const listed = ids.map((id) => [id, 0] as const)
      const page = table.rows({ kind: 'newest', conversations: listed, before: undefined, limit: 10 })
      for (const { conversation, activity } of page)
        expect(activity === undefined).toBe(conversations.get(conversation)?.isDeleted)
    }),
    { numRuns: 300 },
  )
})

test('an entry about a deleted conversation is removed after a day, with a later deletion', () => {
  const disk = open()
  const table = new ActivityTable(disk, true)
  const kept = () => disk.exec<{ id: string }>('SELECT id FROM deleted ORDER BY id').toArray().length
  for (let n = 0; n < 100; n++) table.forget({ conversation: `old-${n}`, version: 2 }, 1_000_000)
  expect(kept()).toBe(100)
  table.forget({ conversation: 'late', version: 2 }, 1_000_000 + keptDeletedMs - hour)
  expect(kept()).toBe(101)
  table.forget({ conversation: 'new', version: 2 }, 1_000_000 + keptDeletedMs + hour)
  expect(kept()).toBe(2)
})
