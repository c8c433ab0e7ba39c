/** Work that is repeated until it succeeds. */
export interface Trying {
  /** Settles after the first attempt: undefined when it succeeded, otherwise why it did not. Never rejects. */
  readonly first: Promise<unknown>
  /** Ends the repeating; settles when the attempt under way is over. */
  stop(): Promise<void>
}

/** The longest pause between two attempts, in milliseconds. */
const maxPauseMs = 60_000

/**
 * Runs `attempt` until it succeeds, with pauses that double from one second to a minute. Calls `failed` after each
 * attempt that fails and `done` when one after the first succeeds.
 */
export function keepTrying(
  attempt: () => Promise<void>,
  tell: { readonly failed: (reason: unknown) => void; readonly done: () => void },
): Trying {
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const tryOnce = async (pauseMs: number, isFirst: boolean): Promise<unknown> => {
    try {
      await attempt()
      if (!isFirst && !isStopped) tell.done()
      return undefined
    } catch (reason) {
      if (isStopped) return reason
      tell.failed(reason)
      timer = setTimeout(() => {
        current = tryOnce(Math.min(2 * pauseMs, maxPauseMs), false)
      }, pauseMs).unref()
      return reason
    }
  }
  const first = tryOnce(1000, true)
  let current = first
  return {
    first,
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await current
    },
  }
}
