/** How long a test waits for what must happen: only a broken promise takes that long, also where others want the cores, too. */
export const timeoutMs = 30_000

/** `promise`, or a failure that says what was waited for. */
export async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`waited in vain for ${what}`)), timeoutMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again until the answer is there, also while a test has stopped the clock. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const until = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > until) throw new Error(`waited in vain for ${what}`)
    await scheduler.wait(10)
  }
}
