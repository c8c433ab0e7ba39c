import { parseArgs } from 'node:util'
import { z } from 'zod'
import { mediumNames } from '../media.ts'

/** What `npm run soak -- --help` prints. */
export const help = `npm run soak -- [options]

  --minutes      how long the load goes on (60); starting and looking at everything at rest come on top
  --connections  how many are open at a time, on average (200)
  --rate         messages a second; everything else people do is in proportion (15)
  --seed         plans who does what (1); the network decides the rest
  --every        seconds between samples (10)
  --medium       disk | tmpfs   where the system keeps its data (tmpfs)
  --out          where the JSON goes (bench/results/soak-<date>.json)
`

const schema = z.object({
  minutes: z.coerce.number().min(0.5).max(10_000).default(60),
  connections: z.coerce.number().int().min(10).max(10_000).default(200),
  rate: z.coerce.number().min(0.1).max(10_000).default(15),
  seed: z.coerce.number().int().min(0).default(1),
  every: z.coerce.number().min(1).max(600).default(10),
  medium: z.enum(mediumNames).default('tmpfs'),
  out: z.string().optional(),
})

/** How to soak. */
export type SoakOptions = z.output<typeof schema>

/** Reads the command line; undefined when it asks for help. Throws an error naming what is wrong. */
export function readSoakOptions(args: readonly string[]): SoakOptions | undefined {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: text,
      connections: text,
      rate: text,
      seed: text,
      every: text,
      medium: text,
      out: text,
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return undefined
  const read = schema.safeParse(values)
  if (!read.success) throw new Error(z.prettifyError(read.error))
  return read.data
}
