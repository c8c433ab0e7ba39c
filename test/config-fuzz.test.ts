import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'

const names = [
  'SHARDS',
  'REGIONS',
  'GATEWAYS_PER_REGION',
  'ENVIRONMENT',
  'TAIL_ENTRIES',
  'PROJECTION_DELAY_MS',
  'LINKS',
  'ADMIN_KEY',
  'PUBLIC_URL',
]
const value = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '',
    '0',
    '1',
    '-1',
    '1e9',
    'NaN',
    'on',
    'local',
    'shard0',
    'shard0:2,shard1',
    'EU:weur',
    'a:b:c',
    'shard-0',
    ',,',
  ),
)

test('any variables make a configuration, or an error that says which of them is wrong', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), value), (vars) => {
      try {
        const { shards, gatewaysPerRegion, tailEntries } = loadConfig({ ...vars })
        for (const { name, weight } of shards) {
          expect(name).toMatch(/^\w+$/)
          expect(weight).toBeGreaterThan(0)
        }
        expect(Number.isInteger(gatewaysPerRegion) && gatewaysPerRegion >= 1).toBe(true)
        expect(Number.isInteger(tailEntries) && tailEntries >= 0).toBe(true)
      } catch (thrown) {
        const said = String(thrown)
        expect(
          Object.keys(vars).filter((name) => said.includes(name)),
          said,
        ).not.toEqual([])
      }
    }),
    { numRuns: 1000 },
  )
})
