import { join } from 'node:path'
import { unstable_readConfig } from 'wrangler'
import { z } from 'zod'

/** What wrangler.toml says of the Worker, as the local runtimes need it. */
export interface WorkerConfig {
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  /** Binding name and class of every actor. */
  readonly actors: readonly { readonly binding: string; readonly className: string }[]
  readonly crons: readonly string[]
}

const wranglerConfig = z.object({
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string(), class_name: z.string() })) }),
  triggers: z.object({ crons: z.array(z.string()) }),
})

/** Reads wrangler.toml, so that what runs here is what is deployed. */
export function readWorkerConfig(): WorkerConfig {
  const read: unknown = unstable_readConfig(
    { config: join(import.meta.dirname, '../wrangler.toml') },
    { hideWarnings: true },
  )
  const config = wranglerConfig.parse(read)
  return {
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    actors: config.durable_objects.bindings.map(({ name, class_name }) => ({ binding: name, className: class_name })),
    crons: config.triggers.crons,
  }
}
