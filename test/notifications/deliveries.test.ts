import { expect, test } from 'vitest'
import type { DeliveryOutcome, ProviderState, WorkflowStep } from '../../src/notifications/model.ts'
import { cancel, resume, settle } from '../../src/notifications/runs/advance.ts'
import { at, email, inApp, specOf, TestUser } from './test-user.ts'
import { seeded } from './zones.ts'

const provider = (name: string, isIdempotent = true): ProviderState => ({ name, isIdempotent, openUntil: 0 })
const later: DeliveryOutcome = { kind: 'later', answer: '429' }
const unknown: DeliveryOutcome = { kind: 'unknown', answer: 'timed out' }
const refused: DeliveryOutcome = { kind: 'refused', answer: '422' }

/** A user whose e-mail has these providers and answers, in the order of attempts; the last answer stays. */
function sent(providers: readonly ProviderState[], answers: readonly DeliveryOutcome[], fields: object = {}) {
  const user = new TestUser()
  user.providers = providers
  user.start(specOf([email('mail', { heedsQuietHours: false, ...fields })]))
  for (let n = 0; n < 200; n++) {
    const [delivery] = user.get('n1').deliveries
    if (delivery === undefined || (delivery.state !== 'waiting' && delivery.state !== 'active')) break
    const answer = answers[Math.min(delivery.attempts.length, answers.length) - 1]
    if (delivery.state === 'active' && answer !== undefined)
      user.do('n1', (context) => settle(context, 'n1/mail', delivery.attempts.length, answer))
    else user.pass(delivery.dueAt)
  }
  const [delivery] = user.get('n1').deliveries
  if (delivery === undefined) throw new Error('the run has no delivery')
  return { ...delivery, asked: delivery.attempts.map((attempt) => attempt.provider), took: user.now - at }
}

const both = [provider('one'), provider('two')]

test('the next provider is asked at once when one did not take the message, and the first again after a pause', () => {
  expect(sent(both, [later, { kind: 'delivered' }])).toMatchObject({
    state: 'delivered',
    asked: ['one', 'two'],
    took: 0,
    possibleDuplicates: 0,
  })
  const outage = sent(both, [later, later, later, later, { kind: 'delivered' }])
  expect(outage.asked).toEqual(['one', 'two', 'one', 'two', 'one'])
  expect(outage.took).toBeGreaterThan(1000)
  expect(outage.took).toBeLessThan(60_000)
})

test('a provider that refuses a message is not asked again, and the delivery fails when all refuse it', () => {
  expect(sent(both, [refused, later, { kind: 'delivered' }]).asked).toEqual(['one', 'two', 'two'])
  expect(sent(both, [refused])).toMatchObject({
    state: 'failed',
    asked: ['one', 'two'],
    reason: expect.stringContaining('refused'),
  })
})

test('a provider that may have sent the message is asked again first, and no other while it has not said so', () => {
  const { asked, possibleDuplicates } = sent(both, [unknown, unknown, unknown, unknown, { kind: 'delivered' }])
  expect(asked).toEqual(['one', 'one', 'one', 'one', 'one'])
  expect(possibleDuplicates).toBe(0)
  expect(sent(both, [unknown, later, refused, { kind: 'delivered' }])).toMatchObject({
    asked: ['one', 'one', 'one', 'two'],
    possibleDuplicates: 0,
  })
})

test('with failover the next provider is asked after two attempts in doubt, and the possible duplicate is counted', () => {
  const failover = { onUnknown: 'failover' }
  expect(sent(both, [unknown, unknown, { kind: 'delivered' }], failover)).toMatchObject({
    asked: ['one', 'one', 'two'],
    possibleDuplicates: 1,
  })
  expect(sent(both, [unknown, { kind: 'delivered' }], failover)).toMatchObject({
    asked: ['one', 'one'],
    possibleDuplicates: 0,
  })
  const smtp = [provider('smtp', false), provider('two')]
  expect(sent(smtp, [unknown, { kind: 'delivered' }], failover)).toMatchObject({
    asked: ['smtp', 'smtp'],
    possibleDuplicates: 1,
  })
  // A refusal of the repeat says nothing of the first attempt where the provider does not know that they are one.
  expect(sent(smtp, [unknown, refused, { kind: 'delivered' }], failover)).toMatchObject({
    asked: ['smtp', 'smtp', 'two'],
    possibleDuplicates: 2,
  })
})

