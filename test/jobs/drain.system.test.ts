import { afterAll, beforeAll, expect, test } from 'vitest'
import { Drain } from '../../src/handlers/drain.ts'
import { apiKey, call } from '../support/e2e/people.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'
import { Endpoint } from './support/endpoint.ts'

let endpoint: Endpoint
let system: System

beforeAll(async () => {
  endpoint = await Endpoint.open()
  system = await System.start({ env: { ALLOW_PRIVATE_ENDPOINTS: '1', DRAIN_SECONDS: '60' } })
})
afterAll(async () => {
  await endpoint.close()
  system.abandon()
})

test('a server that drains finishes the job under way, starts no other, and loses neither', async () => {
  const working = Promise.withResolvers<{ status: number }>()
  endpoint.answer = ({ path }) => (path === '/slow' ? working.promise : { status: 200 })
  const add = (id: string) => call(system, apiKey, 'POST', '/v1/jobs', { id, url: `${endpoint.url}/${id}`, key: 'k' })
  await add('slow')
  await add('next')
  await until('the work began', () => endpoint.idsOf('/slow').length === 1)

  const ending = system.terminate()
  // Long enough to have heard it on a loaded machine, too, and short of how long it may wait.
  await new Promise((resolve) => setTimeout(resolve, 8000))
  working.resolve({ status: 200 })
  await ending
  expect(endpoint.idsOf('/next')).toEqual([])

  await system.startAgain()
  expect((await call(system, apiKey, 'GET', '/v1/jobs/slow')).body).toMatchObject({ state: 'done', attempts: 1 })
  await until('the other one is done', () => endpoint.idsOf('/next').length === 1)
  expect(endpoint.idsOf('/slow')).toHaveLength(1)
})

test('draining ends after its time and counts the runs that are left', async () => {
  const draining = new Drain()
  const told: string[] = []
  const quick = { drain: () => void draining.runs.delete(quick) }
  draining.runs.add({ drain: () => told.push('stuck') }).add(quick)
  expect(draining.isOver).toBe(false)
  expect(await draining.end(100, async () => undefined)).toBe(1)
  expect([draining.isOver, told]).toEqual([true, ['stuck']])
})
