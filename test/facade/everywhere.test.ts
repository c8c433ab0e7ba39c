import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { chooseSide } from '../../src/facade/choose.ts'
import type { PublishedRoute } from '../../src/facade/route.ts'
import { Deployment, type Process } from '../support/cache/deployment.ts'
import { definitionOf } from './definition.ts'

let deployment: Deployment
let one: Process
let other: Process

const route: PublishedRoute = {
  name: 'orders',
  version: 1,
  state: 'active',
  percent: 100,
  before: null,
  definition: definitionOf({}),
}

const sideIn = async (process: Process) => {
  const found = await process.route('acme', 'orders')
  return found && chooseSide(found, new Set(), { key: 'alice', method: 'GET', now: Date.now() })
}

beforeEach(async () => {
  deployment = new Deployment()
  deployment.provision('acme', ['first'])
  deployment.routes = [route]
  one = await deployment.newProcess()
  other = await deployment.newProcess()
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('a kill of a route that one process carries out', () => {
  test.each([
    ['while all answer', true],
    ['while the log of invalidations does not answer', false],
  ])('sends all requests to legacy in each process within a second, %s', async (_, hasLog) => {
    for (const process of [one, other]) expect(await sideIn(process)).toBe('new')
    deployment.pass(700)
    for (const process of [one, other]) expect(await sideIn(process)).toBe('new')

    deployment.hasLog = hasLog
    deployment.routes = [{ ...route, version: 2, state: 'killed' }]
    await one.forgetRoutes('acme').catch(() => undefined)
    expect(await sideIn(one)).toBe('legacy')
    deployment.pass(1000)
    expect(await sideIn(other)).toBe('legacy')
  })

  test('costs no call of the actor while nothing changes', async () => {
    for (const process of [one, other]) await sideIn(process)
    const asked = deployment.routesAsked
    for (let second = 0; second < 5; second++) {
      deployment.pass(1000)
      for (const process of [one, other]) expect(await sideIn(process)).toBe('new')
    }
    expect(deployment.routesAsked).toBe(asked)
  })
})
