import type { Found } from '../report/comparison.ts'
import { median } from '../statistics.ts'

/** What one message became: when it was due, and when it was acknowledged, in milliseconds. */
export interface Sent {
  readonly due: number
  readonly ackAt: number
}

const maxUnderWay = 1000

/** Sends by the clock, whether or not earlier ones are answered, until it is stopped. */
export class Writer {
  readonly sent: Sent[] = []
  readonly failures: string[] = []
  readonly #underWay = new Set<Promise<void>>()
  readonly #timer: ReturnType<typeof setInterval>

  /** `send` resolves when the message is acknowledged. */
  constructor(perSecond: number, send: (nth: number) => Promise<void>) {
    const began = performance.now()
    let nth = 0
    this.#timer = setInterval(() => {
      for (; (nth * 1000) / perSecond <= performance.now() - began; nth++) {
        if (this.#underWay.size >= maxUnderWay) {
          this.failures.push(
            `${maxUnderWay} messages wait for their acknowledgement: this machine cannot take the load`,
          )
          continue
        }
        const due = began + (nth * 1000) / perSecond
        const one = send(nth).then(
          () => void this.sent.push({ due, ackAt: performance.now() }),
          (thrown: unknown) => void this.failures.push(String(thrown)),
        )
        this.#underWay.add(one)
        void one.finally(() => this.#underWay.delete(one))
      }
    }, 5)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** The longest wait for an acknowledgement of the messages that waited at any moment of this time. */
  longestWait(from: number, to: number): number {
    return Math.max(0, ...this.sent.filter(({ due, ackAt }) => due <= to && ackAt >= from).map(waitOf))
  }

  /** How the wait of senders at a switch compares with the usual one. `from` and `to` are the switch, `before` is some time before it. */
  atSwitch(switchover: Span, before: Span): Found {
    // What comes right after the switch, such as new connections, belongs to it.
    const { from, to } = { ...switchover, to: switchover.to + afterMs }
    const usual = this.#usualWait(before, to - from)
    const longest = this.longestWait(from, to)
    return {
      [pauseOfSender]: Math.max(0, longest - usual),
      'longest wait of a sender at the switch, ms': longest,
      'usual longest wait of a sender in as long a time, ms': usual,
    }
  }

  /** The median, over stretches of so many milliseconds, of the longest wait. */
  #usualWait({ from, to }: Span, ms: number): number {
    const waits: number[] = []
    for (let at = from; at + ms <= to; at += ms) waits.push(this.longestWait(at, at + ms))
    return median(waits)
  }
}

/** A time, in milliseconds of `performance.now()`. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** The figure that the issue asks for: how much longer than usual a message waits for its acknowledgement at the switch. */
export const pauseOfSender = 'pause of a sender at the switch, beyond the usual wait, ms'
/** From the moment from which Postgres takes no writes of the tenant until it takes them again. */
export const postgresPause = 'Postgres takes no writes of the tenant, ms'
const afterMs = 100
const waitOf = ({ due, ackAt }: Sent): number => ackAt - due
