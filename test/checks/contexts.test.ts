import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { contextConfigs, contextConfigsOf } from '../../local/context-configs.ts'
import { contextOfOperation, contexts, isContext, type Context, type ContextName } from '../../src/contexts.ts'
import type { OperationDefinition } from '../../src/protocol/operation.ts'
import { actorStores } from '../../src/tenants/stores.ts'

// The routes reach actors, whose base classes and types exist on workerd only.
vi.mock('cloudflare:workers', () => ({ DurableObject: Object, WorkerEntrypoint: Object }))

interface Edge {
  readonly operations: readonly { readonly definition: OperationDefinition }[]
  readonly app: { readonly routes: readonly { readonly path: string }[] }
  readonly schedule: readonly { readonly name: string }[]
}
const moduleOf = (path: string) => import(new URL(`../../src/${path}.ts`, import.meta.url).pathname)
const { operations, app, schedule }: Edge = {
  ...(await moduleOf('edge/resources/all-operations')),
  ...(await moduleOf('edge/http/app')),
  ...(await moduleOf('cron/schedule')),
}

const root = join(import.meta.dirname, '../..')
const names = Object.keys(contexts).filter(isContext)
const partsOf = (name: ContextName): Context => contexts[name]

/** What is in no context or in several, in words that say what to do. */
function misplaced(what: string, found: readonly string[], part: 'actors' | 'crons' | 'tables' | 'sources'): string[] {
  const owners = (each: string) => names.filter((name) => partsOf(name)[part].includes(each))
  return [
    ...found
      .filter((each) => owners(each).length !== 1)
      .map(
        (each) =>
          `${what} "${each}" belongs to ${owners(each).join(' and ') || 'no context'}: list it as one of the ${part} of exactly one context in src/contexts.ts`,
      ),
    ...names
      .flatMap((name) => partsOf(name)[part])
      .filter((each) => !found.includes(each) && !(part === 'sources' && notBuilt(each)))
      .map((each) => `the ${part} of src/contexts.ts have "${each}", which is gone: remove it there`),
  ]
}

/** Folders of a context that has only its name yet. */
const notBuilt = (source: string): boolean => partsOf('notifications').sources.includes(source)

const folders = (path: string): string[] =>
  readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || !['src', 'durable-objects'].includes(path))
    .map((entry) => `${path}/${entry.name}${entry.isDirectory() ? '/' : ''}`)

test('every operation belongs to exactly one context', () => {
  const lost = operations
    .map(({ definition }) => definition)
    .filter((definition) => contextOfOperation(definition) === undefined)
    .map(({ id, tag }) => `the operation ${id} has the tag "${tag}", which no context has: add it in src/contexts.ts`)
  expect(lost).toEqual([])
  const tags = names.flatMap((name) => partsOf(name).tags)
  expect(tags.filter((tag, at) => tags.indexOf(tag) !== at)).toEqual([])
  const ids = operations.map(({ definition }) => definition.id)
  expect(names.flatMap((name) => partsOf(name).operations).filter((id) => !ids.includes(id))).toEqual([])
})

test('every other route belongs to exactly one context', () => {
  const paths = [...new Set(app.routes.map(({ path }) => path))].filter(
    (path) => !/^\/(?:v1|admin)\/|^\/?\*$/.test(path),
  )
  const owners = (path: string) =>
    names.filter((name) =>
      partsOf(name).routes.some((route) => path === route || (route !== '/' && path.startsWith(`${route}/`))),
    )
  const lost = paths
    .filter((path) => owners(path).length !== 1)
    .map(
      (path) => `the route ${path} belongs to ${owners(path).join(' and ') || 'no context'}: add it in src/contexts.ts`,
    )
  expect(lost).toEqual([])
})

test('every class of actors belongs to exactly one context', () => {
  expect(misplaced('the class of actors', Object.keys(actorStores), 'actors')).toEqual([])
})

test('every scheduled task belongs to exactly one context', () => {
  expect(
    misplaced(
      'the scheduled task',
      schedule.map(({ name }) => name),
      'crons',
    ),
  ).toEqual([])
})

test('every folder of the Worker belongs to exactly one context', () => {
  const nested = [
    'src/edge',
    'src/edge/resources',
    'src/handlers',
    'src/cron',
    'src/adapters',
    'durable-objects',
    'src',
  ]
  const known = new Set(names.flatMap((name) => [...partsOf(name).sources, ...partsOf(name).shared]))
  const listed = nested.flatMap(folders).filter((path) => !nested.includes(path.replace(/\/$/, '')) || known.has(path))
  const adapters = listed.filter((path) => !path.startsWith('src/adapters/') || known.has(path))
  expect(
    misplaced(
      'the folder or file',
      adapters.filter((path) => path !== 'src/limits/'),
      'sources',
    ),
  ).toEqual([])
})

/** The context of a file: that of the longest listed beginning of its path. */
function contextOfFile(file: string): ContextName {
  const lengths = names.map((name) => {
    const [longest = ''] = [...partsOf(name).sources, ...partsOf(name).shared]
      .filter((source) => file.startsWith(source))
      .toSorted((a, b) => b.length - a.length)
    return { name, length: longest.length }
  })
  return lengths.reduce((best, each) => (each.length > best.length ? each : best), { name: 'core', length: 0 }).name
}

