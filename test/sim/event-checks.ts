import type { EventTruth, Row } from './event-truth.ts'
import type { EventView } from './event-view.ts'

/** What docs/design/events.md promises, looked at during the day and when all is over. */
export class EventChecks {
  readonly #truth: EventTruth
  readonly #broken = new Set<string>()

  constructor(truth: EventTruth) {
    this.#truth = truth
  }

  /** An event is settled once it had its effect, is to be tried again, is a dead letter, or is filtered out. */
  look(views: readonly EventView[]): void {
    const log = this.#truth.log()
    for (const view of views) {
      const settled = this.#truth.settled(view.consumer, log.length)
      const kept = new Set([...this.#truth.retries(view.consumer), ...this.#truth.dead(view.consumer)])
      for (const row of log) {
        const { offset } = row
        if (settled.has(offset) && isFor(view, row) && !view.has(offset) && !kept.has(offset))
          this.#broken.add(`${view.consumer}: event ${offset} is settled and had no effect`)
      }
    }
  }

  unsettled(view: EventView): string[] {
    const { consumer } = view
    const log = this.#truth.log()
    const open = log.length - this.#truth.settled(consumer, log.length).size
    const retries = this.#truth.retries(consumer).length
    const dead = this.#truth.dead(consumer).length
    const leases = this.#truth.leases(consumer)
    if (open + retries + dead + leases === 0) return []
    return [`${consumer} has ${open} events open, ${retries} to try again, ${dead} dead and ${leases} leases`]
  }

  /** Every promise that was broken. `sources` have the ids of their events in the order in which they were accepted. */
  ended(
    sources: readonly { readonly source: string; readonly accepted: readonly string[] }[],
    views: readonly EventView[],
  ): string[] {
    const log = this.#truth.log()
    const published = sources.flatMap(({ source, accepted }) => notInOrder(log, source, accepted))
    const offsets = log.flatMap(({ offset }, index) => (offset === index + 1 ? [] : [`offset ${offset} is not dense`]))
    const missed = views.flatMap((view) =>
      log.filter((row) => isFor(view, row) && !view.has(row.offset)).map((row) => `${view.consumer}: no ${row.offset}`),
    )
    const uninvited = views.flatMap((view) =>
      log.filter((row) => !isFor(view, row) && view.has(row.offset)).map((row) => `${view.consumer}: ${row.type}`),
    )
    return [
      ...this.#broken,
      ...offsets,
      ...published,
      ...missed,
      ...uninvited,
      ...new Set(views.flatMap(({ broken }) => broken)),
    ]
  }

  /** In what a view that was rebuilt differs from the one that grew, and both from the log. */
  different(grown: EventView, rebuilt: EventView): string[] {
    const keyed = this.#truth.log().filter(({ key }) => key !== null)
    const byKey = Object.groupBy(keyed, ({ key }) => key ?? '')
    const wanted = Object.entries(byKey).map(([key, rows = []]) => [key, rows.map(({ offset }) => offset)] as const)
    return wanted.flatMap(([key, offsets]) => {
      const before = grown.byKey[key] ?? []
      // A dead letter had its effect later than the events behind it.
      const isOrdered = !offsets.some((offset) => this.#truth.wasDead(grown.consumer, offset))
      const compared = isOrdered ? before : before.toSorted((one, other) => one - other)
      const after = rebuilt.byKey[key] ?? []
      const isSame = compared.join() === offsets.join() && after.join() === offsets.join()
      return isSame ? [] : [`${key} is ${offsets.join()}, grew to ${before.join()} and was rebuilt as ${after.join()}`]
    })
  }
}

const isFor = ({ consumer }: EventView, { type }: Row): boolean => consumer !== 'audit' || type.startsWith('order.')

/** Each accepted event is in the log once, and those of one source and key are in their order. */
function notInOrder(log: readonly Row[], source: string, accepted: readonly string[]): string[] {
  const own = log.filter(({ id }) => id.startsWith(`${source}-`))
  const lost = accepted.filter((id) => !own.some((row) => row.id === id)).map((id) => `${id} was accepted and is lost`)
  const twice = own.filter(({ id }, index) => own.findIndex((row) => row.id === id) !== index)
  const numbers = own.map(({ id }) => Number(id.slice(id.lastIndexOf('-') + 1)))
  const overtaken = own.filter((_, index) => (numbers[index] ?? 0) < (numbers[index - 1] ?? -1))
  return [
    ...lost,
    ...twice.map(({ id }) => `${id} is there twice`),
    ...overtaken.map(({ id }) => `${id} was overtaken`),
  ]
}
