import { tenantOf } from '../../../../durable-objects/address.ts'
import { callEventCatalog, callEventLog } from '../../../../durable-objects/open-event-actors.ts'
import type { Env } from '../../../env.ts'
import { ownTopic } from '../../../events/own-topic.ts'
import { accepted } from '../../http/problem.ts'

/** How long Parley's own events are kept: longer than an endpoint may fail before it is disabled. */
const retention = { maxAgeSeconds: 14 * 86_400, maxBytes: 2_147_483_648 }

const prefix = 'webhook/'

/** The consumer of a webhook: the API has no other with a slash in its name. */
export const webhookConsumer = (webhook: string): string => `${prefix}${webhook}`

/** The webhook whose consumer this is; undefined for one of the API. */
export const webhookOf = (consumer: string): string | undefined =>
  consumer.startsWith(prefix) ? consumer.slice(prefix.length) : undefined

/** Creates the topic with Parley's own events. It is noted first, so that a deletion of the tenant finds it. */
export async function openOwnTopic(env: Env, tenant: string): Promise<void> {
  accepted(await callEventCatalog(env, tenant, (catalog) => catalog.addTopic(ownTopic)))
  if ((await callEventLog(env, tenant, ownTopic, (log) => log.state())) === undefined)
    await callEventLog(env, tenant, ownTopic, (log) => log.configure(retention))
}

/** Publishes the tenant's own events if they have a reader, and no more if they have none. */
export async function publishOwnEvents(env: Env, tenant: string): Promise<void> {
  const hasReader = async () => {
    const consumers = await callEventCatalog(env, tenant, (catalog) => catalog.consumers())
    return consumers.some(({ topic }) => topic === ownTopic)
  }
  const isPublished = await hasReader()
  await tenantOf(env, tenant).setPublished(isPublished)
  // One may have been created meanwhile.
  if (!isPublished && (await hasReader())) await tenantOf(env, tenant).setPublished(true)
}
