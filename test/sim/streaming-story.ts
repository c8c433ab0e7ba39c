import { readEntry } from '../../sdk/entries.ts'
import { grown, listed, withoutArrived, type Growing } from '../../sdk/growing.ts'
import { growingLines, linesOf } from '../../sdk/lines.ts'
import { emptyTimeline, place, restart } from '../../sdk/timeline.ts'
import { Device } from './device.ts'
import { Rows, shardWriter, tenant, tokenMaker } from './neighbours.ts'
import { Setting, type Day, type Ending } from './setting.ts'
import type { Line, Pub, Subscribed } from './wire.ts'

const conversation = 'lunch'
const channel = `conversation:${conversation}`

/** What a day of streaming messages is about. */
export interface StreamingDay extends Day {
  readonly authors: number
  readonly readers: number
  /** Messages that each author writes, one after the other, in parts. */
  readonly messages: number
  readonly parts: number
}

export interface StreamingEnding extends Ending {
  /** Messages that were completed, and those that were interrupted. */
  readonly completed: number
  readonly interrupted: number
  /** How often a refusal or a lost event made an author or a reader ask. */
  readonly asked: number
}

/** An author as the SDK's: what it wrote is kept until the message has ended, and every call is repeated until it is answered. */
class Author {
  readonly written = new Map<string, string>()
  readonly completed = new Set<string>()
  asked = 0
  isDone = false
  readonly #device: Device
  readonly #day: StreamingDay
  readonly #setting: Setting
  readonly #user: string
  #sent = 0

  constructor(device: Device, user: string, setting: Setting, day: StreamingDay) {
    this.#device = device
    this.#user = user
    this.#setting = setting
    this.#day = day
  }

  /** Writes its messages; the last one is left as it is. */
  begin(n = 0): void {
    if (n === this.#day.messages) {
      this.isDone = true
      return
    }
    const clientId = `${this.#user}-${n}`
    this.written.set(clientId, '')
    this.#sent = 0
    this.#ask('begin', { clientId }, () => this.#write(clientId, n, 0))
  }

  #write(clientId: string, n: number, part: number): void {
    const { chance } = this.#setting.world
    if (part === this.#day.parts) return this.#end(clientId, n)
    const text = `${part}.${'x'.repeat(chance.below(5))} `
    this.written.set(clientId, (this.written.get(clientId) ?? '') + text)
    this.#send(clientId, () => this.#after(chance.between(5, 120), () => this.#write(clientId, n, part + 1)))
  }

  #end(clientId: string, n: number): void {
    if (n === this.#day.messages - 1) return this.begin(n + 1)
    this.#ask('complete', { clientId }, ({ rpc }) => {
      if (rpc !== undefined) this.completed.add(clientId)
      this.begin(n + 1)
    })
  }

  /** Sends what the conversation lacks; a refusal makes it ask how much that is. */
  #send(clientId: string, done: () => void): void {
    const text = this.written.get(clientId) ?? ''
    if (this.#sent === text.length) return done()
    const append = { clientId, offset: this.#sent, text: text.slice(this.#sent) }
    this.#ask('append', append, ({ rpc }) => {
      if (rpc !== undefined) {
        this.#sent = Number(rpc.data['length'])
        return this.#send(clientId, done)
      }
      this.asked++
      this.#ask('begin', { clientId }, (answer) => {
        // It has ended, as one of a silent author does.
        if (answer.rpc?.data.seq !== undefined) return done()
        this.#sent = Number(answer.rpc?.data['length'] ?? 0)
        this.#after(20, () => this.#send(clientId, done))
      })
    })
  }

  /** Asks until there is an answer, or a refusal that is no reason to come again. */
  #ask(verb: string, input: object, answered: (line: Line) => void): void {
    const again = () => this.#after(this.#setting.world.chance.between(50, 300), () => this.#ask(verb, input, answered))
    if (!this.#device.isOpen) return again()
    this.#device.ask({ rpc: { method: `message.${verb}`, data: { conversation, ...input } } }, (reply) => {
      if (reply === undefined || reply.error?.code === 100 || reply.error?.code === 111) return again()
      answered(reply)
    })
  }

  #after(ms: number, then: () => void): void {
    this.#setting.world.after(ms, then)
  }
}

/** A client as the SDK's: it follows the log and the texts that grow, and asks for what it missed. */
class Reader {
  asked = 0
  #device: Device | undefined
  #growing: Growing = new Map()
  #timeline = emptyTimeline('')
  #waiting: Pub[] | undefined
  readonly #setting: Setting

  constructor(setting: Setting) {
    this.#setting = setting
  }

  follows(device: Device): void {
    this.#device = device
  }

  joined(from: string, { epoch, recovered, data }: Subscribed): void {
    if (from !== channel) return
    if (!recovered) this.#timeline = restart(this.#timeline, epoch)
    if (data.streaming === true) this.ask()
    else this.#growing = new Map()
  }

