/** How long a test waits for what must happen; only a broken promise ever takes that long. */
const patienceMs = 5000

/** `promise`, or a failure that says what was waited for. */
export async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`waited in vain for ${what}`)), patienceMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again until the answer is there. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const until = Date.now() + patienceMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > until) throw new Error(`waited in vain for ${what}`)
    await scheduler.wait(10)
  }
}
