import { expect, test } from 'vitest'
import { readSettings } from '../../local/settings.ts'
import { workerVars } from '../../local/system.ts'

/** The Worker's variables under `npm run serve` or `npm start` with this environment. */
const varsOf = (env: NodeJS.ProcessEnv, launcher: 'start' | 'serve' = 'serve') =>
  workerVars(readSettings(env, [], launcher), 'the-key-of-the-operator-of-this-one', 'http://127.0.0.1:8787')

test.each([{}, { ENVIRONMENT: 'production', LOCAL_API_KEY: '' }, { PARLEY_PROFILE: 'production' }])(
  'npm run serve with %j has no demo tenant, no demo key and no open profile',
  (env) => {
    const vars = varsOf(env)
    expect(vars).toMatchObject({ ENVIRONMENT: 'production' })
    for (const name of ['LOCAL_TENANT', 'LOCAL_API_KEY', 'PARLEY_PROFILE', 'ALLOW_PRIVATE_ENDPOINTS'])
      expect(vars).not.toHaveProperty(name)
  },
)

test.each([
  ['serve', { PARLEY_PROFILE: 'dev' }],
  ['start', {}],
] as const)('npm run %s with %j is a development system', (launcher, env) => {
  expect(varsOf(env, launcher)).toMatchObject({
    ENVIRONMENT: 'local',
    LOCAL_TENANT: 'demo',
    LOCAL_API_KEY: 'demo-key',
  })
})

test('the open profile is the development system for every client', () => {
  expect(varsOf({ PARLEY_PROFILE: 'open' })).toMatchObject({ ENVIRONMENT: 'local', PARLEY_PROFILE: 'open' })
})

test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('a development system listens on %s', (HOST) => {
  expect(readSettings({ HOST, PARLEY_PROFILE: 'dev' }, []).host).toBe(HOST)
})

test.each([
  ['HOST', 'serve', { HOST: '0.0.0.0', PARLEY_PROFILE: 'dev' }],
  ['HOST', 'serve', { HOST: '::', PARLEY_PROFILE: 'open' }],
  ['HOST', 'start', { HOST: '192.168.1.2' }],
  ['HOST', 'start', { HOST: '127.example.com' }],
  ['PARLEY_PROFILE', 'start', { PARLEY_PROFILE: 'production' }],
  ['PARLEY_PROFILE', 'serve', { PARLEY_PROFILE: 'demo' }],
  ['ENVIRONMENT', 'serve', { ENVIRONMENT: 'local' }],
  ['ENVIRONMENT', 'serve', { ENVIRONMENT: 'production', PARLEY_PROFILE: 'dev' }],
  ['ENVIRONMENT', 'start', { ENVIRONMENT: 'production' }],
  ['LOCAL_API_KEY', 'serve', { LOCAL_API_KEY: 'demo-key' }],
  ['LOCAL_TENANT', 'serve', { LOCAL_TENANT: 'demo' }],
  ['ALLOW_PRIVATE_ENDPOINTS', 'serve', { ALLOW_PRIVATE_ENDPOINTS: '1' }],
  ['ADMIN_KEY', 'serve', { ADMIN_KEY: 'operator' }],
  ['QSTASH_CURRENT_SIGNING_KEY, QSTASH_NEXT_SIGNING_KEY, PUBLIC_URL', 'serve', { QSTASH_TOKEN: 'token' }],
  ['UPSTASH_REDIS_REST_TOKEN', 'serve', { UPSTASH_REDIS_REST_URL: 'https://redis.example' }],
  [
    'DATABASE_URL_B',
    'serve',
    { SHARDS: 'a:2,b', DATABASE_URL_DIRECTORY: 'postgresql://d', DATABASE_URL_A: 'postgresql://a' },
  ],
] as const)('a wrong %s of npm run %s is refused by name: %j', (name, launcher, env) => {
  expect(() => readSettings(env, [], launcher)).toThrow(name)
})
