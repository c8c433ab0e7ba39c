import { describe, expect, test } from 'vitest'
import { Http } from '../sdk/http.ts'
import { Moderation } from '../sdk/moderation.ts'
import { Tokens } from '../sdk/tokens.ts'

/** A server that keeps blocks; `hold` keeps back the answer of the next list until it is called. */
function world() {
  const blocks = new Set<string>()
  const lines: string[] = []
  let gate: Promise<void> | undefined
  const fetch: typeof globalThis.fetch = async (address, init) => {
    const { pathname } = new URL(address instanceof Request ? address.url : String(address))
    const method = init?.method ?? 'GET'
    lines.push(`${method} ${pathname} ${typeof init?.body === 'string' ? init.body : ''}`.trim())
    const user = pathname.slice('/v1/users/ann/blocks/'.length)
    if (pathname === '/v1/reports') return Response.json({ review: 'r1', duplicate: lines.length > 1 })
    if (method === 'GET') {
      const body = { blocks: [...blocks].map((one) => ({ user: one, at: 1 })) }
      const held = gate
      gate = undefined
      await held
      return Response.json(body)
    }
    if (method === 'PUT') blocks.add(user)
    else blocks.delete(user)
    return Response.json({ user, at: 1 })
  }
  const http = new Http({ url: 'http://parley.test', tokens: new Tokens({ token: 'any' }), fetch })
  const moderation = new Moderation(http, 'ann')
  const told: string[][] = []
  moderation.changes.listen((blocked) => told.push([...blocked]))
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    gate = promise
    return resolve
  }
  return { blocks, lines, moderation, told, hold }
}

const settled = async () => await new Promise((resolve) => setTimeout(resolve))

describe('the blocked users of a client', () => {
  test('are those that the server has, and what the user changes here', async () => {
    const { blocks, moderation, told } = world()
    blocks.add('bob')
    expect(moderation.hides('bob')).toBe(false)
    await moderation.load()
    expect(moderation.hides('bob')).toBe(true)
    await moderation.block('eve')
    await moderation.unblock('bob')
    await moderation.unblock('bob')
    expect([...moderation.blocked]).toEqual(['eve'])
    expect(told).toEqual([['bob'], ['bob', 'eve'], ['eve']])
  })

  test('follow changes on other devices once they were read, and are not read before', async () => {
    const { blocks, lines, moderation } = world()
    moderation.hear({ type: 'blocks' })
    await settled()
    expect(lines).toEqual([])
    await moderation.load()
    blocks.add('bob')
    moderation.hear({ type: 'feed' })
    moderation.hear({ type: 'blocks' })
    await settled()
    expect([...moderation.blocked]).toEqual(['bob'])
    expect(lines).toHaveLength(2)
  })

  test('do not lose a change that was made while an older list was on its way', async () => {
    const { moderation, hold } = world()
    const release = hold()
    const loading = moderation.load()
    await settled()
    await moderation.block('bob')
    release()
    await loading
    expect(moderation.hides('bob')).toBe(true)
  })
})

test('a report names a message or a user, and says whether it was one before', async () => {
  const { lines, moderation } = world()
  expect(await moderation.reportMessage('c1', 7, 'spam', 'again')).toEqual({ review: 'r1', duplicate: false })
  expect(await moderation.reportUser('bob', 'hate')).toEqual({ review: 'r1', duplicate: true })
  expect(lines).toEqual([
    'POST /v1/reports {"conversation":"c1","seq":7,"reason":"spam","text":"again"}',
    'POST /v1/reports {"user":"bob","reason":"hate"}',
  ])
})
