import { z } from 'zod'
import { targetNames } from '../targets/target.ts'
import { figureNames, scenarioNames } from './scenarios.ts'

/** What one run of one scenario gave. */
export const measurement = z.object({
  figures: z.partialRecord(z.enum(figureNames), z.number()),
  /** How many cores the load itself used: what it takes, the server on the same machine cannot have. */
  loadCores: z.number(),
})
export type Measurement = z.infer<typeof measurement>

/** The orders for the process of the load. */
export const order = z.object({
  target: z.enum(targetNames),
  scenario: z.enum(scenarioNames),
  reach: z.object({ url: z.string(), apiKey: z.string(), offerDeflate: z.boolean() }),
  timing: z.object({ warmUpSeconds: z.number(), seconds: z.number() }),
})
export type Order = z.infer<typeof order>

/** What it answers. */
export const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('measured'), measurement }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
])
export type Outcome = z.infer<typeof outcome>
