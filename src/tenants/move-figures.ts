import { z } from 'zod'
import type { MetricFamily } from '../kernel/exposition.ts'
import { moveState, type MoveState } from '../protocol/moves-api.ts'
import { isEnded, stateOf, type Move } from './move.ts'

/** What the platform knows of the last move of a tenant, for /metrics. */
export const moveReport = z.object({
  /** Which move it is. */
  startedAt: z.number(),
  /** The number of its last step. */
  step: z.int(),
  state: moveState,
  isFailing: z.boolean(),
  /** Rows copied, also those that were copied again. */
  rows: z.number(),
  failedSteps: z.number(),
  pausedMs: z.number(),
  fences: z.number(),
  /** When both shards had the same rows last, in milliseconds since the epoch. */
  caughtUpAt: z.number().nullable(),
  endedAt: z.number().nullable(),
})
export type MoveReport = z.output<typeof moveReport>

/** Progress of a move is reported after so long; another state, or a step that fails, at once. */
export const reportEveryMs = 10_000
/** A report of a move that has ended may be repeated for so long. */
const keptMs = 3_600_000

export function reportOf(move: Move): MoveReport {
  const { startedAt, step, copied, carried, failedSteps, pausedMs, fences, caughtUpAt, endedAt } = move
  const isFailing = move.error !== null && !isEnded(move)
  const state = stateOf(move)
  return {
    startedAt,
    step,
    state,
    isFailing,
    rows: copied + carried,
    failedSteps,
    pausedMs,
    fences,
    caughtUpAt,
    endedAt,
  }
}

/** When a report is due, given the last one and when it was made; undefined while there is nothing new. */
export function reportDueAt(
  report: MoveReport,
  last: { readonly report: MoveReport; readonly at: number } | undefined,
): number | undefined {
  if (last === undefined || last.report.startedAt !== report.startedAt) return 0
  if (last.report.step === report.step && last.report.state === report.state) return undefined
  const isUrgent = last.report.state !== report.state || last.report.isFailing !== report.isFailing
  return isUrgent ? 0 : last.at + reportEveryMs
}

/** What all moves together have done. */
export const moveTotals = z.object({
  rows: z.number(),
  failedSteps: z.number(),
  pausedMs: z.number(),
  fences: z.number(),
  confirmed: z.number(),
  reversed: z.number(),
})
export type MoveTotals = z.output<typeof moveTotals>
export const noMoves: MoveTotals = { rows: 0, failedSteps: 0, pausedMs: 0, fences: 0, confirmed: 0, reversed: 0 }

/** The totals after a report; `before` is the one before of the same tenant. A repeated report changes nothing. */
export function totalsAfter(totals: MoveTotals, before: MoveReport | undefined, report: MoveReport): MoveTotals {
  if (before !== undefined && isOlder(report, before)) return totals
  const known = before?.startedAt === report.startedAt ? before : undefined
  const more = (figure: 'rows' | 'failedSteps' | 'pausedMs' | 'fences') =>
    totals[figure] + report[figure] - (known?.[figure] ?? 0)
  const ended = (outcome: 'confirmed' | 'reversed') =>
    totals[outcome] + (report.state === outcome && known?.state !== outcome ? 1 : 0)
  return {
    rows: more('rows'),
    failedSteps: more('failedSteps'),
    pausedMs: more('pausedMs'),
    fences: more('fences'),
    confirmed: ended('confirmed'),
    reversed: ended('reversed'),
  }
}

/** Whether a report was made before another one of the same tenant. */
export const isOlder = (report: MoveReport, than: MoveReport): boolean =>
  report.startedAt < than.startedAt || (report.startedAt === than.startedAt && report.step < than.step)

/** Whether a report of a move that has ended will not be repeated any more. */
export const isForgotten = ({ endedAt }: MoveReport, now: number): boolean => endedAt !== null && endedAt < now - keptMs

/** The moves of all tenants, as the platform sums them up. */
export interface MoveFigures {
  readonly underWay: Readonly<Partial<Record<MoveState, number>>>
  readonly failing: number
  /** When the oldest move under way began, and the earliest time at which one of them had copied all changes. */
  readonly oldestAt: number | null
  readonly caughtUpAt: number | null
  readonly totals: MoveTotals
}

export function figuresOfMoves(reports: readonly MoveReport[], totals: MoveTotals): MoveFigures {
  const moves = reports.filter(({ endedAt }) => endedAt === null)
  const earliest = (times: readonly number[]) => (times.length === 0 ? null : Math.min(...times))
  return {
    underWay: Object.fromEntries(
      [...Map.groupBy(moves, ({ state }) => state)].map(([state, those]) => [state, those.length]),
    ),
    failing: moves.filter(({ isFailing }) => isFailing).length,
    oldestAt: earliest(moves.map(({ startedAt }) => startedAt)),
    caughtUpAt: earliest(moves.flatMap(({ caughtUpAt }) => caughtUpAt ?? [])),
    totals,
  }
}

const states = moveState.options.filter((state) => state !== 'confirmed' && state !== 'reversed')

/** Moves of tenants in /metrics; undefined when the platform did not answer. */
export function moveFamilies(figures: MoveFigures | undefined, now: number): MetricFamily[] {
  if (figures === undefined) return []
  const { underWay, failing, oldestAt, caughtUpAt, totals } = figures
  const secondsSince = (at: number | null) => (at === null ? 0 : Math.max(0, now - at) / 1000)
  const one = (name: string, type: MetricFamily['type'], help: string, value: number): MetricFamily => ({
    name,
    type,
    help,
    samples: [{ labels: {}, value }],
  })
  return [
    {
      name: 'parley_moves',
      type: 'gauge',
      help: 'Tenants that are moved to another shard now, by the state of the move.',
      samples: states.map((state) => ({ labels: { state }, value: underWay[state] ?? 0 })),
    },
    one('parley_moves_failing', 'gauge', 'Moves whose last step failed and is tried again.', failing),
    one('parley_move_oldest_seconds', 'gauge', 'How long ago the oldest of these moves began.', secondsSince(oldestAt)),
    one(
      'parley_move_lag_seconds',
      'gauge',
      'How long ago the two shards of a move had the same rows last: the longest of all moves that have copied them once.',
      secondsSince(caughtUpAt),
    ),
    {
      name: 'parley_moves_ended_total',
      type: 'counter',
      help: 'Moves that have ended.',
      samples: (['confirmed', 'reversed'] as const).map((outcome) => ({ labels: { outcome }, value: totals[outcome] })),
    },
    one('parley_move_rows_total', 'counter', 'Rows that moves have copied, also those copied again.', totals.rows),
    one('parley_move_failed_steps_total', 'counter', 'Steps of moves that failed.', totals.failedSteps),
    one('parley_move_fences_total', 'counter', 'How often moves have stopped writes to Postgres.', totals.fences),
    one(
      'parley_move_pause_seconds_total',
      'counter',
      'How long writes of tenants to Postgres have waited for their moves.',
      totals.pausedMs / 1000,
    ),
  ]
}
