import { Line } from './line.ts'
import type { TestTenant } from './tenant.ts'
import type { Heard, Pub, Subscribed } from './wire.ts'

/** Where a returning device stood. */
export interface Since {
  readonly offset: number
  readonly epoch?: string
  /** 2: refuse rather than lose something. */
  readonly flag?: number
}

const channelOf = (conversation: string) => `conversation:${conversation}`

/** A user on one device, connected. */
export class Person {
  readonly line: Line
  readonly user: string
  readonly client: string
  readonly welcome: Heard['connect'] & object

  constructor(line: Line, user: string, welcome: Heard['connect'] & object) {
    this.line = line
    this.user = user
    this.client = welcome.client
    this.welcome = welcome
  }

  /** Listens to a conversation, and fails loudly when that is refused. */
  async subscribe(conversation: string, options: { join_leave?: boolean } = {}): Promise<Subscribed> {
    const { subscribe, error } = await this.line.ask({ subscribe: { channel: channelOf(conversation), ...options } })
    if (subscribe === undefined) throw new Error(`${this.user} may not listen: ${JSON.stringify(error)}`)
    return subscribe
  }

  async recover(conversation: string, since: Since): Promise<Heard> {
    return await this.line.ask({ subscribe: { channel: channelOf(conversation), recover: true, ...since } })
  }

  async rpc(method: string, data: object): Promise<Heard> {
    return await this.line.ask({ rpc: { method, data } })
  }

  /** Sends a message and hears where it stands. */
  async send(conversation: string, text: string, clientId = crypto.randomUUID()) {
    const { rpc, error } = await this.rpc('message.send', { conversation, clientId, text })
    if (rpc === undefined) throw new Error(`${this.user} could not send: ${JSON.stringify(error)}`)
    return rpc.data
  }

  /** The next numbered thing said in a conversation. */
  async hears(conversation: string): Promise<Pub> {
    const numbered = (heard: Heard) =>
      heard.push?.channel === channelOf(conversation) && heard.push.pub?.offset !== undefined
    return (await this.line.next(`a message in ${conversation}`, numbered)).push!.pub!
  }

  /** The next passing thing in a conversation: typing, read. */
  async notices(conversation: string, type: string): Promise<Pub> {
    const passing = ({ push }: Heard) =>
      push?.channel === channelOf(conversation) && push.pub?.offset === undefined && push.pub?.data.type === type
    return (await this.line.next(`${type} in ${conversation}`, passing)).push!.pub!
  }

  /** The next event of the personal stream that matches. */
  async inboxSays(type: string, matches: (pub: Pub) => boolean = () => true): Promise<Pub> {
    const personal = ({ push }: Heard) =>
      push?.channel === `user:#${this.user}` && push.pub?.data.type === type && matches(push.pub)
    return (await this.line.next(`${type} in the inbox of ${this.user}`, personal)).push!.pub!
  }

  async isUnsubscribed(conversation: string): Promise<{ readonly code: number; readonly reason: string }> {
    const ended = ({ push }: Heard) => push?.channel === channelOf(conversation) && push.unsubscribe !== undefined
    return (await this.line.next(`the end of ${conversation}`, ended)).push!.unsubscribe!
  }

  /** Whatever came of a conversation and was not asked for yet, leaving out the personal stream. */
  async alsoHeard(conversation: string): Promise<readonly Heard[]> {
    return (await this.line.rest()).filter(({ push }) => push?.channel === channelOf(conversation))
  }
}

export interface Arrival {
  readonly gateway?: string
  readonly token?: string
  /** Server-side subscriptions to recover. */
  readonly subs?: object
}

/** Opens a socket and connects as a user of the tenant. */
export async function connectAs(tenant: TestTenant, user: string, arrival: Arrival = {}): Promise<Person> {
  const line = await Line.open(arrival.gateway)
  const token = arrival.token ?? (await tenant.token(user))
  const { connect, error } = await line.ask({ connect: { token, ...(arrival.subs && { subs: arrival.subs }) } })
  if (connect === undefined) throw new Error(`${user} was not let in: ${JSON.stringify(error)}`)
  return new Person(line, user, connect)
}
