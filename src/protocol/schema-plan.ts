import { z } from 'zod'

/**
 * What happens to a value before a schema checks it: data that is passed on gets its text, and nulls that mean nothing are
 * left out.
 */
export type Plan =
  | { readonly kind: 'passed-on' }
  | { readonly kind: 'members'; readonly members: readonly MemberPlan[] }
  | { readonly kind: 'entries' | 'items'; readonly plan: Plan }

export interface MemberPlan {
  readonly name: string
  readonly plan: Plan | undefined
  /** Whether null means that the member was not given. */
  readonly isLeftOut: boolean
}

/** The schemas of data that is passed on as it was given. */
export const passedOn = new WeakSet<z.ZodType>()

/** The plan of a schema, to be made once; undefined when its values need no preparation. */
export function makePlan(schema: unknown): Plan | undefined {
  if (!(schema instanceof z.ZodType)) return undefined
  if (passedOn.has(schema)) return { kind: 'passed-on' }
  if (mayBeLeftOut(schema) || schema instanceof z.ZodNullable) return makePlan(schema.unwrap())
  if (schema instanceof z.ZodPipe) return makePlan(schema.in)
  if (schema instanceof z.ZodArray) return each('items', makePlan(schema.element))
  if (schema instanceof z.ZodRecord) return each('entries', makePlan(schema.valueType))
  return schema instanceof z.ZodObject ? planForMembers(schema) : undefined
}

const each = (kind: 'entries' | 'items', plan: Plan | undefined): Plan | undefined =>
  plan === undefined ? undefined : { kind, plan }

function planForMembers({ shape }: z.ZodObject): Plan | undefined {
  const members = Object.entries(shape).flatMap(([name, inner]) => {
    const [plan, isLeftOut] = [makePlan(inner), meansNothing(inner)]
    return plan === undefined && !isLeftOut ? [] : [{ name, plan, isLeftOut }]
  })
  return members.length === 0 ? undefined : { kind: 'members', members }
}

/** Whether null for a member of this schema means that it was not given. */
const meansNothing = (schema: unknown): boolean =>
  mayBeLeftOut(schema) &&
  !isPassedOn(schema) &&
  schema.unwrap() instanceof z.ZodType &&
  !z.safeParse(schema.unwrap(), null).success

const isPassedOn = (schema: unknown): boolean =>
  schema instanceof z.ZodType &&
  (passedOn.has(schema) ||
    (schema instanceof z.ZodPipe && isPassedOn(schema.in)) ||
    (mayBeLeftOut(schema) && isPassedOn(schema.unwrap())))

const mayBeLeftOut = (schema: unknown): schema is z.ZodOptional | z.ZodExactOptional | z.ZodDefault =>
  schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional || schema instanceof z.ZodDefault
