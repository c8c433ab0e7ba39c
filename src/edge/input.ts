import type { z } from 'zod'
import { explain } from '../protocol/commands.ts'
import { sizes } from '../protocol/limits.ts'
import type { AppContext } from './context.ts'
import { fail } from './problem.ts'

/** The JSON body, read with a cap and checked against its schema. */
export async function body<S extends z.ZodType>(c: AppContext, schema: S): Promise<z.output<S>> {
  const text = await cappedText(c.req.raw)
  return check(schema, parse(text))
}

/** The query, checked against its schema. */
export const query = <S extends z.ZodType>(c: AppContext, schema: S): z.output<S> => check(schema, c.req.query())

/** One path parameter, checked. What cannot be is not found. */
export function param<S extends z.ZodType>(c: AppContext, name: string, schema: S): z.output<S> {
  const parsed = schema.safeParse(c.req.param(name))
  return parsed.success ? parsed.data : fail('not-found', `${name}: ${explain(parsed.error)}`)
}

function check<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  return parsed.success ? parsed.data : fail('invalid-request', explain(parsed.error))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return fail('not-json', 'the body must be one JSON object')
  }
}

/** Reads at most the allowed size, whatever the header says. */
async function cappedText(request: Request): Promise<string> {
  if (request.body === null) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body) {
    size += chunk.byteLength
    if (size > sizes.bodyBytes) return fail('too-large', `the body may have at most ${sizes.bodyBytes} bytes`)
    chunks.push(chunk)
  }
  return decode(chunks)
}

function decode(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  try {
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode()
  } catch {
    return fail('not-json', 'the body must be UTF-8')
  }
}
