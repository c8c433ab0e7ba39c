import { expect, test } from 'vitest'
import { openActors } from '../../src/limits/open-actors.ts'
import { Touches } from '../../src/limits/touches.ts'

/** Time that moves only while a call is awaited, and calls that take `tookMs` of it. */
function world() {
  let now = 0
  const due: { readonly at: number; readonly go: () => void }[] = []
  const wait = (ms: number) => new Promise<void>((go) => void due.push({ at: now + ms, go }))
  const touches = new Touches({ now: () => now, wait })
  const pass = async (until: () => boolean) => {
    while (!until()) {
      await new Promise((turn) => setImmediate(turn))
      due.sort((a, b) => a.at - b.at)
      const next = due.shift()
      if (next === undefined) continue
      now = Math.max(now, next.at)
      next.go()
    }
  }
  return { touches, wait, pass, now: () => now }
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

test('a request with a thousand items has few actor calls under way at once while they are slow', async () => {
  const { touches, wait, pass } = world()
  let [underWay, most, done] = [0, 0, false]
  const work = touches.each('acme', numbers(1000), async (n) => {
    most = Math.max(most, ++underWay)
    await wait(100)
    underWay--
    return n
  })
  void work.then(() => (done = true))
  await pass(() => done)
  expect(await work).toEqual(numbers(1000))
  expect(most).toBe(8)
  expect(touches.stateOf('acme')).toEqual({ underWay: 0, window: 4 })
})

test('slow calls of a tenant take half of the time, so that calls of others run between them', async () => {
  const { touches, wait, pass, now } = world()
  let done = false
  void touches.each('acme', numbers(100), () => wait(50)).then(() => (done = true))
  await pass(() => done)
  // Four at a time in the end: 25 rounds of a call of 50 ms and a rest of 50 ms, of which the first has eight.
  expect(now()).toBeGreaterThan(20 * 100)
})

test('all requests of one tenant share its calls, and none of another tenant waits for them', async () => {
  const { touches, wait, pass, now } = world()
  const slow = () => wait(1000)
  let othersAt = -1
  let done = 0
  for (let request = 0; request < 5; request++) void touches.each('acme', numbers(20), slow).then(() => done++)
  await pass(() => touches.stateOf('acme').underWay === 8)
  void touches.each('other', numbers(4), () => wait(1)).then(() => (othersAt = now()))
  await pass(() => othersAt >= 0)
  expect(othersAt).toBeLessThan(1000)
  expect(touches.stateOf('acme').underWay).toBe(8)
  await pass(() => done === 5)
})

test('a tenant whose calls are fast may have more of them at once', async () => {
  const { touches, wait, pass } = world()
  let done = false
  void touches.each('acme', numbers(2000), () => wait(1)).then(() => (done = true))
  await pass(() => done)
  expect(touches.stateOf('acme').window).toBeGreaterThan(30)
})

test('a call that fails fails its request and frees its place', async () => {
  const { touches, pass } = world()
  let failed: unknown
  const broken = async () => {
    throw new Error('broken')
  }
  void touches.each('acme', numbers(20), broken).catch((thrown: unknown) => (failed = thrown))
  await pass(() => failed !== undefined)
  expect(failed).toEqual(new Error('broken'))
  expect(touches.stateOf('acme').underWay).toBe(0)
})

test('calls that open actors in the same thread are made one after another while they are slow', async () => {
  const { touches, wait, pass } = world()
  let done = false
  const work = touches.each('acme', numbers(1000), async () => {
    openActors.openings++
    await wait(100)
  })
  void work.then(() => (done = true))
  await pass(() => done)
  expect(touches.stateOf('acme')).toEqual({ underWay: 0, window: 1 })
})

test('calls that open actors in the same thread hold it for some ten milliseconds at a time, however fast each opening is', async () => {
  const { touches, wait, pass, now } = world()
  let [done, freeAt, longest] = [false, 0, 0]
  // One thread: an opening takes a millisecond of it, and whatever began together is done before anything else.
  const work = touches.each('acme', numbers(2000), async () => {
    openActors.openings++
    freeAt = Math.max(freeAt, now()) + 1
    longest = Math.max(longest, freeAt - now())
    await wait(freeAt - now())
  })
  void work.then(() => (done = true))
  await pass(() => done)
  expect(longest).toBeGreaterThan(4)
  expect(longest).toBeLessThanOrEqual(12)
})