test('a provider without idempotency keys that may have sent the message is not asked again unless the tenant wants it', () => {
  expect(sent([provider('smtp', false), provider('two')], [unknown])).toMatchObject({
    state: 'failed',
    asked: ['smtp'],
    possibleDuplicates: 0,
    reason: expect.stringContaining('"smtp" may have sent it'),
  })
})

test('a provider that says what follows when it did not answer decides it for steps that wait', () => {
  const smtp = { ...provider('smtp', false), onUnknown: 'failover' } as const
  expect(sent([smtp, provider('two')], [unknown, unknown, { kind: 'delivered' }])).toMatchObject({
    state: 'delivered',
    asked: ['smtp', 'smtp', 'two'],
    possibleDuplicates: 2,
  })
  // Another provider's choice says nothing of this one.
  expect(sent([provider('one', false), smtp], [unknown])).toMatchObject({ state: 'failed', asked: ['one'] })
})

test('a provider that is not healthy is passed over, and waited for when there is no other', () => {
  const ill = { ...provider('one'), openUntil: at + 60_000 }
  expect(sent([ill, provider('two')], [{ kind: 'delivered' }])).toMatchObject({ asked: ['two'], took: 0 })
  expect(sent([ill], [{ kind: 'delivered' }])).toMatchObject({ asked: ['one'], took: 60_000 })
})

test('a delivery is given up after a day, or when there is no provider', () => {
  const { state, took, asked } = sent([provider('one')], [later])
  expect(state).toBe('failed')
  expect(took).toBe(86_400_000)
  expect(asked.length).toBeLessThan(60)
  expect(sent([], [])).toMatchObject({ state: 'failed', reason: 'there is no provider' })
})

test('the outcome of an earlier attempt counts only when it says that the message was delivered', () => {
  const user = new TestUser()
  user.start(specOf([email('mail')]))
  user.pass(at + 40_000)
  expect(user.get('n1').deliveries[0]).toMatchObject({ attempts: [{ outcome: 'unknown' }, { provider: 'postmark' }] })
  expect(user.do('n1', (context) => settle(context, 'n1/mail', 1, later)).deliveries[0]?.state).toBe('active')
  expect(user.do('n1', (context) => settle(context, 'n1/mail', 1, { kind: 'delivered' })).deliveries[0]?.state).toBe(
    'delivered',
  )
  expect(user.do('n1', (context) => settle(context, 'n1/mail', 2, later)).deliveries[0]?.state).toBe('delivered')
})

test('a message under way when the actor lost its memory goes to the same provider under the same id', () => {
  const user = new TestUser()
  user.providers = both
  user.start(specOf([email('mail')]))
  const [first] = user.taken()
  user.do('n1', resume)
  user.pass(at + 5_000)
  const [second] = user.taken()
  expect(first).toMatchObject({ delivery: 'n1/mail', order: { provider: 'one' }, attempt: 1 })
  expect(second).toMatchObject({ delivery: 'n1/mail', order: { provider: 'one' }, attempt: 2 })
})

test('a target that does not exist any more is removed, and the others get the message', () => {
  const user = new TestUser()
  const target = (id: string) => ({ id, channel: 'push', type: 'web-push', address: {} }) as const
  user.profile = { ...user.profile, targets: [target('a'), target('b')] }
  user.start(specOf([email('push', { channel: 'push' })]))
  expect(user.taken().map((effect) => effect.kind === 'deliver' && effect.delivery)).toEqual(['n1/push/a', 'n1/push/b'])
  user.do('n1', (context) => settle(context, 'n1/push/a', 1, { kind: 'gone', answer: '410' }))
  user.do('n1', (context) => settle(context, 'n1/push/b', 1, { kind: 'delivered' }))
  expect(user.taken()).toEqual([{ kind: 'remove-target', channel: 'push', target: 'a' }])
  expect(user.get('n1')).toMatchObject({
    outcome: 'completed',
    deliveries: [{ state: 'failed' }, { state: 'delivered' }],
  })
})

