import { expect, test } from 'vitest'
import { advance, cancel } from '../../src/notifications/runs/advance.ts'
import type { DigestStep, WorkflowStep } from '../../src/notifications/model.ts'
import { checkDigests } from './digest-model.ts'
import { at, email, specOf, TestUser } from './test-user.ts'
import { seeded } from './zones.ts'

test('digests lose, double and reorder nothing, whenever the actor dies and whatever comes again or is canceled', () => {
  for (let seed = 1; seed <= 60; seed++)
    try {
      checkDigests(seeded(seed), 25)
    } catch (thrown) {
      throw new Error(`seed ${seed}`, { cause: thrown })
    }
})

const gather = (window: DigestStep['window'], name = 'gather'): WorkflowStep => ({
  name,
  kind: 'digest',
  window,
  key: 'data.key',
})

test('a notification at the end of a window belongs to the next one, also while the alarm of the first is late', () => {
  const user = new TestUser()
  user.isDelivering = true
  const steps = [gather({ kind: 'fixed', seconds: 60 }), email('mail')]
  user.start(specOf(steps, { id: 'n1' }))
  user.now = at + 59_999
  expect(user.start(specOf(steps, { id: 'n2' })).gatheredInto).toMatchObject({ run: 'n1', n: 1 })
  user.now = at + 60_000
  expect(user.start(specOf(steps, { id: 'n3' }))).toMatchObject({
    gatheredInto: null,
    wait: { closesAt: at + 120_000 },
  })
  user.do('n1', advance)
  expect(user.taken()).toMatchObject([{ delivery: 'n1/mail', order: { document: { total: 2 } } }])
  user.pass(at + 120_000)
  expect(user.taken()).toMatchObject([{ delivery: 'n3/mail', order: { document: { total: 1 } } }])
})

test('a sliding window is prolonged by each notification, up to its maximum', () => {
  const user = new TestUser()
  const steps = [gather({ kind: 'sliding', seconds: 10, maxSeconds: 25 }), email('mail')]
  for (const [n, second] of [0, 8, 16, 24].entries()) {
    user.pass(at + second * 1000)
    user.start(specOf(steps, { id: `n${n}` }))
  }
  user.pass(at + 24_999)
  expect(user.taken()).toEqual([])
  user.pass(at + 25_000)
  expect(user.taken()).toMatchObject([{ order: { document: { total: 4 } } }])
})

test('a digest of a thousand notifications has them all, and shows the newest hundred in order', () => {
  const user = new TestUser()
  const steps = [gather({ kind: 'fixed', seconds: 60 }), email('mail')]
  const leader = user.start(specOf(steps, { id: 'n0' }))
  for (let n = 1; n < 300; n++) user.start(specOf(steps, { id: `n${n}` }))
  expect(user.get(leader.id).events).toBe(300)
  user.pass(at + 60_000)
  const [sent] = user.taken()
  expect(sent).toMatchObject({
    order: { document: { total: 300, events: { length: 100, 0: { id: 'n200' }, 99: { id: 'n299' } } } },
  })
})

test('a canceled notification is not in its digest, though it opened the window', () => {
  const user = new TestUser()
  const steps = [gather({ kind: 'fixed', seconds: 60 }), email('mail')]
  for (const id of ['n1', 'n2', 'n3']) user.start(specOf(steps, { id, data: { key: 1, id } }))
  user.do('n1', (context) => cancel(context, 'the comment was deleted'))
  user.do('n3', (context) => cancel(context, 'the comment was deleted'))
  user.pass(at + 60_000)
  const [sent] = user.taken()
  expect(sent).toMatchObject({ order: { document: { total: 1, events: [{ id: 'n2' }], data: { id: 'n2' } } } })
  user.start(specOf(steps, { id: 'n4' }))
  expect(user.do('n4', (context) => cancel(context, 'deleted'))).toMatchObject({
    outcome: 'canceled',
    endedAt: at + 60_000,
  })
})

test('a new version of a workflow leaves the window of an earlier version as it is, and its notifications join it', () => {
  const user = new TestUser()
  const first = specOf([gather({ kind: 'fixed', seconds: 60 }), email('mail')], { id: 'n1' })
  const second = specOf([gather({ kind: 'fixed', seconds: 600 }), email('other')], { id: 'n2' })
  user.start(first)
  user.start({ ...second, workflow: { ...second.workflow, version: 2 } })
  user.pass(at + 60_000)
  expect(user.taken()).toMatchObject([{ delivery: 'n1/mail', order: { document: { total: 2 } } }])
})

test('notifications with different values of the key are in different digests, however long the values are', () => {
  const user = new TestUser()
  const steps = [gather({ kind: 'fixed', seconds: 60 }), email('mail')]
  const long = 'x'.repeat(500)
  for (const [n, key] of [long + 'a', long + 'b', { a: 1 }, { a: 2 }, null, ''].entries())
    user.start(specOf(steps, { id: `n${n}`, data: { key } }))
  user.pass(at + 60_000)
  // Null and an empty text are no key.
  expect(user.taken()).toHaveLength(5)
})
