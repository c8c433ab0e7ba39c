import { defineConfig } from 'vitest/config'

// What needs apt: a real Postgres, a real Redis, a browser. Each file skips with its reason where that is missing.
export default defineConfig({
  test: {
    name: 'services',
    include: ['test/**/*.services.test.ts', 'test/**/*.browser.test.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
