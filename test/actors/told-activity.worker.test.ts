import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { ConversationStore } from '../../durable-objects/conversation/conversation-store.ts'
import { mergeActivity } from '../../src/activity/merge-activity.ts'
import { readStateNow } from '../../src/activity/read-state-now.ts'
import { applyCommands } from '../../src/conversations/apply-commands.ts'
import type { ConversationState } from '../../src/conversations/state.ts'
import { statesPerUpdate, type ConversationActivity, type ReadState } from '../../src/events/activity.ts'
import type { StreamCommand } from '../../src/protocol/stream.ts'

const users = ['alice', 'bob', 'carol', 'dave']
const user = fc.constantFrom(...users)
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      does: fc.constant('send'),
      user,
      mentions: fc.record({ users: fc.subarray(users), here: fc.boolean(), channel: fc.boolean() }),
    }),
  },
  fc.record({ does: fc.constant('edit'), user, nth: fc.nat(6) }),
  { weight: 2, arbitrary: fc.record({ does: fc.constant('delete'), user, nth: fc.nat(6) }) },
  fc.record({ does: fc.constant('join'), user }),
  fc.record({ does: fc.constant('leave'), user }),
  { weight: 4, arbitrary: fc.record({ does: fc.constant('read'), user, seq: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('tell'), outcome: fc.constantFrom('arrives', 'lost', 'unanswered') }),
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('restart') }) },
  fc.record({ does: fc.constant('keep') }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** A conversation on a disk of its own, and the row of an Activity actor that some of its calls reach. */
class Scene {
  readonly #ctx: DurableObjectState
  readonly #env: typeof env
  #store: ConversationStore
  activity: ConversationActivity | undefined
  /** Each user's state as an inbox keeps it since the user joined. */
  readonly inboxes = new Map<string, ReadState>()
  #outcome = 'arrives'
  #sent = 0

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx
    const advance = (news: ConversationActivity): Promise<void> => {
      if (this.#outcome !== 'lost') this.activity = mergeActivity(this.activity, news)
      return this.#outcome === 'arrives' ? Promise.resolve() : Promise.reject(new Error(this.#outcome))
    }
    this.#env = Object.defineProperty({ ...env }, 'ACTIVITY', { value: { getByName: () => ({ advance }) } })
    this.#store = ConversationStore.create(ctx, this.#env)
    const member = (one: string) => ({ user: one, role: 'owner', joinedAt: 1, read: 0, joined: 0 }) as const
    const conversation = { tenant: 'acme', id: 'lunch', type: 'group', name: '', epoch: 'e' } as const
    this.#store.begin({ ...conversation, createdBy: 'alice', createdAt: 1, version: 1 }, users.slice(0, 3).map(member))
    for (const one of users.slice(0, 3)) this.#join(one)
  }

  get #state(): ConversationState {
    const { conversation, members, log, amendments, messages, activity, sentTimes, uploads } = this.#store
    if (conversation === undefined) throw new Error('begun above')
    return {
      conversation,
      members,
      log,
      amendments,
      messages,
      readStates: activity,
      sentTimes,
      uploads,
      now: 1000,
      write: (changed) => this.#store.write(changed),
      noteRemoval: () => undefined,
      noteRemovalOfAll: () => undefined,
    }
  }

  async take(step: Step): Promise<void> {
    if (step.does === 'restart') this.#store = ConversationStore.open(this.#ctx, this.#env)
    else if (step.does === 'keep') this.#store.activity.keep()
    else if (step.does === 'tell' && 'outcome' in step) await this.tell(step.outcome)
    else this.#act(step)
  }

  async tell(outcome: string): Promise<void> {
    this.#outcome = outcome
    await this.#store.activity.run().catch(() => undefined)
  }

  #act(step: Step): void {
    if ('mentions' in step)
      return this.#run({
        kind: 'send',
        user: step.user,
        client: '',
        content: { clientId: `c${++this.#sent}`, text: 'x', mentions: step.mentions },
      })
    if ('nth' in step) {
      const seq = this.#nthMessage(step.nth)
      if (step.does === 'edit') this.#command(step.user, 'message.edit', { seq, text: 'y' })
      else this.#command(step.user, 'message.delete', { seq })
    } else if ('seq' in step) this.#command(step.user, 'conversation.read', { seq: step.seq })
    else if ('user' in step && step.does === 'leave' && step.user !== 'alice')
      this.#command('alice', 'member.remove', { user: step.user })
    else if ('user' in step && step.does === 'join' && this.#store.members.get(step.user) === undefined) {
      this.#command('alice', 'member.add', { members: [step.user] })
      this.#join(step.user)
    }
  }

  #join(one: string): void {
    const state = this.#store.unread.of(one)
    if (state !== undefined) this.inboxes.set(one, state)
  }

  #command(by: string, name: string, input: object): void {
    this.#run({ kind: 'command', user: by, client: '', name, input })
  }

  #run(command: StreamCommand): void {
    const applied = applyCommands(this.#state, [command])
    const { members, activity } = this.#store
    for (const { offset, data, info } of applied.publications)
      if (data.startsWith('{"type":"message"')) members.wrote(info?.user ?? '', offset)
      else activity.note(offset, info?.user ?? '', data)
  }

  #nthMessage(nth: number): number {
    const messages = this.#rows.filter(({ client_id }) => client_id !== null)
    return messages.at(-1 - nth)?.seq ?? 1
  }

  get #rows() {
    return this.#ctx.storage.sql
      .exec<{ seq: number; user: string; client_id: string | null; data: string }>('SELECT * FROM messages')
      .toArray()
  }

  get members(): string[] {
    return [...this.#store.members.all()].map((member) => member.user)
  }

  /** What the conversation itself counts. */
  counted = (one: string): ReadState | undefined => this.#store.unread.of(one)

  /** Counted anew from the whole log. */
  recount(one: string): Pick<ReadState, 'unread' | 'mentions'> {
    const read = this.#store.members.get(one)?.read ?? 0
    const unread = this.#rows.filter(
      ({ seq, user: author, client_id, data }) =>
        client_id !== null && author !== one && seq > read && JSON.parse(data).deleted !== true,
    )
    const named = new Map(
      this.#ctx.storage.sql
        .exec<{ seq: number; users: string; everyone: number }>('SELECT * FROM mentions')
        .toArray()
        .map(({ seq, users: them, everyone }) => [seq, everyone === 1 || JSON.parse(them).includes(one)]),
    )
    return { unread: unread.length, mentions: unread.filter(({ seq }) => named.get(seq) === true).length }
  }
}

