import { beforeAll, describe, expect, test } from 'vitest'
import { methodNames } from '../../durable-objects/gateway/commands/rpc-methods.ts'
import type { ConversationType } from '../../src/conversations/types.ts'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { askingOf, nowhere } from '../support/worker/roles/asking.ts'
import { newCast, roles, userOf, type Cast, type Role } from '../support/worker/roles/cast.ts'
import { expected, type Call } from '../support/worker/roles/may.ts'
import { newScene, stateOf, type Scene } from '../support/worker/roles/scene.ts'
import { asks, calls, dueOnWire, entries, type Asks } from '../support/worker/roles/wire.ts'
import { ownGateway } from '../support/worker/topics.ts'
import { succeeded } from '../support/worker/tenant.ts'
import { blank, expectLines } from '../support/worker/things.ts'
import type { Heard } from '../support/worker/wire.ts'

// Every rpc of the table and everything a channel can be asked for, by every role there is.

const insiders = roles.filter((role) => entries[role] === 'in')
const types: readonly ConversationType[] = ['direct', 'group', 'channel']

let cast: Cast
/** A conversation of each type, for operations that change no role. */
const scenes = new Map<ConversationType, Scene>()
const lines = new Map<Role, Line>()

beforeAll(async () => {
  cast = await newCast()
  for (const role of insiders) lines.set(role, await enter(role))
  for (const type of types) scenes.set(type, await newScene(cast, type))
})

function sceneOf(type: ConversationType): Scene {
  const scene = scenes.get(type)
  if (scene === undefined) throw new Error(`there is no conversation of type ${type}`)
  return scene
}

async function enter(role: Role): Promise<Line> {
  const line = await Line.open(ownGateway())
  line.answersPings = true
  const { connect, error } = await line.ask({ connect: { token: cast.shows[role] ?? '' } })
  if (connect === undefined) throw new Error(`${role} was not let in: ${JSON.stringify(error)}`)
  return line
}

/** What a role hears to something it asks. */
async function hears(role: Role, asked: object): Promise<Heard> {
  const line = lines.get(role)
  if (line === undefined) throw new Error(`${role} has no connection`)
  return await line.ask({ ...asked })
}

const codeOf = ({ error }: Heard) => error?.code ?? 0

/** A refusal, but for the names that were asked for. */
const wordsOf = ({ error }: Heard, names: readonly string[]) => blank(JSON.stringify(error ?? {}), names)

describe('a connection', () => {
  test.each(roles)('is accepted or closed as the table of roles says: %s', async (role) => {
    const due = entries[role]
    const line = await Line.open(ownGateway())
    const [id = 0] = line.say({ connect: { token: cast.shows[role] ?? '' } })
    if (due !== 'in' && 'close' in due) expect(await line.closed()).toMatchObject({ code: due.close })
    else expect(codeOf(await line.replyTo(id))).toBe(due === 'in' ? 0 : due.error)
    line.close()
  })
})

describe('rpc', () => {
  test('of every method it is said who may call it', () => expectLines(calls, methodNames))

  const cases = types.flatMap((type) =>
    methodNames.flatMap((method) => (calls[method] ?? []).map((use) => ({ type, method, use }))),
  )

  test.each(cases)(
    '$method in a conversation of type $type: a caller that $use.says succeeds where its role may',
    async (one) => {
      const { type, use } = one
      const scene = sceneOf(type)
      const before = await stateOf(cast, scene)
      const fit = insiders.filter((each) => use.unfit?.includes(each) !== true)
      for (const role of fit.filter((each) => expected(use, each, type) !== 0)) {
        const heard = await ring(one, role, scene)
        const due = expected(use, role, type)
        expect({ role, code: codeOf(heard) }).toEqual({ role, code: due })
        const none = await ring(one, role, nowhere(scene))
        if (due === 404 && use.insideTold?.[role] === undefined)
          expect({ role, words: wordsOf(heard, [userOf[role]]) }).toEqual({
            role,
            words: wordsOf(none, [userOf[role]]),
          })
      }
      expect(await stateOf(cast, scene)).toEqual(before)
      for (const role of fit.filter((each) => expected(use, each, type) === 0)) await succeeds(one, role, scene)
    },
  )
})

interface Rpc {
  readonly type: ConversationType
  readonly method: string
  readonly use: Call
}

async function ring({ method, use }: Rpc, role: Role, scene: Scene): Promise<Heard> {
  return await hears(role, { rpc: { method, data: use.data(scene.id, askingOf(role, scene)) } })
}

