import { z } from 'zod'
import { callNotificationCatalog, callRecipients } from '../../../../durable-objects/open-recipients.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { linkUrls, signLink, unsubscribeHeaders } from '../../../notifications/links/link.ts'
import type { Preferences } from '../../../notifications/model.ts'
import { effectiveSwitches, unknownNames } from '../../../notifications/preferences/effective.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import {
  newPreferenceLinks,
  notificationSettings,
  preferenceLinks,
  preferences as preferencesBody,
  preferencesView,
} from '../../../protocol/preferences-api.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { requireSelf } from '../users/self.ts'

const tag = 'Preferences'
const path = '/v1/users/{user}/preferences'
const params = z.object({ user: userId })
const on = { 'in-app': true, email: true, push: true, sms: true, chat: true, webhook: true }
const examplePreferences = {
  channels: { sms: false },
  categories: { marketing: { all: false } },
  quietHours: { ranges: [{ start: '22:00', end: '07:00' }] },
}
const exampleView = {
  preferences: examplePreferences,
  zone: 'Europe/London',
  channels: { ...on, sms: false },
  categories: [
    {
      name: 'marketing',
      label: 'News and offers',
      isMandatory: false,
      channels: { 'in-app': false, email: false, push: false, sms: false, chat: false, webhook: false },
    },
  ],
}

const readPreferences = operation(
  defineOperation({
    id: 'readPreferences',
    method: 'get',
    path,
    tag,
    summary: 'Read the preferences of a user, and what they come to for each category',
    access: 'user-or-server',
    params,
    responses: { 200: preferencesView },
    example: { response: exampleView },
  }),
  async ({ c, caller, params: { user } }) => {
    requireSelf(caller, user)
    return { status: 200, body: await viewOf(c.env, caller.tenant, user) }
  },
)

const putPreferences = operation(
  defineOperation({
    id: 'putPreferences',
    method: 'put',
    path,
    tag,
    summary: 'Store the preferences of a user',
    description:
      'Replaces them as a whole. They come before the defaults of the tenant; a switch of a workflow comes before that of a category, and ' +
      'that before one of a channel. Mandatory categories are sent in any case.',
    access: 'user-or-server',
    params,
    body: preferencesBody,
    responses: { 200: preferencesView },
    example: { body: examplePreferences, response: exampleView },
  }),
  async ({ c, caller: { tenant, ...caller }, params: { user }, body }) => {
    requireSelf({ tenant, ...caller }, user)
    const has = await namesOf(c.env, tenant, body)
    if (unknownNames(body, {}, has).length > 0) {
      // Names that were stored before may have been deleted since: a client gives back what it has read.
      const { preferences: known } = await callRecipients(c.env, tenant, user, (own) => own.preferences(user))
      const [unknown] = unknownNames(body, known, has)
      if (unknown !== undefined) return fail('invalid-request', `${unknown}: there is no such ${kindOf(unknown)}`)
    }
    await callRecipients(c.env, tenant, user, (own) => own.putPreferences(user, body))
    return { status: 200, body: await viewOf(c.env, tenant, user) }
  },
)

const exampleSettings = {
  zone: 'Europe/Berlin',
  preferences: { channels: { sms: false } },
  appearance: { name: 'Example', accent: '#3366ff' },
  tracking: { opens: false, clicks: true },
  keepSeconds: 2_592_000,
}

const readSettings = operation(
  defineOperation({
    id: 'readNotificationSettings',
    method: 'get',
    path: '/v1/notification-settings',
    tag,
    summary: 'Read what holds for the notifications of all users',
    access: 'server',
    responses: { 200: notificationSettings },
    example: { response: exampleSettings },
  }),
  async ({ c, caller }) => ({ status: 200, body: await settingsOf(c.env, caller.tenant) }),
)

