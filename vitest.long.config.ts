import { defineConfig } from 'vitest/config'

// What takes minutes: the same promises as elsewhere, over everything there is instead of a sample.
export default defineConfig({
  test: {
    name: 'long',
    include: ['test/**/*.long.test.ts'],
    fileParallelism: false,
    testTimeout: 1_200_000,
    hookTimeout: 180_000,
  },
})
