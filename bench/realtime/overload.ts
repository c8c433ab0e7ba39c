import { messageText } from '../load/tally.ts'
import { pause } from '../processes.ts'
import { percentile } from '../statistics.ts'
import type { Reach } from '../targets/target.ts'
import type { Guest, ConversationWire } from './wires.ts'

/** How much is offered at one step, as a share of what the server can do, and what came of it. */
export interface Step {
  readonly load: number
  readonly offeredPerSecond: number
  /** Messages acknowledged in the step, whenever they were due. */
  readonly goodputPerSecond: number
  /** From the moment a message was due, not from when it could be sent: no waiting time is hidden. */
  readonly medianMs: number
  readonly p99Ms: number
  readonly refused: number
  /** Without an answer when the step ended. */
  readonly waiting: number
}

const conversations = 50
const loads = [0.5, 1, 2, 0.5] as const

/** Offers messages by the clock, whether or not earlier ones are answered: half, all, twice of capacity, and half again. */
export async function overload(wire: ConversationWire, reach: Reach, seconds: number): Promise<Step[]> {
  const run = crypto.randomUUID().slice(0, 8)
  const guests = await Promise.all(
    Array.from({ length: conversations }, async (_, r) => {
      const user = `writer-${run}-${r}`
      const conversation = await wire.createConversation(reach, [user])
      return wire.enter(reach, conversation, user, await wire.ticket(reach, user))
    }),
  )
  const capacity = await capacityOf(guests, seconds)
  const load = new OpenLoop(guests)
  const steps: Raw[] = []
  for (const share of loads) steps.push(await load.step(share, share * capacity, seconds))
  await load.end()
  for (const guest of guests) guest.leave()
  return steps.map(({ latencies, ...step }) => ({
    ...step,
    medianMs: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  }))
}

/** A step whose last answers may still be on their way. */
interface Raw extends Omit<Step, 'medianMs' | 'p99Ms'> {
  readonly latencies: readonly number[]
  refused: number
}

/** What a closed loop gets through: each writer with four messages under way. */
async function capacityOf(guests: readonly Guest[], seconds: number): Promise<number> {
  const until = performance.now() + (seconds + 2) * 1000
  let acked = 0
  const lane = async (guest: Guest) => {
    while (performance.now() < until) {
      await guest.say(messageText(1))
      if (performance.now() > until - seconds * 1000) acked++
    }
  }
  await Promise.all(guests.flatMap((guest) => [lane(guest), lane(guest), lane(guest), lane(guest)]))
  return acked / seconds
}

/** Sends by a timetable of its own. */
class OpenLoop {
  readonly #guests: readonly Guest[]
  #sent = 0
  #waiting = 0
  #acked = 0

  constructor(guests: readonly Guest[]) {
    this.#guests = guests
  }

  async step(load: number, perSecond: number, seconds: number): Promise<Raw> {
    const latencies: number[] = []
    const raw: Raw = { load, offeredPerSecond: perSecond, goodputPerSecond: 0, refused: 0, waiting: 0, latencies }
    const ackedBefore = this.#acked
    const begun = performance.now()
    for (let due = 0; due < perSecond * seconds;) {
      const now = performance.now() - begun
      for (; due < Math.min((now * perSecond) / 1000, perSecond * seconds); due++)
        this.#send(begun + (due * 1000) / perSecond, latencies, () => raw.refused++)
      await pause(1)
    }
    const elapsed = (performance.now() - begun) / 1000
    return Object.assign(raw, {
      goodputPerSecond: (this.#acked - ackedBefore) / elapsed,
      waiting: this.#waiting,
    })
  }

  /** Until everything has its answer. */
  async end(): Promise<void> {
    const deadline = performance.now() + 60_000
    while (this.#waiting > 0) {
      if (performance.now() > deadline) throw new Error(`${this.#waiting} messages were never answered`)
      await pause(20)
    }
  }

  #send(due: number, latencies: number[], refused: () => void): void {
    const guest = this.#guests[this.#sent++ % this.#guests.length]
    this.#waiting++
    guest?.say(messageText(this.#sent)).then(
      () => {
        this.#acked++
        this.#waiting--
        latencies.push(performance.now() - due)
      },
      () => {
        refused()
        this.#waiting--
      },
    )
  }
}
