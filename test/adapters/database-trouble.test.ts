import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect } from '../../src/adapters/neon/connect.ts'
import { loadConfig } from '../../src/config.ts'

const config = loadConfig({ DATABASE_URL_DIRECTORY: 'postgresql://app:secret@shards.test/directory' })
let databases = 0
/** Each test asks a database of its own, since an isolate remembers. */
const newDatabase = () => connect(config, `postgresql://app:secret@shards.test/shard${++databases}`)

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** How many of twenty statements, one after the other, reach a database that answers so. */
async function reaching(answer: () => Response): Promise<number> {
  const asked = vi.fn(async () => answer())
  vi.stubGlobal('fetch', asked)
  const database = newDatabase()
  let statements = 0
  for (let nth = 0; nth < 20; nth++) {
    const before = asked.mock.calls.length
    const settled = database.query('SELECT 1').catch(() => undefined)
    await vi.advanceTimersByTimeAsync(20)
    await vi.advanceTimersByTimeAsync(0)
    if (asked.mock.calls.length > before) statements++
    await vi.advanceTimersByTimeAsync(150)
    await settled
  }
  return statements
}

const sqlError = (code: string) => () => Response.json({ message: `error ${code}`, code }, { status: 400 })

test.each([
  ['down behind its proxy', () => new Response('could not connect', { status: 500 })],
  ['overloaded', () => new Response('too many requests', { status: 429 })],
  ['read-only (25006)', sqlError('25006')],
  ['out of disk space (53100)', sqlError('53100')],
  ['out of connections (53300)', sqlError('53300')],
  ['shutting down (57P01)', sqlError('57P01')],
  ['without a connection (08006)', sqlError('08006')],
  ['failing inside (XX000)', sqlError('XX000')],
  ['answering what is no error of Postgres', () => new Response('<html>', { status: 400 })],
])('a database that is %s is not called after a few statements', async (_, answer) => {
  expect(await reaching(answer)).toBeLessThanOrEqual(5)
})

test.each(['23505', '22001', '42601', '42P01', '40001', '55P03'])(
  'an error about a statement or its data (%s) is an answer: the database is called for all others',
  async (code) => {
    expect(await reaching(sqlError(code))).toBe(20)
  },
)