test('unread counts by the Activity actor’s row equal a recount of the log, whatever was lost, repeated and restarted before', async () => {
  const steps = fc.array(step, { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const actor = env.CONVERSATION.getByName(`acme/${crypto.randomUUID()}`)
      await runInDurableObject(actor, async (_, ctx) => {
        const scene = new Scene(ctx)
        for (const one of all) await scene.take(one)
        await scene.tell('arrives')
        for (const one of scene.members) {
          const counted = scene.counted(one)
          expect(counted).toMatchObject(scene.recount(one))
          const known = scene.inboxes.get(one)
          const shown = scene.activity === undefined ? known : readStateNow(scene.activity, one, known ?? counted!)
          expect(shown).toEqual(counted)
        }
        await ctx.storage.deleteAll()
      })
    }),
    { numRuns: 150 },
  )
})

test('of very many users whose state changed at once only as many are read as one call carries, and the others are asked for', async () => {
  const actor = env.CONVERSATION.getByName(`acme/${crypto.randomUUID()}`)
  await runInDurableObject(actor, async (_, ctx) => {
    const told: ConversationActivity[] = []
    const advance = async (news: ConversationActivity) => void told.push(news)
    const bindings = Object.defineProperty({ ...env }, 'ACTIVITY', { value: { getByName: () => ({ advance }) } })
    const store = ConversationStore.create(ctx, bindings)
    const many = Array.from({ length: 2000 }, (_member, n) => `user-${n}`)
    const conversation = { tenant: 'acme', id: 'hall', type: 'group', name: '', epoch: 'e' } as const
    store.begin(
      { ...conversation, createdBy: 'user-0', createdAt: 1, version: 1 },
      many.map((user) => ({ user, role: 'member', joinedAt: 1, read: 0, joined: 0 })),
    )
    for (const user of many) store.members.noteChanged(user)
    const counted = vi.spyOn(store.unread, 'of')
    await store.activity.run()
    expect(counted).toHaveBeenCalledTimes(statesPerUpdate)
    expect(told).toMatchObject([{ last: 0, statesAfter: 1 }])
    expect(told[0]?.states).toHaveLength(statesPerUpdate)
    expect(store.activity.isPending()).toBe(false)
  })
})
