import type { z } from 'zod'
import { splitJson } from '../../kernel/json.ts'
import { explain } from '../../protocol/explain.ts'
import { GivenJson, readGiven } from '../../protocol/given-json.ts'
import { sizes } from '../../protocol/limits.ts'
import { requestBody, textOf } from './capped.ts'
import type { AppContext } from './context.ts'
import { fail } from './problem.ts'

/** The JSON body, read with a cap and checked against its schema; what is passed on comes out as the text it was. */
export async function body<S extends z.ZodType>(c: AppContext, schema: S): Promise<z.output<S>> {
  return check(schema, parseJson(textOf(await requestBody(c, sizes.bodyBytes))))
}

/** The JSON body as it is; an empty object when there is none. */
export async function bodyOrNothing(c: AppContext): Promise<GivenJson> {
  const text = textOf(await requestBody(c, sizes.bodyBytes))
  return parseJson(text === '' ? '{}' : text)
}

/** The JSON values that follow each other in the body, at least one and `atMost`, each checked against its schema. */
export async function bodies<S extends z.ZodType>(c: AppContext, schema: S, atMost: number): Promise<z.output<S>[]> {
  const pieces = splitJson(textOf(await requestBody(c, sizes.bodyBytes)))
  if (pieces.length === 0) return fail('not-json', 'the body must be a JSON object, or several')
  if (pieces.length > atMost) return fail('invalid-request', `at most ${atMost} commands, got ${pieces.length}`)
  return pieces.map((piece) => check(schema, parseJson(piece)))
}

/** An answer that is JSON text already. */
export const json = (c: AppContext, text: string) => c.body(text, 200, { 'content-type': 'application/json' })

/** The query, checked against its schema. */
export const query = <S extends z.ZodType>(c: AppContext, schema: S): z.output<S> => {
  const parsed = schema.safeParse(c.req.query())
  return parsed.success ? parsed.data : fail('invalid-request', explain(parsed.error))
}

/** One path parameter, checked. What cannot be is not found. */
export function param<S extends z.ZodType>(c: AppContext, name: string, schema: S): z.output<S> {
  const parsed = schema.safeParse(c.req.param(name))
  return parsed.success ? parsed.data : fail('not-found', `${name}: ${explain(parsed.error)}`)
}

/** One request header, checked; undefined stands for one that was not sent. */
export function header<S extends z.ZodType>(c: AppContext, name: string, schema: S): z.output<S> {
  const parsed = schema.safeParse(c.req.header(name))
  return parsed.success ? parsed.data : fail('invalid-request', `${name}: ${explain(parsed.error)}`)
}

/** JSON, checked against its schema. */
export function check<S extends z.ZodType>(schema: S, given: GivenJson): z.output<S> {
  const parsed = readGiven(schema, given)
  return parsed.success ? parsed.data : fail('invalid-request', explain(parsed.error))
}

/** JSON text with its value. */
export function parseJson(text: string): GivenJson {
  try {
    return new GivenJson(JSON.parse(text), text)
  } catch {
    return fail('not-json', 'the body must be one JSON object')
  }
}
