import { EpochReader, type AskEpochs } from '../cache/epochs.ts'
import { systemClock } from '../kernel/clock.ts'
import { within } from '../kernel/retry.ts'

/** What this process knows of invalidations; shared by its requests and actors. */
export const processEpochs = new EpochReader()

/** How long a request waits for the log of invalidations before it reads from the owner. */
const askWithinMs = 500

/** Asks the log for what is new, or waits for a question that is under way. Never throws: without an answer the view is not fresh. */
export async function askEpochs(ask: AskEpochs, now: number): Promise<void> {
  // Between two calls to the outside the clock of a Worker stands still.
  const clock = () => Math.max(now, systemClock.now())
  await within(askWithinMs, 'the log of invalidations', processEpochs.ask(ask, clock)).catch(() => undefined)
}
