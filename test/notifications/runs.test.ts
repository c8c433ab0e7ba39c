import { expect, test } from 'vitest'
import { settle } from '../../src/notifications/runs/advance.ts'
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
