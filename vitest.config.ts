import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { Durations } from './test/support/durations.ts'
import { FailedFiles } from './test/support/failed-files.ts'
import { noddingPostgres } from './test/support/nodding-postgres.ts'
import { LongestFirst } from './test/support/longest-first.ts'
import { filesOf } from './test/support/projects.ts'
import { fixedSeed } from './test/support/seed.ts'

// What is asked for again and again comes at once, or seconds later where others want the cores, too.
const expect = { poll: { timeout: 30_000 } }

const common = {
  expect,
  provide: fixedSeed(),
  // A start of the whole system may take half a minute where others want the cores, too, and a test starts it thrice.
  testTimeout: 300_000,
  hookTimeout: 180_000,
  // For two cores: tests of the whole system wait most of the time, for a process to start or a deadline to pass. The same
  // for all projects, since vitest runs projects that differ in it one after the other.
  maxWorkers: 4,
}

const workerd = cloudflareTest({
  wrangler: { configPath: './wrangler.toml' },
  miniflare: {
    bindings: {
      ENVIRONMENT: 'local',
      LOCAL_TENANT: 'demo',
      LOCAL_API_KEY: 'demo-key',
      ADMIN_KEY: 'operator-of-the-tests',
      DATABASE_URL_DIRECTORY: 'postgresql://app:secret@shards.test/directory',
      DATABASE_URL_SHARD0: 'postgresql://app:secret@shards.test/shard0',
      DATABASE_URL_SHARD1: 'postgresql://app:secret@shards.test/shard1',
      DATABASE_URL_SPARE: 'postgresql://app:secret@shards.test/spare',
      ENCRYPTION_KEYS: 'k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=',
      NEON_PROXY: 'shards.test',
      // As in production; links.worker.test.ts switches them on for itself.
      LINKS: 'off',
      HIBERNATION: 'on',
      CONNECTIONS_PER_ADDRESS: '20',
      PRESENCE_GRACE_MS: '400',
      PROJECTION_DELAY_MS: '500',
    },
    outboundService: noddingPostgres,
  },
})

// Every property is tried with the same seed each time.
const seeds = './test/support/seed.setup.ts'

const inNode = {
  resolve: { alias: { 'cloudflare:workers': new URL('test/support/workers-in-node.ts', import.meta.url).pathname } },
}
const node = { ...common, environment: 'node', setupFiles: ['./test/support/workers-in-node.setup.ts', seeds] }
const worker = {
  ...common,
  setupFiles: [
    './test/support/worker/between-files.setup.ts',
    seeds,
    // Every answer of the HTTP API is held against the schema of its operation.
    './test/support/worker/check-answers.setup.ts',
  ],
}

export default defineConfig({
  test: {
    reporters: ['default', new Durations(), new FailedFiles()],
    sequence: { sequencer: LongestFirst },
    // The log of a passing test is not shown.
    silent: 'passed-only',
    // A process, or a workerd, stays for many files, except for those that have one of their own.
    projects: [
      { ...inNode, test: { ...node, name: 'node', ...filesOf('node'), isolate: false } },
      { ...inNode, test: { ...node, name: 'node-alone', ...filesOf('node-alone') } },
      { plugins: [workerd], test: { ...worker, name: 'workerd', ...filesOf('workerd'), isolate: false } },
      { plugins: [workerd], test: { ...worker, name: 'workerd-alone', ...filesOf('workerd-alone') } },
    ],
  },
})
