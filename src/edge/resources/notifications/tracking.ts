import { Hono } from 'hono'
import { callNotificationCatalog, callRecipients } from '../../../../durable-objects/open-recipients.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import { countAct } from '../../../notifications/channels/figures.ts'
import { userOfDelivery } from '../../../notifications/channels/reference.ts'
import { tenantOfLink } from '../../../kernel/signed-token.ts'
import { readTracked, type TrackedLink } from '../../../notifications/links/tracking.ts'
import type { TrackedAct } from '../../../notifications/model.ts'
import type { App } from '../../http/context.ts'
import { tenantRecordOf } from '../../identity/tenants.ts'
import { fail } from '../../http/problem.ts'

/** The longest token: a delivery of 400 characters and an address of 2,000, as base64 of JSON. */
const maxTokenLength = 4096

/** A transparent picture of one pixel. */
const picture = Uint8Array.from(atob('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'), (char) =>
  char.charCodeAt(0),
)

/**
 * Where links and the picture of a tracked e-mail lead. The token is signed with the tenant's secret and names the address that stood in the
 * message, so that no other can be reached by it. Links of e-mails that left while the tenant tracked them go on working when it does
 * not any more, and are not counted then.
 */
export const trackedLinks = new Hono<App>().get('/n/:token', async (c) => {
  const { token } = c.req.param()
  const tenant = tenantOfLink(token)
  if (tenant === '' || token.length > maxTokenLength) return unknown()
  // No actor is opened for a tenant that there is not.
  if ((await tenantRecordOf(c.env, tenant, systemClock.now())) === undefined) return unknown()
  const { linkSecret, tracking } = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.trackingKey())
  const link = await readTracked(linkSecret, token)
  if (link === undefined) return unknown()
  const act = link.url === undefined ? 'opened' : 'clicked'
  const isWanted = act === 'opened' ? tracking?.opens : tracking?.clicks
  // Programs that look at an address without opening it ask for its head.
  if (isWanted === true && c.req.method === 'GET') c.executionCtx.waitUntil(count(c.env, { tenant, ...link }, act))
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  c.header('X-Robots-Tag', 'noindex')
  return link.url === undefined ? c.body(picture, 200, { 'Content-Type': 'image/gif' }) : c.redirect(link.url, 302)
})

/** Counts it in the recipient's row, which publishes the first time. The reader does not wait for it. */
async function count(env: Env, { tenant, ...link }: TrackedLink, act: TrackedAct): Promise<void> {
  try {
    const user = userOfDelivery(link.delivery)?.user
    if (user === undefined) return
    const isFirst = await callRecipients(env, tenant, user, (recipients) => recipients.tracked(link.delivery, act))
    if (isFirst) countAct(act)
  } catch (thrown) {
    log.warn('notifications.not-tracked', { ...idsOf(env.request), tenant, act, reason: reasonOf(thrown) })
  }
}

const unknown = () =>
  fail('not-found', 'this link is not whole, or not of this system; open the one in the message again')
