import { parseArgs } from 'node:util'
import { z } from 'zod'

/** The suites of the bench in the order they run: each a command of its own, with peers of its own. */
export const suiteNames = [
  'chat',
  'limits',
  'jobs',
  'reads',
  'realtime',
  'sagas',
  'events',
  'notifications',
  'breaker',
  'facade',
  'projection',
  'move',
  'cost',
] as const
export type SuiteName = (typeof suiteNames)[number]

interface Suite {
  readonly what: string
  /** Whether it repeats everything in rounds; what is counted needs no repeating. */
  readonly inRounds: boolean
  /** Its options for a quick look, which is good for no figure. */
  readonly quick: readonly string[]
}

const shortly = ['--seconds', '1', '--warmup', '1']

export const suites: Readonly<Record<SuiteName, Suite>> = {
  chat: {
    what: 'messages, beside a bare object and a glued stack',
    inRounds: true,
    quick: [...shortly, '--medium', 'tmpfs'],
  },
  limits: {
    what: 'rate limits, beside rate-limiter-flexible and @upstash/ratelimit',
    inRounds: true,
    quick: ['--seconds', '1'],
  },
  jobs: {
    what: 'jobs, beside BullMQ',
    inRounds: true,
    quick: ['--jobs', '2000', '--backlog', '5000', '--samples', '3'],
  },
  sagas: {
    what: 'sagas of three steps, beside a BullMQ flow and pg-boss',
    inRounds: true,
    quick: ['--runs', '200', '--samples', '3'],
  },
  events: {
    what: 'events pushed to a consumer, beside BullMQ and pg-boss',
    inRounds: true,
    quick: ['--events', '500', '--samples', '3'],
  },
  notifications: {
    what: 'recipients of notifications, beside the same decisions on BullMQ',
    inRounds: true,
    quick: ['--recipients', '500'],
  },
  reads: { what: 'reading, beside Postgres directly', inRounds: true, quick: shortly },
  realtime: {
    what: 'storms, rest and overload, beside a bare object',
    inRounds: true,
    quick: ['--clients', '200', '--connections', '500', '--seconds', '1'],
  },
  breaker: {
    what: 'a service that is down, as eight isolates see it, beside cockatiel',
    inRounds: true,
    quick: [],
  },
  facade: {
    what: 'a request through a facade, beside a bare Worker in front of the same upstream',
    inRounds: true,
    quick: ['--pairs', '200'],
  },
  projection: {
    what: 'writing messages of many conversations to Postgres, beside a bare loop of the same inserts',
    inRounds: true,
    quick: ['--messages', '20000'],
  },
  move: {
    what: 'a tenant that moves to another shard, beside logical replication',
    inRounds: true,
    quick: ['--messages', '5000', '--medium', 'tmpfs'],
  },
  cost: {
    what: 'what Parley costs on Cloudflare',
    inRounds: false,
    quick: ['--quick', '--conversations', '2,10', '--parts', 'conversations'],
  },
}

/** What `npm run bench -- --help` prints. */
export const help = `npm run bench -- [options]   everything Parley is measured by, each beside its peers

  --suite     ${suiteNames.join(',')}   which; several separated by commas (all)
${suiteNames.map((name) => `                ${name.padEnd(13)} ${suites[name].what}: npm run bench:${name}`).join('\n')}
  --rounds    how often everything is repeated (3)
  --quick     one short round, to see that all of it runs; good for no figure
  --out       the folder for what was found: a table, a chart and the JSON of each suite (bench/results/<date>)

Any other option is the chat suite's, which then runs alone: npm run bench:chat -- --help
`

const schema = z.object({
  suite: z
    .string()
    .default(suiteNames.join(','))
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(suiteNames))),
  rounds: z.coerce.number().int().min(1).max(50).default(3),
  quick: z.boolean().default(false),
  out: z.string().optional(),
})

/** Which suites to run, and how. */
export type Plan = z.infer<typeof schema>

/** Reads the command line; undefined when some of it is for the chat suite. Throws an error naming what is wrong. */
export function readPlan(args: readonly string[]): Plan | 'help' | undefined {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: { suite: text, rounds: text, quick: flag, out: text, help: flag },
  })
  if (values['help'] === true) return 'help'
  const read = schema.strict().safeParse(values)
  if (read.success) return read.data
  const isChats = read.error.issues.every(({ code }) => code === 'unrecognized_keys')
  if (isChats && values['suite'] === undefined && values['quick'] === undefined) return undefined
  throw new Error(z.prettifyError(read.error))
}

/** The options of a suite. */
export function argumentsOf(name: SuiteName, { rounds, quick }: Plan, out: string): string[] {
  const { inRounds, quick: shortened } = suites[name]
  return [...(inRounds ? ['--rounds', String(quick ? 1 : rounds)] : []), ...(quick ? shortened : []), '--out', out]
}
