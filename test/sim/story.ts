import type { Mentions } from '../../src/events/activity.ts'
import { checkHistory } from '../support/history-checks.ts'
import { History } from '../support/history.ts'
import { Rows, shardWriter, tenant, tokenMaker } from './neighbours.ts'
import { Person, type Content } from './person.ts'
import { differentPresence } from './presence-check.ts'
import { Setting, type Day, type Ending as SettingEnding } from './setting.ts'
import { Truth } from './truth.ts'
import { listPage, statesPage } from './wire.ts'

/** What a story is about, beside its seed. */
export interface Plot extends Day {
  readonly people: number
  readonly conversations: number
  readonly gateways: number
  readonly messages: number
  readonly links: boolean
  /** The only faults there are: lines that are cut, or gateways that die. */
  readonly only?: 'cuts' | 'gateways'
}

export interface Ending extends SettingEnding {
  readonly entries: number
  readonly rejoins: number
}

const calmsWithinMs = 180_000

const server = { user: '', client: '', server: true }

/** People talk while everything fails; then it stops failing, and all promises are looked at. */
export async function tell(seed: number, plot: Plot): Promise<Ending> {
  const rows = new Rows()
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, rows) })
  const setting = await Setting.of(seed, plot, neighbours, { LINKS: plot.links ? 'on' : 'off' })
  return await setting.play(new Story(setting, plot, rows))
}

const thaw = ['conversation.update', { frozen: false, slowModeSeconds: null }] as const

/** A call with one command of the tenant's server. */
const asServer = (name: string, input: object) => ({
  gateway: null,
  have: null,
  commands: [{ user: '', client: '', server: true, kind: 'command', name, input }],
})

class Story {
  readonly #setting: Setting
  readonly #plot: Plot
  readonly #rows: Rows
  readonly #history: History
  readonly #people: Person[] = []
  /** Users that are added and removed all day. They look at their lists only, and subscribe to no conversation. */
  readonly #guests: Person[] = []
  readonly #conversations: string[]
  readonly #truth: Truth

  constructor(setting: Setting, plot: Plot, rows: Rows) {
    const { world } = setting
    this.#setting = setting
    this.#plot = plot
    this.#rows = rows
    this.#history = new History(() => world.now)
    this.#conversations = Array.from({ length: plot.conversations }, (_, n) => `room-${n}`)
    this.#truth = new Truth(world, rows, { people: this.#people, guests: this.#guests }, this.#conversations)
  }

