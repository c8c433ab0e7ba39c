import type { HeaderLists } from './header.ts'
import { badRequest, notFound } from './refusal.ts'

/** A request, read. */
export interface Call {
  method: string
  /** The request line's target untouched: destinations are cut out of it byte for byte. */
  target: string
  query: URLSearchParams
  header: HeaderLists
  body: Buffer
  callerIp: string
}

/** A reply; without a body it is empty, as the service's replies to most commands are. */
export interface Answer {
  status: number
  body?: object
}

/** One row of the table of endpoints. */
export interface Route {
  method: string
  /** Matched against the path alone. */
  path: RegExp
  /** `name` is the pattern's first group, percent-decoded; empty when it has none. */
  answer: (call: Call, name: string) => Answer
}

/** A reply that carries something. */
export const answer = (body: object, status = 200): Answer => ({ status, body })

/** The reply to a command that has nothing to tell. */
export const done: Answer = { status: 200 }

/** Answers by the first route that fits; throws a 404 when none does. */
export function dispatch(routes: readonly Route[], call: Call): Answer {
  const [path = ''] = call.target.split('?', 1)
  for (const route of routes) {
    const match = route.method === call.method ? route.path.exec(path) : null
    if (match !== null) return route.answer(call, decoded(match[1] ?? ''))
  }
  throw notFound(`${call.method} ${path}`)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw badRequest(`path is not percent-encoded: ${text}`)
  }
}
