import { circuitBreaker, ConsecutiveBreaker, handleAll } from 'cockatiel'
import { callDependency, useBreakers } from '../../src/adapters/dependency.ts'

export { Breaker } from '../../durable-objects/breaker/breaker.ts'

/** The service of a measurement, as each side calls it. */
const sides = {
  parley: (name) => (call) =>
    callDependency(serviceNamed(name), { deadlineMs: 5000 }, async () => ({ value: await call() })),
  cockatiel: () => {
    const breaker = circuitBreaker(handleAll, { halfOpenAfter: 2000, breaker: new ConsecutiveBreaker(5) })
    return (call) => breaker.execute(call)
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
      const call = through(async () => {
        wasMade = true
        const response = await fetch(url)
        await response.body?.cancel()
        if (!response.ok) throw new Error(`answered ${response.status}`)
      })
      const note = (isSuccess) => void ends.push([Date.now(), isSuccess ? 'ok' : wasMade ? 'failed' : 'refused'])
      pending.push(
        call.then(
          () => note(true),
          () => note(false),
        ),
      )
      await scheduler.wait(everyMs)
    }
    await Promise.all(pending)
    return Response.json(ends)
  },
}
