import { Hono } from 'hono'
import { callNotificationCatalog, callRecipients } from '../../../../durable-objects/open-recipients.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { randomToken } from '../../../kernel/id.ts'
import { linkUrls, readLink, type PreferenceLink } from '../../../notifications/links/link.ts'
import { tenantOfLink } from '../../../kernel/signed-token.ts'
import type { Channel } from '../../../notifications/model.ts'
import { effectiveSwitches, type SwitchChange } from '../../../notifications/preferences/effective.ts'
import { sizes } from '../../../protocol/limits.ts'
import { requestBody, textOf } from '../../http/capped.ts'
import type { App, AppContext } from '../../http/context.ts'
import { tenantRecordOf } from '../../identity/tenants.ts'
import {
  badLinkPage,
  boxOf,
  mandatoryPage,
  preferencesPage,
  shownChannels,
  unsubscribedPage,
  unsubscribePage,
} from './preferences-page.ts'

/** The longest token: a user of 128 characters that JSON escapes, a category and a workflow. */
const maxTokenLength = 1200

/** Pages for readers of messages, opened by the signed token in the address: preferences, and one-click unsubscription. */
export const preferencePages = new Hono<App>()
  .get('/preferences/:token', async (c) => {
    const link = await linkOf(c)
    return link === undefined ? await badLink(c) : await showPreferences(c, link)
  })
  .post('/preferences/:token', async (c) => {
    const link = await linkOf(c)
    if (link === undefined) return await badLink(c)
    const form = await formOf(c)
    const [{ settings, categories }, { preferences }] = await knownOf(c, link)
    // What is as it was stays with the tenant's defaults, and a category with the switch of its channel.
    const shown = new Set(form.getAll('shown'))
    const all = effectiveSwitches(preferences, settings.preferences)
    const changes: SwitchChange[] = changed(all, form).map((change) => ({ of: 'channels', name: '', ...change }))
    for (const category of categories) {
      const { name, isMandatory } = category
      if (isMandatory || !shown.has(name)) continue
      const own = effectiveSwitches(preferences, settings.preferences, category)
      changes.push(...changed(own, form, name).map((change) => ({ of: 'categories' as const, name, ...change })))
    }
    await callRecipients(c.env, link.tenant, link.user, (own) => own.switchPreferences(link.user, changes))
    return c.redirect(`${new URL(c.req.url).pathname}?saved=1`, 303)
  })
  .get('/unsubscribe/:token', async (c) => {
    const link = await linkOf(c)
    return link === undefined ? await badLink(c) : await answerUnsubscribe(c, link, 'ask')
  })
  .post('/unsubscribe/:token', async (c) => {
    const link = await linkOf(c)
    if (link === undefined) return await badLink(c)
    await formOf(c)
    return await answerUnsubscribe(c, link, 'done')
  })

async function showPreferences(c: AppContext, link: PreferenceLink): Promise<Response> {
  const [{ settings, categories }, { preferences }] = await knownOf(c, link)
  const { appearance = {}, preferences: tenantPreferences } = settings
  const nonce = withPolicy(c)
  const isSaved = c.req.query('saved') !== undefined
  return await c.html(preferencesPage({ appearance, nonce, preferences, tenantPreferences, categories, isSaved }))
}

/** Unsubscribes with `done`; `ask` shows what would be switched off. */
async function answerUnsubscribe(c: AppContext, link: PreferenceLink, step: 'ask' | 'done'): Promise<Response> {
  const { tenant, user, category: name, workflow } = link
  const { settings, categories } = await basisOf(c, tenant)
  const category = categories.find((one) => one.name === name)
  const what = category?.label ?? name ?? workflow ?? 'notifications'
  const options = { appearance: settings.appearance ?? {}, nonce: withPolicy(c) }
  const { preferences } = linkUrls('', c.req.param('token') ?? '')
  if (category?.isMandatory === true) return await c.html(mandatoryPage(what, preferences, options))
  if (step === 'ask') return await c.html(unsubscribePage(what, preferences, options))
  await callRecipients(c.env, tenant, user, (own) => own.switchPreferences(user, [changeOf(link)]))
  return await c.html(unsubscribedPage(what, preferences, options))
}

/** E-mail of the category, else of the workflow, else all of it. */
function changeOf({ category, workflow }: PreferenceLink): SwitchChange {
  const off = { channel: 'email', isOn: false } as const
  if (category !== undefined) return { of: 'categories', name: category, ...off }
  return workflow === undefined ? { of: 'channels', name: '', ...off } : { of: 'workflows', name: workflow, ...off }
}

/** The link of a request; undefined when it is not one of a tenant of this system. */
async function linkOf(c: AppContext): Promise<PreferenceLink | undefined> {
  const token = c.req.param('token') ?? ''
  const tenant = tenantOfLink(token)
  if (tenant === '' || token.length > maxTokenLength) return undefined
  // No actor is opened for a tenant that there is not.
  const record = await tenantRecordOf(c.env, tenant, systemClock.now())
  if (record === undefined) return undefined
  return await readLink(await callNotificationCatalog(c.env, tenant, (own) => own.linkSecret()), token)
}

async function badLink(c: AppContext): Promise<Response> {
  return await c.html(badLinkPage({ appearance: {}, nonce: withPolicy(c) }), 404)
}

const knownOf = (c: AppContext, { tenant, user }: PreferenceLink) =>
  Promise.all([basisOf(c, tenant), callRecipients(c.env, tenant, user, (own) => own.preferences(user))])

/** The switches of a form that differ from those that hold. */
const changed = (before: Readonly<Record<Channel, boolean>>, form: URLSearchParams, category?: string) =>
  shownChannels.flatMap((channel) => {
    const isOn = form.has(boxOf(channel, category))
    return isOn === before[channel] ? [] : [{ channel, isOn }]
  })

const basisOf = (c: AppContext, tenant: string) =>
  callNotificationCatalog(c.env, tenant, (own) => own.preferenceBasis([]))

const formOf = async (c: AppContext): Promise<URLSearchParams> =>
  new URLSearchParams(textOf(await requestBody(c, sizes.bodyBytes)))

/** Sets the headers of a page that a token opens, and returns the nonce of its style. */
function withPolicy(c: AppContext): string {
  const nonce = randomToken(22)
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; img-src https:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`
  c.header('Content-Security-Policy', policy)
  c.header('Cache-Control', 'no-store')
  c.header('X-Robots-Tag', 'noindex')
  return nonce
}
