import { defineConfig } from 'vitest/config'
import { Durations } from './test/support/durations.ts'
import { FailedFiles } from './test/support/failed-files.ts'
import { LongestFirst } from './test/support/longest-first.ts'
import { filesOf } from './test/support/projects.ts'
import { fixedSeed } from './test/support/seed.ts'

// The whole system in processes of its own, with kills, restarts and outages: each file starts what it needs.
export default defineConfig({
  test: {
    name: 'system',
    ...filesOf('system'),
    reporters: ['default', new Durations(), new FailedFiles()],
    sequence: { sequencer: LongestFirst },
    silent: 'passed-only',
    provide: fixedSeed(),
    setupFiles: ['./test/support/workers-in-node.setup.ts', './test/support/seed.setup.ts'],
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 300_000,
    hookTimeout: 180_000,
    // For two cores: these tests wait most of the time.
    maxWorkers: 4,
  },
  resolve: { alias: { 'cloudflare:workers': new URL('test/support/workers-in-node.ts', import.meta.url).pathname } },
})
