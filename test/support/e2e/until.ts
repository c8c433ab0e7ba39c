import { setTimeout as pause } from 'node:timers/promises'

/**
 * Asks again and again until `probe` gives something; fails, naming what was awaited and the last error, when time is up.
 * That is long after it should have come: it costs only who fails, and a loaded machine stalls for many seconds.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 60_000,
): Promise<T> {
  const deadline = performance.now() + ms
  for (let wait = 5; ; wait = Math.min(100, wait * 1.5)) {
    let cause: unknown
    try {
      const found = await probe()
      if (found !== undefined && found !== false) return found
    } catch (thrown) {
      cause = thrown
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${ms / 1000} s`, { cause })
    await pause(wait)
  }
}
