import * as fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { activitySchema } from '../../durable-objects/activity/schema.ts'
import { ActivityTable } from '../../durable-objects/activity/activity-table.ts'
import { BucketSet } from '../../src/activity/bucket-set.ts'
import { hasBucket, parentOf } from '../../src/activity/growing.ts'
import { byNewest, pageOf } from '../../src/activity/listed-page.ts'
import { activityNumberOf, bucketOf, type ActivityRow, type ConversationActivity } from '../../src/events/activity.ts'
import { Disk } from '../sim/disk.ts'

const ids = ['a', 'b', 'c', 'd', 'e', 'f', '"quoted"', '__proto__', '7']
const at = fc.nat(6)
const listed = fc.uniqueArray(fc.tuple(fc.constantFrom(...ids), at), { selector: ([id]) => id })
const moves = fc.array(fc.tuple(fc.constantFrom(...ids), at), { maxLength: 12 })

let disk = new Disk()
let table = new ActivityTable(disk, true)
const disks: Disk[] = []

const freshTable = () => {
  disk = new Disk()
  disks.push(disk)
  for (const step of activitySchema) disk.exec(step)
  table = new ActivityTable(disk, true)
}
beforeEach(freshTable)
afterAll(() => {
  for (const each of disks) each.close()
})

/** A conversation stands at its `last` entry, which happened then. */
const activity = (conversation: string, last: number): ConversationActivity => ({
  conversation,
  epoch: 'e',
  type: 'group',
  version: 1,
  name: '',
  members: [],
  memberCount: 1,
  last,
  number: last,
  at: last,
  preview: null,
  states: [],
  statesAfter: 0,
  changes: [],
  changesAfter: 0,
})

/** The whole list, newest first. */
function wholeList(
  conversations: readonly (readonly [string, number])[],
  known: ReadonlyMap<string, number>,
): { readonly conversation: string; readonly at: number }[] {
  return conversations
    .map(([conversation, own]) => ({ conversation, at: Math.max(own, known.get(conversation) ?? 0) }))
    .toSorted(byNewest)
}

/** What several actors answer, put together. */
function page(
  conversations: readonly (readonly [string, number])[],
  before: readonly [number, string] | undefined,
  limit: number,
  actors: number,
): ActivityRow[] {
  const parts = Map.groupBy(conversations, ([id]) => activityNumberOf(bucketOf(id), actors))
  const rows = [...parts.values()].flatMap((part) => table.rows({ kind: 'newest', conversations: part, before, limit }))
  return pageOf(rows, before, limit)
}

describe('a page of a list', () => {
  test('is the same part of the whole list, however many Activity actors hold the rows', () => {
    fc.assert(
      fc.property(
        listed,
        moves,
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(1, 2, 4, 64),
        (conversations, moved, limit, actors) => {
          freshTable()
          const known = new Map<string, number>()
          for (const [id, last] of moved) {
            table.merge(activity(id, last), 1)
            known.set(id, Math.max(last, known.get(id) ?? 0))
          }
          const whole = wholeList(conversations, known)
          let before: readonly [number, string] | undefined
          for (let first = 0; first < whole.length; first += limit) {
            const rows = page(conversations, before, limit, actors)
            const expected = whole.slice(first, first + limit)
            expect(rows.map(({ conversation, at: shownAt }) => ({ conversation, at: shownAt }))).toEqual(expected)
            for (const row of rows) expect(row.activity?.last).toBe(known.get(row.conversation))
            const last = rows.at(-1)
            before = last === undefined ? before : [last.at, last.conversation]
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('neither repeats nor skips a conversation in which nothing happens while others go on', () => {
    fc.assert(
      fc.property(listed, fc.array(moves, { maxLength: 8 }), (conversations, between) => {
        freshTable()
        const seen: string[] = []
        const active = new Set<string>()
        let clock = 10
        let before: readonly [number, string] | undefined
        for (let turn = 0; turn < 12; turn++) {
          const rows = page(conversations, before, 2, 2)
          seen.push(...rows.map(({ conversation }) => conversation))
          const last = rows.at(-1)
          if (last === undefined) break
          before = [last.at, last.conversation]
          for (const [id] of between[turn] ?? []) {
            active.add(id)
            table.merge(activity(id, clock++), 1)
          }
        }
        expect(new Set(seen).size).toBe(seen.length)
        for (const [id] of conversations) if (!active.has(id)) expect(seen).toContain(id)
      }),
      { numRuns: 300 },
    )
  })
})

describe('an actor of a tenant that has more of them now', () => {
  test('has as its parent the actor that had its buckets when there were half as many', () => {
    for (let actors = 2; actors <= 64; actors *= 2)
      for (let bucket = 0; bucket < 64; bucket++) {
        const number = activityNumberOf(bucket, actors)
        const before = activityNumberOf(bucket, actors / 2)
        expect(number === before || parentOf(number) === before).toBe(true)
        for (let one: number | undefined = number; one !== undefined; one = parentOf(one))
          expect(hasBucket(one, bucket)).toBe(true)
      }
  })
})

describe('a set of buckets', () => {
  test('has what was added and not deleted, also after it was stored, in at most 8 KB', () => {
    const bucket = fc.oneof(fc.nat(20), fc.nat(65_535))
    const steps = fc.array(fc.tuple(fc.boolean(), bucket), { maxLength: 200 })
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 4090, 20_000), (changes, many) => {
        let set = new BucketSet()
        const model = new Set<number>()
        for (let n = 0; n < many; n++) {
          set.add(n * 3)
          model.add(n * 3)
        }
        for (const [isAdded, one] of changes) {
          expect(isAdded ? set.add(one) : set.delete(one)).toBe(isAdded ? !model.has(one) : model.has(one))
          if (isAdded) model.add(one)
          else model.delete(one)
        }
        const text = set.encode()
        expect(text.length).toBeLessThanOrEqual(Math.ceil(8192 / 3) * 4)
        set = BucketSet.decode(text)
        expect(set.size).toBe(model.size)
        expect([...set]).toEqual([...model].toSorted((a, b) => a - b))
      }),
      { numRuns: 50 },
    )
  })
})

test('a page that was read before, and updates of its conversations, read no activity from the table', () => {
  for (const id of ids) table.merge(activity(id, 1), 1)
  let reads = 0
  const exec: Disk['exec'] = (query, ...bindings) => {
    if (/SELECT .*activity/.test(query)) reads++
    return disk.exec(query, ...bindings)
  }
  const woken = new ActivityTable({ exec }, true)
  const query = { user: 'alice', conversations: ids, times: ids.map(() => 0), before: undefined, limit: 50 }
  const page = woken.newest(query)
  expect(page.every(({ activity: known }) => known?.last === 1)).toBe(true)
  expect(reads).toBe(1)
  expect(woken.newest(query)).toEqual(page)
  for (const id of ids) woken.merge(activity(id, 2), 2)
  expect(woken.newest(query).every(({ activity: known }) => known?.last === 2)).toBe(true)
  expect(reads).toBe(1)
})
