import { z } from 'zod'
import { callNotificationCatalog } from '../../../../durable-objects/open-recipients.ts'
import type { StoredProvider } from '../../../../durable-objects/notification-contracts.ts'
import { badEndpointHost } from '../../../adapters/endpoint.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { encrypt } from '../../../kernel/encryption.ts'
import { badEndpoint } from '../../../kernel/outside-url.ts'
import { credentialsContext } from '../../../notifications/channels/credentials.ts'
import { hasEvents } from '../../../notifications/channels/events.ts'
import { phonePattern } from '../../../notifications/channels/twilio.ts'
import { readMailbox } from '../../../notifications/channels/mail.ts'
import { outboxType, providerKindOf } from '../../../notifications/channels/provider-types.ts'
import { badSmtp, smtpCredentials, smtpType } from '../../../notifications/channels/smtp/smtp.ts'
import {
  addressParam,
  newProvider,
  providerList,
  providerName,
  providerView,
  undeliverableAddress,
} from '../../../protocol/notification-providers-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'

const tag = 'Notifications'
const access = 'server'
const path = '/v1/notification-providers/{name}'
const params = z.object({ name: providerName })

const example = {
  name: 'resend',
  channel: 'email',
  type: 'resend',
  order: 100,
  from: 'Shop <news@shop.example.com>',
  onUnknown: 'wait',
  isIdempotent: true,
  hasCredentials: true,
  eventsUrl: 'https://api.example.com/provider-events/resend/acme~2f1c9a7be4d04b8c9e2a61d35f0877aa',
} as const

const putProvider = operation(
  defineOperation({
    id: 'putNotificationProvider',
    method: 'put',
    path,
    tag,
    summary: 'Register a provider of a channel, or change it',
    description:
      'Providers of one channel are used in their order: the next one when the first refuses, fails or does not answer. docs/channels.md ' +
      'lists the types and the credentials of each.',
    access,
    params,
    isSecret: true,
    body: newProvider,
    responses: { 200: providerView },
    errors: ['conflict'],
    example: {
      body: {
        channel: 'email',
        type: 'resend',
        from: 'Shop <news@shop.example.com>',
        credentials: { apiKey: 're_123' },
      },
      response: example,
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, body }) => {
    const { credentials, ...rest } = body
    checkProvider(c.env, body)
    const encrypted =
      credentials === undefined ? undefined : await encryptedCredentials(c.env, tenant, name, credentials)
    const host = credentials === undefined ? undefined : providerKindOf(body.type)?.hostOf?.(credentials)
    const given = { ...rest, name, credentials: encrypted, host, eventsToken: newToken(tenant) }
    const stored = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.putProvider(given))
    return { status: 200, body: view(c.env, accepted(stored)) }
  },
)

const listProviders = operation(
  defineOperation({
    id: 'listNotificationProviders',
    method: 'get',
    path: '/v1/notification-providers',
    tag,
    summary: 'List your providers by channel, in the order in which they are used',
    access,
    isSecret: true,
    responses: { 200: providerList },
    example: { response: { providers: [example] } },
  }),
  async ({ c, caller }) => {
    const all = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.providers())
    return { status: 200, body: { providers: all.map((provider) => view(c.env, provider)) } }
  },
)

const readProvider = operation(
  defineOperation({
    id: 'readNotificationProvider',
    method: 'get',
    path,
    tag,
    summary: 'Read a provider; its credentials are not shown',
    access,
    params,
    isSecret: true,
    responses: { 200: providerView },
    example: { response: example },
  }),
  async ({ c, caller, params: { name } }) => {
    const found = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.provider(name))
    return found === undefined ? noProvider(name) : { status: 200, body: view(c.env, found) }
  },
)

const removeProvider = operation(
  defineOperation({
    id: 'removeNotificationProvider',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a provider with its credentials',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller, params: { name } }) => {
    const found = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.removeProvider(name))
    return found ? { status: 204 } : noProvider(name)
  },
)

const addressParams = z.object({ address: addressParam })

const readUndeliverable = operation(
  defineOperation({
    id: 'readUndeliverableAddress',
    method: 'get',
    path: '/v1/undeliverable-addresses/{address}',
    tag,
    summary: 'Read why nothing is sent to an address any more',
    access,
    params: addressParams,
    responses: { 200: undeliverableAddress },
    example: {
      response: {
        address: 'ann@example.com',
        reason: 'bounce',
        provider: 'resend',
        at: 1_790_000_000_000,
        detail: 'mailbox does not exist',
      },
    },
  }),
  async ({ c, caller, params: { address } }) => {
    const found = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.undeliverable(address))
    return found === undefined ? notMarked(address) : { status: 200, body: found }
  },
)

