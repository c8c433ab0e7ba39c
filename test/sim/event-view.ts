import { z } from 'zod'
import { newestVersion, orderType, type EventTruth } from './event-truth.ts'

const handedOut = z.object({
  offset: z.number(),
  type: z.string(),
  partitionkey: z.string().optional(),
  version: z.number(),
  data: z.object({ n: z.number(), written: z.number(), path: z.array(z.string()) }),
})

/** What a consumer of the tenant makes of the events it is handed: each counts once, by the id of its delivery. */
export class EventView {
  readonly consumer: string
  readonly broken: string[] = []
  readonly #truth: EventTruth
  readonly #ids = new Map<number, string>()
  readonly #effects = new Set<number>()
  /** What was made of the events of each key, in order. */
  readonly #byKey = new Map<string, number[]>()
  deliveries = 0

  constructor(consumer: string, truth: EventTruth) {
    this.consumer = consumer
    this.#truth = truth
  }

  has(offset: number): boolean {
    return this.#effects.has(offset)
  }

  get size(): number {
    return this.#effects.size
  }

  get byKey(): Readonly<Record<string, readonly number[]>> {
    return Object.fromEntries([...this.#byKey].toSorted(([one], [other]) => (one < other ? -1 : 1)))
  }

  take(id: string, text: string): void {
    const { offset, type, partitionkey: key, version, data } = handedOut.parse(JSON.parse(text))
    this.deliveries++
    const name = `${this.consumer}, event ${offset}`
    const before = this.#ids.get(offset) ?? id
    if (before !== id) this.broken.push(`${name} came as ${id} and before as ${before}`)
    this.#ids.set(offset, id)
    this.#checkVersion(name, type, version, data)
    if (this.#effects.has(offset)) return
    this.#effects.add(offset)
    if (key === undefined) return
    const earlier = this.#byKey.get(key) ?? []
    if ((earlier.at(-1) ?? 0) > offset && !this.#truth.wasDead(this.consumer, offset))
      this.broken.push(`${name} of ${key} had its effect after event ${earlier.at(-1)}`)
    this.#byKey.set(key, [...earlier, offset])
  }

  #checkVersion(name: string, type: string, version: number, data: z.output<typeof handedOut>['data']): void {
    if (type !== orderType) return
    const wanted = Array.from({ length: newestVersion - data.written + 1 }, (_, n) => `v${data.written + n}`)
    if (version !== newestVersion || data.path.join() !== wanted.join())
      this.broken.push(`${name} was written as version ${data.written} and came as ${version} by ${data.path.join()}`)
  }
}
