import { createParley, type Conversation, type ListItem, type MessageLine, type Parley } from '../../sdk/index.ts'
import { ParleyServer } from '../../sdk/server.ts'

/** Where Parley is, and the API key of the tenant. */
export interface BotOptions {
  readonly url: string
  readonly apiKey: string
  /** The user that the bot is. */
  readonly user?: string
  /** Told when an answer could not be given. */
  readonly failed?: (reason: unknown) => void
}

const welcome = 'Welcome'
const thinksForMs = 700

/** A bot that greets users who open a direct conversation with it, shows them around, and answers. Returns how to end it. */
export async function startBot({ url, apiKey, user = 'guide', failed = () => {} }: BotOptions): Promise<() => void> {
  const server = new ParleyServer({ url, apiKey })
  await server.request('PUT', `/v1/users/${user}`, { name: 'Guide' })
  const parley = createParley({ url, user, getToken: () => server.token(user) })
  const bot = new Bot(parley, server, url, failed)
  parley.list.changes.listen(() => bot.look())
  return () => parley.close()
}

class Bot {
  readonly #parley: Parley
  readonly #server: ParleyServer
  readonly #url: string
  readonly #failed: (reason: unknown) => void
  readonly #talks = new Map<string, Talk>()
  #welcome: Promise<string> | undefined

  constructor(parley: Parley, server: ParleyServer, url: string, failed: (reason: unknown) => void) {
    this.#parley = parley
    this.#server = server
    this.#url = url
    this.#failed = failed
  }

  /** Turns to conversations in which something was said, or nothing yet. */
  look(): void {
    for (const item of this.#parley.list.items) {
      if (item.type !== 'direct' || (item.unread === 0 && item.preview !== null)) continue
      const talk = this.#talks.get(item.id) ?? this.#newTalk(item)
      talk.respond()
    }
  }

  #newTalk(item: ListItem): Talk {
    const other = item.members.find((member) => member !== this.#parley.user) ?? ''
    const talk = new Talk(this.#parley.conversation(item.id), {
      me: this.#parley.user,
      greet: async () => {
        await this.#showAround(other)
        return greeting(this.#url)
      },
      failed: this.#failed,
      answer: ({ text }) => answerTo(text, this.#url),
    })
    this.#talks.set(item.id, talk)
    return talk
  }

  /** Takes a new user into the channel in which something has been said already. */
  async #showAround(user: string): Promise<void> {
    this.#welcome ??= this.#makeWelcome().catch((error: unknown) => {
      this.#welcome = undefined
      throw error
    })
    const path = `/v1/conversations/${await this.#welcome}/members`
    // The user can be a member already.
    await this.#server.request('POST', path, { members: [user] })
  }

  async #makeWelcome(): Promise<string> {
    const known = this.#parley.list.items.find(({ type, name }) => type === 'channel' && name === welcome)
    if (known !== undefined) return known.id
    const topic = 'What is going on here'
    const { id } = await this.#parley.conversations.create({ type: 'channel', name: welcome, members: [], topic })
    const conversation = this.#parley.conversation(id)
    for (const text of firstWords) conversation.send(text)
    return id
  }
}

interface TalkPort {
  readonly me: string
  readonly greet: () => Promise<string>
  readonly answer: (line: MessageLine) => string
  readonly failed: (reason: unknown) => void
}

/** One conversation that the bot has with a user; open while there is something to answer. */
class Talk {
  readonly #conversation: Conversation
  readonly #port: TalkPort
  /** Seq of the newest message that was answered. */
  #answered = 0
  #isBusy = false

  constructor(conversation: Conversation, port: TalkPort) {
    this.#conversation = conversation
    this.#port = port
    conversation.changes.listen(() => this.respond())
    conversation.open()
  }

  respond(): void {
    if (this.#isBusy || this.#conversation.view.status !== 'live') return
    this.#isBusy = true
    this.#reply()
      .catch(this.#port.failed)
      .finally(() => (this.#isBusy = false))
  }

  async #reply(): Promise<void> {
    const { lines, newest } = this.#conversation.view
    const said = lines.filter((line) => line.kind === 'message')
    const last = said.findLast(({ user, seq }) => user !== this.#port.me && seq > 0)
    const isNew = said.length === 0
    this.#conversation.markRead(newest)
    const isAnswered = last === undefined || last.seq <= this.#answered || said.at(-1)?.user === this.#port.me
    if (!isNew && isAnswered) return
    this.#answered = last?.seq ?? 0
    this.#conversation.typing()
    await new Promise((resolve) => setTimeout(resolve, thinksForMs))
    this.#conversation.send(last === undefined ? await this.#port.greet() : this.#port.answer(last))
  }
}

const firstWords = [
  'This channel is open to every user of the tenant: each user with its link reads along, members write.',
  'Messages have one order, the same for all, and a user who was away gets exactly what they missed.',
]

const greeting = (url: string): string => `Hello! I am a bot, made with Parley's SDK (\`examples/bot\`). Try this:

- react to this message, or pin it: point at it
- open ${url}/?as=bob in a private window, and write to yourself as **bob**
- write \`help\``

const answers: readonly (readonly [RegExp, (url: string) => string])[] = [
  [
    /\bhelp\b|\?$/i,
    (url) => `What you can look at:

- the API: ${url}/docs and a quickstart: ${url}/docs/guides/quickstart
- e-mails that would have left: ${url}/demo/outbox (do not read a message for a minute)
- stop the server, write something, start it again: nothing is lost
- **bold**, \`code\`, > quotes and lists are formatted`,
  ],
  [/\b(?:hi|hello|hey|ahoy)\b/i, () => 'Hello again.'],
  [/\b(?:thanks|thank you)\b/i, () => 'You are welcome.'],
  [/\btime\b/i, () => `It is ${new Date().toLocaleTimeString()} where I run.`],
]

/** What the bot says to a message. */
export function answerTo(text: string, url: string): string {
  const found = answers.find(([pattern]) => pattern.test(text))
  return found === undefined ? `You wrote “${text.slice(0, 200)}”. I know little; write \`help\`.` : found[1](url)
}
