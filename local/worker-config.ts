import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { bindingOf, contexts, leavingContexts, type LeavingContext } from '../src/contexts.ts'

const run = promisify(execFile)

/** Which contexts run as Workers of their own, and which of those have the classes of their actors. */
export interface Split {
  readonly apart: readonly LeavingContext[]
  readonly transferred: readonly LeavingContext[]
}

/** What wrangler.toml says of the Worker, as the local runtimes need it. */
export interface WorkerConfig {
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  /** Binding name and class of every actor, and the name of its folder, which stays when a class is renamed. */
  readonly actors: readonly { readonly binding: string; readonly className: string; readonly storageKey: string }[]
  /** Bindings of R2 buckets, with the names of the buckets. */
  readonly buckets?: readonly { readonly binding: string; readonly bucket: string }[]
  readonly crons: readonly string[]
  /** Plain variables. */
  readonly vars: Readonly<Record<string, string>>
}

/** The whole configuration of a deployment. */
export interface DeployedConfig extends WorkerConfig {
  readonly name: string
  /** Names of its service bindings. */
  readonly services: readonly string[]
  /** Contexts that have Workers of their own, by the service bindings, and whose actors are there, by their `script_name`. */
  readonly split: Split
}

const wranglerConfig = z.object({
  name: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
  durable_objects: z.object({
    bindings: z.array(z.object({ name: z.string(), class_name: z.string(), script_name: z.string().optional() })),
  }),
  services: z.array(z.object({ binding: z.string(), service: z.string() })).default([]),
  r2_buckets: z.array(z.object({ binding: z.string(), bucket_name: z.string() })).default([]),
  migrations: z
    .array(z.object({ renamed_classes: z.array(z.object({ from: z.string(), to: z.string() })).default([]) }))
    .default([]),
  triggers: z.object({ crons: z.array(z.string()) }),
  vars: z.record(z.string(), z.coerce.string()).default({}),
})

/**
 * Reads wrangler.toml, or the configuration of a context, as wrangler does, so that what runs here is what is deployed; in a process of its own, since
 * wrangler in memory weighs more than everything else of the launcher together.
 */
export async function readWorkerConfig(file = 'wrangler.toml'): Promise<DeployedConfig> {
  const { stdout } = await run(process.execPath, [import.meta.filename, file])
  const config = wranglerConfig.parse(JSON.parse(stdout))
  const renames = config.migrations.flatMap((migration) => migration.renamed_classes)
  const firstName = (name: string) => renames.reduceRight((known, { from, to }) => (known === to ? from : known), name)
  const { bindings } = config.durable_objects
  const apart = leavingContexts.filter((name) => config.services.some(({ binding }) => binding === bindingOf(name)))
  return {
    name: config.name,
    services: config.services.map(({ binding }) => binding),
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    actors: bindings.map(({ name, class_name }) => ({
      binding: name,
      className: class_name,
      storageKey: `parley-${firstName(class_name)}`,
    })),
    buckets: config.r2_buckets.map(({ binding, bucket_name }) => ({ binding, bucket: bucket_name })),
    crons: config.triggers.crons,
    split: {
      apart,
      transferred: apart.filter((name) =>
        bindings.some(
          ({ class_name, script_name }) =>
            script_name !== undefined && contexts[name].actors.some((actor) => actor === class_name),
        ),
      ),
    },
    vars: config.vars,
  }
}

async function printConfig(): Promise<void> {
  const { unstable_readConfig } = await import('wrangler')
  const config = join(import.meta.dirname, '..', process.argv[2] ?? 'wrangler.toml')
  process.stdout.write(JSON.stringify(unstable_readConfig({ config }, { hideWarnings: true })))
}

if (process.argv[1] === import.meta.filename) await printConfig()
