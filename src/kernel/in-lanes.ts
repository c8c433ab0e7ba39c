/** Does `work` for each item, at most `lanes` at one time, in order. The first failure is thrown when all lanes have ended. */
export async function inLanes<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]()
  const run = async () => {
    for (const item of left) await work(item)
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(lanes, items.length) }, run))
  for (const lane of ended) if (lane.status === 'rejected') throw lane.reason
}
