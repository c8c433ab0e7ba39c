import { knownSecrets } from './data-folder.ts'
import { LocalError } from './local-error.ts'
import { Operator } from './operator.ts'
import { originOf, readSettings } from './settings.ts'

/** The operator of the system at `url`, with ADMIN_KEY; without one of the system that runs on this machine's data folder. */
export async function findOperator(url: string | undefined): Promise<Operator> {
  if (url !== undefined) return new Operator(url.replace(/\/$/, ''), adminKey(url))
  const { PORT, HOST, PARLEY_DATA, ADMIN_KEY } = process.env
  const settings = readSettings({ PORT, HOST, PARLEY_DATA, ADMIN_KEY }, [])
  const { dataDir } = settings
  const secrets = await knownSecrets(dataDir)
  if (secrets === undefined)
    throw new LocalError(`${dataDir} holds no system: start one with npm start, or give --url.`)
  return new Operator(originOf(settings), settings.adminKey ?? secrets.adminKey)
}

/** What a failed command says: that no system answers is no error of the program. */
export function asLocalError(thrown: unknown): unknown {
  const isAway = thrown instanceof TypeError && thrown.message === 'fetch failed'
  return isAway ? new LocalError('no answer from there: is it running (npm start), is PORT or --url right?') : thrown
}

function adminKey(url: string): string {
  const key = process.env['ADMIN_KEY']
  if (key !== undefined && key !== '') return key
  throw new LocalError(`set ADMIN_KEY to the admin key of ${url}.`)
}
