import { z } from 'zod'
import type { WorkerRunReference } from '../../src/jobs/queue/worker-runs.ts'
import { entrypoint, stub } from './namespace.ts'
import type { Platform } from './platform.ts'
import type { ActorClass } from './worker-code.ts'

/** How bad a carrier is. Probabilities per message, or per call that hands messages over. */
export interface CarrierWeather {
  readonly refuses: number
  readonly loses: number
  readonly duplicates: number
  /** A message comes a minute late. */
  readonly late: number
}

const messages = z.array(
  z.object({ body: z.string(), headers: z.record(z.string(), z.string()) }).transform(({ body, headers }) => {
    const notBefore = Number(headers['upstash-not-before'] ?? 0) * 1000
    const { tenant, queue, visit } = z
      .object({ tenant: z.string(), queue: z.string(), visit: z.string() })
      .parse(JSON.parse(body))
    return { reference: { tenant, queue, run: visit }, notBefore }
  }),
)

const ok = (count: number) => JSON.stringify(Array.from({ length: count }, (_, n) => ({ messageId: `message-${n}` })))
const retries = 2

/**
 * QStash as the ledger must expect it: it refuses, loses, delays, reorders and duplicates, says that it did not take what
 * it took (the network's doing), tries three times, and then says that it gave up.
 */
export function carrier(world: Platform, weather: () => CarrierWeather): ActorClass {
  const { chance } = world
  const bring = async (reference: WorkerRunReference, attempt: number): Promise<void> => {
    try {
      await entrypoint(world, 'JobWorker')['run']?.(reference)
    } catch {
      if (attempt < retries) world.after(3000 * (1 + attempt), () => void bring(reference, attempt + 1))
      else await giveUp(world, reference)
    }
  }
  const take = (reference: WorkerRunReference, notBefore: number): void => {
    const { loses, duplicates, late } = weather()
    if (chance.happens(loses)) return
    for (let copies = 1 + (chance.happens(duplicates) ? chance.below(3) : 0); copies > 0; copies--) {
      const lateMs = chance.happens(late) ? 60_000 : chance.between(5, 3000)
      world.after(Math.max(0, notBefore - world.now) + lateMs, () => void bring(reference, 0))
    }
  }
  return class {
    answer = async (_path: string, body: string) => {
      if (chance.happens(weather().refuses)) return { status: 500, body: '{"error":"out of order"}' }
      const taken = messages.parse(JSON.parse(body))
      for (const { reference, notBefore } of taken) take(reference, notBefore)
      return { status: 200, body: ok(taken.length) }
    }
  }
}

/** As its failure callback does through the edge; when that is lost too, the ledger finds out by itself. */
async function giveUp(world: Platform, { tenant, queue, run }: WorkerRunReference): Promise<void> {
  const ledger = stub(world, 'JobQueue', `${tenant}/${queue}`)
  await ledger['runLost']?.(run).catch(() => undefined)
}
