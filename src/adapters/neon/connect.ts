import { neon, neonConfig, type NeonQueryFunction, type NeonQueryPromise } from '@neondatabase/serverless'
import { z } from 'zod'
import type { Config } from '../../config.ts'
import { postgres } from '../dependencies.ts'
import { backgroundDeadlineMs, callDependency, type Dependency } from '../dependency.ts'

/**
 * A Postgres database reached over HTTP: one round trip per query or per transaction, no connection held in between.
 */
export type Database = NeonQueryFunction<false, false>

/** A statement that waits for its transaction, or is sent by itself when it is awaited. */
export type Statement = NeonQueryPromise<false, false>

/** What the client notes of a database, for `fetchInTime`. */
interface Noted {
  readonly dependency: Dependency
  readonly deadlineMs: number
  readonly isOptional: boolean
}
const notedKey = 'noted'

/**
 * Opens the database of a connection string; a configured Neon proxy stands in for Neon's own endpoints. Each query or
 * transaction is aborted `deadlineMs` after it was sent. Queries throw CallRefused while the database's breaker is open; optional ones
 * unless it is closed.
 */
export function connect(
  config: Config,
  url: string,
  deadlineMs = backgroundDeadlineMs,
  dependency = postgres(url),
  isOptional = false,
): Database {
  const { neonProxy } = config
  if (neonProxy !== undefined) {
    neonConfig.fetchEndpoint = `http://${neonProxy}/sql`
  }
  neonConfig.fetchFunction = fetchInTime
  const noted: Noted = { dependency, deadlineMs, isOptional }
  return neon(url, { fetchOptions: { [notedKey]: noted } })
}

/** What the driver uses of a response. */
interface Read {
  readonly ok: boolean
  readonly status: number
  json(): Promise<unknown>
  text(): Promise<string>
}

/** The whole answer of a request, read within its deadline. A response made of it anew would be read a second time. */
async function fetchInTime(
  url: string,
  { [notedKey]: noted, ...init }: RequestInit & { readonly [notedKey]: Noted },
): Promise<Read> {
  return await callDependency(noted.dependency, noted, async (signal) => {
    const answer = await fetch(url, { ...init, signal })
    const { ok, status } = answer
    const body = await answer.text()
    const value = { ok, status, json: async () => jsonOf(body), text: async () => body }
    return { value, isFailure: !ok && isInTrouble(status, body) }
  })
}

/**
 * Whether an error is about the database and not about the statement or its data: everything without an SQLSTATE, and the
 * classes 08 (connection), 53 (resources), 57 (operator), 58 (system), XX (internal) and 25006 (read-only).
 */
function isInTrouble(status: number, body: string): boolean {
  if (status !== 400) return true
  const code = sqlState.safeParse(jsonOf(body)).data?.code
  return code === undefined || /^(?:08|53|57|58|XX)/.test(code) || code === '25006'
}

const sqlState = z.object({ code: z.string() })

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
