import { afterAll, beforeAll, expect, test } from 'vitest'
import { BareSocket, textFrame } from '../support/e2e/bare-socket.ts'
import { makeGroup, Person } from '../support/e2e/people.ts'
import { filesOf } from '../support/e2e/processes.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

// On plain workerd, where a client's TCP connection ends in the server itself and nothing in front ends it.

const maxConnections = 40

let system: System
const sockets: BareSocket[] = []

beforeAll(async () => {
  system = await System.start({ env: { MAX_CONNECTIONS: String(maxConnections), LIMIT_MESSAGES_PER_SECOND: '10000' } })
})

afterAll(() => {
  for (const socket of sockets) socket.leave()
  system.abandon()
})

const kept = (socket: BareSocket) => (sockets.push(socket), socket)
const open = async () => kept(await BareSocket.webSocket(system.port))
const closedByUs = textFrame('{"id":1,"connect":{"token":"wrong"}}')
const healthy = async () => (await fetch(`${system.url}/healthz`)).status

test('a peer that ignores the close frame, or never ends a frame, loses its connection all the same', async () => {
  const before = filesOf(system.workerPid)
  const ignoring = await Promise.all(Array.from({ length: 10 }, open))
  for (const socket of ignoring) socket.send(closedByUs)
  const unfinished = await Promise.all(Array.from({ length: 10 }, open))
  for (const socket of unfinished) socket.send(textFrame('x'.repeat(1000), 30_000_000))
  await Promise.all([...ignoring, ...unfinished].map(({ ended }) => ended))
  // Each had been sent a close frame first, with its code.
  for (const { received } of ignoring) expect(received).toContain('\x0d\xacinvalid token')
  for (const { received } of unfinished) expect(received).toContain('\x0d\xaestale')
  await until('their files are closed', () => filesOf(system.workerPid) <= before + 10, 30_000)
})

test('a peer that does not read loses its connection all the same', async () => {
  const before = filesOf(system.workerPid)
  const stuck = await Promise.all(Array.from({ length: 10 }, open))
  for (const socket of stuck) {
    socket.stopReading()
    socket.send(closedByUs)
  }
  await until('their files are open', () => filesOf(system.workerPid) >= before + 10, 30_000)
  await until('their files are closed', () => filesOf(system.workerPid) <= before + 10, 60_000)
})

test('a peer that does not read is sent away although it sends pongs, or asked for no pings', async () => {
  const publisher = await new Person(system, 'publisher').connect()
  const names = Array.from({ length: 8 }, (_, n) => `deaf-${n}`)
  const group = await makeGroup(system, ['publisher', ...names])
  const deaf = await Promise.all(
    names.map(async (name, n) => {
      const socket = kept(await BareSocket.webSocket(system.port, n % 2 === 0 ? '?cf_ws_frame_ping_pong=true' : ''))
      socket.send(textFrame(`{"id":1,"connect":{"token":"${await new Person(system, name).token()}"}}`))
      socket.send(textFrame(`{"id":2,"subscribe":{"channel":"conversation:${group}"}}`))
      await socket.heard('"subscribe":')
      socket.stopReading()
      return socket
    }),
  )
  const pongs = setInterval(() => deaf.forEach((socket, n) => n % 2 === 1 && socket.send(textFrame('{}'))), 100)
  const before = filesOf(system.workerPid)
  const text = 'x'.repeat(16_000)
  for (let n = 0; n < 1200; n++) await publisher.send(group, `flood-${n}`, text)
  clearInterval(pongs)
  await until('all of them are gone', () => filesOf(system.workerPid) <= before - 2 * names.length + 4, 60_000)
  publisher.leave()
})

test('handshakes above what the process bears are refused with the reason in the log, and connections that end free their places', async () => {
  const all = await Promise.all(Array.from({ length: maxConnections + 5 }, open))
  const refused = all.filter(({ received }) => received.startsWith('HTTP/1.1 503'))
  expect(refused.length).toBeGreaterThanOrEqual(5)
  for (const { received } of refused) expect(received).toMatch(/retry-after: \d+/i)
  expect(system.output).toContain('edge.connections-refused')
  expect(await healthy()).toBe(200)
  for (const socket of all) socket.leave()
  const person = await until('there is room', async () => {
    const socket = await open()
    return socket.received.startsWith('HTTP/1.1 101') ? socket : undefined
  })
  person.leave()
})

test('half-open requests of one user are given up by a deadline, and turn no other caller away', async () => {
  const token = await new Person(system, 'mallory').token()
  const half = await Promise.all(
    Array.from({ length: 300 }, async () =>
      kept(
        await BareSocket.request(
          system.port,
          'POST /v1/conversations HTTP/1.1',
          `Authorization: Bearer ${token}`,
          'Content-Length: 1000',
        ),
      ),
    ),
  )
  for (const socket of half) socket.send('{"type":')
  const other = await new Person(system, 'alice').token()
  const answer = await fetch(`${system.url}/v1/conversations`, { headers: { authorization: `Bearer ${other}` } })
  expect(answer.status).toBe(200)
  await Promise.all(half.map(({ ended }) => ended))
  const statuses = new Set(half.map(({ received }) => received.slice(9, 12)))
  expect([...statuses].toSorted()).toEqual(['408', '429'])
})

test('guessing keys is bounded by the peer’s own address, whatever address the client claims', async () => {
  const statuses = []
  for (let n = 0; n < 40; n++) {
    const claimed = `198.51.100.${n}`
    const headers = {
      authorization: `Bearer parley_demo_${String(n).padStart(43, 'x')}`,
      'cf-connecting-ip': claimed,
      'x-forwarded-for': claimed,
    }
    statuses.push((await fetch(`${system.url}/v1/conversations`, { headers })).status)
  }
  expect(statuses.at(0)).toBe(401)
  expect(statuses.at(-1)).toBe(429)
})
