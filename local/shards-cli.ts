import { parseArgs } from 'node:util'
import { asLocalError, findOperator } from './find-operator.ts'
import { endWith, LocalError } from './local-error.ts'
import type { CheckedReplicaView } from '../src/protocol/shards-api.ts'
import type { ListedShard, Operator } from './operator.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run shards -- <command>`: lists and changes the Postgres shards of a running system, and their replicas.

const usage = [
  'npm run shards [-- <command>] [--url https://…]',
  '',
  '  list                      all shards, with their state and schema (default)',
  '  add <name>                registers a shard, or replaces its properties:',
  '                            --connection <string, or - for standard input> or --secret DATABASE_URL_…,',
  '                            and --weight, --region, --jurisdiction, --state',
  '  set <name>                changes --state, --weight or --region',
  '  remove <name>             removes a draining shard that holds no tenant',
  '  replicas <name>           the read replicas of a shard, and how far behind they are',
  '  add-replica <name> <replica>',
  '                            registers a replica, or replaces its properties: --connection or --secret,',
  '                            and --weight, --region, --state (active, paused)',
  '  set-replica <name> <replica>',
  '                            changes --state, --weight or --region of a replica',
  '  remove-replica <name> <replica>',
  '                            removes a replica',
  '  re-encrypt                encrypts all connection strings with the first key of ENCRYPTION_KEYS',
  '',
  'With --url the system there, with ADMIN_KEY; otherwise the one that runs on the data folder of this machine.',
].join('\n')

const text = { type: 'string' } as const
const options = {
  url: text,
  connection: text,
  secret: text,
  weight: text,
  region: text,
  jurisdiction: text,
  state: text,
}

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  const asked = readCommand()
  const operator = await findOperator(asked.values.url)
  for (const line of await run(operator, asked)) console.log(line)
} catch (thrown) {
  endWith(asLocalError(thrown))
}

type Values = { readonly [option in keyof typeof options]?: string | undefined }

interface Asked {
  readonly command: string
  readonly name: string
  readonly replica: string
  readonly values: Values
}

function readCommand(): Asked {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options })
    const [command = 'list', name = '', replica = '', ...rest] = positionals
    if (rest.length === 0) return { command, name, replica, values }
  } catch {
    // Said below.
  }
  throw new LocalError(`this is not how it is used:\n\n${usage}`)
}

async function run(operator: Operator, { command, name, replica, values }: Asked): Promise<string[]> {
  const needsReplica = command.endsWith('-replica')
  const needsName = needsReplica || ['add', 'set', 'remove', 'replicas'].includes(command)
  if (needsName && name === '') throw new LocalError(`${command}: give the name of a shard.`)
  if (needsReplica !== (replica !== ''))
    throw new LocalError(
      needsReplica ? `${command}: give the name of a replica.` : `${command} takes no second name: ${replica}`,
    )
  switch (command) {
    case 'list': {
      const { shards, neededSchema } = await operator.shards()
      return table(shards, neededSchema)
    }
    case 'add':
      await operator.putShard(name, { ...propertiesOf(values), ...(await connectionIn(values)) })
      return [`${name} is registered`]
    case 'set':
      await operator.changeShard(name, propertiesOf(values))
      return [`${name} is changed`]
    case 'remove':
      await operator.removeShard(name)
      return [`${name} is removed; its database is left as it is`]
    case 'replicas':
      return replicaTable(await operator.replicas(name))
    case 'add-replica':
      await operator.putReplica(name, replica, { ...propertiesOf(values), ...(await connectionIn(values)) })
      return [`${replica} of ${name} is registered`]
    case 'set-replica':
      await operator.changeReplica(name, replica, propertiesOf(values))
      return [`${replica} of ${name} is changed`]
    case 'remove-replica':
      await operator.removeReplica(name, replica)
      return [`${replica} of ${name} is removed; its database is left as it is`]
    case 're-encrypt': {
      const { key, changed, failed } = await operator.reEncryptShards()
      if (failed.length > 0) process.exitCode = 1
      return [
        `${changed.length} connection strings are encrypted with key ${key} now`,
        ...failed.map((each) => `${each.name} failed: ${each.reason}`),
      ]
    }
    default:
      throw new LocalError(`${command} is no command:\n\n${usage}`)
  }
}

function propertiesOf({ weight, region, jurisdiction, state }: Values): Record<string, unknown> {
  const properties = {
    weight: weight === undefined ? undefined : Number(weight),
    region: region === 'none' ? null : region,
    jurisdiction,
    state,
  }
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined))
}

/** A connection string on the command line stays in the history of the shell; one from standard input does not. */
async function connectionIn({ connection, secret }: Values): Promise<Record<string, string>> {
  if ((connection === undefined) === (secret === undefined))
    throw new LocalError('give --connection <string, or - for standard input> or --secret DATABASE_URL_…, one of them.')
  if (secret !== undefined) return { secret }
  return { connection: connection === '-' ? (await standardInput()).trim() : (connection ?? '') }
}

async function standardInput(): Promise<string> {
  let all = ''
  for await (const part of process.stdin) all += String(part)
  return all
}

function table(shards: readonly ListedShard[], needed: number): string[] {
  const head = ['name', 'state', 'weight', 'place', 'schema', 'connection', 'replicas', '']
  const rows = shards.map(
    ({ name, state, weight, region, jurisdiction, schema, connection, replicas, isConfigured }) => [
      name,
      state,
      String(weight),
      [region, jurisdiction].filter((part) => part !== undefined).join(' ') || '-',
      schema === 0 ? 'not looked at' : schema < needed ? `${schema}, needs ${needed}` : String(schema),
      connection.secret ?? `key ${connection.key ?? '?'}`,
      replicas.map((each) => each.name).join(' ') || '-',
      isConfigured ? 'SHARDS' : '',
    ],
  )
  return inColumns([head, ...rows])
}

function replicaTable(replicas: readonly CheckedReplicaView[]): string[] {
  if (replicas.length === 0) return ['no replicas']
  const rows = replicas.map(({ name, state, weight, region, connection, health, lagBytes, lagMs, detail }) => [
    name,
    state,
    String(weight),
    region ?? '-',
    connection.secret ?? `key ${connection.key ?? '?'}`,
    health,
    lagBytes === undefined ? '-' : `${lagBytes} bytes, ${lagMs ?? '?'} ms`,
    detail ?? '',
  ])
  return inColumns([['name', 'state', 'weight', 'region', 'connection', 'health', 'behind', ''], ...rows])
}

function inColumns(all: readonly (readonly string[])[]): string[] {
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