async function succeeds(one: Rpc, role: Role, shared: Scene): Promise<void> {
  const scene = one.use.spends === true ? await newScene(cast, one.type) : shared
  const before = await stateOf(cast, scene)
  expect({ role, heard: await ring(one, role, scene) }).toMatchObject({ role, heard: { rpc: {} } })
  if (one.use.idle !== true) expect({ role, left: await stateOf(cast, scene) }).not.toEqual({ role, left: before })
}

describe.each(types)('the channel of a conversation of type %s', (type) => {
  test.each(Object.entries(asks.conversation))(
    '%s is answered to allowed callers, and to all others alike',
    async (ask, line) => {
      const scene = sceneOf(type)
      await expectAnswers(ask, line, scene, `conversation:${scene.id}`, `conversation:${nowhere(scene).id}`)
    },
  )
})

describe('the channel of a person', () => {
  test.each(Object.entries(asks.inbox))(
    '%s is answered to allowed callers, and to all others alike',
    async (ask, line) => {
      await expectAnswers(ask, line, sceneOf('group'), `user:#${userOf.member}`, 'user:#no-one-ever')
    },
  )
})

describe('the channel of a job', () => {
  test.each(Object.entries(asks.job))(
    '%s is answered to allowed callers, and to all others alike',
    async (ask, line) => {
      const id = `job-${crypto.randomUUID()}`
      const job = { id, type: 'join', runAt: Date.now() + 3_600_000, watchers: [userOf.member] }
      succeeded(await call('POST /v1/jobs', { as: cast.tenant.key, body: job }))
      await expectAnswers(ask, line, sceneOf('group'), `jobs:${id}`, 'jobs:never')
    },
  )
})

describe('the channel of a run of a saga', () => {
  test.each(Object.entries(asks.saga))(
    '%s is answered to allowed callers, and to all others alike',
    async (ask, line) => {
      const id = `run-${crypto.randomUUID()}`
      const steps = [{ name: 'wait', wait: { signal: 'go' }, timeoutSeconds: 600 }]
      const as = cast.tenant.key
      succeeded(await call('PUT /v1/sagas/waiting', { as, body: { steps } }))
      succeeded(await call('POST /v1/sagas/waiting/runs', { as, body: { id, watchers: [userOf.member] } }))
      await expectAnswers(ask, line, sceneOf('group'), `saga:${id}`, 'saga:never')
    },
  )
})

describe('the channel of an instance of a process', () => {
  test.each(Object.entries(asks.process))(
    '%s is answered to allowed callers, and to all others alike',
    async (ask, line) => {
      const as = cast.tenant.key
      const events = [
        { type: 'a', starts: true },
        { type: 'b', ends: true },
      ]
      succeeded(await call('PUT /v1/processes/watched', { as, body: { events, watchers: [userOf.member] } }))
      succeeded(await call('POST /v1/events', { as, body: { type: 'a', key: 'i-1' } }))
      await expect.poll(async () => (await call('GET /v1/processes/watched/instances/i-1', { as })).status).toBe(200)
      await expectAnswers(ask, line, sceneOf('group'), 'process:watched:i-1', 'process:watched:never')
    },
  )
})

/** Asks a channel for something by every role, and the same of one that is not there. */
async function expectAnswers(ask: string, line: Asks, scene: Scene, channel: string, nothing: string): Promise<void> {
  const before = await stateOf(cast, scene)
  const asked = (name: string) => ({ [ask]: { channel: name, ...(ask === 'publish' ? { data: message() } : {}) } })
  const refused = insiders.filter((role) => dueOnWire(line, role, scene.type) !== 0)
  for (const role of refused) {
    const heard = await hears(role, asked(channel))
    const due = dueOnWire(line, role, scene.type)
    expect({ role, code: codeOf(heard) }).toEqual({ role, code: due })
    if (due !== line.refused) continue
    const none = await hears(role, asked(nothing))
    expect({ role, words: wordsOf(heard, [channel]) }).toEqual({ role, words: wordsOf(none, [nothing]) })
  }
  expect(await stateOf(cast, scene)).toEqual(before)
  for (const role of insiders.filter((each) => !refused.includes(each)))
    expect({ role, heard: await hears(role, asked(channel)) }).toMatchObject({ role, heard: { [ask]: {} } })
  if (ask === 'publish' && refused.length < insiders.length) expect(await stateOf(cast, scene)).not.toEqual(before)
}

const message = () => ({ clientId: crypto.randomUUID(), text: 'swapped' })
