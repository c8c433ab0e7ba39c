import type { Member, Reach, Wire } from '../targets/target.ts'
import { messageText, Tally } from './tally.ts'

/** Called at each ack with how long it took. */
export type OnAck = (ms: number) => void

/** One conversation under load: its members, and which messages were acknowledged to its writers. */
export class Conversation {
  readonly #members: Member[] = []
  readonly #acked = new Tally()
  readonly #onAck: OnAck
  readonly #fail: (reason: string) => void
  #numbered = 0
  #underWay = 0
  #writing = false

  constructor(onAck: OnAck, fail: (reason: string) => void) {
    this.#onAck = onAck
    this.#fail = fail
  }

  /** Makes the conversation and brings everyone in. */
  async fill(wire: Wire, reach: Reach, users: readonly string[]): Promise<void> {
    const name = await wire.createConversation(reach, users)
    await inGroups(users, 25, async (user) => {
      const lost = (reason: string) => this.#fail(`the connection of ${user} was lost: ${reason}`)
      this.#members.push(await wire.join(reach, name, user, lost))
    })
  }

  /** Lets the first `writers` members write, each with `inFlight` messages under way, until stopped. */
  write(writers: number, inFlight: number): void {
    this.#writing = true
    for (const member of this.#members.slice(0, writers)) {
      for (let i = 0; i < inFlight; i++) this.#sendNext(member)
    }
  }

  /** Lets the first `writers` members write one message each; resolves when all are acknowledged. */
  async writeOnce(writers: number): Promise<void> {
    await Promise.all(
      this.#members.slice(0, writers).map((member) => new Promise<void>((resolve) => this.#send(member, resolve))),
    )
  }

  stopWriting(): void {
    this.#writing = false
  }

  /** How many messages the members have received so far, all together. */
  get deliveries(): number {
    let sum = 0
    for (const member of this.#members) sum += member.received.count
    return sum
  }

  /** True when nothing is under way and every member received exactly the acknowledged messages. */
  get complete(): boolean {
    return this.#underWay === 0 && this.#members.every((member) => member.received.agreesWith(this.#acked))
  }

  /** What is wrong, in numbers. */
  describe(): string {
    const wrong = this.#members.filter((member) => !member.received.agreesWith(this.#acked))
    const counts = wrong.slice(0, 5).map((member) => member.received.count)
    return (
      `${this.#acked.count} acknowledged, ${this.#underWay} without answer; ` +
      `${wrong.length} of ${this.#members.length} listeners received other messages (counts ${counts.join(', ')} …)`
    )
  }

  close(): void {
    for (const member of this.#members) member.close()
  }

  #sendNext(member: Member): void {
    if (this.#writing) this.#send(member, () => this.#sendNext(member))
  }

  #send(member: Member, acknowledged: () => void): void {
    const n = ++this.#numbered
    const sent = performance.now()
    this.#underWay += 1
    member.send(messageText(n), (refusal) => {
      this.#underWay -= 1
      if (refusal !== undefined) return this.#fail(`a message was refused: ${refusal}`)
      this.#acked.add(n)
      this.#onAck(performance.now() - sent)
      acknowledged()
    })
  }
}

/** Does `work` for each item, at most `width` at a time. */
export async function inGroups<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  const worker = async () => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: width }, worker))
}
