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
  export { forgetEpochs } from './src/adapters/process-epochs.ts'
  export { forgetTokens } from './src/auth/token.ts'
`
/** Events and sagas, which have days of their own. */
const eventEntry = `
  export { EventCatalog } from './durable-objects/event-catalog/event-catalog.ts'
  export { EventConsumer } from './durable-objects/event-consumer/event-consumer.ts'
  export { EventLog } from './durable-objects/event-log/event-log.ts'
  export { Saga } from './durable-objects/saga/saga.ts'
  export { SagaCatalog } from './durable-objects/saga-catalog/saga-catalog.ts'
  export { SagaWorker, forgetSagaSecrets } from './src/handlers/saga-worker.ts'
  export { forgetDependencies } from './src/adapters/dependency.ts'
`
const platform = `
  export class DurableObject { constructor(ctx, env) { this.ctx = ctx; this.env = env } }
  export class WorkerEntrypoint extends DurableObject {}
  export const waitUntil = (work) => void work.catch(() => undefined)
`
/** A module of the bundle that a simulation replaces: files whose paths match, and what they contain instead. */
interface Replaced {
  readonly files: RegExp
  readonly contents: string
}

/** What jobs do is each story's own; the worker that runs them and reports is the deployed code. */
const handlers: Replaced = {
  files: /src.handlers.handlers\.ts$/,
  contents: 'export const handlers = { get: () => (env, tenant, _payload, attempt) => env.HANDLE(tenant, attempt) }',
}
/** Sagas of the simulation call endpoints only, and neither the HTTP API nor the platform's own operations. */
const operations: readonly Replaced[] = [
  { files: /src.edge.http.inner-request\.ts$/, contents: "export const asServerOf = async () => 'not simulated'" },
  {
    files: /src.handlers.own-operations\.ts$/,
    contents: "export const performOwn = async () => { throw new Error('not simulated') }",
  },
]

/** Under this name the bundle is known to V8. */
export const actorsFile = 'actors.js'

/**
 * The actors as they are deployed, loaded with time, chance, timers and sockets of the simulation's own: these names
 * are given to them, so nothing of Node is changed for other code.
 */
export async function loadActors(globals: Globals): Promise<Readonly<Record<string, ActorClass>>> {
  return load(await actorsSource(), globals)
}

/** The actors of events and sagas, loaded in the same way. */
export async function loadEventActors(globals: Globals): Promise<Readonly<Record<string, ActorClass>>> {
  return load(await bundleOf(eventEntry, operations), globals)
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
export const actorsSource = (): Promise<string> => (bundled ??= bundleOf(entry, [handlers]))

/** A bundle of `contents` for the simulated platform, in which some modules are replaced. */
export async function bundleOf(contents: string, replaced: readonly Replaced[] = []): Promise<string> {
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
          for (const { files, contents: instead } of replaced)
            bundling.onLoad({ filter: files }, () => ({ contents: instead }))
        },
      },
    ],
  })
  return outputFiles[0]?.text ?? ''
}
