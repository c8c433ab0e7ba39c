import { z } from 'zod'

const command = z.tuple([z.string()]).rest(z.union([z.string(), z.number()]))
const pipeline = z.array(command)

/** A Redis behind Upstash's REST interface for tests: GET, SET and DEL, each of which can be held back. It answers in JSON only. */
export class HeldRedis {
  readonly vars = { UPSTASH_REDIS_REST_URL: 'http://redis.test', UPSTASH_REDIS_REST_TOKEN: 'token' }
  readonly values = new Map<string, string>()
  /** What takes the place of its answers, if anything. */
  fault: ((name: string, value: string) => Promise<unknown>) | undefined
  readonly #held = new Map<string, { readonly reached: () => void; readonly until: Promise<void> }>()
  #underWay = 0

  /** Answers requests to Redis; the next command of this name waits until it is released. */
  hold(name: string): { readonly reached: Promise<void>; readonly release: () => void } {
    const reached = Promise.withResolvers<void>()
    const until = Promise.withResolvers<void>()
    this.#held.set(name, { reached: reached.resolve, until: until.promise })
    return { reached: reached.promise, release: until.resolve }
  }

  clear(): void {
    this.fault = undefined
    this.values.clear()
    this.#held.clear()
  }

  /** Settles when no command is under way. */
  async quiet(): Promise<void> {
    for (let ticks = 0; this.#underWay > 0 || ticks < 3; ticks++) await new Promise((settle) => setTimeout(settle, 0))
  }

  readonly fetch = async (address: string | URL | Request, init?: RequestInit): Promise<Response> => {
    this.#underWay++
    const aborted = Promise.withResolvers<never>()
    init?.signal?.addEventListener('abort', () => aborted.reject(init.signal?.reason))
    try {
      return await Promise.race([this.#respond(address, init?.body), aborted.promise])
    } finally {
      this.#underWay--
    }
  }

  async #respond(address: string | URL | Request, text: unknown): Promise<Response> {
    const { pathname } = new URL(address instanceof Request ? address.url : address)
    const [, name, key] = pathname.split('/')
    if (name === 'set') {
      const words = ['SET', decodeURIComponent(key ?? ''), String(text)] as const
      return Response.json({ result: await this.#run(words) })
    }
    const body: unknown = JSON.parse(typeof text === 'string' ? text : '[]')
    if (pathname !== '/pipeline') return Response.json({ result: await this.#run(command.parse(body)) })
    const results: object[] = []
    for (const each of pipeline.parse(body)) results.push({ result: await this.#run(each) })
    return Response.json(results)
  }

  async #run(called: readonly [string, ...(string | number)[]]): Promise<unknown> {
    const result = await this.#answer(called)
    return this.fault === undefined ? result : await this.fault(called[0].toUpperCase(), String(result))
  }

  async #answer([given, ...rest]: readonly [string, ...(string | number)[]]): Promise<string | number | null> {
    const name = given.toUpperCase()
    const [key = '', value = ''] = rest.map(String)
    const held = this.#held.get(name)
    if (held !== undefined) {
      this.#held.delete(name)
      held.reached()
      await held.until
    }
    if (name === 'GET') return this.values.get(key) ?? null
    if (name === 'SET') return this.values.set(key, value).size > 0 ? 'OK' : null
    if (name === 'DEL') return rest.filter((each) => this.values.delete(String(each))).length
    throw new Error(`${name} is not known here`)
  }
}
