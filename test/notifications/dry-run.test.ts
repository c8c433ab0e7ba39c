import { expect, test } from 'vitest'
import { dryRun, type DryRunGiven } from '../../src/notifications/runs/dry-run.ts'
import type { WorkflowStep } from '../../src/notifications/model.ts'
import { at, email, inApp, specOf } from './test-user.ts'

const given = (steps: readonly WorkflowStep[], fields: Partial<DryRunGiven> = {}): DryRunGiven => ({
  spec: specOf(steps),
  profile: { id: 'u1', email: 'ada@example.com', properties: {}, targets: [] },
  preferences: {},
  providers: () => [{ name: 'postmark', isIdempotent: true, openUntil: Infinity }],
  now: at,
  ...fields,
})

const steps: readonly WorkflowStep[] = [
  inApp('feed'),
  { name: 'look', kind: 'wait', for: 'seen', timeoutSeconds: 600 },
  {
    name: 'choose',
    kind: 'branch',
    cases: [
      {
        when: "steps.look.outcome == 'happened'",
        steps: [{ name: 'note', kind: 'update-user', set: '{hasLooked: `true`}' }],
      },
    ],
    otherwise: [
      { name: 'score', kind: 'fetch', url: 'https://example.com/score', timeoutSeconds: 10 },
      email('mail', { when: 'steps.score.result.n > `1`' }),
    ],
  },
  { name: 'day', kind: 'digest', window: { kind: 'until', time: '08:00' } },
  email('daily'),
]

test('a dry run says which messages would be sent and when, with the rule of each decision', () => {
  const result = dryRun(given(steps, { fetched: { score: { n: 2 } } }))
  const tomorrow = Date.UTC(2026, 11, 1, 8)
  expect(result.messages.map(({ step, at: when }) => [step, when])).toEqual([
    ['feed', at],
    ['mail', at + 600_000],
    ['daily', tomorrow],
  ])
  expect(result).toMatchObject({ outcome: 'completed', endedAt: tomorrow })
  expect(result.notes.map(({ step, rule }) => `${step} ${rule}`)).toEqual(
    expect.arrayContaining([
      'look wait',
      'choose branch',
      'score fetch',
      'mail preferences',
      'mail provider',
      'day digest',
    ]),
  )
})

test('a dry run supposes that the recipient looks at the item at a given time', () => {
  const result = dryRun(
    given(steps, { seenAt: at + 60_000, preferences: { recipient: { channels: { email: false } } } }),
  )
  expect(result.messages.map(({ step }) => step)).toEqual(['feed'])
  expect(result.properties).toEqual({ hasLooked: true })
  expect(result.notes).toContainEqual({
    at: Date.UTC(2026, 11, 1, 8),
    step: 'daily',
    rule: 'preferences',
    text: 'not sent: recipient.channels.email',
  })
})

test('a dry run gives a run the events that it waits for', () => {
  const waiting: readonly WorkflowStep[] = [
    { name: 'paid', kind: 'wait', for: { event: 'order.paid', correlation: 'data.order' }, timeoutSeconds: 3600 },
    email('thanks', { when: "steps.paid.outcome == 'happened' && steps.paid.result.amount > `10`" }),
  ]
  const events = { 'order.paid': { at: at + 5000, data: { amount: 20 } } }
  expect(dryRun(given(waiting, { events })).messages).toMatchObject([{ step: 'thanks', at: at + 5000 }])
  expect(dryRun(given(waiting))).toMatchObject({ messages: [], endedAt: at + 3_600_000 })
})
