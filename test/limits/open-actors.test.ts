import { describe, expect, test } from 'vitest'
import { actorsWithin } from '../../local/descriptors.ts'
import { AlarmTimes } from '../../src/limits/alarm-times.ts'
import { budgetOf, OpenActors, openForMs, type ActorName } from '../../src/limits/open-actors.ts'

const most = 2600
const { forCallers, forTasks, alarmsPerSecond } = budgetOf(most)
const topic = (tenant: string, n: number): ActorName => ({ kind: 'topic', tenant, name: `t${n}` })
const conversation = (tenant: string, n: number): ActorName => ({
  kind: 'conversation',
  tenant,
  name: `c${n}`,
  isKnown: true,
})

function bounded(to = most): OpenActors {
  const actors = new OpenActors()
  actors.bound(to)
  return actors
}

/** Calls ever further actors until one is refused; how many were admitted. */
function fill(actors: OpenActors, actor: (n: number) => ActorName, at: number): number {
  for (let n = 0; n <= most; n++) if (actors.admit(actor(n), at).kind !== 'taken') return n
  throw new Error('never refused')
}

describe('the open actors of one process', () => {
  test('are bounded for a tenant that calls ever new names, and others get places of their own', () => {
    const actors = bounded()
    expect(fill(actors, (n) => topic('mallory', n), 0)).toBe(Math.ceil(forCallers / 2))
    expect(fill(actors, (n) => topic('acme', n), 0)).toBeGreaterThan(400)
    expect(actors.count).toBeLessThanOrEqual(forCallers)
  })

  test('are bounded for all tenants together, however many there are and whatever they call', () => {
    const actors = bounded()
    for (let n = 0; n < 500; n++) fill(actors, (k) => (n % 2 ? topic : conversation)(`tenant-${n}`, k), n)
    expect(actors.count).toBeLessThanOrEqual(forCallers)
  })

  test('are called without asking while they are open, and give their places back ten seconds after their last use', () => {
    const actors = bounded()
    const count = fill(actors, (n) => topic('mallory', n), 0)
    expect(actors.admit(topic('mallory', 7), openForMs - 1)).toEqual({ kind: 'taken' })
    expect(actors.of('mallory')).toBe(count)
    expect(actors.admit(topic('mallory', 9999), openForMs)).toEqual({ kind: 'taken' })
    expect(actors.of('mallory')).toBe(2)
  })

  test('stay counted for as long as they are used', () => {
    const actors = bounded()
    for (let now = 0; now < 60_000; now += 1000) actors.use(topic('acme', 1), now)
    actors.use(topic('acme', 2), 60_000)
    expect(actors.of('acme')).toBe(2)
  })

  test('do not stay counted when the clock is set back', () => {
    const actors = bounded()
    fill(actors, (n) => topic('acme', n), 1_000_000)
    expect(actors.admit(topic('acme', 9999), 900_000)).toEqual({ kind: 'taken' })
    expect(actors.count).toBe(1)
  })

  test('may be more for what a tenant has than for new names, and less for limiters that a process can do without', () => {
    const counts = [
      fill(bounded(), (n) => conversation('acme', n), 0),
      fill(bounded(), (n) => topic('acme', n), 0),
      fill(bounded(), (n) => ({ kind: 'limiter', tenant: 'acme', name: `requests:${n}`, isDispensable: true }), 0),
    ]
    expect(counts).toEqual([15 / 16, 1 / 2, 1 / 3].map((part) => Math.ceil(forCallers * part)))
  })

  test('leave a tenant with 2,000 of them in use places for new names', () => {
    const actors = bounded()
    for (let n = 0; n < 2000; n++) actors.admit(conversation('acme', n), 0)
    expect(fill(actors, (n) => topic('acme', n), 5000)).toBe(Math.ceil((forCallers - 2000) / 2))
  })

  test('let new names in again ten seconds later, also while the earlier ones are in use', () => {
    const actors = bounded()
    const count = fill(actors, (n) => topic('acme', n), 0)
    for (let now = 1000; now <= 11_000; now += 1000) for (let n = 0; n < count; n++) actors.use(topic('acme', n), now)
    expect(fill(actors, (n) => topic('acme', count + n), 11_000)).toBeGreaterThan(500)
  })

  test('that were opened once are the tenant’s own from then on', () => {
    const actors = bounded()
    actors.admit(topic('acme', -1), 0)
    fill(actors, (n) => topic('acme', n), openForMs + 1)
    expect(actors.claimOf(topic('acme', -2))).toBe('new')
    expect(actors.admit(topic('acme', -2), openForMs + 1).kind).toBe('limited')
    expect(actors.claimOf(topic('acme', -1))).toBe('known')
    expect(actors.admit(topic('acme', -1), openForMs + 1).kind).toBe('taken')
  })

  test('that are refused say when a place may be free', () => {
    const actors = bounded()
    fill(actors, (n) => topic('mallory', n), 0)
    const refused = actors.admit(topic('mallory', 9999), 2000)
    const retryAfterMs = refused.kind === 'limited' ? refused.retryAfterMs : 0
    expect(retryAfterMs).toBeGreaterThanOrEqual(openForMs - 2000)
    expect(actors.admit(topic('mallory', 9999), 2000 + retryAfterMs).kind).toBe('taken')
  })

  test('are not counted where there is no bound', () => {
    const actors = new OpenActors()
    for (let n = 0; n < 10_000; n++) expect(actors.admit(topic('acme', n), 0).kind).toBe('taken')
    expect(actors.count).toBe(0)
  })
})