  heard(from: string, publication: Pub): void {
    if (from !== channel) return
    const { offset, data, info } = publication
    if (offset > 0) {
      const arrivals = [{ seq: offset, entry: readEntry(data, info?.user) }]
      this.#timeline = place(this.#timeline, arrivals)
      this.#growing = withoutArrived(this.#growing, arrivals)
    } else if (data.type === 'message.streaming') {
      if (this.#waiting !== undefined) this.#waiting.push(publication)
      else this.#grow(publication)
    }
  }

  /** What it shows, by author and clientId: streaming messages only. */
  get shown(): string[] {
    return [...linesOf(this.#timeline), ...growingLines('', this.#growing)].flatMap((line) =>
      line.kind === 'message' ? [`${line.clientId} ${line.text} ${line.state ?? ''}`] : [],
    )
  }

  get growing(): number {
    return this.#growing.size
  }

  ask(): void {
    if (this.#waiting !== undefined) return
    this.#waiting = []
    this.asked++
    this.#list()
  }

  #grow({ data }: Pub): void {
    const next = grown(this.#growing, this.#timeline, data)
    if (next === undefined) this.ask()
    else this.#growing = next
  }

  #list(): void {
    const again = () => this.#setting.world.after(200, () => this.#list())
    if (this.#device?.isOpen !== true) return again()
    this.#device.ask({ rpc: { method: 'message.streaming', data: { conversation } } }, (reply) => {
      if (reply?.rpc === undefined) return again()
      this.#growing = listed(this.#timeline, reply.rpc.data)
      const events = this.#waiting ?? []
      this.#waiting = undefined
      for (const event of events) this.heard(channel, event)
    })
  }
}

/** Authors write while everything fails; then it stops failing, the last message of each is interrupted, and all clients show the log. */
export async function tellStreaming(seed: number, day: StreamingDay): Promise<StreamingEnding> {
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()) })
  const setting = await Setting.of(seed, day, neighbours, { LINKS: 'off' })
  const { world } = setting
  try {
    const token = tokenMaker(tenant, await setting.admit(tenant))
    const members = Array.from({ length: day.authors + day.readers }, (_, n) => `user-${n}`)
    const wanted = { tenant, id: conversation, type: 'group', name: 'Lunch', members, createdBy: members[0] }
    await setting.call('Conversation', `${tenant}/${conversation}`, 'create', wanted)
    const readers = members.map(() => new Reader(setting))
    const devices = members.map((user, n) => {
      const reader = readers[n]
      const told = {
        joined: (from: string, result: Subscribed) => reader?.joined(from, result),
        heard: (from: string, publication: Pub) => reader?.heard(from, publication),
      }
      const device = new Device({ world, user, gateway: `eu/${n % 2}`, channels: [channel], token, told })
      reader?.follows(device)
      return device
    })
    for (const device of devices) device.come()
    await setting.until('every client is subscribed', () => devices.every(({ isListening }) => isListening))
    const authors = devices.slice(0, day.authors).map((device, n) => new Author(device, members[n] ?? '', setting, day))
    for (const author of authors) author.begin()
    const cut = () => devices[world.chance.below(devices.length)]?.cut()
    await setting.happen(
      0,
      () => undefined,
      () => setting.befall(cut),
    )
    const unsettled = () => authors.flatMap(({ isDone }, n) => (isDone ? [] : [`author ${n}`]))
    const left = await setting.calmDown(unsettled, 120_000)
    // The last message of each author ends by the alarm.
    const isQuiet = () =>
      devices.every(({ isListening }) => isListening) && readers.every(({ growing }) => growing === 0)
    const open = await setting.calmDown(() => (isQuiet() ? [] : ['a client shows a message that grows']), 180_000)
    for (let n = 0; n < 2; n++) await setting.pass(10_000)
    const { disk } = world.host('Conversation', `${tenant}/${conversation}`)
    const rows = disk.exec<{ data: string }>('SELECT data FROM messages ORDER BY seq').toArray()
    const log = rows.map(({ data }): { type: string; clientId: string; text: string; ended?: string } =>
      JSON.parse(data),
    )
    const messages = log.filter(({ type }) => type === 'message')
    const whole = messages.map(({ clientId, text, ended = '' }) => `${clientId} ${text} ${ended}`)
    const broken = [
      ...left,
      ...open,
      ...devices.flatMap(({ trouble }) => trouble),
      ...readers.flatMap(({ shown }, n) =>
        shown.join() === whole.join() ? [] : [`client ${n} shows ${shown.join()}, the log ${whole.join()}`],
      ),
      ...authors.flatMap((author) => brokenTexts(author, messages)),
      ...duplicates(messages.map(({ clientId }) => clientId)),
    ]
    const completed = messages.filter(({ ended }) => ended === undefined).length
    const asked = [...authors, ...readers].reduce((sum, one) => sum + one.asked, 0)
    return { ...setting.ending(broken), completed, interrupted: messages.length - completed, asked }
  } finally {
    setting.close()
  }
}

/** What an author was told that is not so: a completed text is whole, any other is the beginning of what was written. */
function brokenTexts(
  { written, completed }: Author,
  messages: readonly { readonly clientId: string; readonly text: string; readonly ended?: string }[],
): string[] {
  return [...written].flatMap(([clientId, text]) => {
    const sent = messages.find((message) => message.clientId === clientId)
    if (completed.has(clientId) && sent?.ended === undefined && sent?.text !== text)
      return [`${clientId} was completed as ${text} and is ${String(sent?.text)}`]
    if (sent !== undefined && !text.startsWith(sent.text)) return [`${clientId} has ${sent.text}, of ${text}`]
    return []
  })
}

const duplicates = (ids: readonly string[]): string[] =>
  ids.flatMap((id, index) => (ids.indexOf(id) === index ? [] : [`${id} is in the log twice`]))
