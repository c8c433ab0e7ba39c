import type { z } from 'zod'
import type { Reach } from '../targets/target.ts'
import type { Figures } from './figures.ts'
import type { Findings } from './findings.ts'

const timeoutMs = 30_000
/** What an overloaded server may say. */
const busy: ReadonlySet<number> = new Set([429, 503])

/** Parley's HTTP API for a load that goes on whatever it answers: what is no success is undefined, and noted. */
export class Api {
  readonly #base: URL
  readonly #key: string
  readonly #figures: Figures
  readonly #findings: Findings

  constructor({ url, apiKey }: Reach, figures: Figures, findings: Findings) {
    this.#base = new URL(url.replace(/^ws/, 'http'))
    this.#key = apiKey
    this.#figures = figures
    this.#findings = findings
  }

  async call<T>(method: string, path: string, shape: z.ZodType<T>, body?: unknown): Promise<T | undefined> {
    this.#figures.count('HTTP calls')
    try {
      const response = await fetch(new URL(path, this.#base), {
        method,
        headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (response.ok) return shape.parse(JSON.parse(text))
      this.#figures.error(`HTTP ${response.status}`)
      if (busy.has(response.status)) return undefined
      this.#findings.note('refused', `${method} ${path} answered ${response.status}: ${text.slice(0, 200)}`)
    } catch (thrown) {
      this.#figures.error('HTTP failed')
      this.#findings.note('refused', `${method} ${path}: ${String(thrown)}`)
    }
    return undefined
  }

  /** The samples of a metric of the gateways, by whatever labels, added up; undefined when they cannot be read. */
  async metrics(): Promise<((name: string) => number) | undefined> {
    try {
      const response = await fetch(new URL('/metrics', this.#base), { signal: AbortSignal.timeout(timeoutMs) })
      const lines = (await response.text()).split('\n')
      return (name) =>
        lines
          .filter((each) => each.startsWith(`${name}{`))
          .reduce((total, each) => total + Number(each.slice(each.lastIndexOf(' ') + 1)), 0)
    } catch {
      return undefined
    }
  }
}