const removeUndeliverable = operation(
  defineOperation({
    id: 'removeUndeliverableAddress',
    method: 'delete',
    path: '/v1/undeliverable-addresses/{address}',
    tag,
    summary: 'Send to an address again',
    access,
    params: addressParams,
    responses: { 204: null },
  }),
  async ({ c, caller, params: { address } }) => {
    const found = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.unmarkUndeliverable(address))
    return found ? { status: 204 } : notMarked(address)
  },
)

/** Providers of channels, and the addresses that they said cannot be reached. */
export const notificationProviders = [
  putProvider,
  listProviders,
  readProvider,
  removeProvider,
  readUndeliverable,
  removeUndeliverable,
]

const noProvider = (name: string) =>
  fail('not-found', `name: there is no provider ${name}; PUT /v1/notification-providers/${name} registers one`)

const notMarked = (address: string) => fail('not-found', `address: nothing was reported about ${address}`)

/** Refuses what can be known to be wrong before anything is sent. */
function checkProvider(env: Env, { channel, type: typeName, from, credentials }: z.output<typeof newProvider>): void {
  if (typeName === outboxType) {
    if (loadConfig(env).localTenant === undefined)
      fail('invalid-request', 'type: "outbox" is there in a development system only, which shows its messages')
    if (credentials !== undefined) fail('invalid-request', 'credentials: "outbox" has none')
    return
  }
  const type = providerKindOf(typeName)
  if (type === undefined) return fail('invalid-request', `type: "${typeName}" is no type of this version`)
  if (type.channel !== channel) fail('invalid-request', `channel: ${typeName} is for ${type.channel}`)
  if (from !== undefined && channel === 'email' && readMailbox(from) === undefined)
    fail('invalid-request', 'from: must be name@example.com or Name <name@example.com>')
  // An alphanumeric sender has up to 11 characters (GSM 03.40).
  if (from !== undefined && channel === 'sms' && !phonePattern.test(from) && !/^[A-Za-z0-9 ]{1,11}$/.test(from))
    fail('invalid-request', 'from: a number in E.164, +15551234567, or 1 to 11 letters and digits')
  if (credentials === undefined) return
  const read = type.credentials.safeParse(credentials)
  if (!read.success) {
    const [issue] = read.error.issues
    fail(
      'invalid-request',
      `${['credentials', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'not those of this type'}`,
    )
  }
  const url = type.urlOf?.(credentials)
  const bad = url === undefined ? undefined : badEndpoint(url, loadConfig(env).endpoints)
  if (bad !== undefined) fail('invalid-request', `credentials.${bad}`)
  if (typeName === smtpType) checkSmtp(env, credentials)
}

function checkSmtp(env: Env, given: unknown): void {
  const credentials = smtpCredentials.parse(given)
  const bad = badEndpointHost(env, credentials.host) ?? badSmtp(credentials, loadConfig(env).endpoints.allowPrivate)
  if (bad !== undefined) fail('invalid-request', `credentials.${bad}`)
}

async function encryptedCredentials(env: Env, tenant: string, name: string, credentials: object): Promise<string> {
  const { encryptionKeys } = loadConfig(env)
  if (encryptionKeys.length === 0)
    fail(
      'conflict',
      'credentials: ENCRYPTION_KEYS is not set, so that no credentials can be stored; the operator sets it',
    )
  return await encrypt(encryptionKeys, JSON.stringify(credentials), credentialsContext(tenant, name))
}

/** Names the tenant, since the provider that reports by it has no key. */
const newToken = (tenant: string): string => `${tenant}~${crypto.randomUUID().replaceAll('-', '')}`

function view(env: Env, provider: StoredProvider): z.input<typeof providerView> {
  const { name, channel, type, order, from, onUnknown, credentials, eventsToken } = provider
  const { publicUrl } = loadConfig(env)
  return {
    name,
    channel: providerView.shape.channel.parse(channel),
    type,
    order,
    from: from ?? null,
    onUnknown,
    isIdempotent: providerKindOf(type)?.isIdempotent ?? true,
    hasCredentials: credentials !== undefined,
    eventsUrl: hasEvents(type) ? `${publicUrl}/provider-events/${name}/${eventsToken}` : null,
  }
}
