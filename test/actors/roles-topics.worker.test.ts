import { beforeAll, describe, expect, test } from 'vitest'
import {
  actions,
  mayAsk,
  names,
  topicCast,
  topicNamed,
  visitors,
  words,
  type Action,
  type Visitor,
} from '../support/worker/roles/topics.ts'

// Everything that can be asked of a topic, in a namespace of each value, by every kind of client.

let cast: Awaited<ReturnType<typeof topicCast>>
beforeAll(async () => {
  cast = await topicCast()
  for (const visitor of visitors) for (const action of asked) cast.lineOf(visitor, action).answersPings = true
})

const isAction = (name: string): name is Action => Object.hasOwn(actions, name)
const asked = Object.keys(actions).filter(isAction)

describe.each(asked)('%s', (action) => {
  const cases = words[action].flatMap((allowed) => names.map((name) => ({ allowed, name })))

  test.each(cases)(
    'where the namespace allows $allowed and the name is $name, succeeds for the roles of the table',
    async (one) => {
      const { allowed, name } = one
      const channel = topicNamed(allowed, name, crypto.randomUUID().slice(0, 8))
      // A subscriber does not subscribe again, and one that has begun would count as a subscriber.
      const coming = visitors.filter((visitor) => action !== 'subscribe' || visitor !== 'listening')
      if (action !== 'subscribe') await cast.listen(channel)
      const before = await cast.stateOf(channel)
      const may = (visitor: Visitor) => mayAsk(allowed, name, action, visitor)
      for (const visitor of coming.filter((each) => !may(each))) {
        const code = await ask(visitor, action, channel)
        expect({ visitor, code }).toEqual({ visitor, code: visitor === 'foreign' ? 102 : 103 })
      }
      expect(await cast.stateOf(channel)).toEqual(before)
      for (const visitor of coming.filter(may)) {
        const code = await ask(visitor, action, channel)
        expect({ visitor, code }).toEqual({ visitor, code: 0 })
      }
      if (coming.some(may) && (action === 'publish' || action === 'subscribe'))
        expect(await cast.stateOf(channel)).not.toEqual(before)
    },
  )
})

async function ask(visitor: Visitor, action: Action, channel: string): Promise<number> {
  const data = action === 'publish' ? { data: 1 } : {}
  const limit = action === 'history' ? { limit: -1 } : {}
  const { error } = await cast.lineOf(visitor, action).ask({ [action]: { channel, ...data, ...limit } })
  return error?.code ?? 0
}
