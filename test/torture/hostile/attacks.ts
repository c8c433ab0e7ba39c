import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from '../../jobs/support/chance.ts'
import { BareSocket, textFrame } from '../../support/e2e/bare-socket.ts'

/** What an attacker has: a tenant of its own with the default limits, and the port of the system. */
export interface Means {
  readonly port: number
  readonly key: string
  readonly chance: Chance
  /** The attack goes on until then, by `performance.now()`. */
  readonly until: number
}

/** A hostile caller. It ends at `until`; its process is killed soon after, whatever it still holds. */
export interface Attack {
  /** The line of the list of attacks that it stands for. */
  readonly line: number
  readonly seconds: number
  readonly run: (means: Means) => Promise<void>
}

/** One request; a refusal is an answer like any other. Gives the status, 0 for none. */
async function post({ port, key }: Means, path: string, body: unknown, method = 'POST'): Promise<number> {
  try {
    const headers = { Authorization: `Bearer ${key}` }
    const url = `http://127.0.0.1:${port}${path}`
    const answer = await fetch(url, { method, headers, body: JSON.stringify(body) })
    await answer.arrayBuffer()
    return answer.status
  } catch {
    return 0
  }
}

const isOver = ({ until }: Means) => performance.now() >= until
const rest = async ({ until }: Means) => await pause(Math.max(0, until - performance.now()))

/** Repeats a step with so many at once; a step that is refused waits a little. */
async function repeat(means: Means, width: number, step: (n: number) => Promise<number>): Promise<void> {
  let n = 0
  const lane = async () => {
    while (!isOver(means)) {
      const status = await step(n++)
      if (status === 0 || status >= 400) await pause(50)
    }
  }
  await Promise.all(Array.from({ length: width }, lane))
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`)
const word = (chance: Chance) => chance.below(2 ** 32).toString(36)

async function tokenOf({ port, key }: Means, user: string): Promise<string> {
  const headers = { Authorization: `Bearer ${key}` }
  const body = JSON.stringify({ user })
  const answer = await fetch(`http://127.0.0.1:${port}/v1/tokens`, { method: 'POST', headers, body })
  const made: { readonly token: string } = JSON.parse(await answer.text())
  return made.token
}