const putSettings = operation(
  defineOperation({
    id: 'putNotificationSettings',
    method: 'put',
    path: '/v1/notification-settings',
    tag,
    summary: 'Store what holds for the notifications of all users',
    description: 'Replaces the settings as a whole; those that are left out get their defaults.',
    access: 'server',
    body: notificationSettings,
    responses: { 200: notificationSettings },
    example: { body: exampleSettings, response: exampleSettings },
  }),
  async ({ c, caller: { tenant }, body: { keepSeconds, ...body } }) => {
    const [unknown] = unknownNames(body.preferences, {}, await namesOf(c.env, tenant, body.preferences))
    if (unknown !== undefined)
      return fail('invalid-request', `preferences.${unknown}: there is no such ${kindOf(unknown)}`)
    await callNotificationCatalog(c.env, tenant, (own) => own.putSettings({ ...body, keepMs: keepSeconds * 1000 }))
    return { status: 200, body: await settingsOf(c.env, tenant) }
  },
)

const makeLinks = operation(
  defineOperation({
    id: 'makePreferenceLinks',
    method: 'post',
    path: '/v1/users/{user}/preference-links',
    tag,
    summary: 'Make links for a message of your own: to the page of preferences, and for one-click unsubscription',
    description:
      'E-mails of notifications have them already. The links have no end and need no sign-in: give them to this user only. `headers` are ' +
      'those of RFC 8058, none for a mandatory category.',
    access: 'server',
    params,
    body: newPreferenceLinks,
    optionalBody: true,
    isSecret: true,
    responses: { 200: preferenceLinks },
    example: {
      body: { category: 'marketing' },
      response: {
        preferences: 'https://chat.example.com/preferences/acme.eyJ1IjoiYWRhIn0.c2ln',
        unsubscribe: 'https://chat.example.com/unsubscribe/acme.eyJ1IjoiYWRhIn0.c2ln',
        headers: {
          'List-Unsubscribe': '<https://chat.example.com/unsubscribe/acme.eyJ1IjoiYWRhIn0.c2ln>',
          'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
        },
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { user }, body: { category: name, workflow } }) => {
    const basis = await callNotificationCatalog(c.env, tenant, (own) => own.preferenceBasis([]))
    const category = basis.categories.find((one) => one.name === name)
    if (name !== undefined && category === undefined)
      return fail('invalid-request', `category: there is no category ${name}`)
    const secret = await callNotificationCatalog(c.env, tenant, (own) => own.linkSecret())
    const token = await signLink(secret, { tenant, user, category: name, workflow })
    const { publicUrl } = loadConfig(c.env)
    const headers = unsubscribeHeaders(publicUrl, token, category)
    return { status: 200, body: { ...linkUrls(publicUrl, token), headers } }
  },
)

/** Preferences of users, and the settings that they are based on. */
export const preferences = [readPreferences, putPreferences, makeLinks, readSettings, putSettings]

async function viewOf(env: Env, tenant: string, user: string) {
  const [{ settings, categories }, { preferences: own, zone }] = await Promise.all([
    callNotificationCatalog(env, tenant, (catalog) => catalog.preferenceBasis([])),
    callRecipients(env, tenant, user, (recipients) => recipients.preferences(user)),
  ])
  return {
    preferences: own,
    zone: zone ?? settings.zone,
    channels: effectiveSwitches(own, settings.preferences),
    categories: categories.map((category) => ({
      name: category.name,
      label: category.label ?? null,
      isMandatory: category.isMandatory,
      channels: effectiveSwitches(own, settings.preferences, category),
    })),
  }
}

/** The names of the tenant's categories, and of those workflows among the given that it has. */
async function namesOf(env: Env, tenant: string, { workflows = {} }: Preferences) {
  const asked = Object.keys(workflows)
  const basis = await callNotificationCatalog(env, tenant, (catalog) => catalog.preferenceBasis(asked))
  return { categories: basis.categories.map(({ name }) => name), workflows: basis.workflows }
}

async function settingsOf(env: Env, tenant: string) {
  const {
    zone,
    preferences: layer,
    appearance = {},
    tracking = { opens: false, clicks: false },
    keepMs,
  } = await callNotificationCatalog(env, tenant, (own) => own.settings())
  return { zone, preferences: layer, appearance, tracking, keepSeconds: keepMs / 1000 }
}

const kindOf = (unknown: string): string => (unknown.startsWith('categories.') ? 'category' : 'workflow')
