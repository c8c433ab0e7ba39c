import { z } from 'zod'
import { channels, type Channel } from './model.ts'
import type { Run } from './runs/run.ts'

const ended = { delivered: z.number(), failed: z.number(), canceled: z.number(), skipped: z.number() }
const channelFigures = z.object({ ...ended, attempts: z.number(), possibleDuplicates: z.number() })
const workflowFigures = z.object({
  started: z.number(),
  completed: z.number(),
  gathered: z.number(),
  throttled: z.number(),
  canceled: z.number(),
  channels: z.partialRecord(z.enum(channels), channelFigures),
})
const stored = z.record(z.string(), workflowFigures)

export type ChannelFigures = z.output<typeof channelFigures>
export type WorkflowFigures = z.output<typeof workflowFigures>

const noneOfChannel = (): ChannelFigures => ({
  delivered: 0,
  failed: 0,
  canceled: 0,
  skipped: 0,
  attempts: 0,
  possibleDuplicates: 0,
})
const none = (): WorkflowFigures => ({ started: 0, completed: 0, gathered: 0, throttled: 0, canceled: 0, channels: {} })

/** Figures of runs by workflow, and of their deliveries by channel. A run is counted when it starts, and when it has ended. */
export class NotificationMetrics {
  readonly #byWorkflow: Record<string, WorkflowFigures>

  constructor(before: unknown) {
    this.#byWorkflow = Object.assign(Object.create(null), stored.parse(before ?? {}))
  }

  /** Counts a run after a change; `now` is the moment of the change. */
  count({ run, isNew }: { readonly run: Run; readonly isNew: boolean }, now: number): void {
    const figures = (this.#byWorkflow[run.workflow] ??= none())
    if (isNew) figures.started++
    if (run.endedAt !== now || run.outcome === null) return
    figures[run.outcome]++
    for (const { channel, state, attempts, possibleDuplicates } of run.deliveries) {
      const own = (figures.channels[channel] ??= noneOfChannel())
      if (state !== 'waiting' && state !== 'active') own[state]++
      own.attempts += attempts.length
      own.possibleDuplicates += possibleDuplicates
    }
  }

  all(): Record<string, WorkflowFigures> {
    return { ...this.#byWorkflow }
  }
}

/** Adds figures of several actors. */
export function sumFigures(all: readonly Record<string, WorkflowFigures>[]): Record<string, WorkflowFigures> {
  const total: Record<string, WorkflowFigures> = Object.create(null)
  for (const [name, figures] of all.flatMap((one) => Object.entries(one))) {
    const sum = (total[name] ??= none())
    for (const field of ['started', 'completed', 'gathered', 'throttled', 'canceled'] as const)
      sum[field] += figures[field]
    for (const channel of channels) addChannel(sum, channel, figures.channels[channel])
  }
  return total
}

function addChannel(sum: WorkflowFigures, channel: Channel, figures: ChannelFigures | undefined): void {
  if (figures === undefined) return
  const own = (sum.channels[channel] ??= noneOfChannel())
  for (const field of ['delivered', 'failed', 'canceled', 'skipped', 'attempts', 'possibleDuplicates'] as const)
    own[field] += figures[field]
}
