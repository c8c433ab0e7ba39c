import type { CapabilityAction } from '../../../../src/protocol/capabilities.ts'
import type { Allowed } from '../../../../src/protocol/namespaces-api.ts'
import { call } from '../http.ts'
import { Line } from '../line.ts'
import { newTenant, succeeded } from '../tenant.ts'
import { namespace, ownGateway, ticketFor, tokenFor } from '../topics.ts'
import { openTenant } from './cast.ts'

/** What is asked of a topic, and the capability that is leave to ask it. */
export const actions = {
  subscribe: 'sub',
  publish: 'pub',
  history: 'hst',
  presence: 'prs',
  presence_stats: 'prs',
} as const
export type Action = keyof typeof actions

/**
 * The users that a topic's name admits: any the namespace admits, holders of a subscription token, or the named ones.
 */
export const names = ['open', 'private', 'named'] as const
export type Name = (typeof names)[number]

/** A client of a topic: by the claims of its token beside the user id, and by whether it is subscribed. */
export type Visitor = 'able' | 'unable' | 'plain' | 'named' | 'listening' | 'anonymous' | 'foreign'
export const visitors: readonly Visitor[] = ['able', 'unable', 'plain', 'named', 'listening', 'anonymous', 'foreign']

/** The user whom names of topics name. */
const chosen = 'nina'

/**
 * The clients that a namespace admits, by its value. `able` has the capability for the operation, `unable` those for
 * everything else, so that a narrowed token is tried on each thing it is narrowed to.
 */
export const allowedBy: Readonly<Record<Allowed, readonly Visitor[]>> = {
  nobody: [],
  capability: ['able'],
  subscribers: ['able', 'listening'],
  users: ['able', 'unable', 'plain', 'named', 'listening'],
  anyone: ['able', 'unable', 'plain', 'named', 'listening', 'anonymous'],
}

/**
 * The clients that may do something in a topic. Where the name lists its users, `users` and `anyone` do not let others
 * read or see presence; a capability is granted by the tenant itself and does.
 */
export function mayAsk(allowed: Allowed, name: Name, action: Action, visitor: Visitor): boolean {
  if (action === 'subscribe' && name === 'private') return false
  if (action === 'subscribe' && name === 'named') return visitor === 'named'
  const byWord = allowedBy[allowed].includes(visitor)
  if (action === 'publish' || name === 'open') return byWord
  const readers: readonly Visitor[] = name === 'named' ? ['able', 'listening', 'named'] : ['able', 'listening']
  return byWord && readers.includes(visitor)
}

/** A namespace cannot mean its listeners when it says who may begin to listen. */
export const words: Readonly<Record<Action, readonly Allowed[]>> = {
  subscribe: ['nobody', 'capability', 'users', 'anyone'],
  publish: ['nobody', 'capability', 'subscribers', 'users', 'anyone'],
  history: ['nobody', 'capability', 'subscribers', 'users', 'anyone'],
  presence: ['nobody', 'capability', 'subscribers', 'users', 'anyone'],
  presence_stats: ['nobody', 'capability', 'subscribers', 'users', 'anyone'],
}

/** A topic of its own for each combination, in the namespace that has the word for a name. */
export const topicNamed = (allowed: Allowed, name: Name, rest: string): string =>
  `${name === 'private' ? '$' : ''}by-${allowed}:${rest}${name === 'named' ? `#${chosen}` : ''}`

/** A tenant with a namespace for each word, and a connection of each visitor. */
export async function topicCast() {
  const [tenant, foreign] = [await openTenant(), await newTenant()]
  for (const allowed of words.publish) await namespace(tenant, `by-${allowed}`, { ...kept, allow: allOf(allowed) })
  /** With leave for some of all actions, or none. */
  const holding = async (user: string, allow: readonly CapabilityAction[]) => {
    const capabilities = allow.length === 0 ? {} : { capabilities: [{ channels: ['*'], allow }] }
    return await enter(await tokenFor(tenant, user, capabilities))
  }
  const all: readonly CapabilityAction[] = ['sub', 'pub', 'hst', 'prs']
  const narrowedTo = new Map<string, Line>()
  for (const action of all) {
    narrowedTo.set(`able ${action}`, await holding('amy', [action]))
    narrowedTo.set(
      `unable ${action}`,
      await holding(
        'una',
        all.filter((other) => other !== action),
      ),
    )
  }
  const others = new Map<Visitor, Line>([
    ['plain', await holding('pat', [])],
    ['named', await holding(chosen, [])],
    ['listening', await holding('lea', [])],
    ['anonymous', await holding('', [])],
    ['foreign', await enter(await foreign.token('pat'))],
  ])
  const lineOf = (visitor: Visitor, action: Action): Line => {
    const line = narrowedTo.get(`${visitor} ${actions[action]}`) ?? others.get(visitor)
    if (line === undefined) throw new Error(`${visitor} has no connection`)
    return line
  }
  /** Lets the listening visitor listen, which a subscription token does whatever the namespace says. */
  const listen = async (channel: string) => {
    const token = await ticketFor(tenant, 'lea', channel)
    await lineOf('listening', 'publish').ask({ subscribe: { channel, token } })
  }
  /** What the tenant's server sees of a topic. */
  const stateOf = async (channel: string) => {
    const ask = async (method: string, more: object) =>
      succeeded(await call(`POST /api/${method}`, { as: tenant.key, body: { channel, ...more } }))
    return [await ask('history', { limit: -1 }), await ask('presence_stats', {})]
  }
  return { lineOf, listen, stateOf }
}

const kept = { historySize: 10, presence: true }

const allOf = (allowed: Allowed) => ({
  subscribe: allowed === 'subscribers' ? 'nobody' : allowed,
  publish: allowed,
  history: allowed,
  presence: allowed,
})

async function enter(token: string): Promise<Line> {
  const line = await Line.open(ownGateway())
  const { connect, error } = await line.ask({ connect: { token } })
  if (connect === undefined) throw new Error(`not let in: ${JSON.stringify(error)}`)
  return line
}
