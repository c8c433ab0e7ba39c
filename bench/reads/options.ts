import { parseArgs } from 'node:util'
import { z } from 'zod'
import { mediumNames } from '../media.ts'
import { readingNames } from './reading.ts'

/** What `npm run bench:reads -- --help` prints. */
export const help = `npm run bench:reads -- [options]

  --reading   ${readingNames.join(',')}   what to read; several separated by commas
  --medium    disk | tmpfs   where both sides keep their data (tmpfs)
  --rounds    how often everything is repeated (3)
  --seconds   how long each measurement lasts (2)
  --warmup    seconds of load before it counts (2)
  --in-flight requests under way at once; several separated by commas (1,32)
  --conversations     conversations of 50 messages (200)
  --long      conversations of 5,000 messages (6)
  --listed    conversations of the pair whose long lists are read (1000)
  --pool      connections the peer keeps to Postgres (10)
  --out       where the JSON goes (bench/results/reads-<date>.json)
`

const count = (usual: number, most: number) => z.coerce.number().int().min(1).max(most).default(usual)

const schema = z.object({
  reading: z
    .string()
    .default(readingNames.join(','))
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(readingNames))),
  medium: z.enum(mediumNames).default('tmpfs'),
  rounds: count(3, 50),
  seconds: z.coerce.number().min(0.5).max(600).default(2),
  warmup: z.coerce.number().min(0).max(60).default(2),
  'in-flight': z
    .string()
    .default('1,32')
    .transform((value) => value.split(',').map(Number))
    .pipe(z.array(z.int().min(1).max(1000))),
  conversations: count(200, 230),
  long: count(6, 20),
  listed: count(1000, 10_000),
  pool: count(10, 80),
  out: z.string().optional(),
})

/** What to read, and how often. */
export type Options = z.infer<typeof schema>

/** Reads the command line; undefined when it asks for help. Throws an error naming what is wrong. */
export function readOptions(args: readonly string[]): Options | undefined {
  const text = { type: 'string' } as const
  const names = Object.keys(schema.shape)
  const { values } = parseArgs({
    args: [...args],
    options: { ...Object.fromEntries(names.map((name) => [name, text])), help: { type: 'boolean' } },
  })
  if (values['help'] === true) return undefined
  const read = schema.safeParse(values)
  if (!read.success) throw new Error(z.prettifyError(read.error))
  return read.data
}
