import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import type { PartName } from '../shared/set-up.ts'

/** The class of each part's Durable Object; its binding is the part's name in capitals. */
const classNames: Readonly<Record<PartName, string>> = {
  orders: 'Orders',
  stock: 'Stock',
  payment: 'Payment',
  notification: 'Notification',
}
export const partNames = ['orders', 'stock', 'payment', 'notification'] as const satisfies readonly PartName[]

/** Bundles a part's Worker, as `wrangler deploy` does. */
export async function bundle(part: PartName, plugins: Plugin[] = []): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '..', part, `${part}.ts`)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    logLevel: 'warning',
    plugins,
  })
  return outputFiles.map(({ text }) => text).join('')
}

/** A part that runs, with its data in a folder of its own. */
export interface RunningPart {
  readonly url: string
  stop(): Promise<void>
}

/** Starts a part's Worker on Miniflare; its data stays in `folder`, and is there when it is started again. */
export async function startPart(
  part: PartName,
  code: string,
  {
    port,
    folder,
    vars,
  }: { readonly port: number; readonly folder: string; readonly vars: Readonly<Record<string, string>> },
): Promise<RunningPart> {
  const persist = join(folder, part)
  mkdirSync(persist, { recursive: true })
  const options = convertV4MiniflareOptions({
    name: part,
    modules: [{ type: 'ESModule', path: `${part}.js`, contents: code }],
    compatibilityDate: '2026-10-01',
    bindings: { ...vars },
    durableObjects: { [part.toUpperCase()]: { className: classNames[part], useSQLite: true } },
    host: '127.0.0.1',
    port,
    cf: false,
  })
  const miniflare = keepingSignals(() => new Miniflare({ ...options, resourcePersistencePath: persist }))
  await miniflare.ready
  return { url: `http://127.0.0.1:${port}`, stop: () => miniflare.dispose() }
}

/** Miniflare ends the whole process on a signal; the shop ends its parts in order itself. */
function keepingSignals<T>(make: () => T): T {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const before = new Map(signals.map((signal) => [signal, process.listeners(signal)]))
  const made = make()
  for (const signal of signals)
    for (const listener of process.listeners(signal))
      if (before.get(signal)?.includes(listener) !== true) process.removeListener(signal, listener)
  return made
}
