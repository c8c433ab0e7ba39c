/**
 * The Worker with Activity actors that can fail, and with gateways that can lose their publications: `GET /actor-faults?<fault>`
 * says how, until it says `none`. Plain JavaScript, as the built Worker is. All actors of a workerd process share this isolate.
 */
let fault = 'none'
let calls = 0
let struck = 0

/** Every third call meets the fault, so that what is repeated arrives in the end. */
function isStruck(wanted) {
  if (fault !== wanted || calls++ % 3 !== 0) return false
  struck++
  return true
}

export const faultyActivity = (Activity) =>
  class extends Activity {
    async advance(update) {
      if (isStruck('activity-refuses')) throw new Error('torture: the Activity actor refuses')
      if (isStruck('activity-stalls')) await scheduler.wait(3000)
      if (isStruck('activity-dies')) this.ctx.abort('torture: the Activity actor dies')
      await super.advance(update)
      if (isStruck('activity-answers-lost')) throw new Error('torture: the answer is lost')
    }
  }

export const faultyGateway = (Gateway) =>
  class extends Gateway {
    activityNews(tenant, updates) {
      if (isStruck('publications-lost')) throw new Error('torture: the publication is lost')
      return super.activityNews(tenant, updates)
    }
  }

/** The Worker `worker`, with the switch at `/actor-faults`, which answers how many calls have met a fault so far. */
export const withSwitch = (worker) => ({
  ...worker,
  fetch(request, env, ctx) {
    const { pathname, search } = new URL(request.url)
    if (pathname !== '/actor-faults') return worker.fetch(request, env, ctx)
    fault = search.slice(1)
    return new Response(String(struck))
  },
})
