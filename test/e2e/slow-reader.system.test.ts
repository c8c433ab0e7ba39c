import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeGroup, Person } from '../support/e2e/people.ts'
import { memoryOf } from '../support/e2e/processes.ts'
import { RawReader } from '../support/e2e/raw-reader.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

// On plain workerd, whose sockets are real: what a reader does not take waits in the server's memory.

const stuck = 16
const messages = 1600
const text = 'x'.repeat(16_000)

let system: System
let people: Person[] = []
let readers: RawReader[] = []

beforeAll(async () => {
  system = await System.start()
})

afterAll(() => {
  for (const person of people) person.leave()
  for (const reader of readers) reader.leave()
  system.abandon()
})

/** What this share of the numbers is below. */
const quantile = (numbers: readonly number[], share: number) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)] ?? 0

/** Says so much, four in flight; how long each took to be acknowledged. */
async function say(person: Person, group: string, count: number, when = ''): Promise<number[]> {
  const took: number[] = []
  let next = 0
  const writer = async () => {
    while (next < count) {
      const clientId = `${person.name}-${when}${took.length}-${next++}`
      const began = performance.now()
      await person.send(group, clientId, text)
      took.push(performance.now() - began)
    }
  }
  await Promise.all([writer(), writer(), writer(), writer()])
  return took
}

test('a client that stops reading is disconnected with bounded memory, delays no other, and catches up when it comes back', async () => {
  const names = Array.from({ length: stuck }, (_, n) => `stuck-${n}`)
  const group = await makeGroup(system, ['alice', 'carol', ...names])
  const elsewhere = await makeGroup(system, ['alice', 'carol'])
  const [alice, carol] = [await new Person(system, 'alice').connect(), await new Person(system, 'carol').connect()]
  people = [alice, carol]
  const tokens = await Promise.all(names.map((name) => new Person(system, name).token()))
  readers = await Promise.all(tokens.map((token) => RawReader.connect(system, token)))
  const places = await Promise.all(readers.map((reader) => reader.subscribe(group)))
  const listener = await carol.listen(group).ready()

  const before = quantile(await say(alice, elsewhere, 200), 0.5)
  const memory = memoryOf(system.workerPid)
  for (const reader of readers) reader.stopReading()
  const during = await say(alice, group, messages)
  await listener.reach(messages)

  expect(listener.seqs).toEqual(Array.from({ length: messages }, (_, n) => n + 1))
  // The messages themselves leave some 160 MB behind. Unbounded, each reader would hold another 25.
  expect(memoryOf(system.workerPid) - memory).toBeLessThan(320)

  for (const reader of readers) reader.readOn()
  await until('the slow ones were sent away', () => readers.every(({ closed }) => closed !== undefined))
  // A client that takes no close frame within five seconds is disconnected without one, and this machine may need longer to say all.
  for (const { closed } of readers) expect([3008, 1006]).toContain(closed?.code)

  // How quick this machine is without them: others may have come for its cores meanwhile, and hold up a few in any case.
  const usual = Math.max(before, quantile(await say(alice, elsewhere, 200, 'after-'), 0.5))
  expect(quantile(during, 0.5)).toBeLessThan(Math.max(200, 5 * usual))
  expect(quantile(during, 0.99)).toBeLessThan(Math.max(2000, 20 * usual))

  const back = await RawReader.connect(system, tokens[0] ?? '')
  const [first] = readers
  readers.push(back)
  const heard = [...(first?.offsets ?? [])]
  const epoch = places[0]?.epoch ?? ''
  while (heard.length < messages) {
    const { publications } = await back.pageAfter(group, { offset: heard.at(-1) ?? 0, epoch })
    heard.push(...publications.map(({ offset }) => offset))
  }
  expect(heard).toEqual(Array.from({ length: messages }, (_, n) => n + 1))
})
