import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Interest } from '../../src/activity/interest.ts'
import { listedBuckets, UserBuckets } from '../../src/activity/user-buckets.ts'
import { bucketCount, bucketOf } from '../../src/events/activity.ts'

const bucket = fc.oneof(fc.nat(bucketCount - 1), fc.nat(40))

describe('the buckets of a user', () => {
  test('are a set, whatever was added and kept in between', () => {
    fc.assert(
      fc.property(fc.array(bucket), fc.array(bucket), bucket, (first, later, other) => {
        const all = UserBuckets.of(first)
        for (const one of later) all.add(one)
        const again = UserBuckets.restore(structuredClone(all.stored))
        const expected = [...new Set([...first, ...later])].sort(ascending)
        expect([...again]).toEqual(expected)
        expect(again.has(other)).toBe(expected.includes(other))
      }),
    )
  })

  test('of 10,000 conversations take 8 KB, of 50 a hundred bytes', () => {
    const of = (conversations: number) =>
      UserBuckets.of(Array.from({ length: conversations }, (_, n) => bucketOf(`conversation-${n}`)))
    expect(of(10_000).stored.byteLength).toBe(8192)
    expect(of(50).stored.byteLength).toBe(100)
    expect(of(10_000).isLarge).toBe(true)
    const growing = UserBuckets.of(Array.from({ length: listedBuckets }, (_, n) => n * 2))
    expect([growing.stored.byteLength, growing.isLarge]).toEqual([8192, false])
    expect([growing.add(1), growing.add(1), growing.add(2)]).toEqual([true, false, false])
    expect([growing.stored.byteLength, growing.isLarge]).toEqual([8192, true])
    expect([...growing].slice(0, 4)).toEqual([0, 1, 2, 4])
  })
})

interface User {
  readonly name: number
  readonly buckets: UserBuckets | undefined
}

const ascending = (a: number, b: number) => a - b
const many = UserBuckets.of(Array.from({ length: 5000 }, (_, n) => 20 + n)).stored

const step = fc.oneof(
  fc.record({ does: fc.constant('add' as const), buckets: fc.array(fc.nat(40), { maxLength: 12 }) }),
  fc.record({ does: fc.constant('addLarge' as const) }),
  fc.record({ does: fc.constant('addUnknown' as const) }),
  fc.record({ does: fc.constant('delete' as const), which: fc.nat(60) }),
  fc.record({ does: fc.constant('join' as const), which: fc.nat(60), bucket: fc.nat(40) }),
  fc.record({ does: fc.constant('look' as const), bucket: fc.nat(45) }),
)

describe('the users interested in a bucket', () => {
  test('are those that have it, and those whose buckets are unknown, also once they are indexed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const interest = new Interest<User>()
        const users: User[] = []
        let names = 0
        const enter = (buckets: UserBuckets | undefined) => {
          const user = { name: names++, buckets }
          users.push(user)
          interest.add(user)
        }
        for (const each of steps) {
          if (each.does === 'add') enter(UserBuckets.of(each.buckets))
          if (each.does === 'addLarge') enter(UserBuckets.restore(structuredClone(many)))
          if (each.does === 'addUnknown') enter(undefined)
          if (each.does === 'delete') for (const one of users.splice(each.which, 1)) interest.delete(one)
          const joining = each.does === 'join' ? users[each.which] : undefined
          if (each.does === 'join' && joining?.buckets?.add(each.bucket) === true)
            interest.bucketAdded(joining, each.bucket)
          if (each.does !== 'look') continue
          const found = interest.of(each.bucket).map(({ name }) => name)
          const expected = users.filter(({ buckets }) => buckets?.has(each.bucket) ?? true).map(({ name }) => name)
          expect(found.toSorted(ascending)).toEqual(expected.toSorted(ascending))
        }
      }),
    )
  })
})
