import { beforeAll, describe, expect, test } from 'vitest'
import type { ConversationType } from '../../src/conversations/types.ts'
import type { Answer } from '../support/worker/http.ts'
import { ask, casesOf, dueOverHttp, everyOperation, nowhere, those, toldBy } from '../support/worker/roles/asking.ts'
import type { Case } from '../support/worker/roles/asking.ts'
import { newCast, type Cast, type Role } from '../support/worker/roles/cast.ts'
import { inside } from '../support/worker/roles/may.ts'
import {
  conversationOperations,
  moderationOperations,
  recipientOperations,
  serverOperations,
  unknownOverHttp,
  userOperations,
} from '../support/worker/roles/operations.ts'
import { newScene, stateOf, type Scene } from '../support/worker/roles/scene.ts'
import { expectLines, firstStatus, tellOf } from '../support/worker/things.ts'

// Every operation of the table, used by every role. The permissions are declared in support/worker/roles; a role that
// is not named there may not, and an operation that is not named there fails the first test.

test('of every operation it is said who may use it', () => {
  const named = serverOperations.map((line) => [line, line])
  const table = {
    ...conversationOperations,
    ...userOperations,
    ...recipientOperations,
    ...moderationOperations,
    ...Object.fromEntries(named),
  }
  expectLines(table, everyOperation.map(tellOf))
})

let cast: Cast
beforeAll(async () => void (cast = await newCast()))

/** What strangers were told at first: whatever they ask for, it stays at these words. */
const closedDoor = new Map<Role, string>()

/** What a role is told about what does not exist, where it must not notice the difference. */
async function toldOfNothing(one: Case, role: Role, scene: Scene, { text }: Answer): Promise<string> {
  if (!unknownOverHttp.includes(role))
    return inside[scene.type].includes(role) ? text : (await ask(cast, one, role, nowhere(scene))).text
  const first = closedDoor.get(role) ?? text
  closedDoor.set(role, first)
  return first
}

/** Fails unless all who may not are refused as they have to be, and the conversation is afterwards what it was. */
async function expectRefused(one: Case, scene: Scene): Promise<void> {
  const before = await stateOf(cast, scene)
  for (const role of those(one.use, scene, false)) {
    const answer = await ask(cast, one, role, scene)
    expect({ role, told: toldBy(answer) }).toEqual({ role, told: dueOverHttp(one.use, role, scene) })
    expect({ role, text: answer.text }).toEqual({ role, text: await toldOfNothing(one, role, scene, answer) })
  }
  expect(await stateOf(cast, scene)).toEqual(before)
}

describe.each<ConversationType>(['direct', 'group', 'channel'])('in a conversation of type %s', (type) => {
  const cases = casesOf(conversationOperations)
  let shared: Scene
  beforeAll(async () => void (shared = await newScene(cast, type)))

  test.each(cases)('$line: a caller that $use.says and may not is refused alike, and nothing changes', async (one) => {
    await expectRefused(one, shared)
  })

  test.each(cases)('$line: a caller that $use.says and may succeeds', async (one) => {
    let before = await stateOf(cast, shared)
    for (const role of those(one.use, shared, true)) {
      const scene = one.use.spends === true ? await newScene(cast, type) : shared
      if (scene !== shared) before = await stateOf(cast, scene)
      const answer = await ask(cast, one, role, scene)
      expect({ role, told: toldBy(answer), text: answer.text }).toMatchObject({ role, told: 0 })
      const after = await stateOf(cast, scene)
      if (one.use.idle !== true) expect({ role, left: after }).not.toEqual({ role, left: before })
      before = after
    }
  })
})

describe('for themselves', () => {
  let scene: Scene
  beforeAll(async () => void (scene = await newScene(cast, 'group')))

  test.each(casesOf({ ...userOperations, ...recipientOperations, ...moderationOperations }))(
    '$line: the declared roles may, and no other: $use.says',
    async (one) => {
      await expectRefused(one, scene)
      for (const role of those(one.use, scene, true)) {
        const { status, text } = await ask(cast, one, role, scene)
        expect({ role, status, text }).toMatchObject({ role, status: firstStatus(one.operation) })
      }
    },
  )
})
