/** Start latencies in milliseconds, of a tenant alone and beside one with a great backlog. */
export interface Neighbours {
  readonly alone: readonly number[]
  readonly crowded: readonly number[]
  /** Jobs of the backlog that were left when the measuring ended: 0 would mean the crowd went home early. */
  readonly left: number
}

/** A job queue that is measured. */
export interface Side {
  readonly name: string
  readonly what: string
  readonly durability: string
  /** Jobs enqueued one by one, `lanes` at a time; per second. */
  single(jobs: number, lanes: number): Promise<number>
  /** Jobs enqueued `together` in one call; per second. */
  batch(jobs: number, together: number): Promise<number>
  /** No-op jobs that were waiting, worked off; per second. */
  drain(jobs: number): Promise<number>
  /** From before the enqueue until the job's work begins, one job at a time with a pause between, milliseconds. */
  starts(samples: number, pauseMs: number): Promise<number[]>
  /** One tenant with `backlog` waiting, another that adds one per `everyMs`. */
  neighbours(backlog: number, samples: number, everyMs: number): Promise<Neighbours>
  stop(): Promise<void>
}

/** Runs `work` for each number below `count`, `lanes` at a time. */
export async function inLanes(count: number, lanes: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane))
}

/** How many per second, given how many and since when. */
export const perSecond = (count: number, since: number): number => (count * 1000) / (performance.now() - since)
