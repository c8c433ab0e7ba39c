import { circuitBreaker, ConsecutiveBreaker, handleAll, timeout, TimeoutStrategy, wrap } from 'cockatiel'
import { callDependency, useBreakers } from '../../src/adapters/dependency.ts'

export { Breaker } from '../../durable-objects/breaker/breaker.ts'

const deadlineMs = 5000

/** The service of a measurement, as each side calls it. */
const sides = {
  parley: (name) => (call) =>
    callDependency(serviceNamed(name), { deadlineMs }, async (signal) => ({ value: await call(signal) })),
  cockatiel: () => {
    const breaker = circuitBreaker(handleAll, { halfOpenAfter: 2000, breaker: new ConsecutiveBreaker(5) })
    const inTime = wrap(breaker, timeout(deadlineMs, TimeoutStrategy.Aggressive))
    return (call) => inTime.execute(({ signal }) => call(signal))
  },
}

const serviceNamed = (name) => ({
  name,
  label: 'The service',
  breaker: { tenant: undefined, key: name },
  maxUnderWay: 64,
  attempts: 1,
})

export default {
  /** Calls a service every `everyMs` for `ms` milliseconds. Answers with the times of its calls' ends: made and succeeded, made and failed, not made. */
  async fetch(request, env, ctx) {
    const { side, name, url, ms, everyMs } = await request.json()
    useBreakers({
      report: (breaker, report) => env.BREAKER.getByName(`parley/${breaker.key}`).report(breaker.key, report),
      keep: (work) => ctx.waitUntil(work),
    })
    const through = sides[side](name)
    const ends = []
    const until = Date.now() + ms
    const pending = []
    while (Date.now() < until) {
      let wasMade = false
      const call = through(async (signal) => {
        wasMade = true
        const response = await fetch(url, { signal })
        await response.body?.cancel()
        if (!response.ok) throw new Error(`answered ${response.status}`)
      })
      const note = (end) => void ends.push([Date.now(), end])
      pending.push(
        call.then(
          () => note('ok'),
          // One refused because too many are under way says nothing of the breaker.
          (thrown) => note(wasMade || thrown?.isFull === true ? 'failed' : 'refused'),
        ),
      )
      await scheduler.wait(everyMs)
    }
    await Promise.all(pending)
    return Response.json(ends)
  },
}
