import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { Durations } from './test/support/durations.ts'
import { noddingPostgres } from './test/support/nodding-postgres.ts'
import { LongestFirst } from './test/support/longest-first.ts'

// Two environments, told apart by the file's name: x.worker.test.ts runs inside workerd, x.test.ts in plain Node, and so does
// x.parts.test.ts, which imports parts of actors that need nothing of workerd: a workerd costs two seconds of processor time.
// x.services.test.ts and x.browser.test.ts need what apt installs, and x.long.test.ts minutes: they have commands of their own.
const needsMore = ['**/*.services.test.ts', '**/*.browser.test.ts', '**/*.long.test.ts']

// What is asked for again and again comes at once, or seconds later where others want the cores, too.
const expect = { poll: { timeout: 30_000 } }

const common = {
  expect,
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

// Every answer of the HTTP API is held against the schema of its operation.
const setupFiles = ['./test/support/worker/check-answers.setup.ts']

export default defineConfig({
  test: {
    reporters: ['default', new Durations()],
    sequence: { sequencer: LongestFirst },
    // The log of a passing test is not shown.
    silent: 'passed-only',
    projects: [
      {
        resolve: {
          alias: { 'cloudflare:workers': new URL('test/support/workers-in-node.ts', import.meta.url).pathname },
        },
        test: {
          name: 'node',
          environment: 'node',
          setupFiles: ['./test/support/workers-in-node.setup.ts'],
          include: ['test/**/*.test.ts'],
          exclude: ['**/*.worker.test.ts', ...needsMore],
          ...common,
        },
      },
      {
        plugins: [workerd],
        test: {
          name: 'workerd',
          include: ['test/**/*.worker.test.ts'],
          // A workerd of its own for each file: in a shared one the alarms and writes of another file's conversations arrive
          // late, and what one file counts is sometimes another's.
          ...common,
          setupFiles,
        },
      },
    ],
  },
})
