import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ConversationChange } from '../../src/conversations/change.ts'
import { readEntry } from '../../sdk/entries.ts'
import { unknown, withEntries, withState, type Known } from '../../sdk/view.ts'
import { TestConversation } from '../support/conversation.ts'

const people = { olga: 'owner', mia: 'member', max: 'member', rhea: 'reader' } as const
const text = fc.option(fc.constantFrom('a', 'b'))
const change: fc.Arbitrary<ConversationChange> = fc.record(
  {
    name: fc.constantFrom('Lunch', 'Dinner'),
    topic: text,
    avatar: text,
    properties: fc.option(fc.constantFrom('{"n":1}', '{"n":2}')),
    frozen: fc.boolean(),
    slowModeSeconds: fc.option(fc.constantFrom(1, 2)),
  },
  { requiredKeys: [] },
)
const user = fc.constantFrom('mia', 'max', 'rhea', 'zoe')
const step = fc.oneof(
  fc.record({ does: fc.constant('update' as const), change }),
  fc.record({ does: fc.constant('role' as const), user, role: fc.constantFrom('reader', 'moderator', 'admin') }),
  fc.record({ does: fc.constant('ban' as const), user }),
  fc.record({ does: fc.constant('unban' as const), user }),
  fc.record({ does: fc.constant('add' as const), user }),
  fc.record({ does: fc.constant('away' as const) }),
)

/** What a client shows after a subscribe that takes it from its position, or from nothing. */
function subscribed(conversation: TestConversation, known: Known | undefined, offset: number): Known {
  const since = known === undefined ? {} : { since: { epoch: conversation.conversation.epoch, offset } }
  const { results } = conversation.apply({ user: 'olga', client: 'c', kind: 'subscribe', joinLeave: false, ...since })
  const [result] = results
  if (result?.kind !== 'subscribed') throw new Error('refused')
  return withState(placed(known ?? unknown('olga'), result.publications), JSON.parse(result.data))
}

const placed = (known: Known, publications: readonly { readonly offset: number; readonly data: string }[]): Known =>
  withEntries(
    known,
    publications.map(({ offset, data }) => ({ seq: offset, entry: readEntry(JSON.parse(data)) })),
  )

const shown = ({ properties, people: { members } }: Known) => [
  properties,
  [...members.values()].map(({ user: id, role }) => `${id} ${role}`).toSorted(),
]

test('whatever changes while a client follows or is away, it shows the properties and members that a reload shows', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const conversation = new TestConversation(people)
      let isAway = false
      let known = subscribed(conversation, undefined, 0)
      let offset = 0
      for (const one of steps) {
        if (one.does === 'away') {
          if (isAway) known = subscribed(conversation, known, offset)
          isAway = !isAway
          offset = conversation.log.top()
          continue
        }
        const [name, input] =
          one.does === 'update'
            ? ['conversation.update', one.change]
            : one.does === 'role'
              ? ['member.role', { user: one.user, role: one.role }]
              : one.does === 'add'
                ? ['member.add', { members: [one.user] }]
                : [`member.${one.does}`, { user: one.user }]
        const { publications } = conversation.apply({
          kind: 'command',
          user: 'olga',
          client: '',
          name,
          input: Object(input),
        })
        if (isAway) continue
        known = placed(known, publications)
        offset = conversation.log.top()
      }
      if (isAway) known = subscribed(conversation, known, offset)
      expect(shown(known)).toEqual(shown(subscribed(conversation, undefined, 0)))
    }),
  )
})
