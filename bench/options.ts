import { parseArgs } from 'node:util'
import { z } from 'zod'
import { scenarioNames, usualScenarios } from './load/scenarios.ts'
import { mediumNames } from './media.ts'
import { targetNames } from './targets/target.ts'

/** What `npm run bench:chat -- --help` prints. */
export const help = `npm run bench:chat -- [options]

  --target    ${targetNames.join(',')}   which to measure; several separated by commas
  --scenario  ${scenarioNames.join(',')}   which load to put on them (${usualScenarios.join(',')})
  --medium    disk | tmpfs | both   where all sides keep their data (both)
  --rounds    how often everything is repeated (3)
  --seconds   how long each measurement lasts (5)
  --warmup    seconds of load before it counts (3)
  --deflate   offer permessage-deflate, as browsers do
  --url       ws://…/connection/websocket of a running Parley, instead of starting one
  --key       its API key (demo-key)
  --out       where the JSON goes (bench/results/chat-<date>.json)
`

const list = <const T extends readonly [string, ...string[]]>(names: T, usual: readonly string[] = names) =>
  z
    .string()
    .default(usual.join(','))
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(names)))

const schema = z.object({
  target: list(targetNames),
  scenario: list(scenarioNames, usualScenarios),
  medium: z
    .enum([...mediumNames, 'both'])
    .default('both')
    .transform((medium) => (medium === 'both' ? mediumNames : [medium])),
  rounds: z.coerce.number().int().min(1).max(50).default(3),
  seconds: z.coerce.number().min(0.5).max(600).default(5),
  warmup: z.coerce.number().min(0).max(60).default(3),
  deflate: z.boolean().default(false),
  url: z.url({ protocol: /^ws$/ }).optional(),
  key: z.string().default('demo-key'),
  out: z.string().optional(),
})

/** What to measure, and how. */
export type Options = z.infer<typeof schema>

/** Reads the command line; undefined when it asks for help. Throws an error naming what is wrong. */
export function readOptions(args: readonly string[]): Options | undefined {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: text,
      scenario: text,
      medium: text,
      rounds: text,
      seconds: text,
      warmup: text,
      deflate: flag,
      url: text,
      key: text,
      out: text,
      help: flag,
    },
  })
  if (values.help === true) return undefined
  const read = schema.safeParse(values)
  if (!read.success) throw new Error(z.prettifyError(read.error))
  return read.data
}
