import { parseArgs } from 'node:util'
import { knownSecrets } from './data-folder.ts'
import { endWith, LocalError } from './local-error.ts'
import { Operator } from './operator.ts'
import { originOf, readSettings } from './settings.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run cron -- <name>`: runs one entry of the platform's schedule now, here or at `--url` with ADMIN_KEY.
try {
  if (asksForHelp(process.argv.slice(2)))
    helpWith(
      'npm run cron -- [name] [--url https://…]: runs one entry of the schedule now; without a name, lists them.',
    )
  const { name, url } = readWish()
  const operator = url === undefined ? await localOperator() : new Operator(url, adminKey(url))
  const entries = await operator.schedule()
  if (name === undefined) console.log(entries.map((entry) => `${entry.name.padEnd(12)}${entry.cron}`).join('\n'))
  else if (!entries.some((entry) => entry.name === name))
    throw new LocalError(`${name} is not in the schedule; it has ${entries.map((entry) => entry.name).join(', ')}.`)
  else {
    const since = performance.now()
    await operator.runCron(name)
    console.log(`${name} ran in ${Math.round(performance.now() - since)} ms`)
  }
} catch (thrown) {
  const away = thrown instanceof TypeError && thrown.message === 'fetch failed'
  endWith(away ? new LocalError('no answer from there: is it running (npm start), is PORT or --url right?') : thrown)
}

function readWish(): { readonly name: string | undefined; readonly url: string | undefined } {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { url: { type: 'string' } } })
    if (positionals.length <= 1) return { name: positionals[0], url: values.url?.replace(/\/$/, '') }
  } catch {
    // Told below.
  }
  throw new LocalError('give one name, or none to list them: npm run cron -- [name] [--url https://…].')
}

/** The operator of the system that runs on this machine's data folder. */
async function localOperator(): Promise<Operator> {
  const { PORT, HOST, PARLEY_DATA, ADMIN_KEY } = process.env
  const settings = readSettings({ PORT, HOST, PARLEY_DATA, ADMIN_KEY }, [])
  const { dataDir } = settings
  const secrets = await knownSecrets(dataDir)
  if (secrets === undefined)
    throw new LocalError(`${dataDir} holds no system: start one with npm start, or give --url.`)
  return new Operator(originOf(settings), settings.adminKey ?? secrets.adminKey)
}

function adminKey(url: string): string {
  const key = process.env['ADMIN_KEY']
  if (key !== undefined && key !== '') return key
  throw new LocalError(`set ADMIN_KEY to the admin key of ${url}.`)
}
