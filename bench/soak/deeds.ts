import { z } from 'zod'
import type { Api } from './api.ts'
import type { Chance } from './chance.ts'
import type { Conversation } from './conversation.ts'
import type { Person } from './person.ts'

/** What a deed is done with. */
export interface Scene {
  readonly person: Person
  /** One that the user is subscribed to. */
  readonly conversation: Conversation
  readonly chance: Chance
  readonly api: Api
  /** Gives messages their numbers. */
  readonly number: () => number
  /** When it was to be done; it may be late. */
  readonly due: number
}

/** Something people do, and how often for each message. */
export interface Deed {
  readonly name: string
  readonly perMessage: number
  readonly act: (scene: Scene) => void
}

const anything = z.unknown()

/** Everything people do but coming and going. */
export const deeds: readonly Deed[] = [
  {
    name: 'say',
    perMessage: 1,
    act: ({ person, conversation, number, due }) => person.say(conversation, number(), due),
  },
  {
    name: 'say later',
    perMessage: 0.05,
    act: ({ person, conversation, number, chance }) =>
      person.sayLater(conversation, number(), chance.between(1000, 15_000)),
  },
  { name: 'edit', perMessage: 0.05, act: ({ person }) => person.edit() },
  {
    name: 'type',
    perMessage: 0.5,
    act: ({ person, conversation }) => person.rpc('conversation.typing', { conversation: conversation.id }),
  },
  { name: 'read', perMessage: 0.5, act: ({ person, conversation }) => person.read(conversation) },
  {
    name: 'publish',
    perMessage: 0.25,
    act: ({ person, chance }) =>
      person.ask('publish', {
        publish: { channel: person.topic, data: { x: chance.below(1000), y: chance.below(1000) } },
      }),
  },
  {
    name: 'look who is there',
    perMessage: 0.05,
    act: ({ person }) => person.ask('presence', { presence: { channel: person.topic } }),
  },
  {
    name: 'count who is there',
    perMessage: 0.05,
    act: ({ person, conversation }) =>
      person.ask('presence_stats', { presence_stats: { channel: conversation.channel } }),
  },
  {
    name: 'page by socket',
    perMessage: 0.05,
    act: ({ person, conversation }) =>
      person.ask('history', { history: { channel: conversation.channel, limit: 50, reverse: true } }),
  },
  {
    name: 'page by HTTP',
    perMessage: 0.05,
    act: ({ conversation, chance, api }) => {
      const before = 1 + chance.below(conversation.deliveries.top + 1)
      void api.call('GET', `/v1/conversations/${conversation.id}/messages?limit=50&before=${before}`, anything)
    },
  },
  { name: 'list by socket', perMessage: 0.05, act: ({ person }) => person.rpc('inbox.list', { limit: 20 }) },
  {
    name: 'list by HTTP',
    perMessage: 0.05,
    act: ({ person, api }) => void api.call('GET', `/v1/conversations?limit=20&user=${person.name}`, anything),
  },
]
