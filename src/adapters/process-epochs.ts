import { EpochReader, type AskEpochs } from '../cache/epochs.ts'
import { systemClock } from '../kernel/clock.ts'
import { within } from '../kernel/retry.ts'
import type { KnownInvalidations } from '../tenants/cache.ts'

/** What this process knows of invalidations; shared by its requests and actors. */
export const processEpochs = new EpochReader()

/** Forgets what is known of invalidations, for tests that share a process. */
export const forgetEpochs = (): void => processEpochs.clear()

/** How long a request waits for the log of invalidations before it reads from the owner. */
const askWithinMs = 500

/** Asks the log for what is new, or waits for a question that is under way. Never throws: without an answer the view is not fresh. */
export async function askEpochs(ask: AskEpochs, now: number): Promise<void> {
  // Between two calls to the outside the clock of a Worker stands still.
  const clock = () => Math.max(now, systemClock.now())
  await within(askWithinMs, 'the log of invalidations', processEpochs.ask(ask, clock)).catch(() => undefined)
}

let askLog: AskEpochs | undefined

/** How the log of invalidations is asked by caches that know no actors; said once, when the Worker starts. */
export function useEpochs(ask: AskEpochs): void {
  askLog = ask
}

/** The invalidations that this process knows, which may be that of many actors; `ask` asks for more, as `useEpochs` said where it is not given. */
export const knownInvalidations = (ask?: AskEpochs): KnownInvalidations => ({
  async refresh(now) {
    const { view } = processEpochs
    const log = ask ?? askLog
    if (!view.isFresh(now) && log !== undefined) await askEpochs(log, now)
    return view.isFresh(now)
  },
  mark: () => processEpochs.view.stamp(),
  isInvalidated: (mark, tag) => processEpochs.view.isInvalidated(mark, [tag]),
})
