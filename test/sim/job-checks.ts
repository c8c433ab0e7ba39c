import { z } from 'zod'
import { countStates } from '../../src/jobs/metrics/queue-metrics.ts'
import { phases, toPhase } from '../../src/jobs/model/phase.ts'
import { overtaken } from '../jobs/support/order.ts'
import type { JobLedger } from './job-ledger.ts'
import type { Wish } from './producer.ts'
import type { Work } from './work.ts'

const stats = z.object({ counts: z.record(z.string(), z.number()) })

/** What a queue promises (docs/design/jobs.md), looked at when all is over; `Work` looks while handlers run. */
export class JobChecks {
  readonly #ledger: JobLedger
  readonly #wishes: readonly Wish[]
  readonly #work: Work

  constructor(ledger: JobLedger, wishes: readonly Wish[], work: Work) {
    this.#ledger = ledger
    this.#wishes = wishes
    this.#work = work
  }

  /** Every promise that was broken; `counted` are the queue's own figures. */
  broken(counted: unknown): string[] {
    return [
      ...this.#work.broken,
      ...this.#wishes.flatMap((wish) => this.#notKept(wish)),
      ...this.#ledger.endedTwice().map((seq) => `the job at ${seq} ended twice`),
      ...this.#outOfOrder(),
      ...this.#miscounted(counted),
    ]
  }

  /** Accepted is in the books, done had its effect, and what was refused has none. */
  #notKept({ job: { id }, outcome }: Wish): string[] {
    const state = this.#ledger.state(id)
    const hasEffect = this.#work.effects.has(id)
    if (outcome === 'accepted' && state === undefined) return [`${id} was accepted and is lost`]
    if (outcome === 'refused' && (state !== undefined || hasEffect)) return [`${id} was refused and is ${state}`]
    return state === 'done' && !hasEffect ? [`${id} is done and nothing happened`] : []
  }

  /** Where a key lets one job through at a time, effects come in the order in which jobs came. */
  #outOfOrder(): string[] {
    const immediate = new Set(
      this.#wishes
        .filter(({ job }) => job.runAt === 0 && job.after === undefined && job.unique === undefined)
        .map(({ job }) => job.id),
    )
    const again = this.#ledger.sentAgain()
    const effects = [...this.#work.effects].flatMap((id) => this.#ledger.row(id) ?? [])
    const inLine = effects.filter(
      ({ seq, id, key, phase }) =>
        key !== null &&
        this.#ledger.widthOf(key) === 1 &&
        toPhase(phase) === phases.done &&
        immediate.has(id) &&
        !again.has(seq),
    )
    const place = (id: string) => this.#ledger.row(id)?.seq ?? Number.NaN
    return [...Map.groupBy(inLine, ({ key }) => key)].flatMap(([key, jobs]) =>
      overtaken(
        jobs.map(({ id }) => id),
        place,
      ).map((id) => `${id} of ${key} came after a later one`),
    )
  }

  /** What the queue has counted in its head is what stands in its books. */
  #miscounted(counted: unknown): string[] {
    const counts = Array.from({ length: 10 }, () => 0)
    for (const { phase } of this.#ledger.rows()) counts[phase] = (counts[phase] ?? 0) + 1
    const are: Readonly<Record<string, number>> = countStates(counts)
    const { counts: told } = stats.parse(counted)
    return Object.entries(are).flatMap(([state, n]) =>
      told[state] === n ? [] : [`the queue counts ${told[state]} that are ${state}, and there are ${n}`],
    )
  }
}
