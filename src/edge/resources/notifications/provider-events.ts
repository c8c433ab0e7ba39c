import { Hono } from 'hono'
import { recipientsNumberOf } from '../../../../durable-objects/address.ts'
import type { ReportOfDelivery } from '../../../../durable-objects/notification-contracts.ts'
import { callNotificationCatalog, callRecipientsNumbered } from '../../../../durable-objects/open-recipients.ts'
import { requestDeadlineMs } from '../../../adapters/dependency.ts'
import { confirmReports } from '../../../handlers/notification-call.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { log } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import type { Env } from '../../../env.ts'
import { confirmationIn, reportsIn, type Report } from '../../../notifications/channels/events.ts'
import { countReport } from '../../../notifications/channels/figures.ts'
import { userOfDelivery } from '../../../notifications/channels/reference.ts'
import { sizes } from '../../../protocol/limits.ts'
import { providerName } from '../../../protocol/notification-providers-api.ts'
import { parseJson } from '../../../protocol/parse-frame.ts'
import { requestBody, textOf } from '../../http/capped.ts'
import type { App } from '../../http/context.ts'
import { fail } from '../../http/problem.ts'
import { admissionOf } from '../../identity/tenants.ts'

/** The tenant, and 32 hexadecimal digits that only the provider was told. */
const tokenPattern = /^([\w-]{1,64})~[\da-f]{32}$/

/**
 * Where providers report bounces and complaints. The token in the address is what they know; the body is in the provider's own
 * shape, and its media type is ignored (SNS sends JSON as text/plain). Events that say nothing of an address are accepted.
 */
export const providerEvents = new Hono<App>().post('/provider-events/:name/:token', async (c) => {
  const { name, token } = c.req.param()
  const tenant = tokenPattern.exec(token)?.[1]
  if (tenant === undefined || !providerName.safeParse(name).success) return unknown()
  // No actor is opened for a tenant that does not exist.
  if ((await admissionOf(c.env, tenant, systemClock.now())) === undefined) return unknown()
  const provider = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.provider(name))
  if (provider?.eventsToken !== token) return unknown()
  const body = parseJson(textOf(await requestBody(c, sizes.bodyBytes)))
  const confirmation = confirmationIn(provider.type, body)
  if (confirmation !== undefined)
    log.info('notifications.reports-confirmed', {
      ...idsOf(c.env.request),
      tenant,
      provider: name,
      answer: await confirmReports(c.env, tenant, confirmation, requestDeadlineMs),
    })
  const reports = reportsIn(provider.type, body, systemClock.now()).map((report) => ({ ...report, provider: name }))
  if (reports.length === 0) return c.json({ noted: 0 })
  const addresses = reports.map(({ address, provider, reason, at, detail }) => ({
    address,
    provider,
    reason,
    at,
    detail,
  }))
  const noted = await callNotificationCatalog(c.env, tenant, (catalog) =>
    catalog.markUndeliverable(name, token, addresses),
  )
  if (noted === undefined) return unknown()
  for (const { reason } of reports) countReport(reason)
  await noteInNotices(c.env, tenant, name, reports)
  return c.json({ noted })
})

/** Notes reports in the notices of their deliveries, with one call for each actor that has some. A repeat by the provider changes nothing. */
async function noteInNotices(env: Env, tenant: string, provider: string, reports: readonly Report[]): Promise<void> {
  const byActor = new Map<number, ReportOfDelivery[]>()
  for (const { delivery, reason, at, detail } of reports) {
    const user = delivery === undefined ? undefined : userOfDelivery(delivery)?.user
    if (delivery === undefined || user === undefined) continue
    const number = recipientsNumberOf(user)
    byActor.set(number, [...(byActor.get(number) ?? []), { delivery, provider, reason, at, detail }])
  }
  await Promise.all(
    [...byActor].map(([number, own]) =>
      callRecipientsNumbered(env, tenant, number, (recipients) => recipients.reportsArrived(own)),
    ),
  )
}

/** The same for each part that is wrong. */
const unknown = () =>
  fail('not-found', 'this is no address of a provider; GET /v1/notification-providers shows `eventsUrl`')
