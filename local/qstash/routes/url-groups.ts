import { z } from 'zod'
import { readJson } from '../json-body.ts'
import { endpoint, type Endpoint } from '../model.ts'
import type { Parts } from '../parts.ts'
import { checkName, notFound } from '../refusal.ts'
import { answer, type Call, done, type Route } from '../router.ts'

const addBody = z.object({ endpoints: z.array(endpoint).min(1) })
const removedEndpoint = endpoint.partial().refine(({ name, url }) => name ?? url, 'name or url is required')
const removeBody = z.object({ endpoints: z.array(removedEndpoint).min(1) })

/** `/v2/topics`, as the wire calls URL groups. */
export function urlGroupRoutes(parts: Parts): Route[] {
  const endpoints = /^\/v2\/topics\/([^/]+)\/endpoints$/
  return [
    { method: 'GET', path: /^\/v2\/topics\/?$/, answer: () => answer(parts.store.groups.all()) },
    { method: 'GET', path: /^\/v2\/topics\/([^/]+)$/, answer: (_, name) => get(parts, name) },
    { method: 'DELETE', path: /^\/v2\/topics\/([^/]+)$/, answer: (_, name) => remove(parts, name) },
    { method: 'POST', path: endpoints, answer: (call, name) => addEndpoints(parts, call, name) },
    { method: 'DELETE', path: endpoints, answer: (call, name) => removeEndpoints(parts, call, name) },
  ]
}

function get({ store }: Parts, name: string) {
  const group = store.groups.get(name)
  if (group === undefined) throw notFound(`URL group ${name}`)
  return answer(group)
}

/** Messages already published to the group still go out. */
function remove({ store }: Parts, name: string) {
  store.groups.remove(name)
  return done
}

/** An endpoint with a known URL takes the new name. */
function addEndpoints({ store, clock, destinations }: Parts, call: Call, name: string) {
  const { endpoints } = readJson(addBody, call.body)
  for (const { url } of endpoints) destinations.checkUrl(url)

  const byUrl = new Map(
    (store.groups.get(name)?.endpoints ?? []).map((known): [string, Endpoint] => [known.url, known]),
  )
  for (const added of endpoints) byUrl.set(added.url, added)
  store.groups.put(checkName('URL group name', name), [...byUrl.values()], clock.now())
  return done
}

/** A group without endpoints is no group. */
function removeEndpoints({ store, clock }: Parts, call: Call, name: string) {
  const { endpoints } = readJson(removeBody, call.body)
  const group = store.groups.get(name)
  if (group === undefined) throw notFound(`URL group ${name}`)

  const left = group.endpoints.filter((known) => !endpoints.some((gone) => isMeant(gone, known)))
  if (left.length === 0) store.groups.remove(name)
  else store.groups.put(name, left, clock.now())
  return done
}

function isMeant(gone: z.infer<typeof removedEndpoint>, known: Endpoint): boolean {
  return (gone.url ?? known.url) === known.url && (gone.name ?? known.name) === known.name
}
