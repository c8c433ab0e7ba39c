import { describe, expect, test } from 'vitest'
import { maxOpened, maxOpenedByTenant, maxOpenedWhenFull, OpenedActors } from '../../src/limits/opened-actors.ts'

/** A tenant opens actors as fast as it may until `until`, in milliseconds; how many it opened. */
function openAll(opened: OpenedActors, tenant: string, from: number, until: number): number {
  let count = 0
  for (let now = from; now < until; now++)
    for (let attempt = 0; attempt < 10 && opened.mayOpen(tenant, now).kind === 'taken'; attempt++) {
      opened.note(tenant, now)
      count++
    }
  return count
}

describe('the actors opened in one process', () => {
  test('are bounded for one tenant within ten seconds, and the rest is left to others', () => {
    const opened = new OpenedActors()
    expect(openAll(opened, 'acme', 0, 9000)).toBe(maxOpenedByTenant)
    expect(opened.mayOpen('acme', 9000)).toEqual({ kind: 'limited', retryAfterMs: 1000 })
    expect(opened.mayOpen('other', 9000)).toEqual({ kind: 'taken' })
  })

  test('are bounded for all tenants together, and a tenant that comes late to a full process still opens a few', () => {
    const opened = new OpenedActors()
    const tenants = Array.from({ length: 8 }, (_, n) => `tenant-${n}`)
    const counts = tenants.map((tenant) => openAll(opened, tenant, 0, 1000))
    expect(counts.slice(0, 2)).toEqual([maxOpenedByTenant, maxOpened - maxOpenedByTenant])
    expect(new Set(counts.slice(2))).toEqual(new Set([maxOpenedWhenFull]))
  })

  test('that were opened ten seconds ago make room again, second by second', () => {
    const opened = new OpenedActors()
    for (let now = 0; now < 4000; now++) if (now % 2 === 0) opened.note('acme', now)
    expect(opened.mayOpen('acme', 5000)).toEqual({ kind: 'limited', retryAfterMs: 5000 })
    expect(opened.mayOpen('acme', 9999).kind).toBe('limited')
    expect(opened.mayOpen('acme', 10_000).kind).toBe('taken')
    expect(openAll(opened, 'acme', 10_000, 10_999)).toBe(500)
  })

  test('do not stay counted when the clock is set back', () => {
    const opened = new OpenedActors()
    expect(openAll(opened, 'acme', 1_000_000, 1_001_000)).toBe(maxOpenedByTenant)
    expect(opened.mayOpen('acme', 900_000).kind).toBe('taken')
  })
})