test('conditions know what became of deliveries when the step awaits them', () => {
  for (const outcome of [refused, { kind: 'delivered' }] as const) {
    const user = new TestUser()
    const steps: WorkflowStep[] = [
      email('mail', { awaitsOutcome: true }),
      email('sms', { channel: 'sms', when: "steps.mail.state == 'failed'" }),
    ]
    user.start(specOf(steps))
    expect(user.taken()).toHaveLength(1)
    user.do('n1', (context) => settle(context, 'n1/mail', 1, outcome))
    expect(user.taken()).toHaveLength(outcome.kind === 'refused' ? 1 : 0)
  }
})

test('preferences and quiet hours are judged at the moment of sending, for repeats as well', () => {
  const user = new TestUser()
  const quietHours = { ranges: [{ start: '11:00', end: '13:00' }] }
  user.preferences = { recipient: { quietHours } }
  user.start(specOf([inApp('feed'), email('mail'), email('urgent', { heedsQuietHours: false })]))
  expect(user.taken().map((effect) => effect.kind === 'deliver' && effect.delivery)).toEqual(['n1/feed', 'n1/urgent'])
  user.preferences = { recipient: { channels: { email: false } } }
  user.pass(at + 3_600_000)
  expect(user.get('n1').deliveries.find(({ id }) => id === 'n1/mail')).toMatchObject({
    state: 'skipped',
    reason: 'not sent: recipient.channels.email',
  })
  // One that may have been sent did not fail to be sent for sure, so it is not called skipped.
  expect(user.get('n1').deliveries.find(({ id }) => id === 'n1/urgent')?.state).toBe('failed')
})

test('a high priority passes quiet hours; a mandatory category does not', () => {
  const sentAtOnce = (fields: object): number => {
    const user = new TestUser()
    user.preferences = {
      tenant: { quietHours: { ranges: [{ start: '11:00', end: '13:00' }] }, channels: { all: false } },
    }
    user.start(specOf([email('mail')], { category: { name: 'security', isMandatory: true }, ...fields }))
    return user.taken().length
  }
  expect(sentAtOnce({ priority: 'high' })).toBe(1)
  expect(sentAtOnce({})).toBe(0)
})

test('a canceled notification is not sent, and one under way is not repeated', () => {
  const user = new TestUser()
  user.start(specOf([email('mail'), { name: 'd', kind: 'delay', seconds: 60 }, email('again')]))
  user.do('n1', (context) => cancel(context, 'the order was canceled'))
  user.do('n1', (context) => settle(context, 'n1/mail', 1, later))
  user.pass(at + 86_400_000)
  expect(user.taken()).toHaveLength(1)
  expect(user.get('n1')).toMatchObject({ outcome: 'canceled', deliveries: [{ state: 'canceled' }], step: null })
})

test('a throttle lets its number of runs pass within any span of its length', () => {
  const random = seeded(7)
  const user = new TestUser()
  user.isDelivering = true
  const steps: WorkflowStep[] = [
    { name: 'limit', kind: 'throttle', limit: 3, seconds: 60, key: 'data.key' },
    email('mail'),
  ]
  const passed: number[] = []
  for (let n = 0; n < 120; n++) {
    user.pass(user.now + Math.floor(random() * 20_000))
    const run = user.start(specOf(steps, { id: `n${n}`, data: { key: 'a' } }))
    const recent = passed.filter((time) => time > user.now - 60_000).length
    expect(run.outcome).toBe(recent < 3 ? 'completed' : 'throttled')
    if (run.outcome === 'completed') passed.push(user.now)
  }
  expect(user.start(specOf(steps, { id: 'other', data: { key: 'b' } })).outcome).toBe('completed')
})
