import { Hono } from 'hono'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { callNotificationCatalog, callRecipients } from '../../../../durable-objects/open-recipients.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { chatNotifications } from '../../../protocol/chat-notifications-api.ts'
import { z } from 'zod'
import { userId } from '../../../protocol/payloads.ts'
import type { App } from '../../http/context.ts'
import { body } from '../../http/input.ts'
import { fail, localTenantMissing } from '../../http/problem.ts'
import { admissionOf } from '../../identity/tenants.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { issueToken } from '../users/tokens.ts'

const demoToken = z.strictObject({ user: userId })

/** Lets the chat page in under any name, to which an e-mail address belongs. Exists in the local environment only; a deployment answers 404. */
export const demo = new Hono<App>().post('/token', async (c) => {
  const { localTenant } = loadConfig(c.env)
  if (localTenant === undefined) return fail('not-found', 'only in the local environment')
  const { user } = await body(c, demoToken)
  if ((await admissionOf(c.env, localTenant, systemClock.now())) === undefined) throw localTenantMissing()
  await prepare(c.env, localTenant, user)
  c.header('Cache-Control', 'no-store')
  return c.json(await issueToken(c, localTenant, user, 86_400))
})

/**
 * Gives a new user an address of an e-mail program that does not exist, and has conversations notify, unless the developer decided
 * otherwise: what a user does not read in a minute then shows in `/demo/outbox`.
 */
async function prepare(env: Env, tenant: string, user: string): Promise<void> {
  try {
    await callRecipients(env, tenant, user, async (recipients) => {
      const isNew = (await recipients.user(user)) === undefined
      if (isNew && /^[A-Za-z0-9_.-]{1,64}$/.test(user)) await recipients.putUser(user, { email: `${user}@example.com` })
    })
    const { chat } = await callNotificationCatalog(env, tenant, (catalog) => catalog.settings())
    if (chat !== undefined) return
    const link = `${loadConfig(env).publicUrl}/#/c/{conversation}`
    const settings = chatNotifications.parse({ enabled: true, unreadAfterMinutes: 1, link })
    await callNotificationCatalog(env, tenant, (catalog) => catalog.putSettings({ chat: settings }))
    await tenantOf(env, tenant).setChatNotifications(settings)
  } catch {
    // The user can talk all the same; the next sign-in tries again.
  }
}
