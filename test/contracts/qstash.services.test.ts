import { test } from 'vitest'
import { Hooks } from './qstash-hooks.ts'
import { qstashContract, type Target } from './qstash.contract.ts'

/** What it takes to run the suite against the real service; the callback URL is a tunnel to the port on this machine. */
const needed = [
  'PARLEY_REAL_QSTASH_URL',
  'PARLEY_REAL_QSTASH_TOKEN',
  'PARLEY_REAL_QSTASH_CURRENT_SIGNING_KEY',
  'PARLEY_REAL_QSTASH_NEXT_SIGNING_KEY',
  'PARLEY_REAL_QSTASH_CALLBACK_URL',
  'PARLEY_REAL_QSTASH_CALLBACK_PORT',
] as const

const given = (name: (typeof needed)[number]) => process.env[name] ?? ''

async function openRealService(): Promise<Target> {
  const hooks = new Hooks()
  await hooks.listen(Number(given('PARLEY_REAL_QSTASH_CALLBACK_PORT')), given('PARLEY_REAL_QSTASH_CALLBACK_URL'))
  return {
    url: given('PARLEY_REAL_QSTASH_URL'),
    token: given('PARLEY_REAL_QSTASH_TOKEN'),
    currentSigningKey: given('PARLEY_REAL_QSTASH_CURRENT_SIGNING_KEY'),
    nextSigningKey: given('PARLEY_REAL_QSTASH_NEXT_SIGNING_KEY'),
    timeScale: 1,
    timeoutMs: 240_000,
    hooks,
    close: () => hooks.close(),
  }
}

const missing = needed.filter((name) => given(name) === '')
if (missing.length === 0) {
  qstashContract('the real service', 600_000, openRealService)
} else {
  const reason = `the real QStash is not tested: set ${missing.join(', ')}`
  process.stderr.write(`${reason}\n`)
  test.skip(reason, () => {})
}
