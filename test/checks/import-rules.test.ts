import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '../..')
const tree = mkdtempSync(join(tmpdir(), 'parley-rules-'))

afterAll(() => rmSync(tree, { recursive: true }))

/** Each file imports what its rule forbids. Files that are only imported are empty. */
const offences: Readonly<Record<string, readonly string[]>> = {
  'no-import-circles': ['test/one.ts > test/two.ts', 'test/two.ts > test/one.ts'],
  'bindings-are-typed-by-contracts': ['src/env.ts > durable-objects/topic/topic.ts'],
  'actors-use-no-other-actors-folder': ['durable-objects/inbox/inbox.ts > durable-objects/topic/topic.ts'],
  'kernel-imports-nothing': ['src/kernel/clock.ts > src/protocol/wire.ts'],
  'protocol-and-events-know-only-the-kernel': ['src/events/due.ts > src/limits/decide.ts'],
  'contexts-meet-only-in-events': ['src/jobs/job.ts > src/limits/decide.ts'],
  'jobs-keeps-apart-from-other-contexts': ['src/handlers/http.ts > src/handlers/saga-worker.ts'],
  'limits-keeps-apart-from-other-contexts': ['src/edge/resources/limits/limits.ts > src/edge/resources/jobs/jobs.ts'],
  'notifications-keeps-apart-from-other-contexts': [
    'src/edge/resources/notifications/list.ts > src/edge/resources/events/events.ts',
  ],
  'events-keeps-apart-from-other-contexts': ['src/edge/resources/sagas/sagas.ts > src/edge/resources/jobs/queues.ts'],
  'core-calls-contexts-by-their-seam': ['src/edge/resources/tenants/tenants.ts > src/edge/resources/jobs/jobs.ts'],
  'the-heart-never-touches-the-rim': ['src/inbox/entry.ts > src/config.ts'],
  'the-heart-is-free-of-the-platform': ['src/history/page.ts > hono'],
  'worker-code-uses-no-node-modules': ['src/adapters/files.ts > node:fs'],
  'actors-do-not-know-http-or-jobs': ['durable-objects/tenant/tenant.ts > src/cron/sweep.ts'],
  'adapters-serve-ports-only': ['src/adapters/cache.ts > src/edge/app.ts'],
  'edge-reaches-actors-by-address': ['src/edge/route.ts > durable-objects/topic/topic.ts'],
  'faces-see-only-the-protocol': ['sdk/client.ts > src/limits/decide.ts'],
  'examples-see-only-the-sdk': ['examples/shop/stock/stock.ts > src/kernel/clock.ts'],
  'stand-ins-know-nothing-of-ours': ['local/redis.ts > src/limits/decide.ts'],
  'nothing-imports-tests': ['src/edge/app.ts > test/support.ts'],
}

const rules = z.object({ default: z.object({ forbidden: z.array(z.object({ name: z.string() })) }) })
const report = z.object({
  summary: z.object({ violations: z.array(z.object({ rule: z.object({ name: z.string() }) })) }),
})

test('each import rule fails where it is broken on purpose, and every rule has such an offence', async () => {
  const config: unknown = await import(join(root, '.dependency-cruiser.mjs'))
  const { forbidden } = rules.parse(config).default
  expect(Object.keys(offences).toSorted()).toEqual(forbidden.map(({ name }) => name).toSorted())
  const imports = new Map<string, string[]>()
  for (const [from = '', to = ''] of Object.values(offences)
    .flat()
    .map((line) => line.split(' > '))) {
    imports.set(from, [...(imports.get(from) ?? []), to])
    if (to.endsWith('.ts') && !imports.has(to)) imports.set(to, [])
  }
  for (const [file, targets] of imports) {
    mkdirSync(join(tree, dirname(file)), { recursive: true })
    const up = '../'.repeat(file.split('/').length - 1)
    // Tests import types only here: a circle of types is one, too.
    const lines = targets.map((target) => {
      const from = target.endsWith('.ts') ? up + target : target
      return target.startsWith('test/') ? `import type {} from '${from}'\n` : `import '${from}'\n`
    })
    writeFileSync(join(tree, file), `${lines.join('')}export {}\n`)
  }
  for (const file of ['.dependency-cruiser.mjs', 'tsconfig.json', 'tsconfig.base.json', 'package.json'])
    copyFileSync(join(root, file), join(tree, file))
  copyFileSync(join(root, 'src/contexts.ts'), join(tree, 'src/contexts.ts'))
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))

  const command = join(root, 'node_modules/.bin/depcruise')
  const args = [
    '--config',
    '.dependency-cruiser.mjs',
    '--output-type',
    'json',
    'src',
    'durable-objects',
    'local',
    'sdk',
    'examples',
    'test',
  ]
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...args], {
    cwd: tree,
    maxBuffer: 1 << 26,
  }).catch((failed: { stdout: string }) => failed)
  const broken = report.parse(JSON.parse(stdout)).summary.violations.map(({ rule }) => rule.name)
  expect([...new Set(broken)].toSorted()).toEqual(Object.keys(offences).toSorted())
})
