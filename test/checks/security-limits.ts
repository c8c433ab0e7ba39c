/**
 * The table of SECURITY.md that says what one caller, one tenant and one address may take at most, made from the limits
 * of the code. `node test/checks/security-limits.ts` writes it; a test fails while the page and the code differ.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { actorsWithin } from '../../local/descriptors.ts'
import { loadConfig } from '../../src/config.ts'
import { maxScheduleBytes, maxSchedules } from '../../src/jobs/schedules/schedule-limits.ts'
import { bodyBytesPerSecond, bodyGraceMs } from '../../src/limits/body-pace.ts'
import { builtInRules, connectWindow, type BuiltInPolicy, type LimitTerms } from '../../src/limits/built-in-policies.ts'
import { budgetOf, perFreePlace } from '../../src/limits/open-actors.ts'
import { maxOfAll, maxOfTenant } from '../../src/limits/touches.ts'
import { maxUnderWay } from '../../src/limits/under-way.ts'
import { maxChecks, maxPolicies } from '../../src/protocol/limits-api.ts'
import { sizes, tokenLength } from '../../src/protocol/limits.ts'
import { maxNamespaces } from '../../src/protocol/namespaces-api.ts'
import { maxSigningKeys } from '../../src/protocol/signing-keys-api.ts'
import { connectMs, graceMs } from '../../src/realtime/liveness.ts'
import { maxBytes } from '../../src/realtime/slow-reader.ts'
import { maxKeys, tenantLimits } from '../../src/tenants/record.ts'

const page = join(import.meta.dirname, '../../SECURITY.md')
const begin = '<!-- limits: made by test/checks/security-limits.ts -->'
const end = '<!-- end of limits -->'

const limits = tenantLimits.parse({})
const defaults: LimitTerms = { limits, version: 0, plan: '', shared: { plan: {}, system: {}, version: 0 } }
const { connectionsPerAddress } = loadConfig({ ENVIRONMENT: 'local', ADMIN_KEY: 'k'.repeat(32) })

const count = (value: number): string => value.toLocaleString('en-US')
const kib = (bytes: number): string => `${count(bytes / 1024)} KiB`
const seconds = (ms: number): string => `${count(ms / 1000)} s`

/** A policy of the platform under the default limits: its rate and its burst. */
function rate(policy: BuiltInPolicy): string {
  const [window] = builtInRules(policy, defaults).windows
  if (window === undefined) throw new Error(`${policy} has no window`)
  return `${count((window.limit * 1000) / window.windowMs)} a second, burst ${count(window.burst)}`
}

const connects = connectWindow(limits.connectsPerSecondUser)

/** Open files of the machine that the table is made for. */
const openFiles = 20_000
const maxActors = actorsWithin(openFiles, Infinity)
/** Open actors that one tenant may have when it is alone. */
const shareOf = (claim: keyof typeof perFreePlace): number =>
  Math.ceil((budgetOf(maxActors).forCallers * perFreePlace[claim]) / (perFreePlace[claim] + 1))

type Row = readonly [what: string, user: string, key: string, tenant: string, address: string]

const rows: readonly Row[] = [
  ['requests', rate('requests-user'), rate('requests-key'), rate('requests-tenant'), rate('requests-anonymous')],
  ['requests to a facade', '', '', rate('facade-tenant'), rate('facade-address')],
  ['items of requests beyond the first', rate('items-user'), rate('items-key'), rate('items-tenant'), ''],
  [
    'requests under way in one process',
    count(maxUnderWay.user),
    count(maxUnderWay.key),
    count(maxUnderWay.tenant),
    count(maxUnderWay.address),
  ],
  ['messages', rate('messages'), '', 'what its users may', ''],
  ['checks of limits', '', '', rate('checks'), ''],
  ['open connections', count(limits.connectionsPerUser), '', '`connectionsTenant`', count(connectionsPerAddress)],
  [
    'connects',
    `${count(limits.connectsPerSecondUser)} a second at one gateway, burst ${count(connects.burst)}`,
    '',
    '',
    rate('connects-address'),
  ],
  ['commands of one connection', `${count(limits.commandsPerSecondConnection)} a second`, '', '', ''],
  ['channels of one connection', count(sizes.channels), '', '', ''],
  ['unread bytes sent to one connection', kib(maxBytes), '', '', ''],
  ['wrong credentials', '', '', '', rate('credentials-address')],
  ['actor calls of `/api` and checks under way in one process', '', '', count(maxOfTenant), ''],
  [
    'conversations, topics, users, queues and limiter keys open at once, self-hosted with 20,000 open files',
    '',
    '',
    `${count(shareOf('known'))}, and ${count(shareOf('new'))} under new names, of ${count(maxActors)} (\`MAX_OPEN_ACTORS\`)`,
    '',
  ],
  ['schedules', '', '', `${count(maxSchedules)}, ${kib(maxScheduleBytes)}`, ''],
  ['API keys, signing keys', '', '', `${count(maxKeys)}, ${count(maxSigningKeys)}`, ''],
  ['namespaces, policies', '', '', `${count(maxNamespaces)}, ${count(maxPolicies)}`, ''],
]

const singles: readonly string[] = [
  `One request: a body of ${kib(sizes.bodyBytes)}, ${count(sizes.members)} members, ${count(maxChecks)} checks; a body that has not come after ${seconds(bodyGraceMs)} comes with ${kib(bodyBytesPerSecond)} a second, or ends with 408.`,
  `One frame: ${kib(sizes.frameBytes)}. One message: a text of ${kib(sizes.textBytes)} and data of ${kib(sizes.dataBytes)}. One token: ${count(tokenLength)} characters. One conversation: ${count(sizes.members)} members.`,
  `One connection says who it is within ${seconds(connectMs)} and stays for ${seconds(graceMs)} after its token ended.`,
  `All tenants: ${count(maxOfAll)} actor calls of \`/api\` and checks under way in one process; tasks after an answer are paced ([fair shares](docs/design/fair-shares.md)).`,
]

/** The section between the two marks. */
export function limitsSection(): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    begin,
    line(['at most', 'one user', 'one API key', 'one tenant', 'one address']),
    line(['---', '---', '---', '---', '---']),
    ...rows.map(line),
    '',
    ...singles.map((single) => `- ${single}`),
    end,
  ].join('\n')
}

/** The section as SECURITY.md has it. */
export function writtenSection(): string {
  const text = readFileSync(page, 'utf8')
  return text.slice(text.indexOf(begin), text.indexOf(end) + end.length)
}

if (import.meta.main)
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(writtenSection(), () => limitsSection()),
  )
