import type { SagaPlot } from './saga-story.ts'

const slow = { latencyMs: [1, 80], diskMs: [1, 40] } as const

/** A day on which everything fails now and then: the actors, the calls between them, and the endpoints. */
export const sagaStorm: SagaPlot = {
  runs: 12,
  faults: 8,
  refuses: 0.1,
  endpoints: { busy: 0.05, breaks: 0.15, hangs: 0.08 },
  weather: { requestLost: 0.02, answerLost: 0.02, repeated: 0.05, crashAtWrite: 0.01, ...slow },
}

/** The actors of runs die again and again. */
export const badSagas: SagaPlot = { ...sagaStorm, faults: 40, only: 'Saga', weather: slow }

/** What makes the calls dies again and again in the middle of them. */
export const badSagaWorkers: SagaPlot = { ...badSagas, only: 'SagaWorker' }

/** Nothing of the platform fails, but the endpoints do nearly always. */
export const badEndpoints: SagaPlot = {
  ...sagaStorm,
  faults: 0,
  endpoints: { busy: 0.1, breaks: 0.4, hangs: 0.2 },
  weather: slow,
}

/** Every machine believes in another time. */
export const sagaWrongClocks: SagaPlot = { ...sagaStorm, skewMs: 300_000 }

/** A quiet day for going through every write of it. */
export const sagaQuietDay: SagaPlot = {
  ...sagaStorm,
  runs: 4,
  faults: 0,
  refuses: 0.15,
  endpoints: { busy: 0, breaks: 0.1, hangs: 0 },
  weather: slow,
}
