/** `npm run bench:cache`: what a look-up in the memory of a process costs, beside a plain Map with expiries. */
import { Cache } from '../src/cache/cache.ts'
import { EpochLog, EpochView } from '../src/cache/epochs.ts'
import { usual } from '../src/cache/options.ts'
import { busyCores, thisMachine } from './report/machine.ts'

const tenants = 10_000
const batches = 20_000
/** Look-ups in one reading of the clock, which itself takes some 50 ns. */
const perBatch = 20

interface Placed {
  readonly placement: { readonly shard: string; readonly epoch: number }
}

const log = new EpochLog('log')
for (let n = 0; n < 5000; n++) log.invalidate([`tenant:other${n}`], 0)
const view = new EpochView()
view.note(log.since(undefined), 0)
const cache = new Cache<Placed>({
  ...usual,
  name: 'tenant-record',
  tags: (tenant) => [`tenant:${tenant}`],
  maxBytes: 8_000_000,
})
const map = new Map<string, { readonly until: number; readonly value: Placed }>()
const names = Array.from({ length: tenants }, (_, n) => `tenant${n}`)
for (const [n, name] of names.entries()) {
  const value = { placement: { shard: `shard${n % 8}`, epoch: 1 } }
  const ports = {
    now: () => 0,
    random: () => 0,
    epochs: view,
    askEpochs: async () => undefined,
    background: () => undefined,
  }
  await cache.read(name, async () => value, ports)
  map.set(name, { until: 10_000, value })
}

const sides = {
  'a Map with expiries': (name: string) => {
    const known = map.get(name)
    return known !== undefined && known.until > 1 ? known.value.placement.epoch : 0
  },
  'route and epoch check': (name: string) => cache.peek(name, view, 1)?.placement.epoch ?? 0,
}

/** Nanoseconds for one look-up, by batches, ascending. */
function measure(lookUp: (name: string) => number): number[] {
  const taken: number[] = []
  let at = 0
  let sum = 0
  for (let batch = 0; batch < batches; batch++) {
    const start = performance.now()
    for (let n = 0; n < perBatch; n++) sum += lookUp(names[(at += 7919) % tenants] ?? '')
    taken.push(((performance.now() - start) * 1e6) / perBatch)
  }
  if (sum !== batches * perBatch) throw new Error(`${batches * perBatch - sum} look-ups found nothing`)
  return taken.sort((a, b) => a - b)
}

for (const lookUp of Object.values(sides)) measure(lookUp)
console.log(`${JSON.stringify(thisMachine())}, others keep ${(await busyCores()).toFixed(2)} cores busy`)
for (let round = 1; round <= 3; round++)
  for (const [name, lookUp] of Object.entries(sides)) {
    const taken = measure(lookUp)
    const at = (share: number) => Math.round(taken[Math.floor(taken.length * share)] ?? 0)
    console.log(`round ${round}, ${name}: p50 ${at(0.5)} ns, p99 ${at(0.99)} ns, p99.9 ${at(0.999)} ns`)
  }
