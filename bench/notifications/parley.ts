import { z } from 'zod'
import { serveParley } from '../jobs/parley.ts'
import { inLanes } from '../jobs/side.ts'
import { pause, type Processes } from '../processes.ts'
import { category, digestSeconds, preferencesOf, quietHours, throttle, zoneOf, type Side } from './side.ts'

const together = 1000
/** How often it is asked whether all recipients are decided, in milliseconds. */
const askEveryMs = 20

const accepted = z.object({ id: z.string(), refused: z.number() })
const progress = z.object({ handedOut: z.number(), state: z.string() })

const workflow = {
  category,
  steps: [
    { kind: 'throttle', name: 'throttle', ...throttle },
    { kind: 'channel', name: 'feed', channel: 'in-app', source: { content: { body: '{{ data.text }}' } } },
    { kind: 'digest', name: 'digest', window: { kind: 'fixed', seconds: digestSeconds } },
    { kind: 'channel', name: 'mail', channel: 'email', source: { content: { body: '{{ total }} comments' } } },
  ],
}

/** Parley's notifications: one call names all recipients, and is decided when all are stored as notices. */
export async function startParley(folder: string, processes: Processes): Promise<Side> {
  const { api, stop } = await serveParley(folder, processes)
  await api.call('PUT', `/v1/notification-categories/${category}`, { label: 'Comments' })
  await api.call('PUT', '/v1/workflows/bench', workflow)
  await api.call('PUT', '/v1/notification-settings', { preferences: { quietHours: { ranges: [quietHours] } } })
  return {
    what: 'one call over HTTP on plain workerd for all recipients; decided in the sixteen actors of the tenant, one commit for each 500; SQLite in WAL mode, synchronous=FULL: an fsync before a recipient counts as decided',
    stop,
    async prepare(users) {
      await inLanes(Math.ceil(users.length / together), 4, async (page) => {
        const some = users.slice(page * together, (page + 1) * together)
        const profiles = some.map((id) => ({ id, zone: zoneOf(id), email: `${id}@example.com` }))
        await api.call('POST', '/v1/users', { users: profiles })
      })
      const refusing = users.filter((user) => !(preferencesOf(user)[category] ?? true))
      await inLanes(refusing.length, 16, (n) =>
        api.call('PUT', `/v1/users/${refusing[n]}/preferences`, { categories: { [category]: { email: false } } }),
      )
    },
    async notify(notification, users, data) {
      const body = { workflow: 'bench', recipients: users, data, idempotencyKey: notification }
      const { id, refused } = accepted.parse(JSON.parse(await api.call('POST', '/v1/notifications', body)))
      if (refused > 0) throw new Error(`${refused} recipients were refused`)
      for (;;) {
        const { handedOut, state } = progress.parse(JSON.parse(await api.call('GET', `/v1/notifications/${id}`)))
        if (handedOut === users.length) return
        if (state === 'sent') throw new Error(`only ${handedOut} of ${users.length} recipients were decided`)
        await pause(askEveryMs)
      }
    },
  }
}
