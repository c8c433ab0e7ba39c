import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { Asked } from './routes.ts'
import { HttpRefusal } from './answers.ts'
import { parseConnectionString } from './connection-string.ts'

/** Neon's limit for a request and for a response, in bytes. */
export const tenMegabytes = 10 * 1024 * 1024

const query = z.object({ query: z.string(), params: z.array(z.unknown()).default([]) })
const body = z.union([query, z.object({ queries: z.array(query) })])

const isolationLevels = {
  ReadUncommitted: 'READ UNCOMMITTED',
  ReadCommitted: 'READ COMMITTED',
  RepeatableRead: 'REPEATABLE READ',
  Serializable: 'SERIALIZABLE',
} as const
const batchHeaders = z.object({
  'neon-batch-isolation-level': z
    .enum(['ReadUncommitted', 'ReadCommitted', 'RepeatableRead', 'Serializable'])
    .optional(),
  'neon-batch-read-only': z.enum(['true', 'false']).optional(),
  'neon-batch-deferrable': z.enum(['true', 'false']).optional(),
})

type Modes = z.infer<typeof batchHeaders>

/** One statement with its parameters, still JSON values. */
export type Statement = z.infer<typeof query>

/** Statements to run in one transaction. */
export interface Batch {
  readonly kind: 'batch'
  readonly statements: readonly Statement[]
  /** The BEGIN with its modes. */
  readonly begin: string
  /** The modes asked for, which Neon repeats in its answer. */
  readonly echo: Readonly<Record<string, string>>
}

/** What a caller wants run. */
export type Work = { readonly kind: 'single'; readonly statement: Statement } | Batch

/** The caller's identity, from the request's headers alone. Throws {@link HttpRefusal}. */
export function readCaller(request: IncomingMessage): { asked: Asked; password: string } {
  const header = request.headers['neon-connection-string']
  const caller = typeof header === 'string' ? parseConnectionString(header) : undefined
  if (caller === undefined)
    throw new HttpRefusal(400, 'Neon-Connection-String must be postgresql://user:password@host/database')
  // The SDK always sends both; converting values and naming columns is its business.
  if (request.headers['neon-raw-text-output'] !== 'true' || request.headers['neon-array-mode'] !== 'true') {
    throw new HttpRefusal(
      400,
      'Only raw text in array mode is answered: send Neon-Raw-Text-Output and Neon-Array-Mode: true',
    )
  }
  return caller
}

/** What the caller wants run. Throws {@link HttpRefusal}: 413 beyond ten megabytes, 400 for a body not understood. */
export async function readWork(request: IncomingMessage): Promise<Work> {
  const parsed = body.safeParse(json(await readText(request)))
  if (!parsed.success)
    throw new HttpRefusal(400, 'The body must be {"query","params"} or {"queries":[{"query","params"}]}')
  if ('query' in parsed.data) return { kind: 'single', statement: parsed.data }
  const modes = batchHeaders.safeParse(request.headers)
  if (!modes.success) throw new HttpRefusal(400, 'A Neon-Batch header has a value that is not known')
  return { kind: 'batch', statements: parsed.data.queries, begin: beginOf(modes.data), echo: echoOf(modes.data) }
}

function echoOf(modes: Modes): Record<string, string> {
  return Object.fromEntries(
    Object.entries(modes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function beginOf(modes: Modes): string {
  const level = modes['neon-batch-isolation-level']
  return [
    'BEGIN',
    ...(level === undefined ? [] : [`ISOLATION LEVEL ${isolationLevels[level]}`]),
    ...(modes['neon-batch-read-only'] === 'true' ? ['READ ONLY'] : []),
    ...(modes['neon-batch-deferrable'] === 'true' ? ['DEFERRABLE'] : []),
  ].join(' ')
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a request without encoding yields buffers')
    size += chunk.length
    // Read to the end but not kept: a caller still sending would not see our answer.
    if (size <= tenMegabytes) chunks.push(chunk)
  }
  if (size > tenMegabytes) throw new HttpRefusal(413, 'The request is larger than 10 MB')
  return Buffer.concat(chunks).toString()
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
