import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seeded } from '../jobs/support/chance.ts'
import { Crowd } from '../support/e2e/crowd.ts'
import { freePort, System } from '../support/e2e/system.ts'
import { Extras } from './extras.ts'

// A system that takes policies and conversations, and refuses messages for later for good.
const server = createServer((request, response) => {
  request.resume()
  const isMessage = request.url?.endsWith('/messages') === true
  const body = isMessage ? { title: 'Conflict' } : { id: 'c1', epoch: 'e', last: 0 }
  response.writeHead(isMessage ? 409 : 200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
})
let system: System

beforeAll(async () => {
  const port = await freePort()
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  system = System.prepare(port)
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  system.abandon()
})

test('a round whose message for later is never accepted ends, and names the message and its last answer', async () => {
  const extras = new Extras(system, seeded(1), 'round-1')
  await extras.begin(['c1'], 'alice')
  await expect(extras.end(500)).rejects.toThrow(
    /^not accepted: later-round-1-1 after \d+ attempts: .*"status":409.*Conflict/,
  )
})

test('a round whose messages are never acknowledged ends, and names each with the state of its client', async () => {
  const crowd = new Crowd(system, { timeoutMs: 500 })
  const gathered = crowd.gather(['alice'], 1)
  gathered.catch(() => undefined)
  await expect.poll(() => crowd.conversations).toEqual(['c1'])
  crowd.talk()
  await expect(crowd.hush()).rejects.toThrow(
    /^not acknowledged: alice-1 in c1 after \d+ attempts, the last ended with .*, the client is connecting and its subscription/,
  )
  crowd.disperse()
})
