import { parseArgs } from 'node:util'
import { endWith, LocalError } from './local-error.ts'
import { callDeployment } from './transfer/call.ts'
import { exportTo } from './transfer/export-file.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npx parley export`: writes what is stored of a user, of a conversation or of all to a file; see docs/exporting.md.
const usage = `npx parley export --url https://… --file export.ndjson [--user <id> | --conversation <id>] [--limit 500]
  PARLEY_API_KEY holds the API key. Without --user and --conversation everything is exported. Run it again to go on where it ended.`

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  const { deployment, path, file, limit } = readOptions()
  const warn = (text: string) => console.error(`export: ${text}; trying again`)
  const fetchPage = async (cursor: string | undefined) => {
    const query = new URLSearchParams({ limit, ...(cursor === undefined ? {} : { cursor }) })
    return await callDeployment(deployment, `${path}?${query.toString()}`, { warn })
  }
  const lines = await exportTo(file, fetchPage, (mark) => {
    if (mark.type === 'page') console.log(`export: ${mark.lines} lines, at ${mark.next.split(':')[1] ?? ''}`)
  })
  console.log(`export: done, ${lines} lines in ${file}`)
} catch (thrown) {
  endWith(thrown)
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string' },
        file: { type: 'string' },
        user: { type: 'string' },
        conversation: { type: 'string' },
        limit: { type: 'string', default: '500' },
      },
    })
    const { url, file, user, conversation, limit } = values
    const apiKey = process.env['PARLEY_API_KEY']
    const isOne = user === undefined || conversation === undefined
    if (url !== undefined && file !== undefined && apiKey !== undefined && isOne && /^\d{1,4}$/.test(limit))
      return { deployment: { url, apiKey }, path: pathOf(user, conversation), file, limit }
  } catch {
    // Said below.
  }
  throw new LocalError(`give --url, --file and PARLEY_API_KEY:\n${usage}`)
}

function pathOf(user: string | undefined, conversation: string | undefined): string {
  if (user !== undefined) return `/v1/users/${encodeURIComponent(user)}/export`
  if (conversation !== undefined) return `/v1/conversations/${encodeURIComponent(conversation)}/export`
  return '/v1/export'
}
