import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  checkContext,
  checkDeployment,
  neededBy,
  type ContextDeployment,
  type Deployment,
} from '../../local/deploy-requirements.ts'

const actors = [{ binding: 'GATEWAY', className: 'Gateway' }]
const crons = ['*/5 * * * *']
const whole: Deployment = {
  vars: { ENVIRONMENT: 'production', SHARDS: 'eu:2, us', PUBLIC_URL: 'https://chat.example.com' },
  secrets: [
    'DATABASE_URL_DIRECTORY',
    'DATABASE_URL_EU',
    'DATABASE_URL_US',
    'QSTASH_TOKEN',
    'QSTASH_CURRENT_SIGNING_KEY',
    'QSTASH_NEXT_SIGNING_KEY',
    'UPSTASH_REDIS_REST_URL',
    'UPSTASH_REDIS_REST_TOKEN',
    'ADMIN_KEY',
    'ENCRYPTION_KEYS',
  ],
  actors,
  crons,
}

/** What is found when these variables and secrets are changed. */
const found = (
  vars: Record<string, string | undefined>,
  without: readonly string[] = [],
  more: Partial<Deployment> = {},
) => {
  const kept = Object.entries({ ...whole.vars, ...vars }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  const secrets = whole.secrets.filter((name) => !without.includes(name))
  return checkDeployment({ ...whole, vars: Object.fromEntries(kept), secrets, ...more }, { actors, crons })
}

describe('a check of a deployment', () => {
  test('finds nothing where nothing is missing', () => {
    expect(found({})).toEqual([])
  })

  test.each(whole.secrets.filter((name) => name !== 'ENCRYPTION_KEYS'))(
    'names the secret %s where it is missing',
    (name) => {
      expect(found({}, [name])).toEqual([{ kind: 'missing', text: expect.stringContaining(name) }])
    },
  )

  test.each([
    ['PUBLIC_URL', { PUBLIC_URL: undefined }],
    ['PUBLIC_URL', { PUBLIC_URL: 'http://chat.example.com' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://localhost' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://chat.example.com/parley' }],
    ['ENVIRONMENT', { ENVIRONMENT: 'local' }],
    ['LOCAL_API_KEY', { LOCAL_API_KEY: 'demo-key' }],
    ['ADMIN_KEY', { ADMIN_KEY: 'in plain text, among the variables' }],
    ['ENCRYPTION_KEYS', { ENCRYPTION_KEYS: 'in plain text, among the variables' }],
    ['DATABASE_URL_ASIA', { SHARDS: 'eu,us,asia' }],
  ])('names a wrong %s: %j', (name, vars) => {
    expect(found(vars)).toEqual([{ kind: 'missing', text: expect.stringContaining(name) }])
  })

  test('advises a key for connection strings where there is none', () => {
    expect(found({}, ['ENCRYPTION_KEYS'])).toEqual([
      { kind: 'advice', text: expect.stringContaining('ENCRYPTION_KEYS') },
    ])
  })

  test('advises a cache and jobs where neither was begun', () => {
    const none = whole.secrets.filter((name) => /QSTASH|UPSTASH/.test(name))
    expect(found({ PUBLIC_URL: undefined }, none).map(({ kind }) => kind)).toEqual(['advice', 'advice'])
  })

  test('names bindings and cron triggers that the code needs and wrangler.toml lacks', () => {
    const texts = found({}, [], { actors: [], crons: [] }).map(({ text }) => text)
    expect(texts).toEqual([expect.stringContaining('GATEWAY'), expect.stringContaining('*/5 * * * *')])
  })

  test('finds what the Worker of a context lacks, and names its file', () => {
    const apart: ContextDeployment = {
      ...whole,
      context: 'jobs',
      file: 'wrangler.jobs.toml',
      services: ['CORE'],
      isCurrent: true,
    }
    const lacks = (changed: Partial<ContextDeployment>) => checkContext({ ...apart, ...changed }, { actors, crons })
    const missing = (text: string) => [
      { kind: 'missing', text: expect.stringMatching(new RegExp(`^wrangler\\.jobs\\.toml: .*${text}`)) },
    ]
    // It opens no database.
    expect(lacks({ secrets: whole.secrets.filter((name) => !/DATABASE|ADMIN|ENCRYPTION/.test(name)) })).toEqual([])
    expect(lacks({ secrets: whole.secrets.filter((name) => name !== 'QSTASH_TOKEN') })).toEqual(missing('QSTASH_TOKEN'))
    const withoutKeys = whole.secrets.filter((name) => name !== 'ENCRYPTION_KEYS')
    expect(lacks({ context: 'notifications', secrets: withoutKeys })).toEqual(missing('ENCRYPTION_KEYS'))
    expect(lacks({ actors: [] })).toEqual(missing('binding GATEWAY'))
    expect(lacks({ services: [] })).toEqual(missing('service binding CORE'))
    expect(lacks({ isCurrent: false })).toEqual(missing('run npm run contexts'))
    expect(lacks({ vars: { ...whole.vars, ENVIRONMENT: 'local' } })).toEqual(missing('ENVIRONMENT'))
  })
})

test('the requirements are read off the code: every actor that wrangler.toml binds, and its crons', () => {
  const textOf = (file: string) => readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
  const needed = neededBy(textOf('src/env.ts'), textOf('src/cron/schedule.ts'))
  const bound = [...textOf('wrangler.toml').matchAll(/\{ name = "(\w+)", class_name = "(\w+)" \}/g)]
  expect(bound.length).toBeGreaterThan(10)
  const byBinding = (a: { binding: string }, b: { binding: string }) => (a.binding < b.binding ? -1 : 1)
  expect(needed.actors.toSorted(byBinding)).toEqual(
    bound.map(([, binding = '', className = '']) => ({ binding, className })).toSorted(byBinding),
  )
  expect(needed.crons).not.toEqual([])
})
