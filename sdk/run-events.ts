import { count, fields, text } from './parse.ts'

const types = ['saga.completed', 'saga.compensated', 'saga.attention'] as const

/** What Parley publishes of a run whose definition has `publish`. */
export interface RunEvent {
  readonly type: (typeof types)[number]
  readonly saga: string
  readonly version: number
  readonly run: string
  /** In milliseconds since the epoch, like `at`. */
  readonly startedAt: number
  readonly at: number
  /** Why the run turned back, or needs a person. */
  readonly reason: string | undefined
  /** The step that needs a person. */
  readonly step: string | undefined
  readonly input: unknown
}

/** Reads an event of a run as a consumer gets it; undefined for another event. */
export function readRunEvent(event: unknown): RunEvent | undefined {
  const given = fields(event)
  const type = types.find((each) => each === given['type'])
  if (type === undefined) return undefined
  const data = fields(given['data'])
  const { reason, step, input } = data
  return {
    type,
    saga: text(data['saga']),
    version: count(data['version']),
    run: text(data['run']),
    startedAt: count(data['startedAt']),
    at: count(data['at']),
    reason: typeof reason === 'string' ? reason : undefined,
    step: typeof step === 'string' ? step : undefined,
    input,
  }
}
