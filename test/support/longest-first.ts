import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longest, as measured by the report of durations: a long one begun last would leave a core idle. */
const longest = [
  'e2e/start',
  'e2e/hostile-connections',
  'e2e/dependencies',
  'torture/torture',
  'e2e/catch-up',
  'e2e/transports',
  'jobs/drain',
  'jobs/whole-system',
  'e2e/crash',
  'e2e/old-history',
  'e2e/slow-reader',
  'sim/simulation',
  'local/postgres.account',
  'e2e/open-profile',
  'e2e/durable',
  'e2e/older-data',
  'cron/by-hand',
  'jobs/chaos',
  'local/postgres',
  'e2e/schedule',
  'e2e/self-hosting',
  'wire/protobuf.worker',
  'wire/streams.worker',
  'jobs/handlers.worker',
  'limits/faces.worker',
].map((name) => `test/${name}.test.ts`)

/** Projects in the order of their start: the files of the whole system wait most of the time, and come first. */
const projects = ['node-alone', 'node', 'workerd-alone', 'workerd']

/** Orders test files: by project, and the longest first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((one, other) => this.#rank(one) - this.#rank(other))
  }

  #rank({ project, moduleId }: TestSpecification): number {
    const place = longest.indexOf(relative(this.ctx.config.root, moduleId))
    return 1000 * projects.indexOf(project.name) + (place === -1 ? longest.length : place)
  }
}
