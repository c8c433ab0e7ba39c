import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { within } from '../../src/kernel/retry.ts'
import type { Chance } from '../jobs/support/chance.ts'
import { apiKey, call } from '../support/e2e/people.ts'
import type { System } from '../support/e2e/system.ts'
import type { Entry } from '../support/history.ts'

const checked = z.object({ allowed: z.boolean() })
const accepted = z.object({ status: z.literal(202), body: z.object({ job: z.string() }) })

/** A message for later that was accepted. */
interface Promised {
  readonly conversation: string
  readonly deliverAt: number
  readonly job: string
}
const limit = 300
/** The longest there is: at its end, which the clock says, as many more may come. */
const windowSeconds = 31 * 86_400

/** What goes on beside the talking: messages for later, and a limit that many ask at once. */
export class Extras {
  readonly #system: System
  readonly #chance: Chance
  readonly #round: string
  /** Messages for later that were promised, by clientId. */
  readonly #promised = new Map<string, Promised>()
  /** The message for later that is not answered yet, and what it was answered with last. */
  #open: { readonly clientId: string; attempts: number; answer: string } | undefined
  #hasGivenUp = false
  readonly #work: Promise<void>[] = []
  #going = true
  allowed = 0

  constructor(system: System, chance: Chance, round: string) {
    this.#system = system
    this.#chance = chance
    this.#round = round
  }

  get promised(): number {
    return this.#promised.size
  }

  async begin(conversations: readonly string[], user: string): Promise<void> {
    const policy = { algorithm: 'fixed-window', limit, windowSeconds, whenUnreachable: 'closed' }
    await call(this.#system, apiKey, 'PUT', `/v1/limits/policies/${this.#round}`, policy)
    this.#work.push(this.#schedule(conversations, user), this.#ask(), this.#ask())
  }

  /** Lets requests under way finish. Fails, naming the one that is not answered in time. */
  async end(timeoutMs: number): Promise<void> {
    this.#going = false
    try {
      await within(timeoutMs, 'extras under way', Promise.all(this.#work))
    } catch (thrown) {
      const { clientId, attempts, answer } = this.#open ?? {}
      const what = clientId === undefined ? 'a check of a limit' : `${clientId} after ${attempts} attempts: ${answer}`
      throw new Error(`not accepted: ${what}`, { cause: thrown })
    } finally {
      this.#hasGivenUp = true
    }
  }

  /** Every clientId that stands for a message for later, promised or not. */
  isLater(clientId: string): boolean {
    return clientId.startsWith('later-')
  }

  /** Promises that are not kept yet, or broken: each message once, none more allowed than the limit. */
  broken(log: readonly Entry[]): string[] {
    const places = Map.groupBy(log, ({ clientId }) => clientId ?? '')
    const jobs = [...this.#promised].flatMap(([clientId, { conversation, deliverAt }]) => {
      const found = (places.get(clientId) ?? []).filter((entry) => entry.conversation === conversation)
      const due = new Date(deliverAt).toISOString()
      return found.length === 1 ? [] : [`${clientId} in ${conversation}, due ${due}, came ${found.length} times`]
    })
    return this.allowed > limit ? [...jobs, `${this.allowed} were allowed where ${limit} may be`] : jobs
  }

  /** Where the jobs stand of messages that were promised and are not in the log: for the report. */
  async missing(log: readonly Entry[]): Promise<string[]> {
    const there = new Set(log.map(({ clientId }) => clientId))
    const lines: string[] = []
    for (const [clientId, { job }] of this.#promised) {
      if (there.has(clientId)) continue
      const answer = await this.#post(`/v1/jobs/${job}`, undefined, 'GET').catch(String)
      lines.push(`the job of ${clientId}: ${JSON.stringify(answer)}`)
    }
    if (lines.length === 0) return []
    const queue = await this.#post('/v1/queues/default', undefined, 'GET').catch(String)
    return [...lines, `the queue: ${JSON.stringify(queue)}`]
  }

  async #schedule(conversations: readonly string[], user: string): Promise<void> {
    for (let n = 1; this.#going; n++) {
      const conversation = conversations[this.#chance.below(conversations.length)] ?? ''
      await this.#insist(conversation, user, `later-${this.#round}-${n}`)
      await pause(this.#chance.between(200, 1200))
    }
  }

  async #insist(conversation: string, user: string, clientId: string): Promise<void> {
    const deliverAt = Math.round(Date.now() + this.#chance.between(500, 4000))
    const message = { clientId, text: `later ${clientId}`, deliverAt, user }
    const open = { clientId, attempts: 0, answer: 'no answer' }
    this.#open = open
    while (!this.#hasGivenUp) {
      open.attempts++
      const answer = await this.#post(`/v1/conversations/${conversation}/messages`, message).catch(String)
      const taken = accepted.safeParse(answer)
      if (taken.success) {
        this.#promised.set(clientId, { conversation, deliverAt, job: taken.data.body.job })
        this.#open = undefined
        return
      }
      open.answer = JSON.stringify(answer)
      await pause(100)
    }
  }

  async #ask(): Promise<void> {
    while (this.#going) {
      const body = { policy: this.#round, key: `key-of-all` }
      const answer = await this.#post('/v1/limits/check', body).catch(() => undefined)
      if (answer?.status === 200 && checked.safeParse(answer.body).data?.allowed === true) this.allowed++
      await pause(this.#chance.between(10, 60))
    }
  }

  #post(path: string, body: unknown, method = 'POST') {
    return within(5000, path, call(this.#system, apiKey, method, path, body))
  }
}
