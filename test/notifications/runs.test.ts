import { expect, test } from 'vitest'
import type { WorkflowStep } from '../../src/notifications/model.ts'
import { advance, eventArrived, resume, settle, settleFetch } from '../../src/notifications/runs/advance.ts'
import { awaitedEventOf, maxNotes, nextDueAt, note } from '../../src/notifications/runs/run.ts'
import { at, email, inApp, specOf, TestUser } from './test-user.ts'

test('a run sends its e-mail after the wait, unless the recipient has seen the notification in the app', () => {
  for (const isSeen of [false, true]) {
    const user = new TestUser()
    const steps = [
      inApp('feed'),
      { name: 'wait', kind: 'delay', seconds: 600 } as const,
      email('mail', { unless: 'seen' }),
    ]
    user.start(specOf(steps))
    const [shown] = user.taken()
    expect(shown).toMatchObject({ kind: 'deliver', delivery: 'n1/feed', attempt: 1 })
    user.do('n1', (context) => settle(context, 'n1/feed', 1, { kind: 'delivered' }))
    user.pass(at + 599_999)
    expect(user.taken()).toEqual([])
    user.state = { ...user.state, isSeen }
    user.pass(at + 600_000)
    expect(user.taken()).toMatchObject(isSeen ? [] : [{ delivery: 'n1/mail', order: { provider: 'postmark' } }])
    if (isSeen) expect(user.get('n1')).toMatchObject({ outcome: 'completed', endedAt: at + 600_000 })
  }
})

test('notifications of one window are gathered in order, and one run goes on for all of them', () => {
  const user = new TestUser()
  const steps = [{ name: 'gather', kind: 'digest', window: { kind: 'fixed', seconds: 60 } } as const, email('mail')]
  for (const id of ['n1', 'n2', 'n3']) user.start(specOf(steps, { id, data: { id } }))
  user.pass(at + 60_000)
  expect(user.taken()).toMatchObject([
    { delivery: 'n1/mail', order: { document: { total: 3, events: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }] } } },
  ])
  expect(user.get('n2')).toMatchObject({ outcome: 'gathered', gatheredInto: { run: 'n1', n: 1 } })
})

test('a wait ends when the recipient looks at the item, or by its timeout, and conditions know which', () => {
  for (const looks of [false, true]) {
    const user = new TestUser()
    user.isDelivering = true
    const steps: WorkflowStep[] = [
      inApp('feed'),
      { name: 'look', kind: 'wait', for: 'seen', timeoutSeconds: 600 },
      email('mail', { when: "steps.look.outcome == 'timeout'" }),
    ]
    user.start(specOf(steps))
    user.pass(at + 60_000)
    // An item that was read has been seen.
    user.state = { ...user.state, isRead: looks }
    user.do('n1', advance)
    user.pass(at + 600_000)
    expect(user.get('n1')).toMatchObject({
      outcome: 'completed',
      endedAt: looks ? at + 60_000 : at + 600_000,
      steps: { mail: { state: looks ? 'skipped' : 'done' } },
    })
  }
})

test('an event goes to a run that waits for it with the same correlation, once, and its data is the result of the step', () => {
  const user = new TestUser()
  const steps: WorkflowStep[] = [
    { name: 'paid', kind: 'wait', for: { event: 'order.paid', correlation: 'data.order' }, timeoutSeconds: 600 },
    { name: 'pause', kind: 'delay', seconds: 60 },
  ]
  const run = user.start(specOf(steps, { data: { order: 'o1' } }))
  expect(awaitedEventOf(run)).toMatchObject({ event: 'order.paid', correlation: 'o1' })
  const arrived = (event: object): unknown => {
    let isTaken: unknown
    user.do('n1', (context) => {
      isTaken = eventArrived(context, { event: 'order.paid', correlation: 'o1', data: { amount: 5 }, ...event })
    })
    return isTaken
  }
  expect([arrived({ event: 'other' }), arrived({ correlation: 'o2' }), arrived({}), arrived({})]).toEqual([
    false,
    false,
    true,
    false,
  ])
  expect(user.get('n1')).toMatchObject({
    step: 'pause',
    steps: { paid: { outcome: 'happened', result: { amount: 5 } } },
  })
})

test('an event at or after the end of a wait is not taken, also while the alarm is late', () => {
  const user = new TestUser()
  user.start(specOf([{ name: 'w', kind: 'wait', for: { event: 'e', correlation: "'c'" }, timeoutSeconds: 60 }]))
  user.now = at + 60_000
  user.do('n1', (context) => expect(eventArrived(context, { event: 'e', correlation: 'c', data: 1 })).toBe(false))
  user.do('n1', advance)
  expect(user.get('n1').steps).toEqual({ w: { state: 'done', outcome: 'timeout' } })
})

