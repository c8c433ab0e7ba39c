import { parseArgs } from 'node:util'
import type { DeletionView } from '../src/protocol/deletion-api.ts'
import { asLocalError, findOperator } from './find-operator.ts'
import { endWith, LocalError } from './local-error.ts'
import type { Operator } from './operator.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run tenants -- <command> <id>`: deletes and restores tenants of a running system, and shows how far a deletion is.

const usage = [
  'npm run tenants -- <command> <id> [--url https://…]',
  '',
  '  delete <id>     deletes the tenant with all that it has, after --grace-days days (7) in which it can be restored',
  '  restore <id>    restores a deleted tenant whose grace is not over',
  '  deletion <id>   shows how far the deletion is, store by store, and in the end that nothing is left',
  '  suspend <id>    refuses its callers until it is resumed',
  '  resume <id>     lets a suspended tenant go on',
  '',
  'With --url the system there, with ADMIN_KEY; otherwise the one that runs on the data folder of this machine.',
].join('\n')

const text = { type: 'string' } as const

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  const { command, id, graceDays, url } = readCommand()
  for (const line of await run(await findOperator(url), command, id, graceDays)) console.log(line)
} catch (thrown) {
  endWith(asLocalError(thrown))
}

interface Command {
  readonly command: string
  readonly id: string
  readonly graceDays: string | undefined
  readonly url: string | undefined
}

function readCommand(): Command {
  try {
    const options = { url: text, 'grace-days': text }
    const { positionals, values } = parseArgs({ allowPositionals: true, options })
    const [command, id, ...rest] = positionals
    if (command !== undefined && id !== undefined && rest.length === 0)
      return { command, id, graceDays: values['grace-days'], url: values.url }
  } catch {
    // Said below.
  }
  throw new LocalError(`this is not how it is used:\n\n${usage}`)
}

async function run(operator: Operator, command: string, id: string, graceDays: string | undefined): Promise<string[]> {
  switch (command) {
    case 'delete':
      return shown(await operator.deleteTenant(id, graceDays))
    case 'restore':
      await operator.restoreTenant(id)
      return [`${id} is restored`]
    case 'deletion':
      return shown(await operator.deletion(id))
    case 'suspend':
    case 'resume':
      await operator.setTenantState(id, command === 'suspend' ? 'suspended' : 'active')
      return [`${id} is ${command === 'suspend' ? 'suspended' : 'active'}`]
    default:
      throw new LocalError(`${command} is no command:\n\n${usage}`)
  }
}

const at = (time: number | null): string => (time === null ? '-' : new Date(time).toISOString())

/** A deletion as lines: what it waits for, and each store with what was erased, of how many, and what is left. */
function shown({
  tenant,
  phase,
  eraseAt,
  startedAt,
  endedAt,
  rounds,
  waitsFor,
  failure,
  stores,
}: DeletionView): string[] {
  if (phase === 'grace') return [`${tenant} is deleted; until ${at(eraseAt)} it can be restored`]
  const head = [
    `${tenant}: ${phase}, begun ${at(startedAt)}${endedAt === null ? '' : `, nothing left since ${at(endedAt)}`}`,
    ...(rounds === 0 ? [] : [`erased again: ${rounds} times, since something was found left`]),
    ...(waitsFor === null ? [] : [`waits for ${waitsFor}`]),
    ...(failure === null ? [] : [`the last attempt failed: ${failure}`]),
  ]
  const rows = stores.map(({ store, state, erased, of, checked, left }) => [
    store,
    state,
    of === null ? String(erased) : `${erased} of ${of}`,
    String(checked),
    String(left),
  ])
  const all = [['store', 'state', 'erased', 'checked', 'left'], ...rows]
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  return [
    ...head,
    '',
    ...all.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
  ]
}
