import type { NewEvent } from '../events/log-event.ts'
import type { Definition, RunEventType } from './definition.ts'
import type { Run, RunEvent } from './run.ts'

/** Events of one run that wait for their topic. Only a run that needs a person again and again can have more: the oldest go. */
const maxUnpublished = 100
/** The first pause after a failure; an event that is older waits as long as it is old, up to an hour. */
const leastPauseMs = 30_000
const longestPauseMs = 3_600_000
/** How long an event is offered to a topic that does not take it, in milliseconds. */
export const publishForMs = 7 * 86_400_000

/** Keeps an event with the run where its definition says so; it is published once the run is written. */
export function decideEvent(
  { run, definition, now }: { readonly run: Run; readonly definition: Definition; readonly now: number },
  type: RunEventType,
  more: Pick<RunEvent, 'step' | 'reason'>,
): void {
  if (definition.publish?.types.includes(type) !== true) return
  const events = [...(run.unpublished ?? []), { type, n: run.entries, at: now, ...more }]
  run.unpublished = events.slice(-maxUnpublished)
}

/** When events that are not in their topic are published again; Infinity without one. */
export function publishAgainAt({ unpublished }: Run, now: number): number {
  const oldest = unpublished?.[0]
  if (oldest === undefined) return Infinity
  return now + Math.min(longestPauseMs, Math.max(leastPauseMs, now - oldest.at))
}

/** Lets go of the events up to an entry of the history: they are in their topic, or never will be. */
export function removePublished(run: Run, upTo: number): void {
  const left = (run.unpublished ?? []).filter(({ n }) => n > upTo)
  if (left.length > 0) run.unpublished = left
  else delete run.unpublished
}

/**
 * The events of a run that are to be published. Source and id are the same for every attempt, so the log keeps one of them; the
 * time of the start is part of the id, since a run that was deleted may be started again under its id.
 */
export const eventsOf = (run: Run): readonly NewEvent[] =>
  (run.unpublished ?? []).map(({ type, n, at, step, reason }) => ({
    source: `/sagas/${run.definition}/${run.id}`,
    id: `${run.startedAt.toString(36)}-${n}`,
    type,
    key: run.id,
    version: 1,
    data: JSON.stringify({
      saga: run.definition,
      version: run.version,
      run: run.id,
      startedAt: run.startedAt,
      at,
      step,
      reason,
      input: run.input,
    }),
    attributes: { time: new Date(at).toISOString(), subject: run.id },
  }))
