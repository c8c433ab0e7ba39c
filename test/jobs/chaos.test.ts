import { describe, expect, test } from 'vitest'
import { Chaos, type Weather } from './support/chaos.ts'
import { overtaken } from './support/order.ts'

const storm = {
  jobs: 20_000,
  keys: 200,
  queueDies: 0.01,
  workerDies: 0.03,
  workerSleeps: 0.01,
  answerLost: 0.02,
  carrier: { duplicates: 0.3, loses: 0.05, refuses: 0.05, lies: 0.03 },
  directFails: 0.5,
  fails: 0.05,
  snoozes: 0.02,
} as const

function checkAll(weather: Weather) {
  const after = new Chaos(weather).run()
  const place = (id: string) => after.places.get(id) ?? Number.NaN
  const sorted = [...after.order.values()].every((ids) => overtaken(ids, place).length === 0)
  const { seed, jobs } = weather
  const { states, effects, endedTwice } = after
  expect({ seed, done: states.done, effects: effects.size, endedTwice, sorted }).toEqual({
    seed,
    done: jobs,
    effects: jobs,
    endedTwice: 0,
    sorted: true,
  })
  return after
}

describe('with workers and queue killed at random, and a QStash that duplicates, delays, reorders, loses and reports false failures', () => {
  test.each([1, 2])(
    '20,000 jobs each take effect once, none is lost, and every key keeps its order (seed %i)',
    (seed) => {
      const after = checkAll({ ...storm, seed })
      expect(after.deaths).toBeGreaterThan(20)
      expect(after.refusedRuns).toBeGreaterThan(0)
      expect(after.runs).toBeGreaterThan(storm.jobs)
    },
  )

  test('small simulations of many seeds end as well', () => {
    for (let seed = 100; seed < 140; seed++)
      checkAll({
        ...storm,
        seed,
        jobs: 200,
        keys: 1 + (seed % 7),
        queueDies: 0.05,
        workerDies: 0.1,
        workerSleeps: 0.05,
      })
  })
})
