import createClient, { type Client } from 'openapi-fetch'
import { httpFailure, ParleyError } from './failure.ts'
import type { ServerOptions } from './server-client.ts'

/**
 * Every operation of the API as a typed call, for a tenant's servers: `api.POST('/v1/conversations', {body: {…}})` answers `{data}`.
 * In the package `Paths` are the operations of this version, from the same definitions as `/openapi.json`. Throws ParleyError.
 */
export function createApi<Paths extends object>({
  url,
  apiKey,
  fetch: ownFetch,
  timeoutMs = 10_000,
}: ServerOptions): Client<Paths> {
  const send = ownFetch ?? ((request: Request) => fetch(request))
  const client = createClient<Paths>({
    baseUrl: url.replace(/\/+$/, ''),
    headers: { authorization: `Bearer ${apiKey}` },
    fetch: (request) =>
      send(new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]) })),
  })
  client.use({
    async onResponse({ response }) {
      if (response.ok) return
      throw httpFailure(response.status, await problemOf(response), response.headers.get('retry-after'))
    },
    onError: ({ error }) =>
      error instanceof ParleyError ? error : new ParleyError('unreachable', 'the server cannot be reached'),
  })
  return client
}

async function problemOf(response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch {
    return undefined
  }
}
