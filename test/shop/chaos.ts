import { setTimeout as pause } from 'node:timers/promises'
import { partNames } from '../../examples/shop/local/worker.ts'
import { seeded, type Chance } from '../jobs/support/chance.ts'
import type { ShopBug } from './bugs.ts'
import { brokenIn, stateOf, workIn } from './shop-state.ts'
import { ShopWorld } from './shop-world.ts'

/** One round of chaos. */
export interface Chaos {
  readonly seed: number
  readonly orders: number
  /** How long orders are placed and faults happen. */
  readonly faultsMs: number
  /** How long the provider is down, once in the round. */
  readonly downMs: number
  /** How long the shop may take to finish, once the faults are over. */
  readonly calmMs: number
  /** The share of orders that are carried out by a saga; a half by default. */
  readonly bySaga?: number
  /** The share of orders by a saga that the customer cancels; a half by default. */
  readonly cancelled?: number
  /** The share of cancellations that come while the money is taken; none by default. */
  readonly whileCharging?: number
  /** The share of the provider's answers that come late; about a third by default. */
  readonly lateAnswers?: number
  readonly tell?: (line: string) => void
}

/** How a round ended. */
export interface ChaosEnd {
  /** Promises that were not kept; empty when all is well. */
  readonly broken: readonly string[]
  readonly confirmed: number
  readonly cancelled: number
  readonly faults: Readonly<Record<string, number>>
}

const faults = { dropBefore: 0.05, dropAfter: 0.07, duplicate: 0.07, delay: 0.08, slowAnswer: 0.05, maxDelayMs: 3000 }

/** The provider often takes the money and answers late, or not at all. */
const providerFaults = { ...faults, dropAfter: 0.15, slowAnswer: 0.35, maxDelayMs: 6000 }

/** A fault of a whole process, or of the provider. */
type Blow = 'part' | 'parley' | 'provider'

/** One round in a shop of its own. */
export async function playChaos(chaos: Chaos & { readonly bug?: ShopBug }): Promise<ChaosEnd> {
  const world = await ShopWorld.start(seeded(chaos.seed), chaos.bug)
  try {
    return await playRound(world, chaos)
  } finally {
    await world.stop()
  }
}

/** Places orders while everything fails, then waits until the shop has finished, and says what is not consistent. */
export async function playRound(world: ShopWorld, chaos: Chaos): Promise<ChaosEnd> {
  const { seed, orders, faultsMs, lateAnswers = providerFaults.slowAnswer, tell = () => undefined } = chaos
  const chance = seeded(seed)
  world.setFaults(faults, { ...providerFaults, slowAnswer: lateAnswers })
  const endsAt = performance.now() + faultsMs
  const placed: string[] = []
  const customers = Array.from({ length: orders }, (_, index) =>
    order(world, { id: `o-${seed}-${index}`, chance, afterMs: chance.between(0, faultsMs), placed, chaos }),
  )
  await strike(world, chance, chaos, endsAt)
  world.setFaults()
  tell('the faults are over')
  await Promise.all(customers)
  const left = await finish(world, chaos.calmMs)
  const state = await stateOf(world)
  const ended = (end: string) => state.orders.orders.filter((each) => each.state === end).length
  const broken = [...left, ...brokenIn(state, placed)]
  const about = new Set(broken.flatMap((line) => /\bo-\d+-\d+\b/.exec(line)?.[0] ?? []))
  for (const id of about) tell([`requests about ${id}:`, ...world.requestsAbout(`"${id}"`)].join('\n    '))
  return {
    broken,
    confirmed: ended('confirmed'),
    cancelled: ended('cancelled'),
    faults: world.faultCounts,
  }
}

/** A customer who repeats the order until it is answered, and sometimes cancels it. */
async function order(
  world: ShopWorld,
  {
    id,
    chance,
    afterMs,
    placed,
    chaos: { bySaga = 0.5, cancelled = 0.5, whileCharging = 0 },
  }: {
    readonly id: string
    readonly chance: Chance
    readonly afterMs: number
    readonly placed: string[]
    readonly chaos: Chaos
  },
): Promise<void> {
  const wanted = {
    id,
    sku: chance.happens(0.6) ? 'book' : 'lamp',
    quantity: 1 + chance.below(3),
    card: chance.happens(0.15) ? 'declined' : 'visa',
    way: chance.happens(bySaga) ? 'saga' : 'events',
  }
  const cancelsAfterMs = wanted.way === 'saga' && chance.happens(cancelled) ? chance.between(0, 2000) : undefined
  const charging = chance.happens(whileCharging) ? world.whenCharging(id) : undefined
  await pause(afterMs)
  for (;;) {
    const status = await world.ask('orders', '/orders', wanted).then(
      (response) => response.status,
      () => 0,
    )
    if (status === 200 || status === 201) break
    if (status >= 400 && status < 500) throw new Error(`order ${id} was refused with ${status}`)
    await pause(200)
  }
  placed.push(id)
  if (cancelsAfterMs === undefined) return
  if (charging !== undefined) await Promise.race([charging, pause(20_000)])
  await pause(cancelsAfterMs)
  // Refused behind the payment, and lost with the network: then the order goes on.
  await world.ask('orders', `/orders/${id}/cancel`, {}).catch(() => undefined)
}

/** Kills parts and Parley, and takes the provider down once, until the time is over. */
async function strike(
  world: ShopWorld,
  chance: Chance,
  { faultsMs, downMs, tell }: Chaos,
  endsAt: number,
): Promise<void> {
  const blows: Blow[] = ['part', 'provider', 'parley']
  const gapMs = Math.min(4000, faultsMs / (blows.length + 1))
  let down = Promise.resolve()
  for (let nth = 0; performance.now() < endsAt; nth++) {
    await pause(Math.min(gapMs, Math.max(0, endsAt - performance.now())))
    const blow = blows[nth] ?? (chance.happens(0.6) ? 'part' : 'parley')
    if (performance.now() >= endsAt && nth >= blows.length) break
    const part = partNames[chance.below(partNames.length)] ?? 'payment'
    const text = blow === 'part' ? `${part} is killed` : blow === 'parley' ? 'Parley is killed' : 'the provider is down'
    tell?.(`${Math.round(performance.now())} ms: ${text}`)
    if (blow === 'part') await world.restartPart(part)
    else if (blow === 'parley') await world.restartParley()
    else down = takeDown(world, downMs)
  }
  await down
}

async function takeDown(world: ShopWorld, ms: number): Promise<void> {
  world.provider.isDown = true
  await pause(ms)
  world.provider.isDown = false
}

/**
 * Waits until no run, delivery, outbox or request is left that could change anything; returns what is left when the time is over.
 * Dead letters are sent again, as a person would.
 */
async function finish(world: ShopWorld, calmMs: number): Promise<string[]> {
  const deadline = performance.now() + calmMs
  let quietSince: number | undefined
  for (;;) {
    const state = await stateOf(world)
    for (const [name, { deadLetters }] of Object.entries(state.consumers))
      if (deadLetters > 0) await world.operator.request('POST', `/v1/consumers/${name}/redrive`, {})
    const left = workIn(state, world.underWay)
    quietSince = left.length > 0 ? undefined : (quietSince ?? performance.now())
    if (quietSince !== undefined && performance.now() - quietSince > 500) return []
    if (performance.now() > deadline) return left
    await pause(200)
  }
}
