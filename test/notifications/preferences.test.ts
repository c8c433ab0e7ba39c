import { expect, test } from 'vitest'
import { decideChannel, type PreferenceLayers } from '../../src/notifications/preferences/decide.ts'

const question = {
  channel: 'email',
  workflow: 'comment',
  category: { name: 'social', isMandatory: false },
  conversation: 'c1',
  now: 1000,
} as const
const off = { email: false }
const on = { email: true }

test.each<[string, PreferenceLayers, boolean]>([
  ['default', {}, true],
  ['platform.channels.all', { platform: { channels: { all: false } } }, false],
  ['tenant.channels.email', { tenant: { channels: on }, platform: { channels: off } }, true],
  ['tenant.categories.social.email', { tenant: { categories: { social: off }, channels: on } }, false],
  ['tenant.workflows.comment.email', { tenant: { workflows: { comment: on }, categories: { social: off } } }, true],
  ['recipient.channels.email', { recipient: { channels: off }, tenant: { workflows: { comment: on } } }, false],
  ['recipient.categories.social.all', { recipient: { categories: { social: { all: true } }, channels: off } }, true],
  [
    'recipient.workflows.comment.email',
    { recipient: { workflows: { comment: off }, categories: { social: on } } },
    false,
  ],
  ['recipient.muteUntil', { recipient: { muteUntil: 1001, workflows: { comment: on } } }, false],
  ['recipient.workflows.comment.email', { recipient: { muteUntil: 1000, workflows: { comment: on } } }, true],
  [
    'recipient.mutedConversations.c1',
    { recipient: { mutedConversations: { c1: 2000 }, workflows: { comment: on } } },
    false,
  ],
])('%s decides', (rule, layers, isAllowed) => {
  expect(decideChannel(layers, question)).toEqual({ rule, isAllowed })
})

test('a mandatory category is sent whatever the preferences say', () => {
  const layers = { recipient: { muteUntil: 9999, channels: { all: false } } }
  expect(decideChannel(layers, { ...question, category: { name: 'security', isMandatory: true } })).toEqual({
    isAllowed: true,
    rule: 'categories.security.isMandatory',
  })
})

test('the defaults of a category come behind what the tenant and the recipient say of it, and a named channel before all', () => {
  const category = { name: 'social', isMandatory: false, defaults: { all: false, push: true } }
  const asked = (layers: PreferenceLayers) => decideChannel(layers, { ...question, category })
  expect(asked({ tenant: { channels: on } })).toEqual({ isAllowed: false, rule: 'categories.social.defaults.all' })
  expect(asked({ tenant: { categories: { social: on } } }).isAllowed).toBe(true)
  expect(decideChannel({}, { ...question, category, channel: 'push' }).isAllowed).toBe(true)
})

test('names that every object has are names as others are', () => {
  expect(decideChannel({ recipient: { workflows: {} } }, { ...question, workflow: 'constructor' }).rule).toBe('default')
})
