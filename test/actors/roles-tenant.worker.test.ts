import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { exportJWK, generateKeyPair } from 'jose'
import type { OperationDefinition } from '../../src/protocol/operation.ts'
import { everyOperation } from '../support/worker/roles/asking.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { newCast, openTenant, roles, type Cast, type Role } from '../support/worker/roles/cast.ts'
import { serverOperations, unknownOverHttp } from '../support/worker/roles/operations.ts'
import { missing, openDoors, operatorLine, operatorOperations, routes } from '../support/worker/roles/operator.ts'
import { operatorKey } from '../support/worker/tenant.ts'
import {
  answerOf,
  blank,
  expectLines,
  firstStatus,
  furnished,
  nothing,
  readingOf,
  tellOf,
  type Furnished,
} from '../support/worker/things.ts'
import { keySetAddress, serverSetting } from '../support/worker/roles/server.ts'

// What belongs to a tenant as a whole is its server's, what belongs to the platform is the operator's.

const served = everyOperation
  .filter((operation) => serverOperations.includes(tellOf(operation)))
  .map((operation) => ({ line: tellOf(operation), operation }))

// The identity provider of a tenant answers.
beforeAll(async () => {
  const { fetch } = globalThis
  const { publicKey } = await generateKeyPair('EdDSA')
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'provider' }]
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) =>
    input === keySetAddress ? Response.json({ keys }) : await fetch(input, init),
  )
})
afterAll(() => void vi.restoreAllMocks())

let cast: Cast
let theirs: Furnished
/** Objects of a tenant whose operations are not refused. */
let ours: Furnished
let before: unknown
beforeAll(async () => {
  theirs = await furnished()
  ours = await furnished()
  cast = await newCast(theirs.tenant)
  before = await readingOf(theirs)
})

/** Whether success takes something away that others need. */
const spends = (line: string) =>
  line.startsWith('DELETE') || ['/redrive', '/rotate', '/erasure'].some((end) => line.endsWith(end))

/** Under /api a token is no credential at all. */
const due = (role: Role, { path }: Pick<OperationDefinition, 'path'>) =>
  unknownOverHttp.includes(role) || path.startsWith('/api') ? 401 : 403

describe('operations of a tenant’s server', () => {
  const others = roles.filter((role) => role !== 'server' && role !== 'foreign server')

  test.each(others)('is refused to the role %s: always in the same words, and nothing changes', async (role) => {
    const words = new Set<string>()
    for (const { line, operation } of served) {
      const [status, text] = await answerOf(operation, cast.shows[role], theirs.things)
      expect({ line, status }).toEqual({ line, status: due(role, operation) })
      if (!operation.path.startsWith('/api')) words.add(text)
    }
    expect([...words]).toHaveLength(1)
    expect(await readingOf(theirs)).toEqual(before)
  })

  test('is answered to another tenant’s as if there were no such thing, and nothing changes', async () => {
    const none = nothing()
    const elsewhere = await openTenant()
    for (const { line, operation } of served) {
      const told = await answerOf(operation, cast.shows['foreign server'], theirs.things)
      expect([line, told]).toEqual([line, await answerOf(operation, elsewhere.key, none)])
    }
    expect(await readingOf(theirs)).toEqual(before)
  })

  test.each(served)('$line serves it', async ({ line, operation }) => {
    const own = spends(line) ? await furnished() : ours
    const { things, body } = await serverSetting(line, own)
    const [status, text] = await answerOf(operation, own.tenant.key, things, body)
    expect({ status, text }).toMatchObject({ status: firstStatus(operation) })
    expect(text).not.toMatch(/^{"error"/)
  })
})

describe('operations of the operator', () => {
  const others = roles.filter((role) => role !== 'operator')

  test('is said of every route that is not documented, or else what opens it', () => {
    const documented = everyOperation.map(tellOf)
    const rest = routes().filter((route) => !documented.includes(route.replaceAll(/:(\w+)/g, '{$1}')))
    expectLines({ ...operatorOperations, ...openDoors }, rest)
  })

  test.each(others)('is refused to the role %s, always in the same words', async (role) => {
    const words = new Set<string>()
    for (const line of Object.keys(operatorOperations)) {
      const { status, text } = await asked(line, cast.shows[role], theirs)
      expect({ line, status }).toEqual({ line, status: 401 })
      words.add(blank(text, []))
    }
    expect([...words]).toHaveLength(1)
  })

  test.each(Object.keys(operatorOperations))('%s serves the operator', async (line) => {
    const { status, text } = await asked(line, operatorKey, spends(line) ? await furnished() : ours)
    const told = missing[line]
    if (told === undefined) expect({ line, served: status < 300, text }).toMatchObject({ served: true })
    else expect({ line, isTold: told.includes(status), text }).toMatchObject({ isTold: true })
  })
})

async function asked(line: string, as: string | undefined, about: Furnished): Promise<Answer> {
  const body = operatorOperations[line]
  const credential = as === undefined ? {} : { as }
  return await call(await operatorLine(line, about), { ...credential, ...(body === undefined ? {} : { body }) })
}