describe('a tenant with 3,000 slow conversations', () => {
  /** A message in each every 15 s, and half a second later the alarm that copies it to Postgres; how many were refused. */
  function chat(actors: OpenActors, seconds: number): number {
    let refused = 0
    for (let now = 0; now < seconds * 1000; now += 5) {
      const n = (now / 5) % 3000
      if (actors.admit(conversation('acme', n), now).kind === 'limited') refused++
      actors.use(conversation('acme', (n + 2900) % 3000), now)
    }
    return refused
  }

  test('is never refused one that was closed meanwhile, at the default of 20,000 open files', () => {
    expect(chat(bounded(actorsWithin(20_000, Infinity)), 60)).toBe(0)
  })

  test('leaves places for other tenants', () => {
    const actors = bounded(actorsWithin(20_000, Infinity))
    chat(actors, 30)
    expect(fill(actors, (n) => conversation('other', n), 30_000)).toBeGreaterThan(100)
  })
})

describe('alarms that open their actor', () => {
  const start = 1_000_000_000

  test('keep their time while few ring in the same second, and are spread over the following seconds otherwise', () => {
    const times = new AlarmTimes()
    const at = start + 60_000
    const rings = Array.from({ length: 3000 }, (_, n) => times.book(`topic acme/${n}`, at, start, alarmsPerSecond))
    expect(rings.slice(0, alarmsPerSecond)).toEqual(Array.from({ length: alarmsPerSecond }, () => at))
    expect(rings.every((ring, n) => n === 0 || ring >= (rings[n - 1] ?? 0))).toBe(true)
    const bySecond = Map.groupBy(rings, (ring) => Math.floor(ring / 1000))
    expect(Math.max(...[...bySecond.values()].map(({ length }) => length))).toBe(alarmsPerSecond)
  })

  test('ring when they were set for while their actor is still open', () => {
    const times = new AlarmTimes()
    for (let n = 0; n < 1000; n++) expect(times.book(`topic acme/${n}`, start + 500, start, 1)).toBe(start + 500)
  })

  test('leave their second to others when they are set anew', () => {
    const times = new AlarmTimes()
    for (let n = 0; n < 100; n++) times.book('topic acme/1', start + 60_000 + n * 1000, start, 1)
    expect(times.book('topic acme/2', start + 60_000, start, 1)).toBe(start + 60_000)
    times.book('topic acme/1', start + 500, start, 1)
    expect(times.book('topic acme/3', start + 159_000, start, 1)).toBe(start + 159_000)
  })
})

test('callers, tasks and alarms at their worst keep a process under 8,000 descriptors at 20,000 open files', () => {
  const actors = bounded(actorsWithin(20_000, Infinity))
  const times = new AlarmTimes()
  const start = 1_000_000_000
  let peak = 0
  let alarms = 0
  const alarm = (n: number): ActorName => ({ kind: 'topic', tenant: 'acme', name: `alarm-${n}` })
  // Set long before, all for the same moment: 5,000 topics whose history ends.
  const rings = Array.from({ length: 5000 }, (_, n) =>
    times.book(`${n}`, start + 60_000, start, alarmsPerSecond),
  ).toSorted((a, b) => a - b)
  for (let now = start + 50_000; now < start + 110_000; now += 100) {
    // Every caller of three tenants asks for whatever it may have, and keeps it in use.
    for (const tenant of ['a', 'b', 'c']) for (let n = 0; n < 2600; n += 1) actors.admit(conversation(tenant, n), now)
    for (let n = 0; actors.hasFreePlace(now) && n < 2600; n++)
      actors.use({ kind: 'inbox', tenant: 'a', name: `u${now}-${n}` }, now)
    while ((rings[alarms] ?? Infinity) <= now) actors.use(alarm(alarms++), now)
    peak = Math.max(peak, actors.count)
  }
  expect(alarms).toBeGreaterThan(500)
  expect(peak).toBeGreaterThan(forTasks)
  expect(peak).toBeLessThanOrEqual(most)
  // An actor has three files open; the process itself, its gateways and sockets some fifty.
  expect(peak * 3 + 100).toBeLessThan(8000)
})

test('the bound follows the files and the memory that a process may use', () => {
  const gib = 1024 ** 3
  expect(actorsWithin(20_000, 24 * gib)).toBe(2600)
  expect(actorsWithin(65_536, 24 * gib)).toBe(8519)
  expect(actorsWithin(1_048_576, 24 * gib)).toBe(10_000)
  expect(actorsWithin(1_048_576, 2 * gib)).toBe(1365)
  expect(actorsWithin(1024, 24 * gib)).toBe(133)
})
