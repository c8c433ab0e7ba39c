import { expect, test } from 'vitest'
import { tellStreaming, type StreamingDay } from './streaming-story.ts'

const goodDay: StreamingDay = {
  authors: 2,
  readers: 2,
  messages: 3,
  parts: 20,
  faults: 0,
  weather: { latencyMs: [1, 80], diskMs: [1, 40] },
}

const storm: StreamingDay = {
  ...goodDay,
  faults: 12,
  weather: {
    requestLost: 0.02,
    answerLost: 0.02,
    repeated: 0.05,
    crashAtWrite: 0.01,
    latencyMs: [1, 80],
    diskMs: [1, 40],
  },
}

test('on a good day every message that is completed is whole, and the last one of a silent author is interrupted', async () => {
  const { broken, completed, interrupted } = await tellStreaming(1, goodDay)
  expect(broken).toEqual([])
  expect({ completed, interrupted }).toEqual({ completed: 4, interrupted: 2 })
})

test.each([1, 2, 3, 4, 5, 6])(
  'on stormy day %i all clients show at the end what the log has, whatever was lost and whenever an actor crashed',
  async (seed) => {
    const { broken, completed, interrupted } = await tellStreaming(seed, storm)
    expect(broken).toEqual([])
    expect(completed + interrupted).toBe(6)
  },
)

test('the stormy days are stormy: texts are missed and asked for, and actors crash', async () => {
  const { asked, deaths } = await tellStreaming(1, storm)
  expect(asked).toBeGreaterThan(0)
  expect(deaths).toBeGreaterThan(0)
})
