import { expect, test } from 'vitest'
import { NamedActors, openForMs, TooManyActors, type ActorName } from '../../src/limits/named-actors.ts'

const most = 700
const topic = (tenant: string, n: number): ActorName => ({ kind: 'topic', tenant, name: `t${n}` })

/** Opens new topics until one is refused. */
function fill(actors: NamedActors, tenant: string, at: number): number {
  for (let n = 0; n <= most; n++) {
    try {
      actors.admit(topic(tenant, n), at, most)
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(TooManyActors)
      return n
    }
  }
  throw new Error('never refused')
}

test('a tenant that opens ever new actors gets three quarters of the places, and others get of the rest', () => {
  const actors = new NamedActors()
  expect(fill(actors, 'mallory', 0)).toBe(525)
  expect(fill(actors, 'acme', 0)).toBeGreaterThan(100)
  expect(actors.count).toBeLessThanOrEqual(most)
})

test('however many tenants open actors, all of them together stay within the bound', () => {
  const actors = new NamedActors()
  for (let n = 0; n < 1000; n++) fill(actors, `tenant-${n}`, n)
  expect(actors.count).toBeLessThanOrEqual(most)
})

test('an actor that is open is called without asking, and one unused for long enough gives its place back', () => {
  const actors = new NamedActors()
  fill(actors, 'mallory', 0)
  actors.admit(topic('mallory', 7), openForMs - 1, most)
  // Those used at the beginning are closed by now.
  actors.admit(topic('mallory', 9999), openForMs, most)
  expect(actors.of('mallory')).toBe(2)
})

test('a refusal says when the next place is free', () => {
  const actors = new NamedActors()
  fill(actors, 'mallory', 0)
  const retryAfterMs = (() => {
    try {
      actors.admit(topic('mallory', 9999), 2000, most)
    } catch (thrown) {
      if (thrown instanceof TooManyActors) return thrown.retryAfterMs
    }
    return 0
  })()
  expect(retryAfterMs).toBeGreaterThanOrEqual(openForMs - 2000)
  actors.admit(topic('mallory', 9999), 2000 + retryAfterMs, most)
})

test('limiters of the platform leave room for what has no substitute', () => {
  const actors = new NamedActors()
  let limiters = 0
  expect(() => {
    for (; limiters <= most; limiters++)
      actors.admit({ kind: 'limiter', tenant: 'acme', name: `requests-user:${limiters}`, isDispensable: true }, 0, most)
  }).toThrow(TooManyActors)
  expect(limiters).toBe(350)
  actors.admit(topic('acme', 1), 0, most)
})
