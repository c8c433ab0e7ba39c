import { JobMetrics, storedTallies } from '../../src/jobs/metrics/job-metrics.ts'

/** The metrics of a queue, kept while it sleeps: it falls asleep before the next sweep reads them. */
export class PersistedMetrics {
  readonly #kv: SyncKvStorage
  readonly metrics: JobMetrics

  constructor(kv: SyncKvStorage) {
    this.#kv = kv
    this.metrics = new JobMetrics(storedTallies.catch([]).parse(kv.get('tallies') ?? []))
  }

  /** Writes what changed. Once a run, not once a job: a crash loses counts only. */
  save(): void {
    const changed = this.metrics.takeChanged()
    if (changed !== undefined) this.#kv.put('tallies', changed)
  }
}
