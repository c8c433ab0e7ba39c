import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  leaseMs,
  maxDetailed,
  maxListed,
  PresenceTable,
  silenceMs,
  type GatewayPresence,
  type PresentClient,
} from '../../src/realtime/presence-table.ts'

const present = (user: string, client: string, more: Partial<PresentClient> = {}): PresentClient => ({
  user,
  client,
  since: 5,
  ...more,
})

const clientsOf = (table: PresenceTable) => table.read('list').clients.map(({ client }) => client)

describe('the connections of a channel', () => {
  test('are listed by connection and counted by user, over all gateways', () => {
    const table = new PresenceTable()
    const [near, far] = [table.open(true, 0), table.open(true, 0)]
    table.join(near, present('alice', 'desk', { connInfo: '1', chanInfo: '2' }))
    table.join(far, present('alice', 'phone'))
    table.join(far, present('bob', 'tablet'))
    table.join(far, present('carol', 'ghost', { hidden: true }))
    expect(table.read('list')).toEqual({
      kind: 'presence',
      connections: 3,
      users: 2,
      clients: [
        { user: 'alice', client: 'desk', since: 5, connInfo: '1', chanInfo: '2' },
        { user: 'alice', client: 'phone', since: 5 },
        { user: 'bob', client: 'tablet', since: 5 },
      ],
    })
    expect(table.read('figures')).toEqual({ kind: 'presence', connections: 3, users: 2, clients: [] })
    expect([table.hasOther('alice', 'desk'), table.hasOther('bob', 'tablet'), table.hasOther('bob', 'gone')]).toEqual([
      true,
      false,
      true,
    ])
    table.leave(near, 'desk')
    table.close(far)
    expect(table.read('list')).toEqual({ kind: 'presence', connections: 0, users: 0, clients: [] })
  })

  test('keep their first moment when the same subscribe comes again or the gateway reports them', () => {
    const table = new PresenceTable()
    const gateway = table.open(true, 0)
    table.join(gateway, present('alice', 'desk'))
    table.join(gateway, present('alice', 'desk', { since: 9, connInfo: '"new"' }))
    table.learn(gateway, { clients: [present('alice', 'desk', { since: 7, connInfo: '"new"' })], pending: [] }, 0)
    expect(table.read('list').clients).toEqual([present('alice', 'desk', { connInfo: '"new"' })])
  })
})

describe('a gateway', () => {
  test('is asked when an earlier instance knew it, and when it was silent for the length of a lease', () => {
    const table = new PresenceTable()
    const [fresh, earlier] = [table.open(true, 1000), table.open(false, 1000)]
    expect([table.isStale(fresh, 1000), table.isStale(earlier, 1000)]).toEqual([false, true])
    expect([table.isStale(fresh, 999 + leaseMs), table.isStale(fresh, 1000 + leaseMs)]).toEqual([false, true])
    // A clock that was set back proves nothing.
    expect(table.isStale(fresh, 0)).toBe(true)
    table.learn(earlier, { clients: [], pending: [] }, 2000)
    expect(table.isStale(earlier, 2000)).toBe(false)
  })

  test('that does not answer counts as empty, and is asked again soon', () => {
    const table = new PresenceTable()
    const gateway = table.open(true, 0)
    table.join(gateway, present('alice', 'desk'))
    table.noteSilence(gateway, leaseMs)
    expect(clientsOf(table)).toEqual([])
    expect(table.isStale(gateway, leaseMs + silenceMs - 1)).toBe(false)
    expect(table.isStale(gateway, leaseMs + silenceMs)).toBe(true)
  })
})

