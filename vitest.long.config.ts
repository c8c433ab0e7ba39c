import { defineConfig } from 'vitest/config'
import { filesOf } from './test/support/projects.ts'

// What takes minutes: the same promises as elsewhere, over everything there is instead of a sample.
export default defineConfig({
  test: {
    name: 'long',
    ...filesOf('long'),
    fileParallelism: false,
    testTimeout: 1_200_000,
    hookTimeout: 180_000,
  },
})
