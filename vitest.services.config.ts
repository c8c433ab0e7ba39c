import { defineConfig } from 'vitest/config'

// What needs apt: a real Postgres, a real Redis, a browser. Each file skips with its reason where that is missing.
export default defineConfig({
  test: {
    name: 'services',
    include: ['test/**/*.services.test.ts', 'test/**/*.browser.test.ts'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 180_000,
    // A page needs longer than vitest's second to show something on a loaded machine.
    expect: { poll: { timeout: 30_000 } },
  },
})
