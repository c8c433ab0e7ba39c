import { JobMetrics } from '../../src/jobs/metrics/job-metrics.ts'
import { storedTallies } from '../../src/jobs/model/stored.ts'

/** What a queue counted, over its sleep: it sleeps sooner than the sweep comes by that would tell somebody. */
export class PersistedMetrics {
  readonly #kv: SyncKvStorage
  readonly metrics: JobMetrics

  constructor(kv: SyncKvStorage) {
    this.#kv = kv
    this.metrics = new JobMetrics(storedTallies.catch([]).parse(kv.get('tallies') ?? []))
  }

  /** Writes down what is new. Once a visit, not once a job: what a crash takes away was only counted. */
  save(): void {
    const changed = this.metrics.takeChanged()
    if (changed !== undefined) this.#kv.put('tallies', changed)
  }
}
