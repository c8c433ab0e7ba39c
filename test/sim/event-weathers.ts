import type { EventPlot } from './event-story.ts'

const slow = { latencyMs: [1, 80], diskMs: [1, 40] } as const

/** A day on which everything fails now and then: logs, consumers, the relay, endpoints and pullers. */
export const eventStorm: EventPlot = {
  events: 40,
  faults: 8,
  relayDies: 0.03,
  maxAttempts: 3,
  endpoints: { busy: 0.05, breaks: 0.15, hangs: 0.05 },
  weather: { requestLost: 0.02, answerLost: 0.02, repeated: 0.05, crashAtWrite: 0.005, ...slow },
}

/** Consumers die again and again while much is published. */
export const badConsumers: EventPlot = { ...eventStorm, faults: 40, only: 'EventConsumer', weather: slow }

/** The log dies again and again. */
export const badLogs: EventPlot = { ...badConsumers, only: 'EventLog' }

/** The relay is killed at every third boundary. */
export const badRelay: EventPlot = { ...eventStorm, faults: 0, relayDies: 0.3, weather: slow }

/** Endpoints fail nearly always, and much becomes a dead letter. */
export const badReceivers: EventPlot = {
  ...eventStorm,
  faults: 0,
  endpoints: { busy: 0.1, breaks: 0.5, hangs: 0.1 },
  weather: slow,
}

/** Every machine believes in another time. */
export const eventWrongClocks: EventPlot = { ...eventStorm, skewMs: 300_000 }

/** A quiet day for going through every write of it. */
export const eventQuietDay: EventPlot = {
  ...eventStorm,
  events: 5,
  faults: 0,
  relayDies: 0,
  endpoints: { busy: 0, breaks: 0.1, hangs: 0 },
  weather: slow,
}
