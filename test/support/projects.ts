import { globSync, readFileSync } from 'node:fs'

/** The test files of one vitest project, as globs. */
export interface TestFiles {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

const inWorkerd = '**/*.worker.test.ts'
/** What needs programs that apt installs, and what takes minutes: they have commands of their own. */
const services = ['**/*.services.test.ts', '**/*.browser.test.ts']
const long = '**/*.long.test.ts'
/** What starts the whole system and waits for processes to end, to restart and to give up: a command of its own, too. */
const system = '**/*.system.test.ts'

const root = new URL('../..', import.meta.url).pathname

/** Files that move the clock: what a process remembers from then would lie in the future of the files that follow. */
const clockMovers = globSync(`test/${inWorkerd}`, { cwd: root }).filter((file) =>
  /support\/worker\/clock|useFakeTimers|setSystemTime|spyOn\(Date/.test(readFileSync(root + file, 'utf8')),
)

/**
 * Files that cannot share a process with others, each with its reason. All other files run one after the other in a few
 * processes that stay: starting one costs half a second of processor time in Node and two and a half seconds in workerd.
 */
export const alone = {
  node: [
    // These replace a module, which in a shared process may have been loaded already.
    'test/cache/read-ahead.test.ts',
    'test/checks/contexts.test.ts',
    // This sets up Neon's driver for itself, which has one configuration in a process.
    'test/contracts/neon.test.ts',
    // What a simulated day does depends on what the process has imported and compiled before.
    'test/sim/**/*.test.ts',
    // These start systems, engines and programs, and some hold what their processes may use against limits.
    'test/cron/by-hand.test.ts',
    'test/e2e/**/*.test.ts',
    'test/local/**/*.test.ts',
    'test/shop/**/*.test.ts',
    'test/torture/**/*.test.ts',
  ],
  workerd: [
    ...clockMovers,
    // This asks before the tenant of the tests is made, which a process remembers.
    'test/edge/docs.worker.test.ts',
    // This searches, which needs a Postgres that the process does not remember as away or behind.
    'test/actors/roles.worker.test.ts',
    // These change the list of shards or the plans, which the process keeps in its memory; so do three that move the clock.
    'test/actors/roles-tenant.worker.test.ts',
    'test/edge/replicas.worker.test.ts',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>

/**
 * The projects of vitest, told apart by the file's name: x.worker.test.ts runs inside workerd, x.test.ts in plain Node, and so
 * does x.parts.test.ts, which imports parts of actors that need nothing of workerd.
 */
export const projects = {
  node: { include: ['test/**/*.test.ts'], exclude: [inWorkerd, ...services, long, system, ...alone.node] },
  'node-alone': { include: alone.node, exclude: [inWorkerd, ...services, long, system] },
  workerd: { include: [`test/${inWorkerd}`], exclude: alone.workerd },
  'workerd-alone': { include: alone.workerd, exclude: [] },
  services: { include: services.map((glob) => `test/${glob}`), exclude: [] },
  system: { include: [`test/${system}`], exclude: [] },
  long: { include: [`test/${long}`], exclude: [] },
} as const satisfies Readonly<Record<string, TestFiles>>

/** Files with properties, which `npm run test:long` tries with a seed of its own. */
export const properties: TestFiles = {
  include: globSync('test/**/*.test.ts', { cwd: root }).filter((file) =>
    /from 'fast-check'|support\/frames/.test(readFileSync(root + file, 'utf8')),
  ),
  exclude: [inWorkerd, ...services, long, system],
}

/** The files of a project as vitest takes them. */
export function filesOf(name: keyof typeof projects | 'properties'): { include: string[]; exclude: string[] } {
  const { include, exclude }: TestFiles = name === 'properties' ? properties : projects[name]
  return { include: [...include], exclude: [...exclude] }
}
