import { describe, expect, test } from 'vitest'
import { commands } from '../../src/conversations/commands/table.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { sampleOf } from '../support/worker/sample.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import {
  answerOf,
  furnished,
  namedBy,
  nothing,
  operations,
  pathOf,
  readingOf,
  tellOf,
  type Things,
} from '../support/worker/things.ts'

// Made from the tables the code runs on: a new route, rpc or kind of channel is swapped here without being told.

/** Status and text by operation. */
type Answers = Readonly<Record<string, [number, string]>>

/** All answers of one caller. */
async function answers(as: string | undefined, things: Things): Promise<Answers> {
  const all: Record<string, [number, string]> = {}
  for (const operation of operations) all[tellOf(operation)] = await answerOf(operation, as, things)
  return all
}

describe('every documented operation', () => {
  test('answers alike for what another tenant has and for what does not exist, with key and token', async () => {
    const theirs = await furnished()
    const before = await readingOf(theirs)
    const credentials = {
      server: ({ key }: TestTenant) => key,
      user: async (tenant: TestTenant) => await tenant.token('alice'),
    }
    for (const caller of ['server', 'user'] as const) {
      const credential = credentials[caller]
      const [here, elsewhere] = [await newTenant(), await newTenant()]
      const there = await answers(await credential(here), theirs.things)
      expect(there).toEqual(await answers(await credential(elsewhere), nothing()))
      expect(served(there, caller)).toEqual([])
    }
    expect(await readingOf(theirs)).toEqual(before)
  })

  test('answers a user outside it alike for a conversation of others and for none', async () => {
    const { tenant, things } = await furnished()
    const other = await furnished()
    const there = await answers(await tenant.token('mallory'), things)
    const nowhere = await answers(await other.tenant.token('mallory'), {
      ...other.things,
      conversation: nothing().conversation,
    })
    const about = ([line]: [string, unknown]) => line.includes('/conversations/{id}')
    expect(Object.entries(there).filter(about)).toEqual(Object.entries(nowhere).filter(about))
    expect(served(there, 'user')).toEqual([])
  })

  test('is closed to callers without a credential, or with a worthless one', async () => {
    const { things, tenant } = await furnished()
    // Each from an address of its own, since guesses of one address are limited.
    let caller = 0
    for (const as of [undefined, 'nonsense', `${tenant.key}x`, `${await tenant.token('alice')}x`])
      for (const operation of operations) {
        const line = `${operation.method.toUpperCase()} ${pathOf(operation, things)}`
        // Not even what is wrong with a body is for strangers.
        const body = operation.body === undefined ? undefined : { wrong: true }
        const headers = { 'cf-connecting-ip': `2001:db8:0:${(caller++).toString(16)}::1` }
        const { status } = await call(line, { ...(as === undefined ? {} : { as }), body, headers })
        expect({ line: tellOf(operation), status }).toEqual({ line: tellOf(operation), status: 401 })
      }
  })
})

/**
 * Conversations of others that were served, or refused for another reason than that there is none. Users have no
 * operation of the tenant's server: those refuse them before a conversation is looked up.
 */
const served = (all: Answers, caller: 'user' | 'server') =>
  operations
    .filter(({ path }) => path.includes('/conversations/{id}'))
    .flatMap((operation) => {
      const due = caller === 'user' && operation.access === 'server' ? 403 : 404
      const line = tellOf(operation)
      const status = all[line]?.[0]
      return status === due ? [] : [`${line}: ${status}`]
    })

describe('over a socket', () => {
  test('every rpc answers alike for a conversation of another tenant, of other users, and for none', async () => {
    const [mine, theirs] = [await furnished(), await furnished()]
    const mallory = await connectAs(mine.tenant, 'mallory')
    for (const { name: method, input } of commands) {
      const told: unknown[] = []
      for (const things of [theirs.things, mine.things, nothing()])
        told.push((await mallory.rpc(method, Object(sampleOf(input, namedBy(things))))).error)
      expect({ method, told }).toEqual({
        method,
        told: told.map(() => ({ code: 404, message: 'no such conversation' })),
      })
    }
  })

  test('every kind of channel answers alike for another tenant’s, other users’ and nonexistent ones', async () => {
    const [mine, theirs] = [await furnished(), await furnished()]
    const mallory = await connectAs(mine.tenant, 'mallory')
    const kinds: readonly ((things: Things, user: string) => string)[] = [
      ({ conversation }) => `conversation:${conversation}`,
      (_, user) => `user:#${user}`,
      ({ job }) => `jobs:${job}`,
    ]
    for (const channelOf of kinds) {
      const channels = [
        channelOf(theirs.things, 'alice'),
        channelOf(mine.things, 'bob'),
        channelOf(nothing(), 'nobody'),
      ]
      for (const ask of ['subscribe', 'history', 'presence', 'presence_stats', 'publish'] as const) {
        const told: unknown[] = []
        for (const channel of channels)
          told.push(
            (
              await mallory.line.ask({
                [ask]: { channel, ...(ask === 'publish' ? { data: { clientId: 'swapped', text: 'swapped' } } : {}) },
              })
            ).error,
          )
        expect({ ask, channels, told }).toEqual({ ask, channels, told: channels.map(() => told[0]) })
        expect(told[0]).toBeDefined()
      }
    }
  })
})
