import { WorkerEntrypoint } from 'cloudflare:workers'
import type { FetchCall } from '../../durable-objects/contracts.ts'
import { callNotificationCatalog } from '../../durable-objects/open-recipients.ts'
import type { DeliveryPlan, NotificationSender, StoredProvider } from '../../durable-objects/notification-contracts.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { BoundedMap } from '../kernel/bounded-map.ts'
import { systemClock } from '../kernel/clock.ts'
import { decrypt } from '../kernel/encryption.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { KnownFilters } from '../notifications/channels/address-filter.ts'
import { attemptDelivery, type Tokens } from '../notifications/channels/attempt.ts'
import { credentialsContext } from '../notifications/channels/credentials.ts'
import type { Message } from '../notifications/channels/provider.ts'
import { smtpType } from '../notifications/channels/smtp/smtp.ts'
import { outboxType, providerTypeOf } from '../notifications/channels/provider-types.ts'
import { linkUrls, signLink, unsubscribeHeaders } from '../notifications/links/link.ts'
import { countAttempt } from '../notifications/channels/figures.ts'
import type { DeliveryOrder, DeliveryOutcome } from '../notifications/model.ts'
import { BadTemplate } from '../notifications/templates/engine.ts'
import { definitionOf } from '../notifications/templates/template.ts'
import { renderOwn, renderStored, type RenderOrder, type Rendering } from '../notifications/templates/render.ts'
import { signedHeaders } from '../webhooks/endpoint-post.ts'
import type { FetchOutcome } from '../notifications/runs/advance.ts'
import { asOfNow } from './notification-chat.ts'
import { callStepEndpoint } from './notification-fetch.ts'
import { callProvider } from './notification-call.ts'
import { sendBySmtp } from './notification-smtp.ts'
import { trackedHtml } from './tracked-html.ts'

/** How long one attempt may take, in milliseconds: all its calls together. */
export const deliveryDeadlineMs = 15_000

/** For how long an isolate uses the providers and templates that it has, in milliseconds. */
const planForMs = 5000

const plans = new BoundedMap<string, { readonly plan: DeliveryPlan; readonly until: number }>(500)
const filters = new KnownFilters()
/** Decrypted credentials, by what was decrypted. */
const opened = new BoundedMap<string, unknown>(500)
/** Tokens of providers, by tenant and what they are for. */
const tokens = new BoundedMap<string, { readonly token: string; readonly until: number }>(1000)

/** Sends what runs of notifications decided, one message in each invocation, so that a run never waits for another. */
export class NotificationWorker extends WorkerEntrypoint<Env> implements NotificationSender {
  /** Renders a message and gives it to its provider. It reads nothing of the user beside the order, and of a conversation what it says now. */
  async deliver(order: DeliveryOrder): Promise<DeliveryOutcome> {
    const { provider, outcome } = await deliver(this.env, order)
    countAttempt(order.delivery.channel, provider, outcome.kind)
    return outcome
  }

  /** Makes the call of a fetch step. */
  async call(tenant: string, call: FetchCall): Promise<FetchOutcome> {
    const secrets = await callNotificationCatalog(this.env, tenant, (catalog) => catalog.secrets())
    return await callStepEndpoint(this.env, tenant, call, secrets)
  }
}

/** What became of an attempt, with the type of its provider. */
async function deliver(
  env: Env,
  order: DeliveryOrder,
): Promise<{ readonly provider: string | undefined; readonly outcome: DeliveryOutcome }> {
  const plan = await planOf(env, order)
  const { provider } = plan
  if (provider === undefined) return { provider: undefined, outcome: refused(`there is no provider ${order.provider}`) }
  const asked = await asOfNow(env, order)
  const outcome = 'order' in asked ? await deliverBy(env, asked.order, plan, provider) : asked
  return { provider: provider.type, outcome }
}

async function deliverBy(
  env: Env,
  order: DeliveryOrder,
  plan: DeliveryPlan,
  provider: StoredProvider,
): Promise<DeliveryOutcome> {
  const { tenant, delivery } = order
  if (provider.channel !== delivery.channel) return refused(`${provider.name} is no provider of ${delivery.channel}`)
  const to = addressOf(order)
  if (to === undefined)
    return refused(`the recipient has no ${delivery.channel === 'sms' ? 'phone' : 'e-mail address'}`)
  if (typeof to === 'string' && (await mayBeUndeliverable(env, tenant, to))) {
    const known = await callNotificationCatalog(env, tenant, (catalog) => catalog.undeliverable(to))
    if (known !== undefined)
      return {
        kind: 'gone',
        answer: `${known.provider} reported a ${known.reason} at ${new Date(known.at).toISOString()}: ${known.detail}`,
      }
  }
  try {
    const links = delivery.channel === 'email' ? await linksOf(env, order, plan) : undefined
    const { content: rendered, locale } = renderingOf(order, plan, links)
    const content = await trackedContent(env, order, plan, rendered)
    const message: Message = {
      id: delivery.id,
      content,
      to,
      from: provider.from,
      priority: order.priority ?? 'normal',
      headers: links?.headers ?? {},
      workflow: order.workflow,
    }
    if (provider.type === outboxType) return await keep(env, order, message, locale)
    return await send(env, tenant, provider, message)
  } catch (thrown) {
    if (thrown instanceof BadTemplate) return refused(thrown.message)
    throw thrown
  }
}

/** Asks the catalog at most once in five seconds; one of the version before is asked for each address. */
async function mayBeUndeliverable(env: Env, tenant: string, address: string): Promise<boolean> {
  try {
    return await filters.mayHave(tenant, address, systemClock.now(), (version) =>
      callNotificationCatalog(env, tenant, (catalog) => catalog.undeliverableFilter(version)),
    )
  } catch {
    return true
  }
}

