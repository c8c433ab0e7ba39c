import { expect, test } from 'vitest'
import type { WorkflowStep } from '../../src/notifications/model.ts'
import { badWorkflow, warningsOf, type KnownNames } from '../../src/notifications/workflows/check.ts'
import { workflowDefinition } from '../../src/protocol/workflows-api.ts'

const mail = { name: 'mail', kind: 'channel', channel: 'email', source: { content: { body: 'Hello' } } }
const feed = { ...mail, name: 'feed', channel: 'in-app' }
const delay = (name: string, days: number) => ({ name, kind: 'delay', seconds: days * 86_400 })
const digest = (name: string, window: object) => ({ name, kind: 'digest', window })
const branch = (name: string, ...steps: readonly object[]) => ({
  name,
  kind: 'branch',
  cases: [{ when: 'data.x', steps }],
})
const nested = (depth: number): object => (depth === 0 ? mail : branch(`b${depth}`, nested(depth - 1)))

function stepsOf(...steps: readonly object[]): readonly WorkflowStep[] {
  return workflowDefinition.parse({ steps }).steps
}

test('a definition gets its defaults, and branches may lie in branches', () => {
  expect(workflowDefinition.parse({ steps: [mail, branch('b', branch('c', { ...mail, name: 'm2' }))] })).toMatchObject({
    priority: 'normal',
    steps: [{ onUnknown: 'wait', heedsQuietHours: true, awaitsOutcome: false }, { otherwise: [] }],
  })
  expect(badWorkflow({ steps: stepsOf(nested(3)) })).toBeUndefined()
})

test.each<[string, object]>([
  ['an unknown kind of step', { name: 'a', kind: 'loop', to: 'b' }],
  ['a step that jumps to another', { ...mail, next: 'mail' }],
  ['a delay of more than a year', delay('a', 366)],
  ['a wait of more than 30 days', { name: 'a', kind: 'wait', for: 'seen', timeoutSeconds: 31 * 86_400 }],
  ['a wait without an end', { name: 'a', kind: 'wait', for: 'seen' }],
  ['a throttle of less than a second', { name: 'a', kind: 'throttle', limit: 1, seconds: 0 }],
  ['a throttle of more than 31 days', { name: 'a', kind: 'throttle', limit: 1, seconds: 32 * 86_400 }],
  ['a sliding window without a maximum', digest('a', { kind: 'sliding', seconds: 60 })],
  [
    'a sliding window with a maximum of more than 31 days',
    digest('a', { kind: 'sliding', seconds: 60, maxSeconds: 32 * 86_400 }),
  ],
  ['a sliding window longer than its maximum', digest('a', { kind: 'sliding', seconds: 60, maxSeconds: 30 })],
  ['a window until a time that no clock shows', digest('a', { kind: 'until', time: '24:00' })],
  ['a window until no weekday', digest('a', { kind: 'until', time: '08:00', weekdays: [] })],
  ['a name that expressions cannot use', { ...mail, name: '__proto__' }],
  ['a name of every object', { ...mail, name: 'constructor' }],
  ['an unknown channel', { ...mail, channel: 'pigeon' }],
  ['no content', { ...mail, source: {} }],
  ['branches in branches in branches in branches', nested(4)],
])('a definition with %s is refused', (_name, step) => {
  expect(workflowDefinition.safeParse({ steps: [step] }).success).toBe(false)
})

test('a definition nested thousands of levels deep is refused without being read to its end', () => {
  expect(workflowDefinition.safeParse({ steps: [nested(3000)] }).success).toBe(false)
  let schema: object = {}
  for (let n = 0; n < 20_000; n++) schema = { not: schema }
  expect(workflowDefinition.safeParse({ schema, steps: [mail] }).success).toBe(false)
})

const known: KnownNames = {
  categories: new Set(['comments']),
  templates: new Map([['hello', 2]]),
  channels: new Set(['email']),
}

test.each<[string, readonly object[]]>([
  ['steps.1.name: "mail" is the name of an earlier step', [mail, mail]],
  ['steps.1.cases.0.steps.0.name: "mail" is the name of an earlier step', [mail, branch('b', mail)]],
  ['steps: delays, waits and windows take at most', [delay('a', 365), delay('b', 36)]],
  ['steps.0.when: is never true', [{ ...mail, when: '`false`' }]],
  ['steps.0.when: is never true', [{ ...mail, when: "'a' == 'b'" }]],
  ['steps.0.when: not a JMESPath expression', [{ ...mail, when: 'data.' }]],
  ['steps.0.when: there is no "dat" in the document', [{ ...mail, when: 'dat.x' }]],
  [
    'steps.0.when: "later" is no step that runs before this one',
    [{ ...mail, when: "steps.later.state == 'done'" }, delay('later', 1)],
  ],
  [
    'steps.0.cases.0.when: is always true',
    [{ ...branch('b', mail), cases: [{ when: '`true`', steps: [] }], otherwise: [mail] }],
  ],
  ['steps.0.source.template: there is no template "other"', [{ ...mail, source: { template: 'other' } }]],
  [
    'steps.0.source.version: the newest version of "hello" is 2',
    [{ ...mail, source: { template: 'hello', version: 3 } }],
  ],
  [
    'steps.0.key: there is no "preferences"',
    [{ ...digest('d', { kind: 'fixed', seconds: 1 }), key: 'preferences.email' }],
  ],
  ['steps.0.set: there is no "user"', [{ name: 'u', kind: 'update-user', set: 'user' }]],
])('a definition is refused with the field and the rule: %s', (message, steps) => {
  expect(badWorkflow({ steps: stepsOf(...steps) }, known)).toContain(message)
})

test('a definition with an unknown category, or with more than 50 steps in all branches together, is refused', () => {
  expect(badWorkflow({ category: 'other', steps: stepsOf(mail) }, known)).toContain(
    'category: there is no category "other"',
  )
  const many = Array.from({ length: 26 }, (_, n) => branch(`b${n}`, { ...mail, name: `m${n}` }))
  expect(badWorkflow({ steps: stepsOf(...many) }, known)).toContain('at most 50 steps')
})

test('a condition may name steps of a branch before it, and the wait that a branch does not take is not added up', () => {
  const before = { ...branch('b', delay('d', 300)), otherwise: [delay('e', 300)] }
  const steps = stepsOf(before, { ...mail, when: "steps.d.state == 'done' && preferences.email" })
  expect(badWorkflow({ steps }, known)).toBeUndefined()
})

test('a definition that is permitted and may not be meant gets warnings', () => {
  const sms = { ...mail, name: 'sms', channel: 'sms', unless: 'seen', when: '`true`' }
  const wait = { name: 'w', kind: 'wait', for: 'seen', timeoutSeconds: 60 }
  expect(warningsOf({ steps: stepsOf(wait, sms) }, known)).toEqual([
    expect.stringContaining('steps.0.for: no step before it'),
    expect.stringContaining('steps.1.when: is always true'),
    expect.stringContaining('steps.1.channel: there is no provider of sms'),
    expect.stringContaining('steps.1.unless: no step before it'),
  ])
  expect(warningsOf({ steps: stepsOf(feed, wait, { ...mail, unless: 'seen' }) }, known)).toEqual([])
  expect(warningsOf({ steps: stepsOf(delay('d', 1)) }, known)).toEqual(['steps: no step sends anything'])
})
