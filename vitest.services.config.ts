import { defineConfig } from 'vitest/config'
import { FailedFiles } from './test/support/failed-files.ts'
import { filesOf } from './test/support/projects.ts'
import { fixedSeed } from './test/support/seed.ts'

// What needs apt: a real Postgres, a real Redis, a browser. Each file skips with its reason where that is missing.
export default defineConfig({
  test: {
    name: 'services',
    ...filesOf('services'),
    reporters: ['default', new FailedFiles()],
    provide: fixedSeed(),
    setupFiles: ['./test/support/workers-in-node.setup.ts', './test/support/seed.setup.ts'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 180_000,
    // A page needs longer than vitest's second to show something on a loaded machine.
    expect: { poll: { timeout: 30_000 } },
  },
  // The SDK is packed with types that the operations of the Worker give.
  resolve: { alias: { 'cloudflare:workers': new URL('test/support/workers-in-node.ts', import.meta.url).pathname } },
})