/** The content of an e-mail as the tenant has it tracked. */
async function trackedContent(
  env: Env,
  { tenant, delivery: { id, channel } }: DeliveryOrder,
  { tracking, linkSecret }: DeliveryPlan,
  content: Message['content'],
): Promise<Message['content']> {
  if (channel !== 'email' || content.html === undefined || tracking === undefined) return content
  if (!tracking.opens && !tracking.clicks) return content
  const { publicUrl } = loadConfig(env)
  const message = { publicUrl, secret: linkSecret, tenant, delivery: id, tracking }
  return { ...content, html: await trackedHtml(content.html, message) }
}

const refused = (answer: string): DeliveryOutcome => ({ kind: 'refused', answer })

/** The address of the profile, or that of the target. A channel's common webhook needs none: null. */
function addressOf({ delivery: { channel }, target, document: { recipient } }: DeliveryOrder): unknown {
  if (channel === 'email') return recipient.email
  if (channel === 'sms') return recipient.phone
  return target?.address ?? null
}

async function planOf(env: Env, { tenant, provider, source }: DeliveryOrder): Promise<DeliveryPlan> {
  const template = 'template' in source ? source.template : undefined
  const version = 'template' in source ? source.version : undefined
  const key = JSON.stringify([tenant, provider, template, version])
  const now = systemClock.now()
  const known = plans.get(key)
  if (known !== undefined && now < known.until && known.until - now <= planForMs) return known.plan
  const plan = await callNotificationCatalog(env, tenant, (catalog) =>
    catalog.deliveryPlan(provider, template, version),
  )
  if (plan.provider !== undefined) plans.set(key, { plan, until: now + planForMs })
  return plan
}

/** The links by which the recipient of an e-mail changes preferences or unsubscribes, and the headers of RFC 8058. */
async function linksOf(
  env: Env,
  { tenant, document, category, workflow }: DeliveryOrder,
  { linkSecret }: DeliveryPlan,
) {
  const { publicUrl } = loadConfig(env)
  const link = { tenant, user: document.recipient.id, category: category?.name, workflow }
  const token = await signLink(linkSecret, link)
  return { urls: linkUrls(publicUrl, token), headers: unsubscribeHeaders(publicUrl, token, category) }
}

function renderingOf(
  { source, delivery, document, workflow }: DeliveryOrder,
  { found }: DeliveryPlan,
  links: { readonly urls: { readonly preferences: string; readonly unsubscribe: string } } | undefined,
): Rendering {
  const order: RenderOrder = {
    channel: delivery.channel,
    locale: document.recipient.locale,
    document,
    notification: { workflow, delivery: delivery.id, ...links?.urls },
  }
  if ('content' in source) return renderOwn(source, order)
  if (found === undefined) throw new BadTemplate(`there is no template ${source.template}`)
  const definition = definitionOf(found.template)
  if (definition.kind !== 'message') throw new BadTemplate(`${source.template} is a partial and no message`)
  return renderStored(definition, found.partials, order)
}

async function send(env: Env, tenant: string, provider: StoredProvider, message: Message): Promise<DeliveryOutcome> {
  const type = providerTypeOf(provider.type)
  if (type === undefined && provider.type !== smtpType)
    return refused(`${provider.type} is no type of providers that this version knows`)
  let credentials: unknown
  try {
    credentials = await credentialsOf(env, tenant, provider)
  } catch (thrown) {
    // The operator can repair this: nothing is lost meanwhile.
    log.warn('notifications.credentials', { tenant, provider: provider.name, reason: reasonOf(thrown) })
    return { kind: 'later', answer: 'credentials: cannot be decrypted' }
  }
  if (type === undefined) return await sendBySmtp(env, tenant, message, credentials, deliveryDeadlineMs)
  const until = systemClock.now() + deliveryDeadlineMs
  return await attemptDelivery(
    type,
    message,
    credentials,
    (call) => callProvider(env, tenant, call, Math.max(1, until - systemClock.now()), type.hostOf?.(credentials)),
    {
      now: systemClock.now(),
      sign: (secret, id, body) => signedHeaders([secret], id, body, systemClock.now()),
    },
    tokensOf(tenant),
  )
}

async function credentialsOf(env: Env, tenant: string, { name, credentials }: StoredProvider): Promise<unknown> {
  if (credentials === undefined) return {}
  if (opened.has(credentials)) return opened.get(credentials)
  const { encryptionKeys } = loadConfig(env)
  const read: unknown = JSON.parse(await decrypt(encryptionKeys, credentials, credentialsContext(tenant, name)))
  opened.set(credentials, read)
  return read
}

const tokensOf = (tenant: string): Tokens => ({
  get: (key) => {
    const known = tokens.get(`${tenant}/${key}`)
    return known !== undefined && systemClock.now() < known.until ? known.token : undefined
  },
  set: (key, token, seconds) =>
    void tokens.set(`${tenant}/${key}`, { token, until: systemClock.now() + seconds * 1000 }),
  delete: (key) => void tokens.delete(`${tenant}/${key}`),
})

/** Keeps a message of a development system where its page shows it. */
async function keep(
  env: Env,
  { tenant, delivery, document, provider, target }: DeliveryOrder,
  { content, to, workflow }: Message,
  locale: string | undefined,
): Promise<DeliveryOutcome> {
  const sent = {
    at: systemClock.now(),
    delivery: delivery.id,
    channel: delivery.channel,
    provider,
    workflow,
    user: document.recipient.id,
    to: typeof to === 'string' ? to : (target?.type ?? delivery.channel),
    locale: locale ?? null,
    content,
  }
  await callNotificationCatalog(env, tenant, (catalog) => catalog.keepSent(sent))
  return { kind: 'delivered', answer: 'kept for /demo/outbox' }
}
