import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { DeletionView } from '../src/protocol/deletion-api.ts'
import type { MoveView } from '../src/protocol/moves-api.ts'
import { asLocalError, findOperator } from './find-operator.ts'
import { endWith, LocalError } from './local-error.ts'
import { drainShard, progressOf } from './moves.ts'
import type { Operator } from './operator.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run tenants -- <command> <id>`: deletes, restores and moves tenants of a running system, and shows how far that is.

const usage = [
  'npm run tenants -- <command> <id> [--url https://…]',
  '',
  '  delete <id>     deletes the tenant with all that it has, after --grace-days days (7) in which it can be restored',
  '  restore <id>    restores a deleted tenant whose grace is not over',
  '  deletion <id>   shows how far the deletion is, store by store, and in the end that nothing is left',
  '  storage <id>    adds up what its actors store, class by class; each is opened for it',
  '  suspend <id>    refuses its callers until it is resumed',
  '  resume <id>     lets a suspended tenant go on',
  '',
  '  move <id>       moves the tenant to another shard (--to <shard>) while it is used, and shows the progress;',
  '                  at most --rows-per-second 20000',
  '  status <id>     shows how far its move is',
  '  confirm <id>    ends a move: the rows on the former shard are deleted',
  '  reverse <id>    moves the tenant back, at any time before the move is confirmed',
  '  pause <id>      stops the move until: continue <id>',
  '  drain <shard>   moves all tenants off a shard, --parallel 2 at one time, perhaps all --to <shard>; with --confirm the',
  '                  rows there are deleted',
  '',
  'With --url the system there, with ADMIN_KEY; otherwise the one that runs on the data folder of this machine.',
].join('\n')

const text = { type: 'string' } as const
const options = {
  url: text,
  'grace-days': text,
  to: text,
  'rows-per-second': text,
  parallel: text,
  confirm: { type: 'boolean' },
} as const
const lookMs = 500

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  const command = readCommand()
  const operator = await findOperator(command.values.url)
  for (const line of await run(operator, command)) console.log(line)
} catch (thrown) {
  endWith(asLocalError(thrown))
}

interface Command {
  readonly command: string
  readonly id: string
  readonly values: {
    readonly url?: string | undefined
    readonly 'grace-days'?: string | undefined
    readonly to?: string | undefined
    readonly 'rows-per-second'?: string | undefined
    readonly parallel?: string | undefined
    readonly confirm?: boolean | undefined
  }
}

function readCommand(): Command {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options })
    const [command, id, ...rest] = positionals
    if (command !== undefined && id !== undefined && rest.length === 0) return { command, id, values }
  } catch {
    // Said below.
  }
  throw new LocalError(`this is not how it is used:\n\n${usage}`)
}

async function run(operator: Operator, { command, id, values }: Command): Promise<string[]> {
  switch (command) {
    case 'delete':
      return shown(await operator.deleteTenant(id, values['grace-days']))
    case 'restore':
      await operator.restoreTenant(id)
      return [`${id} is restored`]
    case 'deletion':
      return shown(await operator.deletion(id))
    case 'storage':
      return await storage(operator, id)
    case 'suspend':
    case 'resume':
      await operator.setTenantState(id, command === 'suspend' ? 'suspended' : 'active')
      return [`${id} is ${command === 'suspend' ? 'suspended' : 'active'}`]
    case 'move':
      await operator.startMove(id, orderIn(values))
      return await follow(operator, id)
    case 'status':
      return [progressOf(id, await operator.move(id))]
    case 'confirm':
    case 'reverse':
      await operator.decideMove(id, command)
      return await follow(operator, id)
    case 'pause':
    case 'continue':
      return [progressOf(id, await operator.decideMove(id, command === 'pause' ? 'pause' : 'resume'))]
    case 'drain':
      return await drain(operator, id, values)
    default:
      throw new LocalError(`${command} is no command:\n\n${usage}`)
  }
}

// Functions from here on: the commands run before a `const` of this place has its value.
function orderIn({ to, ...values }: Command['values']) {
  return {
    ...(to === undefined ? {} : { to }),
    ...(values['rows-per-second'] === undefined ? {} : { rowsPerSecond: numberOf(values, 'rows-per-second') }),
  }
}

/** A line for each class of actors, the largest first. */
async function storage(operator: Operator, id: string): Promise<string[]> {
  const sizes = new Map<string, { actors: number; bytes: number }>()
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Awaited<ReturnType<Operator['storage']>> = await operator.storage(id, cursor)
    for (const { class: name, actors, bytes } of page.actors) {
      const known = sizes.get(name) ?? { actors: 0, bytes: 0 }
      sizes.set(name, { actors: known.actors + actors, bytes: known.bytes + bytes })
    }
    cursor = page.next
  }
  const all = [...sizes].toSorted(([, one], [, other]) => other.bytes - one.bytes)
  const line = (name: string, actors: number, bytes: number) =>
    `${name}: ${actors.toLocaleString('en')} actors, ${bytes.toLocaleString('en')} bytes`
  const sum = (of: 'actors' | 'bytes') => all.reduce((total, [, size]) => total + size[of], 0)
  return [
    ...all.map(([name, { actors, bytes }]) => line(name, actors, bytes)),
    line('all', sum('actors'), sum('bytes')),
  ]
}

async function drain(operator: Operator, shard: string, values: Command['values']): Promise<string[]> {
  const { failed } = await drainShard(operator, shard, {
    order: orderIn(values),
    parallel: values.parallel === undefined ? 2 : numberOf(values, 'parallel'),
    isConfirmed: values.confirm === true,
    report: (line) => console.log(line),
    wait: () => pause(lookMs),
  })
  if (failed > 0) process.exitCode = 1
  return []
}

function numberOf(values: Command['values'], option: 'rows-per-second' | 'parallel'): number {
  const value = Number(values[option])
  if (Number.isInteger(value) && value > 0) return value
  throw new LocalError(`--${option} is "${values[option]}"; it must be a whole number from 1.`)
}

/** Shows a line for each change until the move waits for the operator or has ended. */
async function follow(operator: Operator, tenant: string): Promise<string[]> {
  let last = ''
  for (;;) {
    const move = await operator.move(tenant)
    const line = progressOf(tenant, move)
    if (line !== last) console.log(line)
    last = line
    if (isResting(move)) return []
    await pause(lookMs)
  }
}

function isResting({ state, isPaused, isReversing, endedAt }: MoveView): boolean {
  return endedAt !== null || isPaused || (state === 'awaiting-confirmation' && !isReversing)
}

function at(time: number | null): string {
  return time === null ? '-' : new Date(time).toISOString()
}

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
