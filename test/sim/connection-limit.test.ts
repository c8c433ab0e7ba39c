import { expect, test } from 'vitest'
import type { StreamAnswer, StreamCommand, StreamVerb } from '../../src/protocol/stream.ts'
import { actors, drained } from './globals.ts'
import { nowRuns } from './lives.ts'
import { namespace, stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import { Platform } from './platform.ts'

const atMost = 3

/** A real inbox whose user connects at gateways that report the connections the test gave them. */
class Scene {
  readonly world = new Platform(1)
  /** Calls that asked a gateway for its connections. */
  readonly asked: string[] = []
  readonly #held = new Map<string, string[]>()

  static async open(): Promise<Scene> {
    const scene = new Scene()
    const { world, asked } = scene
    nowRuns(world)
    const { Inbox } = await actors()
    const heldBy = (name: string) => scene.#held.get(name) ?? []
    class Gateway {
      readonly #name: string
      constructor(ctx: { readonly id: { readonly name: string } }) {
        this.#name = ctx.id.name
      }
      publish = () => true
      subscribed = () => {
        asked.push(this.#name)
        const clients = heldBy(this.#name).map((client) => ({ user: 'alice', client, since: 1 }))
        return { clients, pending: [] }
      }
    }
    class InboxNotes {
      open = () => ({ turn: 1, place: 0 })
      missed = () => ({ missed: [], next: null, place: 0 })
      close = () => undefined
    }
    if (Inbox !== undefined) Object.assign(world.classes, { Inbox, Gateway, InboxNotes })
    world.env = {
      INBOX: namespace(world, 'Inbox'),
      GATEWAY: namespace(world, 'Gateway'),
      INBOX_NOTES: namespace(world, 'InboxNotes'),
    }
    return scene
  }

  /** The user connects at a gateway; returns whether the connection was admitted. */
  async connect(gateway: string, client: string): Promise<boolean> {
    const held = this.#held.get(gateway) ?? []
    const pass = { issuedAt: 1, connections: held.length + 1, atMost }
    const [result] = await this.#call(gateway, { kind: 'subscribe', joinLeave: false, pass }, client)
    if (result?.kind === 'subscribed') this.#held.set(gateway, [...held, client])
    return result?.kind === 'subscribed'
  }

  async leave(gateway: string, client: string): Promise<void> {
    const held = (this.#held.get(gateway) ?? []).filter((other) => other !== client)
    this.#held.set(gateway, held)
    await this.#call(gateway, { kind: 'leave', last: held.length === 0 }, client)
  }

  /** The gateway loses its connections, and says nothing of it. */
  lose(gateway: string): void {
    this.#held.delete(gateway)
  }

  sleep(): void {
    for (const host of this.world.hosts.values()) host.sleep()
  }

  async #call(gateway: string, verb: StreamVerb, client: string): Promise<StreamAnswer['results']> {
    const held = this.#held.get(gateway) ?? []
    const commands: StreamCommand[] = [{ user: 'alice', client, ...verb }]
    const call = { gateway, have: held.length === 0 ? null : 0, subscribed: held.length, commands }
    const answered: { answer?: StreamAnswer } = {}
    void stub(this.world, 'Inbox', `${tenant}/alice`)
      .execute?.(call)
      .then((answer) => Object.assign(answered, { answer }))
    await drained()
    await this.world.run(() => answered.answer !== undefined, 60_000)
    return answered.answer?.results ?? []
  }
}

test('a user with connections at several gateways is counted without a call to any of them', async () => {
  const scene = await Scene.open()
  expect(await scene.connect('eu/0', 'desk')).toBe(true)
  expect(await scene.connect('eu/1', 'phone')).toBe(true)
  for (let n = 0; n < 5; n++) {
    expect(await scene.connect('eu/1', `tablet${n}`)).toBe(true)
    await scene.leave('eu/1', `tablet${n}`)
  }
  expect(scene.asked).toEqual([])
})

test('a connection beyond the limit is refused, and gateways are asked before that: a connection may have been lost', async () => {
  const scene = await Scene.open()
  for (const client of ['desk', 'phone', 'tablet']) await scene.connect('eu/0', client)
  expect(await scene.connect('eu/1', 'watch')).toBe(false)
  expect(scene.asked).toEqual(['eu/0'])
  scene.lose('eu/0')
  expect(await scene.connect('eu/1', 'watch')).toBe(true)
})

test('after the inbox slept, the other gateways are asked once', async () => {
  const scene = await Scene.open()
  await scene.connect('eu/0', 'desk')
  await scene.connect('eu/1', 'phone')
  scene.sleep()
  expect(await scene.connect('eu/1', 'tablet')).toBe(true)
  expect(await scene.connect('eu/1', 'watch')).toBe(false)
  expect(scene.asked.filter((name) => name === 'eu/0').length).toBeLessThanOrEqual(2)
})
