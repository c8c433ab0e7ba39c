import { z } from 'zod'
import { spread, type Spread } from '../statistics.ts'

/** Which way a figure is better; `neither`: it is shown, not compared. */
const direction = z.enum(['higher', 'lower', 'neither'])

const line = z.object({
  what: z.string(),
  better: direction,
  /** Digits behind the point. */
  digits: z.number().int(),
  /** Whether the chart shows it. */
  drawn: z.boolean(),
  /** By side; a side without this figure is not in it. */
  by: z.record(z.string(), z.object({ median: z.number(), min: z.number(), max: z.number() })),
})
/** One figure of every side that was measured in the same run. */
export type Line = z.infer<typeof line>

export const comparison = z.object({
  suite: z.string(),
  date: z.string(),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    memoryGiB: z.number(),
    kernel: z.string(),
    node: z.string(),
  }),
  /** Where the data lay, how often and how long was measured. */
  conditions: z.string(),
  /** The most cores others kept busy just before something was measured. */
  othersCores: z.number(),
  /** The measured sides, in the order of the columns: what each is, what it guarantees, its versions. */
  sides: z.record(z.string(), z.string()),
  /** The side that `×n` compares with; absent where no other side can do this. */
  yardstick: z.string().optional(),
  lines: z.array(line),
  /** What the figures do not say: what was not measured and why, in what the sides are not equal. */
  notes: z.array(z.string()),
  failures: z.array(z.string()),
})
/** What one suite of the bench found: every suite ends as one of these, so that one table and one chart show them all. */
export type Comparison = z.infer<typeof comparison>

/** How often something was measured, as the conditions tell it. */
export const inRounds = (rounds: number): string =>
  rounds === 1 ? 'one round' : `medians of ${rounds} rounds (lowest–highest)`

/** What a figure of a suite is called, and how it is shown. */
export interface Shown {
  readonly better: Line['better']
  readonly digits: number
  readonly drawn?: true
}

/** What one round found of one side; a figure that it does not have, or that is no number, is left out. */
export type Found = Readonly<Record<string, number>>

/** The lines of what all rounds found, side by side. */
export function linesOf(
  figures: Readonly<Record<string, Shown>>,
  found: ReadonlyMap<string, readonly Found[]>,
): Line[] {
  return Object.entries(figures).flatMap(([what, { drawn = false, ...shown }]) => {
    const by = [...found].flatMap(([side, rounds]): [string, Spread][] => {
      const values = rounds.flatMap((round) => round[what] ?? []).filter(Number.isFinite)
      return values.length === 0 ? [] : [[side, spread(values)]]
    })
    return by.length === 0 ? [] : [{ what, ...shown, drawn, by: Object.fromEntries(by) }]
  })
}

/**
 * How many times better a side is than the yardstick, whichever direction is better; undefined where that cannot be
 * said.
 */
export function timesBetter({ better, by }: Line, side: string, yardstick: string | undefined): number | undefined {
  const [ours, theirs] = [by[side]?.median, yardstick === undefined ? undefined : by[yardstick]?.median]
  if (better === 'neither' || ours === undefined || theirs === undefined) return undefined
  const ratio = better === 'higher' ? ours / theirs : theirs / ours
  return Number.isFinite(ratio) && ratio > 0 ? ratio : undefined
}
