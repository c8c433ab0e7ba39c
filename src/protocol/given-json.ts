import { z } from 'zod'
import { isDeeper } from '../kernel/json.ts'
import { isLonger } from '../kernel/text.ts'
import { sizes } from './limits.ts'
import { itemTexts, textAt } from './protobuf/json-text.ts'

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

  /** The text of a member, by the names that lead to it; undefined when it is not there. */
  textAt(...path: readonly string[]): string | undefined {
    return textAt(this.text, path)
  }
}

/** Why passed-on data is not accepted, or undefined: the bound on its bytes and on its depth. */
export function badJson({ value, text }: GivenJson, bytes: number): string | undefined {
  if (isDeeper(value, sizes.dataDepth)) return `nested at most ${sizes.dataDepth} levels deep`
  return isLonger(text, bytes) ? `at most ${bytes} bytes of JSON` : undefined
}

/** The schemas of data that is passed on as it was given. */
const passedOn = new WeakSet<z.ZodType>()

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

/** JSON of any form that comes out with its text, to be read by a schema later. */
export function jsonForLater() {
  const schema = z.custom<GivenJson>((given) => given instanceof GivenJson)
  passedOn.add(schema)
  return schema
}

/**
 * Checks `given` against a schema. Members declared by `jsonUpTo` come out as the text they were. Null for an optional
 * member means that it was not given, as in Go's encoding/json, unless the schema has a meaning for it.
 */
export const readGiven = <S extends z.ZodType>(schema: S, given: GivenJson): z.ZodSafeParseResult<z.output<S>> =>
  schema.safeParse(planOf(schema)?.(given.value, () => given.text) ?? given.value)

/** A value prepared for a schema in which nothing is passed on: without nulls that mean nothing. */
export const withoutNulls = (schema: z.ZodType, value: unknown): unknown =>
  planOf(schema)?.(value, () => JSON.stringify(value)) ?? value

/** Prepares a value for its schema: passed-on data gets its text, and nulls are left out. */
type Plan = (value: unknown, text: () => string) => unknown

const plans = new WeakMap<z.ZodType, { readonly plan: Plan | undefined }>()

/** Undefined when values need no preparation for the schema. Made once for each schema. */
function planOf(schema: unknown): Plan | undefined {
  if (!(schema instanceof z.ZodType)) return undefined
  const known = plans.get(schema)
  if (known !== undefined) return known.plan
  const plan = makePlan(schema)
  plans.set(schema, { plan })
  return plan
}

function makePlan(schema: z.ZodType): Plan | undefined {
  if (passedOn.has(schema)) return (value, text) => (value === undefined ? undefined : new GivenJson(value, text))
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable)
    return planOf(schema.unwrap())
  if (schema instanceof z.ZodPipe) return planOf(schema.in)
  if (schema instanceof z.ZodArray) return planForItems(planOf(schema.element))
  if (schema instanceof z.ZodRecord) return planForEntries(planOf(schema.valueType))
  return schema instanceof z.ZodObject ? planForMembers(schema) : undefined
}

function planForMembers({ shape }: z.ZodObject): Plan | undefined {
  const members = Object.entries(shape).flatMap(([name, inner]) => {
    const [plan, isLeftOut] = [planOf(inner), meansNothing(inner)]
    return plan === undefined && !isLeftOut ? [] : [{ name, plan, isLeftOut }]
  })
  if (members.length === 0) return undefined
  return (value, text) => {
    if (!isRecord(value)) return value
    let ready: Record<string, unknown> | undefined
    for (const { name, plan, isLeftOut } of members) {
      if (!Object.hasOwn(value, name)) continue
      if (isLeftOut && value[name] === null) delete (ready ??= { ...value })[name]
      else if (plan !== undefined)
        (ready ??= { ...value })[name] = plan(value[name], () => textAt(text(), [name]) ?? 'null')
    }
    return ready ?? value
  }
}

/** Whether null for a member of this schema means that it was not given. */
const meansNothing = (schema: unknown): boolean =>
  (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) &&
  !isPassedOn(schema) &&
  schema.unwrap() instanceof z.ZodType &&
  !z.safeParse(schema.unwrap(), null).success

const isPassedOn = (schema: unknown): boolean =>
  schema instanceof z.ZodType &&
  (passedOn.has(schema) ||
    (schema instanceof z.ZodPipe && isPassedOn(schema.in)) ||
    ((schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) && isPassedOn(schema.unwrap())))

function planForEntries(plan: Plan | undefined): Plan | undefined {
  if (plan === undefined) return undefined
  return (value, text) => {
    if (!isRecord(value)) return value
    const entries = Object.entries(value)
    return Object.fromEntries(
      entries.map(([name, inner]) => [name, plan(inner, () => textAt(text(), [name]) ?? 'null')]),
    )
  }
}

function planForItems(plan: Plan | undefined): Plan | undefined {
  if (plan === undefined) return undefined
  return (value, text) => {
    if (!Array.isArray(value)) return value
    let texts: readonly string[] | undefined
    return value.map((item: unknown, index) => plan(item, () => (texts ??= itemTexts(text()))[index] ?? 'null'))
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
