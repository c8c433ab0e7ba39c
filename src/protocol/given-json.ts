import { z } from 'zod'
import { isDeeper } from '../kernel/json.ts'
import { isLonger } from '../kernel/text.ts'
import { sizes } from './limits.ts'
import { itemTexts, textAt } from './protobuf/json-text.ts'
import { makePlan, passedOn, type MemberPlan, type Plan } from './schema-plan.ts'

/**
 * JSON as a caller gave it: the parsed value and the text. Rules are checked on the value; the text is stored and
 * passed on, since serialising the value again would change numbers, the order of members and escapes.
 */
export class GivenJson {
  readonly value: unknown
  #text: string | (() => string)

  /** `text` is found when it is asked for: most commands are read by their values alone. */
  constructor(value: unknown, text: string | (() => string)) {
    this.value = value
    this.#text = text
  }

  get text(): string {
    if (typeof this.#text !== 'string') this.#text = this.#text()
    return this.#text
  }
}

/** Why passed-on data is not accepted, or undefined: the bound on its bytes and on its depth. */
export function badJson({ value, text }: GivenJson, bytes: number): string | undefined {
  if (isDeeper(value, sizes.dataDepth)) return `nested at most ${sizes.dataDepth} levels deep`
  return isLonger(text, bytes) ? `at most ${bytes} bytes of JSON` : undefined
}

/**
 * JSON of any form, at most `bytes` long, that comes out as the text it was. Depth is looked at first and ends the check:
 * code that walks a value by recursion fails on one nested thousands deep. Only `readGiven` knows the text: a schema that
 * holds such a member must be used by it.
 */
export function jsonUpTo(bytes: number) {
  const schema = z.unknown().transform((given, context) => {
    if (!(given instanceof GivenJson)) throw new TypeError('a schema with data that is passed on needs readGiven')
    const bad = badJson(given, bytes)
    if (bad === undefined) return given.text
    context.addIssue(bad)
    return z.NEVER
  })
  passedOn.add(schema)
  return schema
}

/**
 * Checks `given` against a schema. Members declared by `jsonUpTo` come out as the text they were. Null for an optional
 * member means that it was not given, as in Go's encoding/json, unless the schema has a meaning for it.
 */
export const readGiven = <S extends z.ZodType>(schema: S, given: GivenJson): z.ZodSafeParseResult<z.output<S>> =>
  schema.safeParse(prepared(schema, given.value, () => given.text))

/** A value prepared for a schema in which nothing is passed on: without nulls that mean nothing. */
export const withoutNulls = (schema: z.ZodType, value: unknown): unknown =>
  prepared(schema, value, () => JSON.stringify(value))

const plans = new WeakMap<z.ZodType, { readonly plan: Plan | undefined }>()

/** `value` as its schema takes it; `text` is asked for only where data is passed on. */
function prepared(schema: z.ZodType, value: unknown, text: () => string): unknown {
  let known = plans.get(schema)
  if (known === undefined) plans.set(schema, (known = { plan: makePlan(schema) }))
  return known.plan === undefined ? value : prepare(known.plan, value, text)
}

function prepare(plan: Plan, value: unknown, text: () => string): unknown {
  if (plan.kind === 'passed-on') return value === undefined ? undefined : new GivenJson(value, text)
  if (plan.kind === 'items') return Array.isArray(value) ? prepareItems(plan.plan, value, text) : value
  if (!isRecord(value)) return value
  return prepareMembers(plan.kind === 'members' ? plan.members : membersOf(plan.plan, value), value, text)
}

/** The value itself where nothing changes: most have neither nulls nor data that is passed on. */
function prepareMembers(members: readonly MemberPlan[], value: Members, text: () => string): unknown {
  let ready: Record<string, unknown> | undefined
  for (const { name, plan, isLeftOut } of members) {
    if (!Object.hasOwn(value, name)) continue
    if (isLeftOut && value[name] === null) delete (ready ??= { ...value })[name]
    else if (plan !== undefined)
      (ready ??= { ...value })[name] = prepare(plan, value[name], () => textAt(text(), [name]) ?? 'null')
  }
  return ready ?? value
}

const membersOf = (plan: Plan, record: Members): MemberPlan[] =>
  Object.keys(record).map((name) => ({ name, plan, isLeftOut: false }))

function prepareItems(plan: Plan, items: readonly unknown[], text: () => string): unknown[] {
  let texts: readonly string[] | undefined
  return items.map((item, index) => prepare(plan, item, () => (texts ??= itemTexts(text()))[index] ?? 'null'))
}

type Members = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