export const attacks: Readonly<Record<string, Attack>> = {
  'large-group': {
    line: 1,
    seconds: 15,
    run: async (means) => {
      await repeat(means, 1, async (n) => {
        const members = names(`invented-${word(means.chance)}-${n}`, 10_000)
        const id = `large-${word(means.chance)}-${n}`
        const made = await post(means, '/v1/conversations', { id, type: 'group', members })
        const user = members[0]
        return Math.max(
          made,
          await post(means, `/v1/conversations/${id}/messages`, { clientId: 'c', text: 'hello', user }),
        )
      })
    },
  },
  'many-items': {
    line: 2,
    seconds: 15,
    run: async (means) => {
      const round = word(means.chance)
      const policy = { algorithm: 'fixed-window', limit: 1000, windowSeconds: 60 }
      await post(means, '/v1/limits/policies/own', policy, 'PUT')
      const channels = (n: number) => names(`news-${round}-${n}`, 1000)
      await Promise.all([
        repeat(means, 1, (n) => post(means, '/api/broadcast', { channels: channels(n), data: { n } })),
        repeat(means, 1, (n) =>
          post(means, '/api/batch', {
            parallel: true,
            commands: channels(n).map((channel) => ({ subscribe: { user: `u-${round}-${n}`, channel } })),
          }),
        ),
        repeat(means, 1, (n) =>
          post(means, '/v1/conversations', { type: 'group', members: names(`m-${round}-${n}`, 3000) }),
        ),
        repeat(means, 1, (n) =>
          post(means, '/v1/limits/check-batch', {
            checks: names(`k-${round}-${n}`, 100).map((key) => ({ policy: 'own', key })),
          }),
        ),
      ])
    },
  },
  'many-topics': {
    line: 2,
    seconds: 30,
    run: async (means) => {
      // As many new names as one request can have, again and again; what was opened is used again, so that it stays open.
      const round = word(means.chance)
      const part = (n: number, k: number) => ({ channels: names(`${round}-${n}-${k}`, 1000), data: n })
      const commands = (n: number) => Array.from({ length: 10 }, (_, k) => ({ broadcast: part(n, k) }))
      await repeat(means, 4, (n) => post(means, '/api/batch', { parallel: true, commands: commands(n % 8) }))
    },
  },
  'half-open-bodies': {
    line: 3,
    seconds: 15,
    run: async (means) => {
      const token = await tokenOf(means, 'mallory')
      const open = Array.from({ length: 1060 }, async () => {
        const socket = await BareSocket.request(
          means.port,
          'POST /v1/conversations HTTP/1.1',
          `Authorization: Bearer ${token}`,
          'Content-Length: 1000',
        )
        socket.send('{"type":')
      })
      await Promise.all(open)
      await rest(means)
    },
  },
  'endless-body': {
    line: 4,
    seconds: 10,
    run: async (means) => {
      const chunk = Buffer.alloc(65_536, 0x20)
      const stream = async () => {
        const socket = await BareSocket.request(
          means.port,
          'POST /jobs HTTP/1.1',
          'Upstash-Signature: e30.e30.e30',
          'Content-Length: 734003200',
        )
        const state = { isOpen: true }
        void socket.ended.then(() => (state.isOpen = false))
        for (let sent = 0; state.isOpen && !isOver(means) && sent < 734_003_200; sent += chunk.length) {
          socket.send(chunk)
          await pause(1)
        }
        socket.leave()
        return 400
      }
      await repeat(means, 8, stream)
    },
  },
  'closed-sockets': {
    line: 5,
    seconds: 15,
    run: async (means) => {
      const wrong = textFrame('{"id":1,"connect":{"token":"wrong"}}')
      const unfinished = textFrame('x'.repeat(100_000), 30_000_000)
      const enter = async (frame: Buffer) => {
        const socket = await BareSocket.webSocket(means.port)
        socket.stopReading()
        socket.send(frame)
      }
      for (let n = 0; !isOver(means); n++) {
        // 160 a second, of which one in ten never ends its frame.
        for (let k = 0; k < 16; k++) void enter((n * 16 + k) % 10 === 0 ? unfinished : wrong)
        await pause(100)
      }
    },
  },
  'deaf-readers': {
    line: 6,
    seconds: 15,
    run: async (means) => {
      await post(means, '/v1/namespaces/flood', { historySize: 0 }, 'PUT')
      const enter = async (n: number) => {
        const socket = await BareSocket.webSocket(means.port, n % 2 === 0 ? '?cf_ws_frame_ping_pong=true' : '')
        const subs = { 'flood:all': {} }
        socket.send(textFrame(JSON.stringify({ id: 1, connect: { token: await tokenOf(means, `deaf-${n}`) } })))
        await socket.heard('"connect":')
        socket.send(textFrame(JSON.stringify({ id: 2, subscribe: { channel: Object.keys(subs)[0] } })))
        await socket.heard('"subscribe":')
        socket.stopReading()
        const pongs = setInterval(() => socket.send(textFrame('{}')), 100)
        await socket.ended
        clearInterval(pongs)
      }
      for (let n = 0; n < 20; n++) void enter(n)
      await pause(1000)
      const data = { text: 'x'.repeat(16_000) }
      await repeat(means, 4, () => post(means, '/api/publish', { channel: 'flood:all', data }))
    },
  },
  'unknown-names': {
    line: 8,
    seconds: 15,
    run: async (means) => {
      const { chance, port } = means
      const invented = async () => {
        const key = `parley_t${word(chance)}_${word(chance).padStart(43, 'x')}`
        return await post({ ...means, key }, '/v1/usage', undefined, 'GET')
      }
      const token = await tokenOf(means, 'curious')
      const socket = await BareSocket.webSocket(port)
      socket.send(textFrame(JSON.stringify({ id: 1, connect: { token } })))
      const subscribe = async (n: number) => {
        socket.send(textFrame(JSON.stringify({ id: n + 2, subscribe: { channel: `conversation:${word(chance)}` } })))
        await pause(20)
        return 200
      }
      const id = () =>
        `0190a22a-66d0-7${word(chance).padStart(3, '0').slice(0, 3)}-8479-${word(chance).padStart(12, '0')}`
      await Promise.all([
        repeat(means, 4, invented),
        repeat(means, 1, subscribe),
        repeat(means, 4, () => post(means, `/v1/conversations/${id()}`, undefined, 'GET')),
      ])
    },
  },
  'spent-addresses': {
    line: 9,
    seconds: 10,
    run: async (means) => {
      await repeat(means, 8, async (n) => {
        const claimed = `198.51.${n % 100}.${n % 250}`
        const headers = {
          Authorization: `Bearer parley_demo_${word(means.chance).padStart(43, 'x')}`,
          'CF-Connecting-IP': claimed,
          'X-Forwarded-For': claimed,
        }
        try {
          return (await fetch(`http://127.0.0.1:${means.port}/v1/conversations`, { headers })).status
        } catch {
          return 0
        }
      })
    },
  },
  'thousands-of-schedules': {
    line: 14,
    seconds: 75,
    run: async (means) => {
      const due = new Date(Date.now() + 60_000)
      const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`
      const job = { type: 'join' }
      const build = { ...means, until: Math.min(means.until, performance.now() + 60_000 - (Date.now() % 60_000)) }
      await repeat(build, 8, (n) => post(means, `/v1/schedules/s-${n}`, { cron, job }, 'PUT'))
      await rest(means)
    },
  },
  'long-tokens': {
    line: 15,
    seconds: 10,
    run: async (means) => {
      const info = 'x'.repeat(12_000)
      await Promise.all([
        repeat(means, 4, (n) => post(means, '/v1/tokens', { user: `u-${n}`, info: { info } })),
        repeat(means, 4, async (n) => {
          const socket = await BareSocket.webSocket(means.port)
          const frames = [{ id: 1, connect: { token: `${info}.${n}` } }]
          for (const frame of frames) socket.send(textFrame(JSON.stringify(frame)))
          await socket.ended
          return 400
        }),
      ])
    },
  },
}
