import { isDeeper } from '../../kernel/json.ts'
import { isLonger } from '../../kernel/text.ts'
import { eventBytes } from '../../protocol/events-api.ts'
import { sizes } from '../../protocol/limits.ts'
import { parsed, type EventType } from './event-type.ts'
import { parseExpression, type Expression } from '../../kernel/expression.ts'
import { compileSchema, type Check } from '../../kernel/json-schema/validator.ts'

/** Data of a version, or why there is none. */
export type Upcast =
  | { readonly kind: 'data'; readonly version: number; readonly data: string | null }
  | { readonly kind: 'failed'; readonly reason: string }

interface CompiledVersion {
  readonly check: Check
  readonly upcast: Expression | undefined
}

/** An event type whose schemas and upcasters are compiled when they are first used. */
export class CompiledType {
  readonly type: EventType
  readonly #compiled: (CompiledVersion | undefined)[] = []

  constructor(type: EventType) {
    this.type = type
  }

  /** The newest version. */
  get newest(): number {
    return this.type.versions.length
  }

  /** Why `data`, JSON text, is no data of `version`, or undefined. */
  check(version: number, data: string | null): string | undefined {
    const compiled = this.#version(version)
    if (compiled === undefined)
      return `version: ${this.type.type} has versions 1 to ${this.newest}, got ${version}; register the version first`
    return compiled.check(data === null ? null : JSON.parse(data))
  }

  /**
   * The data of an event of version `from` as a reader of version `to` takes it: through each upcaster in between, and then
   * held against the schema of `to`. Newer data is passed on as it is.
   */
  upcast(data: string | null, from: number, to: number): Upcast {
    if (from >= to) return { kind: 'data', version: from, data }
    let value: unknown = data === null ? null : JSON.parse(data)
    for (let version = from + 1; version <= to; version++) {
      const step = this.#version(version)
      if (step === undefined) return failed(version, `there is no version ${version} of ${this.type.type}`)
      try {
        if (step.upcast !== undefined) value = step.upcast.evaluate(value) ?? null
      } catch (thrown) {
        return failed(version, thrown instanceof Error ? thrown.message : String(thrown))
      }
      const bad = isDeeper(value, sizes.dataDepth) ? `nested at most ${sizes.dataDepth} levels deep` : tooLong(value)
      if (bad !== undefined) return failed(version, bad)
    }
    const bad = this.#version(to)?.check(value)
    return bad === undefined ? { kind: 'data', version: to, data: JSON.stringify(value) } : failed(to, bad)
  }

  #version(version: number): CompiledVersion | undefined {
    const made = this.#compiled[version]
    if (made !== undefined) return made
    const known = this.type.versions[version - 1]
    if (known === undefined) return undefined
    const { schema, upcast } = known
    return (this.#compiled[version] = {
      check: compileSchema(parsed(schema)),
      upcast: upcast === null ? undefined : parseExpression(upcast),
    })
  }
}

const tooLong = (value: unknown): string | undefined =>
  isLonger(JSON.stringify(value), eventBytes) ? `at most ${eventBytes} bytes of JSON` : undefined

const failed = (version: number, reason: string): Upcast => ({
  kind: 'failed',
  reason: `upcast to version ${version}: ${reason}`.slice(0, 500),
})
