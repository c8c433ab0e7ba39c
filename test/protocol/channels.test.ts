import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  canonicalChannel,
  conversationChannel,
  inboxChannel,
  jobChannel,
  parseChannel,
  personalTopic,
  channelProblem,
} from '../../src/protocol/channels.ts'

const jobName = fc.stringMatching(/^[A-Za-z0-9_.@-]{1,60}$/)

test('a name that was made of its parts is read as them', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      fc.stringMatching(/^[\x21-\x7e]{1,128}$/),
      jobName,
      jobName,
      (id, user, queue, job) => {
        expect(parseChannel(conversationChannel(id))).toEqual({ kind: 'conversation', id })
        expect(parseChannel(inboxChannel(user))).toEqual({ kind: 'inbox', user })
        expect(parseChannel(jobChannel(queue, job))).toEqual({ kind: 'job', queue, job })
      },
    ),
  )
})

const anyName = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc
    .tuple(
      fc.constantFrom(
        'conversation:',
        'user:#',
        'user:',
        'jobs:',
        'jobs:default:',
        'jobs:mail:',
        '$',
        'orders:',
        '$user:#',
        ' conversation:',
      ),
      fc.string(),
    )
    .map(([begin, rest]) => begin + rest),
)

test('a channel has one name: the other spelling of a job is none, and the refusal gives its canonical name', () => {
  expect(parseChannel('jobs:default:1')).toBeUndefined()
  expect(canonicalChannel('jobs:default:1')).toBe('jobs:1')
  expect(channelProblem('jobs:default:1')).toMatchObject({
    error: 'unknownChannel',
    detail: expect.stringMatching(/ jobs:1$/),
  })
  fc.assert(
    fc.property(anyName, (name) => {
      const channel = parseChannel(canonicalChannel(name))
      if (channel?.kind === 'job') expect(jobChannel(channel.queue, channel.job)).toBe(canonicalChannel(name))
      if (parseChannel(name) !== undefined) expect(canonicalChannel(name)).toBe(name)
    }),
  )
})

test('any other name is one of ours or none, and never two things', () => {
  fc.assert(
    fc.property(anyName, (name) => {
      const channel = parseChannel(name)
      // What an actor is named after holds no slash where the tenant ends, and nothing that cannot be printed.
      if (channel !== undefined) expect(name).toMatch(/^[\x21-\x7e]{1,255}$/)
      if (channel?.kind === 'conversation') expect(conversationChannel(channel.id)).toBe(name)
      if (channel?.kind === 'inbox') expect(inboxChannel(channel.user)).toBe(name)
      if (channel?.kind === 'topic') expect(name).not.toMatch(/^\$?(?:conversation|user|jobs|default):|[/*&]/)
    }),
    { numRuns: 2000 },
  )
})

test('a user has a personal topic where its name means that user alone', () => {
  expect(personalTopic('42')).toBe('#42')
  expect(parseChannel('#42')).toMatchObject({ kind: 'topic', namespace: 'default', users: ['42'] })
  for (const user of ['', 'a,b', 'a:b', 'a b', 'a/b', 'Zoë', 'x'.repeat(255)])
    expect(personalTopic(user)).toBeUndefined()
})
