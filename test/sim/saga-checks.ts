import type { Run } from '../../src/sagas/run.ts'
import { napSeconds } from './saga-definitions.ts'
import type { SagaShop } from './saga-shop.ts'

/** What docs/design/sagas.md promises, looked at while runs are under way and when all have ended. */
export class SagaChecks {
  readonly #shop: SagaShop
  readonly #broken: string[] = []
  /** When each run began whose start was answered. */
  readonly #startedAt = new Map<string, number>()

  constructor(shop: SagaShop) {
    this.#shop = shop
  }

  /** A run is begun once. `started` are the runs whose start was answered. */
  look(runs: readonly Run[], started: ReadonlySet<string>): void {
    for (const { id, startedAt } of runs) {
      if (!started.has(id)) continue
      const before = this.#startedAt.get(id)
      if (before !== undefined && before !== startedAt) this.#broken.push(`${id} was started twice`)
      this.#startedAt.set(id, startedAt)
    }
  }

  /** Every promise that was broken, once all runs have ended. */
  ended(runs: readonly Run[], started: ReadonlySet<string>): string[] {
    this.look(runs, started)
    const stored = new Set(runs.map(({ id }) => id))
    const lost = [...started].filter((id) => !stored.has(id)).map((id) => `${id} was started and is lost`)
    return [
      ...this.#broken,
      ...lost,
      ...runs.flatMap((run) => [...this.#shop.wrongEnd(run.id, run.direction === 'forward'), ...wrongTimers(run)]),
    ]
  }
}

/** A timer lasts as long as it says. */
function wrongTimers({ id, history }: Run): string[] {
  const begun = history.find(({ event, step }) => event === 'waiting' && step === 'nap')
  const over = history.find(({ event, step }) => event === 'step-done' && step === 'nap')
  if (begun === undefined || over === undefined || over.at - begun.at >= napSeconds * 1000) return []
  return [`${id} slept for ${over.at - begun.at} ms only`]
}
