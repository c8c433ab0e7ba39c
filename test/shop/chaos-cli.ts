import { parseArgs } from 'node:util'
import { playChaos } from './chaos.ts'

// `npm run shop:chaos -- --seed 7 --orders 50 --minutes 5`: rounds of chaos one after another until the time is over or a promise
// was not kept. In each round the payment provider is down for a minute, or for the part of the round that --down gives in seconds.

// Each start of a process listens for the end of this one.
process.setMaxListeners(1000)

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    orders: { type: 'string', default: '100' },
    minutes: { type: 'string', default: '3' },
    down: { type: 'string', default: '60' },
  },
})
const say = (line: string) => void process.stdout.write(`${line}\n`)
const numberOf = (name: keyof typeof values, max: number): number => {
  const value = Number(values[name])
  if (!(value > 0 && value <= max)) throw new Error(`--${name}: a number up to ${max}, got ${values[name]}`)
  return value
}

const firstSeed = numberOf('seed', 1e9)
const endsAt = performance.now() + numberOf('minutes', 600) * 60_000
const downMs = numberOf('down', 600) * 1000
const orders = numberOf('orders', 10_000)
for (let seed = firstSeed; performance.now() < endsAt; seed++) {
  const began = performance.now()
  const { broken, confirmed, cancelled, faults } = await playChaos({
    seed,
    orders,
    downMs,
    faultsMs: Math.max(20_000, downMs + 20_000),
    calmMs: 300_000,
    tell: (line) => say(`  ${line}`),
  })
  const took = Math.round((performance.now() - began) / 1000)
  say(`seed ${seed}: ${confirmed} confirmed, ${cancelled} cancelled, ${JSON.stringify(faults)}, ${took} s`)
  if (broken.length === 0) continue
  say(`NOT CONSISTENT, again with --seed ${seed}:\n  ${broken.join('\n  ')}`)
  process.exit(1)
}
say('money, stock and orders were consistent after every round')
process.exit(0)
