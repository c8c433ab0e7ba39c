import { expect, test } from 'vitest'
import { actors, drained } from './globals.ts'
import { nowRuns } from './lives.ts'
import { namespace, stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import { Platform } from './platform.ts'

interface News {
  readonly after: number
  readonly publications: readonly { readonly offset: number }[]
}

interface Told {
  readonly news: readonly (number | string)[]
  readonly answer: (listens: boolean) => void
}

/** A real conversation between gateways that answer when the test says so. */
class Scene {
  readonly #world = new Platform(1)
  readonly told: Told[] = []
  #said = 0

  static async open(...gateways: string[]): Promise<Scene> {
    const scene = new Scene()
    const world = scene.#world
    nowRuns(world)
    const { Conversation } = await actors()
    const tell = (news: News) => scene.#tell(news)
    class Gateway {
      publish = tell
    }
    class Neighbour {
      advance = () => true
      update = () => ({ open: [], allOpen: false })
      placement = () => ({ shard: 'shard0', epoch: 1 })
      write = () => ({ kind: 'written', scrubbed: [] })
    }
    if (Conversation !== undefined) Object.assign(world.classes, { Conversation, Gateway, Neighbour })
    const neighbour = namespace(world, 'Neighbour')
    world.env = {
      ACTIVITY: neighbour,
      CONVERSATION: namespace(world, 'Conversation'),
      GATEWAY: namespace(world, 'Gateway'),
      INBOX: neighbour,
      INBOX_NOTES: neighbour,
      TENANT: neighbour,
      SHARD_WRITER: neighbour,
    }
    const wanted = { tenant, id: 'room', type: 'group', name: 'Room', members: ['alice'], createdBy: 'alice' }
    await scene.#call('create', wanted)
    for (const gateway of gateways) await scene.subscribe(gateway)
    scene.told.length = 0
    return scene
  }

  subscribe = (gateway: string) => this.#execute(gateway, { kind: 'subscribe', joinLeave: false })

  say = (gateway: string) =>
    this.#execute(gateway, { kind: 'send', content: { clientId: `c${++this.#said}`, text: 'Hello' } })

  /** Everything that can happen now has. */
  async settle(): Promise<void> {
    await drained()
    await this.#world.run(() => false, 300)
  }

  #tell({ after, publications }: News): Promise<boolean> {
    if (publications.length === 0) return Promise.resolve(true)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.told.push({ news: [`after ${after}`, ...publications.map(({ offset }) => offset)], answer: resolve })
    return promise
  }

  #execute(gateway: string, verb: object): Promise<void> {
    return this.#call('execute', { gateway, have: null, commands: [{ user: 'alice', client: gateway, ...verb }] })
  }

  async #call(method: string, given: object): Promise<void> {
    void stub(this.#world, 'Conversation', `${tenant}/room`)[method]?.(given)
    await this.settle()
  }
}

test('a gateway is sent nothing across a hole of its own publications: that is in an answer it may not have had yet', async () => {
  const scene = await Scene.open('eu/0', 'eu/1')
  for (const gateway of ['eu/0', 'eu/0', 'eu/1', 'eu/0']) await scene.say(gateway)
  const ofOther = scene.told.filter(({ news }) => news.join() === 'after 2,3')
  expect(ofOther).toHaveLength(1)
  scene.told.find(({ news }) => news.join() === 'after 0,1')?.answer(true)
  await scene.settle()
  expect(scene.told.map(({ news }) => news.join())).toEqual(['after 0,1', 'after 2,3', 'after 3,4'])
})

test('a gateway that was dropped and listens again is not dropped by what its earlier lane receives', async () => {
  const scene = await Scene.open('eu/0', 'eu/1')
  await scene.say('eu/0')
  await scene.say('eu/0')
  scene.told[0]?.answer(false)
  await scene.settle()
  expect(scene.told.map(({ news }) => news.join())).toEqual(['after 0,1', 'after 1,2'])
  await scene.subscribe('eu/1')
  scene.told[1]?.answer(false)
  await scene.settle()
  await scene.say('eu/0')
  expect(scene.told.map(({ news }) => news.join())).toEqual(['after 0,1', 'after 1,2', 'after 2,3'])
})
