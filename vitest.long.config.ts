import { defineConfig } from 'vitest/config'
import { filesOf } from './test/support/projects.ts'
import { randomSeed } from './test/support/seed.ts'

const common = {
  provide: randomSeed(),
  fileParallelism: false,
  testTimeout: 1_200_000,
  hookTimeout: 180_000,
}
const seeds = './test/support/seed.setup.ts'

// What takes minutes: the same promises as elsewhere, over everything there is instead of a sample. And all properties that run in
// Node, with another seed than `npm test` has: what it finds is a fault that no change has brought in today.
export default defineConfig({
  test: {
    projects: [
      { test: { ...common, name: 'long', ...filesOf('long'), setupFiles: [seeds] } },
      {
        resolve: {
          alias: { 'cloudflare:workers': new URL('test/support/workers-in-node.ts', import.meta.url).pathname },
        },
        test: {
          ...common,
          name: 'properties',
          ...filesOf('properties'),
          setupFiles: ['./test/support/workers-in-node.setup.ts', seeds],
        },
      },
    ],
  },
})
