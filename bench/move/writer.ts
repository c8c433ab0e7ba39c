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

  /** The longest time without an acknowledgement within a time. */
  longestGap(from: number, to: number): number {
    const times = this.sent.map(({ ackAt }) => ackAt).filter((at) => at >= from && at <= to)
    const ordered = [from, ...times.toSorted((a, b) => a - b), to]
    return Math.max(...ordered.slice(1).map((at, index) => at - (ordered[index] ?? at)))
  }

  /** The longest wait of every stretch of so many milliseconds within a time; the highest hundredth left out. */
  usualWait(from: number, to: number, ms: number): number {
    const waits: number[] = []
    for (let at = from; at + ms <= to; at += ms) waits.push(this.longestWait(at, at + ms))
    const ordered = waits.toSorted((a, b) => a - b)
    return ordered[Math.floor(ordered.length * 0.99)] ?? 0
  }

  /** The longest wait for an acknowledgement of messages that were due within a time. */
  longestWait(from: number, to: number): number {
    return Math.max(0, ...this.sent.filter(({ due }) => due >= from && due <= to).map(({ due, ackAt }) => ackAt - due))
  }
}
