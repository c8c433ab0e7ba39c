import { readdirSync } from 'node:fs'
import { contexts as parts } from './src/contexts.ts'

// One rule per law of ARCHITECTURE.md "Who may import whom". Each was seen to fail on a deliberate offence.
const rimFolders = ['adapters', 'edge', 'handlers', 'cron']
const languages = ['kernel', 'protocol', 'events']
// Each folder of src is a context, unless it is of the rim or what all contexts speak.
const contexts = readdirSync(new URL('src/', import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && ![...rimFolders, ...languages].includes(entry.name))
  .map(({ name }) => name)
  .join('|')
const heart = `^src/(?:${contexts})/`
const rim = `(?:(?:${rimFolders.join('|')})/|[^/]+$)`
// The parts of the system that can run as Workers of their own (src/contexts.ts), by their code.
const escaped = (path) => path.replaceAll('.', '\\.')
const codeOf = (names) => `^(?:${names.flatMap((name) => parts[name].sources.map(escaped)).join('|')})`
const leaving = Object.keys(parts).filter((name) => name !== 'core')
const rimOf = (names) =>
  `^(?:${names
    .flatMap((name) => parts[name].sources)
    .filter((path) => /^(?:src\/(?:edge|handlers|cron)|durable-objects)\//.test(path))
    .map(escaped)
    .join('|')})`
// Where the system is put together, and where the calls of a context are served.
const assembly =
  '^src/(?:index|edge/resources/all-operations|edge/resources/admin/admin|edge/http/app|cron/schedule|handlers/context-worker)\\.ts$'
const rule = (name, from, to) => ({ name, severity: 'error', from, to })

export default {
  forbidden: [
    rule('no-import-circles', {}, { circular: true }),
    rule(
      'bindings-are-typed-by-contracts',
      { path: '^src/env\\.ts$' },
      { path: '^durable-objects/(?!(?:notification-)?contracts\\.ts$)' },
    ),
    rule(
      'actors-use-no-other-actors-folder',
      { path: '^durable-objects/([^/]+)/' },
      { path: '^durable-objects/[^/]+/', pathNot: '^durable-objects/(?:$1|shared)/' },
    ),
    rule('kernel-imports-nothing', { path: '^src/kernel/' }, { path: '^(?:src/(?!kernel/)|durable-objects/)' }),
    rule(
      'protocol-and-events-know-only-the-kernel',
      { path: '^src/(?:protocol|events)/' },
      { path: '^(?:src/(?!kernel/|protocol/|events/)|durable-objects/)' },
    ),
    rule('contexts-meet-only-in-events', { path: `^src/(${contexts})/` }, { path: heart, pathNot: '^src/$1/' }),
    ...leaving.map((name) =>
      rule(
        `${name}-keeps-apart-from-other-contexts`,
        { path: codeOf([name]) },
        { path: codeOf(leaving.filter((other) => other !== name)) },
      ),
    ),
    rule(
      'core-calls-contexts-by-their-seam',
      { path: '^(?:src|durable-objects)/', pathNot: `${codeOf(leaving)}|${assembly}` },
      { path: rimOf(leaving) },
    ),
    rule('the-heart-never-touches-the-rim', { path: heart }, { path: `^(?:durable-objects/|src/${rim})` }),
    rule(
      'the-heart-is-free-of-the-platform',
      { path: heart },
      {
        path: '^(?:cloudflare:|node:|hono|@hono|@neondatabase|@upstash)|node_modules/(?:hono|@hono|@neondatabase|@upstash)',
      },
    ),
    rule('worker-code-uses-no-node-modules', { path: '^(?:src|durable-objects)/' }, { dependencyTypes: ['core'] }),
    rule(
      'actors-do-not-know-http-or-jobs',
      { path: '^durable-objects/' },
      { path: '^src/(?:edge|handlers|cron|index)' },
    ),
    rule(
      'adapters-serve-ports-only',
      { path: '^src/adapters/' },
      { path: '^(?:durable-objects/|src/(?:edge|handlers|cron|index))' },
    ),
    rule(
      'edge-reaches-actors-by-address',
      { path: '^src/(?:edge|handlers|cron)/' },
      {
        path: '^durable-objects/',
        pathNot:
          '^durable-objects/(?:address|open-actors|open-event-actors|open-facade|open-moderation|open-recipients|open-search)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    ),
    rule(
      'faces-see-only-the-protocol',
      { path: '^(?:sdk|web|cli)/' },
      { path: '^(?:src/(?!protocol/|kernel/)|durable-objects/)' },
    ),
    // An example shows what a customer writes: with packages and the SDK, and nothing of Parley's own.
    rule(
      'examples-see-only-the-sdk',
      { path: '^examples/' },
      { path: '^(?:src|durable-objects|local|web|bench|cli)/' },
    ),
    rule(
      'stand-ins-know-nothing-of-ours',
      { path: '^local/' },
      { path: '^(?:src/(?!protocol/|contexts\\.ts$)|durable-objects/|sdk/|web/(?!build\\.ts$)|bench/)' },
    ),
    rule('nothing-imports-tests', { pathNot: '^(?:test/|[^/]+\\.config\\.ts$)' }, { path: '^test/' }),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(?:web/dist|dist|bench/results)/' },
  },
}
