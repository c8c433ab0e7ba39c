import type { Clock } from '../../kernel/clock.ts'
import type { LoadGauge } from '../../limits/shedding.ts'

/** One request as load: it counts while the server works on it, and not while it waits for the client's bytes. */
export class RequestWork {
  readonly #gauge: LoadGauge
  readonly #clock: Clock
  #since: number
  #workedMs = 0

  /** The work begins. */
  constructor(gauge: LoadGauge, clock: Clock) {
    this.#gauge = gauge
    this.#clock = clock
    this.#since = clock.now()
    gauge.begin()
  }

  /** Waits for the client until `coming` settles. */
  async whileWaiting<T>(coming: Promise<T>): Promise<T> {
    this.#workedMs += this.#clock.now() - this.#since
    this.#gauge.pause()
    try {
      return await coming
    } finally {
      this.#gauge.begin()
      this.#since = this.#clock.now()
    }
  }

  /** The request is answered. */
  end(): void {
    const now = this.#clock.now()
    this.#gauge.end(1, this.#workedMs + now - this.#since, now)
  }
}
