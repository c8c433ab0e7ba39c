import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { System } from './system.ts'

const answer = z.object({ result: z.unknown() })

/** A system's own Redis over Upstash's REST protocol; where it listens stands in what its workerd was started with. */
export class RedisOf {
  readonly #url: string
  readonly #token: string

  constructor(system: System) {
    const started = readFileSync(join(system.dataDir, 'workerd.capnp'), 'utf8')
    const variable = (name: string) => new RegExp(`name = "${name}", text = "([^"]*)"`).exec(started)?.[1] ?? ''
    this.#url = variable('UPSTASH_REDIS_REST_URL')
    this.#token = variable('UPSTASH_REDIS_REST_TOKEN')
  }

  async command(...words: readonly (string | number)[]): Promise<unknown> {
    const headers = { Authorization: `Bearer ${this.#token}` }
    const response = await fetch(this.#url, { method: 'POST', headers, body: JSON.stringify(words) })
    return answer.parse(await response.json()).result
  }

  /** Every key that begins so, with its text. */
  async valuesUnder(prefix: string): Promise<Map<string, string>> {
    const keys = z.array(z.string()).parse(await this.command('KEYS', `${prefix}*`))
    const found = new Map<string, string>()
    for (const key of keys) found.set(key, String(await this.command('GET', key)))
    return found
  }
}
