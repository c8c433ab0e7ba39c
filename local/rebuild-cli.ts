import { parseArgs } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { asLocalError, findOperator } from './find-operator.ts'
import { endWith, LocalError } from './local-error.ts'
import type { Operator, RebuildMode } from './operator.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run rebuild -- <tenant>`: makes the rows of tenants in Postgres again from the logs of their conversations.

const usage = [
  'npm run rebuild -- <tenant> … | --shard <name> [options]',
  '',
  '  --shard <name>       all tenants of a shard, in the order of their ids',
  '  --compare            only compares, and changes nothing',
  '  --all                writes every conversation anew, not only those that differ',
  '  --page <n>           conversations in one call (20)',
  '  --pace <ms>          pause between two calls (100)',
  '  --from <cursor>      goes on where a run ended: it printed the cursor; with one tenant only',
  '  --after <tenant>     with --shard: only tenants after this one',
  '  --url https://…      the system there, with ADMIN_KEY; otherwise the one of this machine’s data folder',
  '',
  'Exits with 1 when something differs at the end. It may be stopped and run again at any time.',
].join('\n')

/** How often a page is looked at again whose conversations are still written. */
const looks = 60
const lookMs = 1000

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  process.exitCode = await main()
} catch (thrown) {
  endWith(asLocalError(thrown))
}

function readCommand() {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { shard: text, compare: flag, all: flag, page: text, pace: text, from: text, after: text, url: text },
    })
    const { page = '20', pace = '100' } = values
    const isRight =
      positionals.length > 0 !== (values.shard !== undefined) &&
      (values.from === undefined || positionals.length === 1) &&
      (values.after === undefined || values.shard !== undefined) &&
      !(values.compare && values.all) &&
      [page, pace].every((number) => /^\d{1,6}$/.test(number))
    if (isRight) return { tenants: positionals, ...values, page: Number(page), pace: Number(pace) }
  } catch {
    // Said below.
  }
  throw new LocalError(`this is not how it is used:\n\n${usage}`)
}

async function main(): Promise<number> {
  const { tenants, shard, after = '', from = '', compare, all, page, pace, url } = readCommand()
  const operator = await findOperator(url)
  const mode = compare ? 'compare' : all ? 'all' : 'differing'
  let isEqual = true
  for await (const tenant of shard === undefined ? tenants : operator.tenantsOn(shard, after))
    isEqual = (await rebuild(operator, tenant, { mode, from, page, pace })) && isEqual
  return isEqual ? 0 : 1
}

interface Pass {
  readonly mode: RebuildMode
  readonly from: string
  readonly page: number
  readonly pace: number
}

/** One tenant, page by page. Whether Postgres has everything at the end. */
async function rebuild(operator: Operator, tenant: string, { mode, from, page, pace }: Pass): Promise<boolean> {
  const sum = { checked: 0, equal: 0, rebuilt: 0, different: 0 }
  let cursor: string | null = from
  while (cursor !== null) {
    const at: string = cursor
    const answer = await onePage(operator, tenant, { mode, cursor: at, limit: page }).catch((thrown: unknown) => {
      console.error(`${tenant}: stopped; go on with: npm run rebuild -- ${tenant} --from '${at}'`)
      throw thrown
    })
    sum.checked += answer.checked
    sum.equal += answer.equal
    sum.rebuilt += answer.rebuilt.length
    sum.different += answer.different.length
    for (const { conversation, months, properties, lost, isUnknown } of answer.different)
      console.log(
        `${tenant}: ${conversation} differs: ${[
          ...(isUnknown ? ['Postgres has rows of it, and there is no such conversation'] : []),
          ...(months.length > 0 ? [`entries of ${months.join(', ')}`] : []),
          ...(properties ? ['properties or members'] : []),
          ...(lost > 0 ? [`${lost} old entries are lost: neither its log nor Postgres has them`] : []),
        ].join('; ')}`,
      )
    cursor = answer.next
    console.log(
      `${tenant}: ${sum.checked} checked, ${sum.equal} equal, ${sum.rebuilt} rebuilt, ${sum.different} different${cursor === null ? '; done' : `, next ${cursor}`}`,
    )
    if (cursor !== null) await pause(pace)
  }
  return sum.different === 0
}

/** A page until all its conversations are written. What was rebuilt in a first call is equal in the next. */
async function onePage(operator: Operator, tenant: string, wanted: Parameters<Operator['rebuild']>[1]) {
  const rebuilt = new Set<string>()
  let mode = wanted.mode
  for (let look = 0; look < looks; look++) {
    const answer = await operator.rebuild(tenant, { ...wanted, mode })
    for (const id of [...answer.rebuilt, ...answer.pending]) rebuilt.add(id)
    if (answer.pending.length === 0) return { ...answer, rebuilt: [...rebuilt] }
    // Written anew already: once more would begin from the front.
    if (mode === 'all') mode = 'differing'
    await pause(lookMs)
  }
  throw new LocalError(
    `${tenant}: its shard does not take the rows; look at /readyz and at alarm-tasks.failed in the log.`,
  )
}
