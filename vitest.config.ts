import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { noddingPostgres } from './test/support/nodding-postgres.ts'

// Two environments, told apart by the file's name: x.worker.test.ts runs inside workerd, x.test.ts in plain Node.
// x.services.test.ts and x.browser.test.ts need what apt installs, and x.long.test.ts minutes: they have commands of their own.
const needsMore = ['**/*.services.test.ts', '**/*.browser.test.ts', '**/*.long.test.ts']

// What is asked for again and again comes at once, or seconds later where others want the cores, too.
const expect = { poll: { timeout: 30_000 } }

export default defineConfig({
  test: {
    reporters: ['default'],
    // The log of a passing test is not shown.
    silent: 'passed-only',
    projects: [
      {
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['**/*.worker.test.ts', ...needsMore],
          // A start of the whole system may take half a minute where others want the cores, too, and a test starts it thrice.
          testTimeout: 300_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
          expect,
        },
      },
      {
        plugins: [
          cloudflareTest({
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
          }),
        ],
        test: {
          name: 'workerd',
          include: ['test/**/*.worker.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 180_000,
          expect,
        },
      },
    ],
  },
})
