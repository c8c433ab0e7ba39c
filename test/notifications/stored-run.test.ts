import { expect, test } from 'vitest'
import { advance, settle } from '../../src/notifications/runs/advance.ts'
import { readRun, runText } from '../../src/notifications/runs/stored-run.ts'
import type { Run } from '../../src/notifications/runs/run.ts'
import { isSameForAll } from '../../src/notifications/templates/render.ts'
import { at, email, inApp, specOf, TestUser } from './test-user.ts'

/** What is shown of a run. */
const shown = (run: Run): Run => ({
  ...run,
  steps: {},
  deliveries: run.deliveries.map((one) => ({ ...one, dueAt: 0, deadlineAt: 0 })),
})

const again = (run: Run): Run => readRun(runText(run), { user: run.recipient, notification: run.notification })

test('a run that has ended is read with all that is shown of it, and takes no page of its own', () => {
  const user = new TestUser()
  const id = '69d1193f-a30f-8ed5-b686-4af5ee9c9859'
  const steps = [
    { name: 'throttle', kind: 'throttle', limit: 5, seconds: 3600 } as const,
    inApp('feed'),
    { name: 'digest', kind: 'digest', window: { kind: 'fixed', seconds: 60 } } as const,
    email('mail'),
  ]
  user.start(specOf(steps, { id: 'first' }))
  const context = user.start(specOf(steps, { id }))
  const run: Run = {
    ...user.do(id, (own) => settle(own, `${id}/feed`, 1, { kind: 'delivered' })),
    recipient: 'user-1008',
  }
  const whole: Run = { ...run, id: `${id}/user-1008` }
  const named = { ...whole, deliveries: whole.deliveries.map((one) => ({ ...one, id: `${whole.id}/feed` })) }
  expect(context.outcome).toBe('gathered')
  expect(shown(again(named))).toEqual(shown(named))
  // A row of a table without rowids has a quarter of a page of 4 KiB; its key and its other columns take some 150 bytes.
  expect(runText(named).length).toBeLessThan(850)
})

test('a run that was canceled, has several targets, attempts at other times and doubts is read as it was', () => {
  const delivery = { step: 'push', channel: 'push', dueAt: 0, deadlineAt: 0 } as const
  const attempt = { provider: 'fcm', at: at + 5, outcome: 'unknown', answer: 'no answer', retryAt: at + 9 } as const
  const run: Run = {
    ...new TestUser().start(specOf([inApp('feed')], { id: 'n1' })),
    id: 'n1/u1',
    outcome: 'canceled',
    endedAt: at + 10,
    step: null,
    steps: {},
    events: 3,
    followers: 2,
    isOwnCanceled: true,
    deliveries: [
      {
        ...delivery,
        id: 'n1/u1/push/phone',
        target: 'phone',
        isDigest: true,
        state: 'failed',
        attempts: [attempt],
        possibleDuplicates: 2,
        reason: 'gone',
      },
    ],
  }
  expect(again(run)).toEqual(run)
})

test('a run that goes on is stored whole', () => {
  const user = new TestUser()
  const run = user.start(specOf([{ name: 'wait', kind: 'delay', seconds: 60 }], { id: 'n1' }))
  expect(again(run)).toEqual(run)
  user.now += 60_000
  expect(user.change(again(run), advance).outcome).toBe('completed')
})

test('content is the same for all recipients only when it names nothing of a recipient and picks nothing at random', () => {
  const of = (body: string) => isSameForAll({ body })
  expect(of('{{ actor.name }} wrote: {{ data.text | truncate: 20 }}')).toBe(true)
  expect(of('Hello')).toBe(true)
  for (const body of [
    '{{ recipient.name }}',
    '{% if state.isSeen %}a{% endif %}',
    '{{ total }}',
    '{{ data.list | sample }}',
    '{{ notification.delivery }}',
  ])
    expect(of(body), body).toBe(false)
})
