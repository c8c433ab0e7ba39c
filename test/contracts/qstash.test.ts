import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startQstash } from '../../local/qstash/server.ts'
import { Hooks } from './qstash-hooks.ts'
import { qstashContract, type Target } from './qstash.contract.ts'

const keys = { currentSigningKey: 'sig_current', nextSigningKey: 'sig_next' }

async function openEmulator(): Promise<Target> {
  const timeScale = 100
  const folder = await mkdtemp(join(tmpdir(), 'qstash-'))
  const hooks = new Hooks()
  await hooks.listen()
  const qstash = await startQstash({ dataFile: join(folder, 'qstash.sqlite'), token: 'token', timeScale, ...keys })
  return {
    ...keys,
    url: qstash.url,
    token: 'token',
    timeScale,
    timeoutMs: 30_000,
    hooks,
    async close() {
      await qstash.stop()
      await hooks.close()
      await rm(folder, { recursive: true })
    },
  }
}

qstashContract('the local stand-in', 60_000, openEmulator)
