import type { JobPlot } from './job-story.ts'

const slow = { latencyMs: [1, 80], diskMs: [1, 40] } as const

/** A day on which everything fails now and then: ledgers, visitors, handlers, and the carrier. */
export const jobStorm: JobPlot = {
  wishes: 25,
  faults: 8,
  work: { retries: 0.15, snoozes: 0.1, discards: 0.03, hangs: 0.02, slow: 0.2 },
  carrier: { refuses: 0.1, loses: 0.05, duplicates: 0.3, late: 0.1 },
  weather: { requestLost: 0.02, answerLost: 0.02, crashAtWrite: 0.01, ...slow },
}

/** Ledgers die again and again while much is enqueued. */
export const badLedgers: JobPlot = { ...jobStorm, wishes: 40, faults: 40, only: 'JobQueue', weather: slow }

/** Visitors die again and again in the middle of their jobs. */
export const badVisitors: JobPlot = { ...badLedgers, only: 'JobWorker' }

/** For the whole day runs start by the direct dispatch only. */
export const noCarrier: JobPlot = { ...jobStorm, carrier: { refuses: 1, loses: 0, duplicates: 0, late: 0 } }

/** Every machine believes in another time. */
export const jobWrongClocks: JobPlot = { ...jobStorm, skewMs: 300_000 }

/** Nothing goes wrong, but much is enqueued at once over a slow network. */
export const busyDay: JobPlot = {
  ...jobStorm,
  wishes: 150,
  faults: 0,
  weather: { latencyMs: [1, 150], diskMs: [1, 40] },
}

/** A quiet day for going through every write of it. */
export const quietDay: JobPlot = {
  ...jobStorm,
  wishes: 10,
  faults: 0,
  work: { retries: 0.1, snoozes: 0.1, discards: 0, hangs: 0, slow: 0 },
  carrier: { refuses: 0, loses: 0, duplicates: 0.2, late: 0 },
  weather: slow,
}
