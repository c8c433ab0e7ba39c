import { parseArgs } from 'node:util'
import { endWith, LocalError } from './local-error.ts'
import { callDeployment } from './transfer/call.ts'
import { importFrom } from './transfer/import-file.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npx parley import`: puts the lines of an export into a tenant; see docs/exporting.md.
const usage = `npx parley import --url https://… --file export.ndjson
  PARLEY_API_KEY holds the API key. Run it again to go on where it ended: export.ndjson.progress says where.`

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  const { url, apiKey, file } = readOptions()
  const warn = (text: string) => console.error(`import: ${text}; trying again`)
  const { lines, imported } = await importFrom(
    file,
    async (body) => await callDeployment({ url, apiKey }, '/v1/import', { body, warn }),
    (done) => console.log(`import: ${done.lines} lines, ${done.imported} of them new`),
  )
  console.log(`import: done, ${lines} lines, ${imported} of them new`)
} catch (thrown) {
  endWith(thrown)
}

function readOptions() {
  try {
    const { values } = parseArgs({ options: { url: { type: 'string' }, file: { type: 'string' } } })
    const { url, file } = values
    const apiKey = process.env['PARLEY_API_KEY']
    if (url !== undefined && file !== undefined && apiKey !== undefined) return { url, file, apiKey }
  } catch {
    // Said below.
  }
  throw new LocalError(`give --url, --file and PARLEY_API_KEY:\n${usage}`)
}
