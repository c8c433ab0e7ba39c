import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '../..')

/** An actor's class: made of a state and an environment. */
export type ActorClass = new (ctx: unknown, env: unknown) => object

/** What the platform puts into the global scope, in place of Node's own. */
export type Globals = Readonly<Record<string, unknown>>

const entry = `
  export { Activity } from './durable-objects/activity/activity.ts'
  export { ActorNames } from './durable-objects/actor-names/actor-names.ts'
  export { CacheEpochs } from './durable-objects/cache-epochs/cache-epochs.ts'
  export { Conversation } from './durable-objects/conversation/conversation.ts'
  export { Gateway } from './durable-objects/gateway/gateway.ts'
  export { Platform } from './durable-objects/platform/platform.ts'
  export { Inbox } from './durable-objects/inbox/inbox.ts'
  export { InboxNotes } from './durable-objects/inbox-notes/inbox-notes.ts'
  export { RateLimiter } from './durable-objects/rate-limiter/rate-limiter.ts'
  export { JobQueue } from './durable-objects/job-queue/job-queue.ts'
  export { ShardReader } from './durable-objects/shard-reader/shard-reader.ts'
  export { Tenant } from './durable-objects/tenant/tenant.ts'
  export { Topic } from './durable-objects/topic/topic.ts'
  export { JobWorker } from './src/handlers/job-worker.ts'
  export { forgetDependencies } from './src/adapters/dependency.ts'
`
const platform = `
  export class DurableObject { constructor(ctx, env) { this.ctx = ctx; this.env = env } }
  export class WorkerEntrypoint extends DurableObject {}
  export const waitUntil = (work) => void work.catch(() => undefined)
`
/** What jobs do is each story's own; the worker that runs them and reports is the deployed code. */
const handlers =
  'export const handlers = { get: () => (env, tenant, _payload, attempt) => env.HANDLE(tenant, attempt) }'

/** Under this name the bundle is known to V8. */
export const actorsFile = 'actors.js'

/**
 * The actors as they are deployed, loaded with time, chance, timers and sockets of the simulation's own: these names
 * are given to them, so nothing of Node is changed for other code.
 */
export async function loadActors(globals: Globals): Promise<Readonly<Record<string, ActorClass>>> {
  return load(await actorsSource(), globals)
}

/** The classes that a bundle exports; V8 knows the bundle as `filename`. */
export function load(source: string, globals: Globals, filename = actorsFile): Readonly<Record<string, ActorClass>> {
  const names = Object.keys(globals)
  const run = compileFunction(source, ['module', 'exports', ...names], { filename })
  const module: { exports: Record<string, ActorClass> } = { exports: {} }
  run(module, module.exports, ...names.map((name) => globals[name]))
  return module.exports
}

let bundled: Promise<string> | undefined

/** The bundle of all actors, made once. */
export const actorsSource = (): Promise<string> => (bundled ??= bundleOf(entry, handlers))

/** A bundle of `contents` for the simulated platform; `replaced`, if given, takes the place of src/handlers/handlers.ts. */
export async function bundleOf(contents: string, replaced?: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'browser'],
    target: 'es2024',
    plugins: [
      {
        name: 'platform',
        setup(bundling) {
          bundling.onResolve({ filter: /^cloudflare:workers$/ }, ({ path }) => ({ path, namespace: 'platform' }))
          bundling.onLoad({ filter: /^cloudflare:/, namespace: 'platform' }, () => ({ contents: platform }))
          if (replaced === undefined) return
          bundling.onLoad({ filter: /src.handlers.handlers\.ts$/ }, () => ({ contents: replaced }))
        },
      },
    ],
  })
  return outputFiles[0]?.text ?? ''
}
