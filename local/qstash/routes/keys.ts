import type { Parts } from '../parts.ts'
import { answer, type Route } from '../router.ts'

/** `GET /v2/keys`: the signing keys. They come from the start options, so there is no rotating them here. */
export function keyRoutes({ keys }: Parts): Route[] {
  return [{ method: 'GET', path: /^\/v2\/keys\/?$/, answer: () => answer(keys) }]
}
