import { Meter } from '../../src/jobs/meter.ts'
import { storedTallies } from '../../src/jobs/stored.ts'

/** What a queue counted, over its sleep: it sleeps sooner than the sweep comes by that would tell somebody. */
export class KeptMeter {
  readonly #kv: SyncKvStorage
  readonly meter: Meter

  constructor(kv: SyncKvStorage) {
    this.#kv = kv
    this.meter = new Meter(storedTallies.catch([]).parse(kv.get('tallies') ?? []))
  }

  /** Writes down what is new. Once a visit, not once a job: what a crash takes away was only counted. */
  keep(): void {
    const changed = this.meter.takeChanged()
    if (changed !== undefined) this.#kv.put('tallies', changed)
  }
}
