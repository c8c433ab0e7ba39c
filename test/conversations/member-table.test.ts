import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemberTable } from '../../durable-objects/conversation/member-table.ts'
import { conversationSchema } from '../../durable-objects/conversation/schema.ts'
import { Settings } from '../../durable-objects/shared/settings.ts'
import type { Sql } from '../../durable-objects/shared/sql.ts'
import type { Member } from '../../src/conversations/types.ts'
import { Disk } from '../sim/disk.ts'

const nameOf = (n: number) => `member-${String(n).padStart(5, '0')}`
const memberOf = (n: number, read = 0): Member => ({ user: nameOf(n), role: 'member', joinedAt: 1, read, joined: 0 })

/** A conversation's members on a disk; `rows` counts the rows that were read. */
class Scene {
  readonly disk = new Disk()
  rows = 0
  version = 1
  table: MemberTable

  constructor(size: number) {
    for (const statements of conversationSchema) this.disk.exec(statements)
    this.table = this.restart()
    this.table.putAll(Array.from({ length: size }, (_, n) => memberOf(n)))
  }

  restart(): MemberTable {
    const counted: Sql = {
      exec: (query, ...bindings) => {
        const found = this.disk.exec<Record<string, string | number | null>>(query, ...bindings)
        this.rows += found.toArray().length
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the query says what its rows are
        return found as never
      },
    }
    return (this.table = new MemberTable(counted, new Settings(this.disk, true), true, this.version))
  }

  /** Everything is reported. */
  settle(): void {
    this.table.takeUnreported()
    this.table.introduced(this.table.newcomers(), this.table.joins)
    this.table.settle(this.version)
  }
}

test('an actor that wakes with 10,000 members of which all is reported reads only the rows that it needs', () => {
  const scene = new Scene(10_000)
  scene.settle()
  scene.rows = 0
  const table = scene.restart()
  expect(table.get(nameOf(77))?.read).toBe(0)
  table.wrote(nameOf(77), 5)
  expect([table.count(), table.get(nameOf(77))?.read, table.get('nobody')]).toEqual([10_000, 5, undefined])
  expect(table.some(10)).toHaveLength(10)
  expect(table.changedAfter(0)).toEqual([])
  expect(scene.rows).toBeLessThan(20)
})

test('an actor that ended before a read cursor was reported finds it when it wakes', () => {
  const scene = new Scene(1000)
  scene.settle()
  scene.restart().moveRead(nameOf(500), 3)
  expect(scene.restart().changedAfter(0)).toEqual([nameOf(500)])
  scene.settle()
  expect(scene.restart().changedAfter(0)).toEqual([])
})

test('a version that does not keep the setting is noticed by the version of the conversation', () => {
  const scene = new Scene(1000)
  scene.settle()
  scene.disk.exec('DELETE FROM members WHERE user = ?', nameOf(3))
  scene.version++
  expect(scene.restart().count()).toBe(999)
})

const step = fc.oneof(
  fc.record({ does: fc.constant('read' as const), n: fc.nat(310) }),
  fc.record({ does: fc.constant('write' as const), n: fc.nat(310) }),
  fc.record({ does: fc.constant('join' as const), n: fc.nat(310) }),
  fc.record({ does: fc.constant('leave' as const), n: fc.nat(310) }),
  fc.record({ does: fc.constant('look' as const), n: fc.nat(310) }),
  fc.record({ does: fc.constant('restart' as const), n: fc.constant(0) }),
  fc.record({ does: fc.constant('settle' as const), n: fc.constant(0) }),
  fc.record({ does: fc.constant('keep' as const), n: fc.constant(0) }),
)

test('however members join, leave, read and write, and whenever the actor restarts, the table says what happened', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), (steps) => {
      const scene = new Scene(300)
      scene.settle()
      const known = new Map(scene.table.some(300).map(({ user }) => [user, 0]))
      // Users whose change of a row was not reported.
      const unreported = new Set<string>()
      let seq = 0
      for (const { does, n } of steps) {
        const { table } = scene
        const user = nameOf(n)
        seq++
        if (does === 'read' && known.has(user)) {
          table.moveRead(user, seq)
          known.set(user, seq)
          unreported.add(user)
        }
        if (does === 'write') {
          table.wrote(user, seq)
          if (known.has(user)) known.set(user, seq)
          table.keep()
        }
        if (does === 'join' && !known.has(user)) {
          scene.version++
          table.put(memberOf(n, seq))
          known.set(user, seq)
          unreported.add(user)
        }
        if (does === 'leave') {
          if (known.delete(user)) scene.version++
          table.remove(user)
          unreported.delete(user)
        }
        if (does === 'look') expect(table.get(user)?.read).toBe(known.get(user))
        if (does === 'settle') {
          scene.settle()
          unreported.clear()
        }
        if (does === 'restart') {
          const changed = new Set(scene.restart().changedAfter(0))
          for (const one of unreported) expect(changed.has(one)).toBe(true)
        }
        expect(scene.table.count()).toBe(known.size)
      }
      const all = [...scene.table.all()].map(({ user, read }) => [user, read])
      expect(Object.fromEntries(all)).toEqual(Object.fromEntries(known))
      expect(all).toHaveLength(known.size)
    }),
    { numRuns: 100 },
  )
})