  /** Every user is a member of every conversation and subscribed, in good weather. */
  async begin(): Promise<void> {
    const setting = this.#setting
    const { people, gateways } = this.#plot
    const members = Array.from({ length: people }, (_, n) => `user-${n}`)
    const token = tokenMaker(tenant, await setting.admit(tenant))
    for (const id of this.#conversations) {
      const wanted = { tenant, id, type: 'group', name: id, members, createdBy: members[0] }
      await setting.call('Conversation', `${tenant}/${id}`, 'create', wanted)
    }
    const around = { world: setting.world, history: this.#history, token }
    members.forEach((user, n) => this.#people.push(new Person(around, user, `eu/${n % gateways}`, this.#conversations)))
    for (let n = 0; n < 2; n++) this.#guests.push(new Person(around, `guest-${n}`, `eu/${n % gateways}`, []))
    for (const person of this.#everyone) person.come()
    await setting.until('every client is subscribed', () => this.#everyone.every(({ isListening }) => isListening))
  }

  /** Messages and faults, at random times. */
  async happen(): Promise<void> {
    await this.#setting.happen(
      this.#plot.messages,
      () => this.#talk(),
      () => this.#fault(),
    )
  }

  /** Good weather again: everything must come right by itself. */
  async end(): Promise<Ending> {
    // Good weather, in which every call arrives.
    await this.#setting.calmDown(() => [], 0)
    for (const conversation of this.#conversations)
      await this.#setting.call('Conversation', `${tenant}/${conversation}`, 'execute', asServer(...thaw))
    const calm = async () => await this.#setting.calmDown(() => this.#truth.unsettled(), calmsWithinMs)
    await calm()
    // A command that nothing waits for may still be repeated by its gateway.
    await this.#setting.pass(10_000)
    const unsettled = await calm()
    const log = this.#truth.log
    const differentPresence = await this.#differentPresence()
    const differentLists = await this.#differentLists()
    const broken = [
      ...unsettled,
      ...checkHistory(this.#history, log).map(({ check, what }) => `${check}: ${what}`),
      ...this.#everyone.flatMap(({ trouble }) => trouble),
      ...this.#rows.contradictions,
      ...differentPresence,
      ...differentLists,
      ...this.#truth.differentRows(),
      ...this.#truth.brokenSettings(),
      ...(await this.#differentPages()),
    ]
    const rejoins = this.#people.reduce((sum, { arrivals }) => sum + arrivals - 1, 0)
    return { ...this.#setting.ending(broken), entries: log.length, rejoins }
  }

  async #differentLists(): Promise<string[]> {
    const different: string[] = []
    for (const { user } of this.#everyone) {
      const page = listPage.parse(await this.#setting.call('Inbox', `${tenant}/${user}`, 'list', undefined, 100))
      different.push(...this.#truth.differentList(user, page.conversations))
    }
    return different
  }

  async #differentPresence(): Promise<string[]> {
    const different: string[] = []
    for (const name of this.#conversations) {
      const stream = {
        kind: 'Conversation',
        tenant,
        name,
        channel: `conversation:${name}`,
        given: [server, 'list'],
      } as const
      different.push(...(await differentPresence(this.#setting, this.#plot.gateways, stream)))
    }
    return different
  }

  /** A page that is read anew shows what a client makes of the entries that it received. */
  async #differentPages(): Promise<string[]> {
    const different: string[] = []
    for (const id of this.#conversations) {
      const user = this.#people[0]?.user ?? ''
      const reader = { user, client: '', server: false }
      const read: unknown[] = []
      for (let top = Infinity, offset = 0; offset < top;) {
        const query = { limit: 300, reverse: false, since: { offset, epoch: '' } }
        const page = statesPage.parse(
          await this.#setting.call('Conversation', `${tenant}/${id}`, 'history', reader, query),
        )
        read.push(...page.states)
        ;[top, offset] = [page.top, page.publications.at(-1)?.offset ?? page.top]
      }
      different.push(...this.#truth.differentStates(user, id, read))
    }
    return different
  }

  get #everyone(): readonly Person[] {
    return [...this.#people, ...this.#guests]
  }

  #talk(): void {
    const { chance } = this.#setting.world
    if (chance.happens(0.05)) return this.#govern()
    if (chance.happens(0.1)) return this.#receive()
    const person = this.#people[chance.below(this.#people.length)]
    const conversation = this.#conversations[chance.below(this.#conversations.length)] ?? ''
    const kind = chance.below(12)
    if (kind > 9) this.#remark(person, conversation)
    else if (kind === 0) person?.mention('conversation.read', { conversation, seq: person.heardUpTo(conversation) })
    else if (kind === 1) person?.mention('conversation.typing', { conversation })
    else if (kind === 2)
      person?.mention('message.edit', { conversation, seq: 1 + chance.below(5), text: 'in other words' })
    else if (kind === 3) person?.mention('message.delete', { conversation, seq: 1 + chance.below(20) })
    else for (let n = chance.happens(0.2) ? chance.below(8) : 1; n > 0; n--) person?.say(conversation, this.#content())
  }

  /** Reactions and pins, all to the first messages, in time also to deleted ones. */
  #remark(person: Person | undefined, conversation: string): void {
    const { chance } = this.#setting.world
    const of = { conversation, seq: 1 + chance.below(3) }
    const reaction = ['👍', '🎉'][chance.below(2)]
    const kind = chance.below(7)
    if (kind < 2) person?.mention('message.react', { ...of, reaction })
    else if (kind < 4) person?.mention('message.react', { ...of, reaction, only: true })
    else if (kind === 4) person?.mention('message.unreact', { ...of, reaction })
    else if (kind === 5) this.#people[0]?.mention('message.pin', of)
    else this.#people[0]?.mention('message.unpin', of)
  }

  /** The tenant's server freezes, slows down, bans, and takes that back. */
  #govern(): void {
    const { chance } = this.#setting.world
    const conversation = this.#conversations[chance.below(this.#conversations.length)] ?? ''
    const guest = this.#guests[chance.below(this.#guests.length)]?.user ?? ''
    const commands = [
      ['conversation.update', { frozen: true }],
      ['conversation.update', { slowModeSeconds: 1 + chance.below(3) }],
      ['member.ban', { user: guest }],
      ['member.unban', { user: guest }],
      thaw,
      thaw,
    ] as const
    const [name, input] = commands[chance.below(commands.length)] ?? thaw
    this.#setting.send('Conversation', `${tenant}/${conversation}`, 'execute', asServer(name, input))
  }

  /** A guest is added or removed by the owner, or reads. */
  #receive(): void {
    const { chance } = this.#setting.world
    const guest = this.#guests[chance.below(this.#guests.length)]
    const conversation = this.#conversations[chance.below(this.#conversations.length)] ?? ''
    if (guest === undefined) return
    const [owner] = this.#people
    const kind = chance.below(3)
    if (kind === 0) owner?.mention('member.add', { conversation, members: [guest.user] })
    else if (kind === 1) owner?.mention('member.remove', { conversation, user: guest.user })
    else guest.mention('conversation.read', { conversation, seq: 1 + chance.below(40) })
  }

  /** One message in ten is silent. */
  #content(): Content {
    const mentions = this.#mentions()
    return this.#setting.world.chance.happens(0.1) ? { mentions, silent: true } : { mentions }
  }

  /** One message in three mentions users, one in ten of those all members. */
  #mentions(): Mentions | undefined {
    const { chance } = this.#setting.world
    if (!chance.happens(0.3)) return undefined
    if (chance.happens(0.1)) return { channel: true }
    return { users: this.#everyone.filter(() => chance.happens(0.3)).map(({ user }) => user) }
  }

  #fault(): void {
    const all = this.#everyone
    const cut = () => all[this.#setting.world.chance.below(all.length)]?.cut()
    const { only } = this.#plot
    if (only === 'gateways') this.#setting.lose('Gateway')
    else if (only === 'cuts') cut()
    else this.#setting.befall(cut)
  }
}
