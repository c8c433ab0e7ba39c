import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import type { PartName } from '../../examples/shop/shared/set-up.ts'

/** A mistake that a shop could make: which words of which file of a part become which. */
export interface ShopBug {
  readonly name: string
  readonly part: PartName
  readonly file: string
  readonly from: string
  readonly to: string
  /** What the chaos test says of it. */
  readonly sign: RegExp
}

const root = join(import.meta.dirname, '../..')

export const unknownForNotMade: ShopBug = {
  name: 'a payment whose outcome is not known is taken for one that was not made',
  part: 'payment',
  file: 'examples/shop/payment/payment.ts',
  from: "if (payment?.['state'] !== 'pending') return",
  to: "if (payment?.['state'] !== 'gone') return",
  sign: /is cancelled, [1-9]\d* is taken/,
}

export const shopBugs: readonly ShopBug[] = [
  {
    name: 'each attempt of a payment has a key of its own',
    part: 'payment',
    file: 'examples/shop/payment/provider.ts',
    from: "this.#post('/charges', key,",
    to: "this.#post('/charges', crypto.randomUUID(),",
    sign: /the provider has taken/,
  },
  unknownForNotMade,
  {
    name: 'an event is acknowledged before its effect',
    part: 'payment',
    file: 'examples/shop/shared/part.ts',
    from: 'await this.onEvent(consumedShape.parse(JSON.parse(signed.text)), signed.id)',
    to: 'void (async () => this.onEvent(consumedShape.parse(JSON.parse(signed.text)), signed.id))().catch(() => undefined)',
    sign: /is placed/,
  },
]

/** Makes a bug while a part is bundled. */
export const madeBy = ({ file, from, to }: ShopBug): Plugin => ({
  name: 'bug',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) =>
      path === join(root, file) ? { contents: readFileSync(path, 'utf8').replace(from, to), loader: 'ts' } : undefined,
    )
  },
})