describe('a large channel', () => {
  test('is counted and not listed, keeps no public infos, and asks for them when it is small again', () => {
    const table = new PresenceTable()
    const gateway = table.open(true, 0)
    for (let n = 0; n <= maxDetailed; n++) table.join(gateway, present(`user${n % 1500}`, `c${n}`, { connInfo: '"x"' }))
    expect(table.read('list')).toEqual({ kind: 'presence', connections: maxDetailed + 1, users: 1500, clients: [] })
    expect([...gateway.clients.values()].some(({ connInfo }) => connInfo !== undefined)).toBe(false)
    for (let n = maxListed; n <= maxDetailed; n++) table.leave(gateway, `c${n}`)
    expect(table.isStale(gateway, 0)).toBe(false)
    table.wantInfos()
    expect(table.isStale(gateway, 0)).toBe(true)
    const clients = [...gateway.clients.values()].map((client) => ({ ...client, connInfo: '"x"' }))
    table.learn(gateway, { clients, pending: [] }, 0)
    expect(table.read('list').clients).toHaveLength(maxListed)
    expect(table.read('list').clients.every(({ connInfo }) => connInfo === '"x"')).toBe(true)
  })
})

/**
 * A gateway and the stream it calls. The stream runs a subscribe before the gateway has the answer, and a leave after the
 * gateway has ended the subscription; a report is taken at the gateway at any moment between.
 */
class Pair {
  readonly table = new PresenceTable()
  readonly presence: GatewayPresence
  readonly #hub = new Set<string>()
  readonly #calls: { readonly client: string; readonly joins: boolean; done: boolean }[] = []
  #report: { readonly clients: readonly PresentClient[]; readonly pending: readonly string[] } | undefined

  constructor(isKnown: boolean) {
    this.presence = this.table.open(isKnown, 0)
  }

  begin(client: string): void {
    const isBusy = this.#hub.has(client) || this.#calls.some((call) => call.client === client)
    if (!isBusy) this.#calls.push({ client, joins: true, done: false })
    else if (this.#hub.delete(client)) this.#calls.push({ client, joins: false, done: false })
  }

  /** The stream runs the next call. */
  run(): void {
    const call = this.#calls.find(({ done }) => !done)
    if (call === undefined) return
    call.done = true
    if (call.joins) this.table.join(this.presence, present(call.client, call.client))
    else this.table.leave(this.presence, call.client)
  }

  /** The gateway has the answer of the earliest call. */
  answer(): void {
    const call = this.#calls[0]
    if (call === undefined || !call.done) return
    this.#calls.shift()
    if (call.joins) this.#hub.add(call.client)
  }

  ask(): void {
    this.presence.changed ??= new Map()
  }

  report(): void {
    if (this.presence.changed === undefined) return
    const pending = this.#calls.filter(({ joins }) => joins).map(({ client }) => client)
    this.#report = { clients: [...this.#hub].map((client) => present(client, client)), pending }
  }

  learn(): void {
    if (this.#report === undefined) return
    this.table.learn(this.presence, this.#report, 0)
    this.presence.changed = undefined
    this.#report = undefined
  }

  settle(): string[] {
    while (this.#calls.length > 0) {
      this.run()
      this.answer()
    }
    if (this.#report === undefined) {
      this.ask()
      this.report()
    }
    this.learn()
    return [...this.#hub].toSorted()
  }
}

test('whatever a report overtakes, the table ends with the connections that the gateway has', () => {
  const steps = fc.oneof(
    fc.record({ step: fc.constant('begin' as const), client: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ step: fc.constantFrom('run' as const, 'answer' as const) }),
    fc.record({ step: fc.constantFrom('ask' as const, 'report' as const, 'learn' as const) }),
  )
  fc.assert(
    fc.property(fc.boolean(), fc.array(steps, { maxLength: 40 }), (isKnown, all) => {
      const pair = new Pair(isKnown)
      for (const one of all) {
        if (one.step === 'begin') pair.begin(one.client)
        else pair[one.step]()
      }
      const hub = pair.settle()
      expect(clientsOf(pair.table).toSorted()).toEqual(hub)
      expect(pair.table.read('figures')).toMatchObject({ connections: hub.length, users: hub.length })
    }),
    { numRuns: 2000 },
  )
})
