import { tookTooLong } from './problem.ts'

/** How long a caller waits for an answer at most, in milliseconds. */
const answerDueMs = 30_000

/**
 * What a tenant waits for ends after half a minute, also where an actor does not answer: until then the request counts
 * against its caller. Operators ask for what takes longer.
 */
export async function answerInTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(tookTooLong()), answerDueMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
