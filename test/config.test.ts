import { describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'

describe('config', () => {
  test('without any variable is a deployment with two shards and no local tenant', () => {
    const config = loadConfig({})
    expect(config).toMatchObject({ environment: 'production', localTenant: undefined, adminKey: undefined })
    expect(config.shards).toEqual([
      { name: 'shard0', weight: 1 },
      { name: 'shard1', weight: 1 },
    ])
  })

  test('the local tenant and its key exist in the local environment only', () => {
    const vars = { LOCAL_TENANT: 'demo', LOCAL_API_KEY: 'demo-key' }
    expect(loadConfig({ ...vars, ENVIRONMENT: 'local' })).toMatchObject({
      localTenant: 'demo',
      localApiKey: 'demo-key',
    })
    expect(loadConfig({ ...vars })).toMatchObject({ localTenant: undefined, localApiKey: undefined })
  })

  test('the open profile is for the local environment, and a deployment that asks for it does not run', () => {
    const open = { PARLEY_PROFILE: 'open', LOCAL_TENANT: 'demo', LOCAL_API_KEY: 'demo-key' }
    expect(loadConfig({ ...open, ENVIRONMENT: 'local' }).open).toMatchObject({ tenant: 'demo', apiKey: 'test-api-key' })
    for (const ENVIRONMENT of ['production', undefined])
      expect(() => loadConfig({ ...open, ...(ENVIRONMENT && { ENVIRONMENT }) })).toThrow(/PARLEY_PROFILE/)
    expect(loadConfig({ LOCAL_TENANT: 'demo', ENVIRONMENT: 'local' }).open).toBeUndefined()
    expect(loadConfig({}).open).toBeUndefined()
  })

  test('the key of the operator of a deployment is long, that of a development system may be short', () => {
    const ADMIN_KEY = 'operator-of-the-tests'
    expect(loadConfig({ ENVIRONMENT: 'local', ADMIN_KEY }).adminKey).toBe(ADMIN_KEY)
    expect(() => loadConfig({ ADMIN_KEY })).toThrow('ADMIN_KEY: at least 32 characters')
    expect(loadConfig({ ADMIN_KEY: ADMIN_KEY.repeat(2) }).adminKey).toBe(ADMIN_KEY.repeat(2))
  })

  test('half of a Redis or a QStash is none', () => {
    expect(loadConfig({ UPSTASH_REDIS_REST_URL: 'http://redis' }).redis).toBeUndefined()
    expect(loadConfig({ QSTASH_TOKEN: 'token' }).qstash).toBeUndefined()
  })

  test('settings that jobs lack are named, PUBLIC_URL included where it has no default', () => {
    const keys = { QSTASH_TOKEN: 'token', QSTASH_CURRENT_SIGNING_KEY: 'a', QSTASH_NEXT_SIGNING_KEY: 'b' }
    expect(loadConfig({}).missingForJobs).toEqual([])
    expect(loadConfig({ ...keys }).missingForJobs).toEqual(['PUBLIC_URL'])
    expect(loadConfig({ ...keys, ENVIRONMENT: 'local' }).missingForJobs).toEqual([])
    expect(loadConfig({ ...keys, PUBLIC_URL: 'https://parley.example' }).missingForJobs).toEqual([])
  })

  test('shards have weights, regions have gateways', () => {
    const config = loadConfig({ SHARDS: 'a:2, b', REGIONS: 'EU:weur,*:enam' })
    expect(config.shards).toEqual([
      { name: 'a', weight: 2 },
      { name: 'b', weight: 1 },
    ])
    expect(config.regions.get('EU')).toBe('weur')
  })

  test.each([
    ['ENVIRONMENT', { ENVIRONMENT: 'staging' }],
    ['GATEWAYS_PER_REGION', { GATEWAYS_PER_REGION: 'many' }],
    ['ADMIN_KEY', { ADMIN_KEY: 'short' }],
    ['TAIL_ENTRIES', { TAIL_ENTRIES: '-1' }],
    ['PROJECTION_DELAY_MS', { PROJECTION_DELAY_MS: '0' }],
    ['SHARDS', { SHARDS: 'a:heavy' }],
    ['SHARDS', { SHARDS: 'a:0' }],
    ['SHARDS', { SHARDS: '' }],
  ])('a wrong %s is an error that names it', (name, vars) => {
    expect(() => loadConfig(vars)).toThrow(name)
  })

  test('a database that is needed and not set is an error that names its variable, and only then', () => {
    const config = loadConfig({ SHARDS: 'shard7' })
    expect(() => config.databaseUrl('DATABASE_URL_SHARD7')).toThrow('DATABASE_URL_SHARD7')
    expect(() => config.directoryUrl).toThrow('DATABASE_URL_DIRECTORY')
  })
})
