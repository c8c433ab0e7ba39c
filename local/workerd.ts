import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { actorsFolder } from './actor-store.ts'
import { descriptorVars } from './descriptors.ts'
import { leashWorkerd } from './leash.ts'
import { LocalError } from './local-error.ts'
import { makeTrigger, type Trigger } from './scheduled-trigger.ts'
import { bracketed } from './settings.ts'
import { contextEntrypoint, notSplit, workersOf, type LocalWorker } from './split.ts'
import { specialPurposeNetworks } from './special-purpose.ts'
import type { Split, WorkerConfig } from './worker-config.ts'

/** A running Worker. */
export interface Running {
  /** Rejects when the Worker ends by itself. */
  readonly ended: Promise<never>
  /** Runs the `scheduled` handlers of all Workers for a cron expression; resolves at their end. Rejects when one cannot be reached. */
  readonly scheduled: (cron: string, at: Date) => Promise<void>
  stop(): Promise<void>
}

/** How a Worker is to run. */
export interface WorkerRun {
  readonly worker: string
  readonly config: WorkerConfig
  readonly vars: Readonly<Record<string, string>>
  /** Contexts that run as Workers of their own. */
  readonly split?: Split
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly inspectorPort?: number | undefined
}

/** workerd waits for its open sockets to close; clients that stay are cut off after this long and come back later. */
const drainMs = 2000

/** Runs the Worker on plain workerd with its actors on disk, as for production on one's own machine. */
export async function startWorkerd(run: WorkerRun): Promise<Running> {
  const actors = await actorsFolder(run.dataDir)
  const file = join(run.dataDir, 'workerd.capnp')
  const vars = { ...(await descriptorVars()), ...run.vars }
  const trigger = await makeTrigger()
  await writeFile(file, toCapnp({ ...run, vars }, { actors, from: dirname(file), trigger }), { mode: 0o600 })

  const { program, env } = await leashWorkerd(run.dataDir)
  const { inspectorPort } = run
  const inspector = inspectorPort === undefined ? [] : ['--inspector-addr', `127.0.0.1:${inspectorPort}`]
  const child = spawn(program, ['serve', ...inspector, file], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const ended = exited.then((code): never => {
    throw new LocalError(`workerd ended by itself (${code ?? 'killed'}); start again: nothing acknowledged is lost.`)
  })
  ended.catch(() => {})
  process.once('exit', () => child.kill('SIGKILL'))
  return {
    ended,
    scheduled: (cron, at) => trigger.run(cron, at),
    stop: async () => {
      child.kill('SIGTERM')
      const impatient = setTimeout(() => child.kill('SIGKILL'), drainMs)
      await exited
      clearTimeout(impatient)
    },
  }
}

function toCapnp(
  { worker, config, vars, split = notSplit, host, port }: WorkerRun,
  { actors, from, trigger }: { readonly actors: string; readonly from: string; readonly trigger: Trigger },
): string {
  const text = (value: string) => JSON.stringify(value)
  const endpoints = endpointNetworks(vars)
  const workers = workersOf(config, vars, split)
  const bindingsOf = ({ name: own, vars: texts, actors: all, services }: LocalWorker) => [
    ...Object.entries(texts).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...all.map(({ binding, className, worker: owner }) => {
      const where = owner === own ? '' : `, serviceName = ${text(owner)}`
      return `(name = ${text(binding)}, durableObjectNamespace = (className = ${text(className)}${where}))`
    }),
    ...services.map(
      ({ binding, worker: to }) =>
        `(name = ${text(binding)}, service = (name = ${text(to)}, entrypoint = ${text(contextEntrypoint)}))`,
    ),
    '(name = "ENDPOINTS", service = "endpoints")',
  ]
  const namespacesOf = ({ name, actors: all }: LocalWorker) =>
    all
      .filter(({ worker: owner }) => owner === name)
      .map(
        ({ className, storageKey }) =>
          `(className = ${text(className)}, uniqueKey = ${text(storageKey)}, enableSql = true)`,
      )
  const workerOf = (each: LocalWorker) => `const ${each.name} :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed ${text(relative(from, worker))})],
  compatibilityDate = ${text(config.compatibilityDate)},
  compatibilityFlags = [${config.compatibilityFlags.map(text).join(', ')}],
  bindings = [${bindingsOf(each).join(',\n    ')}],
  durableObjectNamespaces = [${namespacesOf(each).join(',\n    ')}],
  durableObjectStorage = (localDisk = "actors"),
  globalOutbound = "internet",
);
`
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${workers.map(({ name }) => `(name = ${text(name)}, worker = .${name}),`).join('\n    ')}
    # Calls the scheduled handlers, since workerd has no cron triggers of its own.
    (name = "trigger", worker = .trigger),
    # The stand-ins listen on loopback, which the default network does not reach.
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
    # Tenants' endpoints: what a name resolves to is checked by the network itself, whatever the name looked like.
    (name = "endpoints", network = (allow = [${endpoints.allow.map(text).join(', ')}], deny = [${endpoints.deny.map(text).join(', ')}], tlsOptions = (trustBrowserCas = true))),
    (name = "actors", disk = (path = ${text(actors)}, writable = true)),
  ],
  sockets = [
    (name = "http", address = ${text(`${bracketed(host)}:${port}`)}, http = (), service = "main"),
    (name = "trigger", address = ${text(`127.0.0.1:${trigger.port}`)}, http = (), service = "trigger"),
  ],
);
const trigger :Workerd.Worker = (
  modules = [(name = "trigger.js", esModule = ${text(trigger.module)})],
  compatibilityDate = ${text(config.compatibilityDate)},
  bindings = [
    ${workers.map(({ name }) => `(name = ${text(`WORKER_${name}`)}, service = ${text(name)}),`).join('\n    ')}
    (name = "TOKEN", text = ${text(trigger.token)}),
  ],
);
${workers.map(workerOf).join('')}`
}

/** Networks that tenants' endpoints may and may not be in, by their resolved addresses; the narrower rule holds. */
export function endpointNetworks(vars: WorkerRun['vars']): { readonly allow: string[]; readonly deny: string[] } {
  const isLocalAllowed = vars['ALLOW_PRIVATE_ENDPOINTS'] === '1'
  return {
    allow: isLocalAllowed ? ['public', 'local'] : ['public'],
    deny: specialPurposeNetworks.filter((network) => !(isLocalAllowed && network === '127.0.0.0/8')),
  }
}
