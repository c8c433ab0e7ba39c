import { z } from 'zod'
import { badRequest } from './refusal.ts'

/** A request's body as JSON of the shape `schema`; a 400 that says what is wrong when it is not. */
export function readJson<S extends z.ZodType>(schema: S, body: Buffer): z.infer<S> {
  const read = schema.safeParse(parsed(body))
  if (!read.success) throw badRequest(`invalid body: ${z.prettifyError(read.error)}`)
  return read.data
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    throw badRequest('invalid body: not JSON')
  }
}
