import { createClient } from 'redis'
import { pause } from '../processes.ts'
import { percentile } from '../statistics.ts'
import { HttpLane, type Lane } from './http-lane.ts'
import type { Measured, Order, Question } from './reading.ts'
import { SocketLane } from './socket-lane.ts'

/** Asks for some seconds, `inFlight` lanes one thing after the other each; an answer that is not the known one ends it. */
export async function measure(order: Order): Promise<Measured> {
  const lanes = await Promise.all(
    Array.from({ length: order.inFlight }, (_, n) => (order.over === 'http' ? overHttp(order) : overSocket(order, n))),
  )
  try {
    return order.emptying === undefined ? await steadily(order, lanes) : await eachOnce(order, lanes, order.emptying)
  } finally {
    for (const { lane } of lanes) lane.close()
  }
}

/** A lane, and what may be asked on it. */
interface Asker {
  readonly lane: Lane
  readonly questions: readonly Question[]
}

async function overHttp({ url, questions }: Order): Promise<Asker> {
  return { lane: await HttpLane.open(url), questions }
}

/** A socket belongs to one user: only that user's requests can be made on it. */
async function overSocket({ url, questions, tokens }: Order, n: number): Promise<Asker> {
  const users = [...new Set(questions.map(({ user }) => user))]
  const user = users[n % users.length] ?? ''
  const lane = await SocketLane.open(url, tokens[user] ?? '')
  return { lane, questions: questions.filter((each) => each.user === user) }
}

async function steadily({ tokens, warmUpSeconds, seconds }: Order, askers: readonly Asker[]): Promise<Measured> {
  const gauge = new Gauge()
  const ended = new AbortController()
  const working = askers.map(async ({ lane, questions }, n) => {
    let next = Math.floor((n * questions.length) / askers.length)
    while (!ended.signal.aborted) await gauge.time(lane, questionAt(questions, next++), tokens)
  })
  const all = Promise.all(working)
  await Promise.race([all, pause(warmUpSeconds * 1000)])
  gauge.begin()
  await Promise.race([all, pause(seconds * 1000)])
  const figures = gauge.end()
  ended.abort()
  await all
  return { ...figures, answers: gauge.answers }
}

/** Passes over all questions until the time is over; only the passes are timed, not the emptying between them. */
async function eachOnce({ questions, tokens, seconds }: Order, askers: readonly Asker[], url: string) {
  const redis = await createClient({ url }).connect()
  const gauge = new Gauge()
  const pass = async () => {
    await redis.flushAll()
    gauge.begin()
    const left = questions.values()
    await Promise.all(
      askers.map(async ({ lane }) => {
        for (const each of left) await gauge.time(lane, each, tokens)
      }),
    )
    return gauge.end()
  }
  await pass() // the first one runs with cold code on every side
  gauge.forget()
  let figures = await pass()
  while (gauge.elapsedMs < seconds * 1000) figures = await pass()
  await redis.close()
  return figures
}

const questionAt = (questions: readonly Question[], n: number): Question => {
  const found = questions[n % questions.length]
  if (found === undefined) throw new Error('there is nothing to ask')
  return found
}

/** The stop-watch of one measurement; what is asked between `end` and `begin` does not count. */
class Gauge {
  #times: number[] = []
  #bytes = 0
  #answers = 0
  #begun = 0
  #cpu = process.cpuUsage()
  #cpuUs = 0
  elapsedMs = 0

  begin(): void {
    if (this.elapsedMs === 0) this.forget()
    this.#begun = performance.now()
    this.#cpu = process.cpuUsage()
  }

  /** All figures so far. */
  end(): Measured {
    const { user, system } = process.cpuUsage(this.#cpu)
    this.#cpuUs += user + system
    this.elapsedMs += performance.now() - this.#begun
    const count = this.#times.length
    if (count === 0) throw new Error('nothing was answered while measuring')
    return {
      perSecond: (count * 1000) / this.elapsedMs,
      medianMs: percentile(this.#times, 0.5),
      p99Ms: percentile(this.#times, 0.99),
      loadCores: this.#cpuUs / 1000 / this.elapsedMs,
      answerBytes: this.#bytes / count,
      answers: this.#answers,
    }
  }

  /** Of all time. */
  get answers(): number {
    return this.#answers
  }

  forget(): void {
    this.#times = []
    this.#bytes = 0
    this.#cpuUs = 0
    this.elapsedMs = 0
  }

  async time(lane: Lane, { user, ask, answer }: Question, tokens: Order['tokens']): Promise<void> {
    const since = performance.now()
    const received = await lane.ask(ask, tokens[user] ?? '')
    this.#answers += 1
    this.#times.push(performance.now() - since)
    this.#bytes += received.length
    if (received !== answer) throw new Error(`a wrong answer to ${ask}: ${received.slice(0, 300)}`)
  }
}
