import type { KeyedAsk, LeaseAnswer, LeaseAsk } from './lease.ts'
import type { Limiter } from './ports.ts'

/** An actor that keeps the accounts of many keys. */
export interface KeyedLimiter {
  leaseEach(asks: readonly KeyedAsk[]): Promise<readonly LeaseAnswer[]>
  refundOf(key: string, units: number, at: number): Promise<unknown>
}

type Ask = (ask: LeaseAsk) => Promise<LeaseAnswer>

/** The limiter of one key among those of `actor`, which is looked up for each call; `ask` sends its questions. */
function limiterOf(actor: () => KeyedLimiter, key: string, ask: Ask): Limiter {
  return {
    lease: ask,
    settle: (closing) => ask({ rules: noRules, costs: [], want: 0, closing }),
    refund: (units, at) => actor().refundOf(key, units, at),
  }
}

/** The limiter of one key among those of `actor`, each question in a call of its own. */
export const keyedLimiter = (actor: () => KeyedLimiter, key: string): Limiter =>
  limiterOf(actor, key, async (ask) => firstOf(await actor().leaseEach([{ ...ask, key }])))

/** Closing leases needs no rules: an account that knows newer ones keeps them. */
const noRules = { windows: [], mode: 'hard', version: -1 } as const

const firstOf = ([answer]: readonly LeaseAnswer[]): LeaseAnswer => {
  if (answer === undefined) throw new Error('no answer')
  return answer
}

interface Waiting {
  readonly ask: KeyedAsk
  readonly settle: (answer: LeaseAnswer) => void
  readonly fail: (thrown: unknown) => void
}

/** One actor as one process calls it: the questions that wait, and whether a call is under way. */
interface Line {
  readonly waiting: Waiting[]
  busy: boolean
}

const maxTogether = 256

/**
 * The limiters of many keys as an actor calls them: while a call to one of the actors behind them is under way, further
 * questions to it wait, and leave together as the next call. A first question does not wait.
 */
export class KeyedLimiters {
  readonly #lines = new Map<string, Line>()

  /** The limiter of `key`, which the actor called `name` keeps. */
  limiter(name: string, actor: () => KeyedLimiter, key: string): Limiter {
    return limiterOf(actor, key, (ask) => this.#ask(name, actor, { ...ask, key }))
  }

  #ask(name: string, actor: () => KeyedLimiter, ask: KeyedAsk): Promise<LeaseAnswer> {
    const line = this.#lines.get(name) ?? { waiting: [], busy: false }
    this.#lines.set(name, line)
    return new Promise((settle, fail) => {
      line.waiting.push({ ask, settle, fail })
      if (!line.busy) void this.#run(name, line, actor)
    })
  }

  async #run(name: string, line: Line, actor: () => KeyedLimiter): Promise<void> {
    line.busy = true
    while (line.waiting.length > 0) {
      const together = line.waiting.splice(0, maxTogether)
      try {
        const answers = await actor().leaseEach(together.map(({ ask }) => ask))
        together.forEach(({ settle }, place) => settle(firstOf(answers.slice(place))))
      } catch (thrown) {
        for (const { fail } of together) fail(thrown)
      }
    }
    this.#lines.delete(name)
  }
}
