import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { Chance } from '../jobs/support/chance.ts'
import { apiKey, call } from '../support/e2e/people.ts'
import type { System } from '../support/e2e/system.ts'
import type { Entry } from '../support/history.ts'

const checked = z.object({ allowed: z.boolean() })
const limit = 300
/** The longest there is: at its end, which the clock says, as many more may come. */
const windowSeconds = 31 * 86_400

/** What goes on beside the talking: messages for later, and a limit that many ask at once. */
export class Extras {
  readonly #system: System
  readonly #chance: Chance
  readonly #round: string
  /** Messages for later that were promised: clientId to conversation. */
  readonly #promised = new Map<string, string>()
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

  async end(): Promise<void> {
    this.#going = false
    await Promise.all(this.#work)
  }

  /** Every clientId that stands for a message for later, promised or not. */
  isLater(clientId: string): boolean {
    return clientId.startsWith('later-')
  }

  /** Promises that are not kept yet, or broken: each message once, none more allowed than the limit. */
  broken(log: readonly Entry[]): string[] {
    const places = Map.groupBy(log, ({ clientId }) => clientId ?? '')
    const jobs = [...this.#promised].flatMap(([clientId, conversation]) => {
      const found = (places.get(clientId) ?? []).filter((entry) => entry.conversation === conversation)
      return found.length === 1 ? [] : [`${clientId} was promised for later and came ${found.length} times`]
    })
    return this.allowed > limit ? [...jobs, `${this.allowed} were allowed where ${limit} may be`] : jobs
  }

  async #schedule(conversations: readonly string[], user: string): Promise<void> {
    for (let n = 1; this.#going; n++) {
      const conversation = conversations[this.#chance.below(conversations.length)] ?? ''
      await this.#insist(conversation, user, `later-${this.#round}-${n}`)
      await pause(this.#chance.between(200, 1200))
    }
  }

  async #insist(conversation: string, user: string, clientId: string): Promise<void> {
    const deliverAt = Date.now() + this.#chance.between(500, 4000)
    const message = { clientId, text: `later ${clientId}`, deliverAt: Math.round(deliverAt), user }
    for (;;) {
      const status = await this.#post(`/v1/conversations/${conversation}/messages`, message).catch(() => undefined)
      if (status?.status === 202) return void this.#promised.set(clientId, conversation)
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

  async #post(path: string, body: unknown) {
    const late = AbortSignal.timeout(5000)
    return await Promise.race([
      call(this.#system, apiKey, 'POST', path, body),
      new Promise<never>((_, reject) => late.addEventListener('abort', () => reject(new Error('late')))),
    ])
  }
}