test('a fetch is tried three times under one key, its outcome counts once, and its answer is the result of the step', () => {
  const fetch: WorkflowStep = {
    name: 'score',
    kind: 'fetch',
    url: 'https://example.com',
    body: '{id: data.id}',
    timeoutSeconds: 10,
  }
  const user = new TestUser()
  user.start(specOf([fetch, email('mail', { when: 'steps.score.result.n > `1`' })], { data: { id: 7 } }))
  expect(user.taken()).toMatchObject([{ kind: 'fetch', call: 1, body: { id: 7 }, idempotencyKey: 'n1/score' }])
  user.do('n1', resume)
  expect(user.taken()).toMatchObject([{ call: 2, idempotencyKey: 'n1/score' }])
  user.do('n1', (context) => expect(settleFetch(context, 'score', 1, { kind: 'done', result: { n: 0 } })).toBe(false))
  user.do('n1', (context) => settleFetch(context, 'score', 2, { kind: 'failed', reason: '503' }))
  user.pass(at + 10_000)
  expect(user.taken()).toMatchObject([{ call: 3 }])
  user.do('n1', (context) => settleFetch(context, 'score', 3, { kind: 'done', result: { n: 2 } }))
  expect(user.taken()).toMatchObject([{ kind: 'deliver', delivery: 'n1/mail' }])
})

test('a fetch that fails for good, or answers too much, lets the run go on without a result', () => {
  for (const outcome of [
    { kind: 'refused', reason: '400' },
    { kind: 'done', result: 'x'.repeat(20_000) },
  ] as const) {
    const user = new TestUser()
    user.start(specOf([{ name: 'f', kind: 'fetch', url: 'https://example.com', timeoutSeconds: 10 }, email('mail')]))
    user.do('n1', (context) => settleFetch(context, 'f', 1, outcome))
    if (outcome.kind === 'done') user.pass(at + 200_000)
    expect(user.get('n1').steps).toMatchObject({ f: { state: 'done', outcome: 'failed' }, mail: { state: 'done' } })
  }
})

test('the first case of a branch that holds is taken, and the run goes on behind the branch', () => {
  const branch: WorkflowStep = {
    name: 'b',
    kind: 'branch',
    cases: [
      {
        when: "data.size == 'small'",
        steps: [{ name: 'set', kind: 'update-user', set: '{size: data.size, old: `null`}' }],
      },
      { when: 'data.size', steps: [] },
    ],
    otherwise: [email('none')],
  }
  const stepsFor = (size?: string) => {
    const user = new TestUser()
    user.isDelivering = true
    user.profile = { ...user.profile, properties: { old: 1 } }
    const run = user.start(specOf([branch, email('end')], { data: { size } }))
    return { outcome: run.steps['b']?.outcome, names: Object.keys(run.steps), properties: user.profile.properties }
  }
  expect(stepsFor('small')).toEqual({ outcome: '1', names: ['b', 'set', 'end'], properties: { size: 'small' } })
  expect(stepsFor('large')).toMatchObject({ outcome: '2', names: ['b', 'end'], properties: { old: 1 } })
  expect(stepsFor()).toMatchObject({ outcome: 'otherwise', names: ['b', 'none', 'end'] })
})

test('a condition that does not fit the data is false and says so, and the run goes on', () => {
  const user = new TestUser()
  const run = user.start(specOf([email('mail', { when: 'length(data.n) > `1`' })], { data: { n: 5 } }))
  expect(run).toMatchObject({ outcome: 'completed', steps: { mail: { state: 'skipped' } } })
  expect(run.notes[0]?.text).toContain('does not fit the data')
})

test('the state of a run is JSON, and a run that has ended does nothing more', () => {
  const user = new TestUser()
  user.isDelivering = true
  const ended = user.start(specOf([inApp('feed'), email('mail')]))
  expect(nextDueAt(ended)).toBe(Infinity)
  for (const again of [advance, resume]) expect(user.do('n1', again)).toEqual(ended)
  expect(user.start(specOf([email('mail')]))).toEqual(ended)
})

test('a run with every kind of note keeps its first and its newest ones', () => {
  const user = new TestUser()
  const run = user.start(specOf([email('mail')]))
  for (let n = 0; n < 1000; n++) note(run, at, 'rule', `note ${n}`)
  expect(run.notes.length).toBe(maxNotes)
  expect(run.notes[0]?.rule).toBe('preferences')
  expect(run.notes.at(-1)?.text).toBe('note 999')
})
