import { z } from 'zod'

/** Events behind `after` up to `upTo` that a webhook is to get again; only those whose types begin with one of `types`, if there are any. */
export const replayShape = z.object({ after: z.number(), upTo: z.number(), types: z.array(z.string()) })
export type Replay = z.output<typeof replayShape>
