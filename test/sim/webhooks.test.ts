import { describe, expect, test } from 'vitest'
import { sum, tellAll } from './tell-all.ts'
import { tellOfWebhooks, type WebhookPlot } from './webhook-story.ts'

const slow = { latencyMs: [1, 80], diskMs: [1, 40] } as const

/** The log, the consumer, the endpoint and the actor that publishes fail now and then. */
const storm: WebhookPlot = {
  events: 40,
  faults: 12,
  publisherDies: true,
  endpoints: { busy: 0.05, breaks: 0.2, hangs: 0.05 },
  weather: { requestLost: 0.02, answerLost: 0.05, repeated: 0.05, crashAtWrite: 0.005, ...slow },
}

/** The endpoint takes nearly nothing, so that much is kept to be tried again. */
const badEndpoint: WebhookPlot = {
  ...storm,
  faults: 4,
  publisherDies: false,
  endpoints: { busy: 0.1, breaks: 0.6, hangs: 0.1 },
  weather: slow,
}

const quiet: WebhookPlot = {
  ...storm,
  events: 6,
  faults: 0,
  publisherDies: false,
  endpoints: { busy: 0, breaks: 0.2, hangs: 0 },
  weather: slow,
}

describe('a webhook of a tenant one of whose users is erased, on simulated time, disks and network', () => {
  test('gets every event, in the order of each conversation, and nothing has the user afterwards, on 8 days on which everything fails', async () => {
    const endings = await tellAll(8, (seed) => tellOfWebhooks(seed, storm))
    expect(sum(endings, ({ deaths }) => deaths)).toBeGreaterThan(15)
    expect(sum(endings, ({ published }) => published)).toBeGreaterThan(200)
    expect(sum(endings, ({ duplicates }) => duplicates)).toBeGreaterThan(0)
    expect(sum(endings, ({ erased }) => erased)).toBeGreaterThan(20)
  }, 120_000)

  test('keeps that while its endpoint fails nearly always', async () => {
    await tellAll(4, (seed) => tellOfWebhooks(seed, badEndpoint))
  }, 120_000)

  test('keeps that wherever one dies: before each write reached the disk, and after', async () => {
    const { boundaries } = await tellOfWebhooks(1, quiet)
    expect(boundaries).toBeGreaterThan(10)
    for (let crashAt = 0; crashAt < 2 * boundaries; crashAt++) {
      const { broken, deaths } = await tellOfWebhooks(1, { ...quiet, crashAt })
      expect({ crashAt, broken }).toEqual({ crashAt, broken: [] })
      expect(deaths).toBeGreaterThan(0)
    }
  }, 120_000)
})
