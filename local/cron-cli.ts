import { parseArgs } from 'node:util'
import { asLocalError, findOperator } from './find-operator.ts'
import { endWith, LocalError } from './local-error.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run cron -- <name>`: runs one entry of the platform's schedule now, here or at `--url` with ADMIN_KEY.
try {
  if (asksForHelp(process.argv.slice(2)))
    helpWith(
      'npm run cron -- [name] [--url https://…]: runs one entry of the schedule now; without a name, lists them.',
    )
  const { name, url } = readWish()
  const operator = await findOperator(url)
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
  endWith(asLocalError(thrown))
}

function readWish(): { readonly name: string | undefined; readonly url: string | undefined } {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { url: { type: 'string' } } })
    if (positionals.length <= 1) return { name: positionals[0], url: values.url }
  } catch {
    // Told below.
  }
  throw new LocalError('give one name, or none to list them: npm run cron -- [name] [--url https://…].')
}