/** Text literals of a file that are SQL, with the tables that they name. */
function tablesIn(text: string): string[] {
  const literals = [...text.matchAll(/`[^`]*`|'[^'\n]*'/g)].map(([literal]) => literal)
  const statements = literals.filter((literal) => /\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE TABLE|WITH)\b/.test(literal))
  return statements.flatMap((statement) =>
    [...statement.matchAll(/\b(?:FROM|JOIN|INTO|UPDATE|TABLE(?: IF NOT EXISTS)?)\s+(?:ONLY\s+)?([a-z_]\w*)/g)].map(
      ([, table = '']) => table,
    ),
  )
}

interface Named {
  readonly file: string
  readonly table: string
}

/** Names of tables in the SQL of files outside of the context that the table belongs to. */
function foreignTables(files: readonly { readonly file: string; readonly text: string }[]): Named[] {
  const owner = new Map(names.flatMap((name) => partsOf(name).tables.map((table) => [table, name] as const)))
  const ofActor = (file: string) => /^durable-objects\/([^/]+)\//.exec(file)?.[1]
  const made = new Map<string, Set<string>>()
  for (const { file, text } of files) {
    const folder = ofActor(file)
    if (folder === undefined) continue
    const tables = [...text.matchAll(/CREATE TABLE(?: IF NOT EXISTS)? (\w+)/g)].map(([, table = '']) => table)
    for (const table of tables) made.set(table, (made.get(table) ?? new Set()).add(folder))
  }
  return files.flatMap(({ file, text }) =>
    tablesIn(text)
      .filter((table) => {
        const folder = ofActor(file)
        // The database of an actor is its own: no other actor's table can be meant.
        if (folder !== undefined) return made.has(table) && !isOwn(made, table, folder)
        return owner.has(table) && owner.get(table) !== contextOfFile(file)
      })
      .map((table) => ({ file, table })),
  )
}

const isOwn = (made: ReadonlyMap<string, ReadonlySet<string>>, table: string, folder: string): boolean =>
  folder === 'shared' || made.get(table)?.has(folder) === true

function sources(): { file: string; text: string }[] {
  const files = globSync('{src,durable-objects}/**/*.ts', { cwd: root })
  return files.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }))
}

test('no file names a table of another context in its SQL', () => {
  const files = sources()
  expect(files.flatMap(({ text }) => tablesIn(text)).length).toBeGreaterThan(150)
  expect(foreignTables(files)).toEqual([])
})

test('SQL across contexts is found: of a job in a table of conversations, and of an actor in the table of another', () => {
  const offences = [
    { file: 'src/jobs/made-up.ts', text: 'db.query(`SELECT seq FROM messages WHERE tenant_id = $1`)' },
    { file: 'durable-objects/saga/made-up.ts', text: "sql.exec('UPDATE schedules SET at = 0')" },
  ]
  expect(foreignTables([...sources(), ...offences])).toEqual([
    { file: 'src/jobs/made-up.ts', table: 'messages' },
    { file: 'durable-objects/saga/made-up.ts', table: 'schedules' },
  ])
})

test('every table in Postgres belongs to exactly one context', () => {
  const migrations = ['directory', 'shard'].flatMap((kind) =>
    readdirSync(join(root, 'migrations', kind)).map((file) =>
      readFileSync(join(root, 'migrations', kind, file), 'utf8'),
    ),
  )
  const made = migrations.flatMap((text) =>
    [...text.matchAll(/^CREATE TABLE(?: IF NOT EXISTS)? (\w+)\b(?! PARTITION OF)/gm)].map(([, table = '']) => table),
  )
  expect(misplaced('the table', [...new Set(made), 'schema_migrations'], 'tables')).toEqual([])
})

test('wrangler.<context>.toml say what wrangler.toml and the table of contexts say', async () => {
  const outdated = [...(await contextConfigs())].filter(
    ([file, text]) => readFileSync(join(root, file), 'utf8') !== text,
  )
  expect(outdated.map(([file]) => `${file} is outdated: run npm run contexts`)).toEqual([])
})

test('the configuration of a context that has the classes of its actors takes them over, and others bind them there', async () => {
  const actors = [
    { binding: 'JOB_QUEUE', className: 'JobQueue', storageKey: 'parley-JobQueue' },
    { binding: 'TENANT', className: 'Tenant', storageKey: 'parley-Tenant' },
  ]
  const configs = await contextConfigsOf({
    name: 'parley',
    compatibilityDate: '2026-10-01',
    compatibilityFlags: [],
    services: [],
    vars: {},
    crons: [],
    actors,
    split: { apart: ['jobs'], transferred: ['jobs'] },
  })
  const jobs = configs.get('wrangler.jobs.toml')
  expect(jobs).toContain('{ name = "JOB_QUEUE", class_name = "JobQueue" },')
  expect(jobs).toContain('{ name = "TENANT", class_name = "Tenant", script_name = "parley" },')
  expect(jobs).toContain('{ from = "JobQueue", from_script = "parley", to = "JobQueue" },')
  const events = configs.get('wrangler.events.toml')
  expect(events).toContain('{ name = "JOB_QUEUE", class_name = "JobQueue", script_name = "parley-jobs" },')
  expect(events).not.toContain('transferred_classes')
})
