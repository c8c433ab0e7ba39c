import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { z } from 'zod'
import type { LeavingContext } from '../src/contexts.ts'
import { configFileOf, contextConfigsOf } from './context-configs.ts'
import { checkContext, checkDeployment, neededBy, type Finding, type Needed } from './deploy-requirements.ts'
import { endWith, LocalError, oneLine } from './local-error.ts'
import { asksForHelp, helpWith } from './usage.ts'
import { readWorkerConfig, type DeployedConfig } from './worker-config.ts'

// `npm run check:deploy`: says which secrets, bindings and addresses a deployment lacks, and whether it is ready. Contexts that wrangler.toml
// sends to Workers of their own are part of it.

const root = join(import.meta.dirname, '..')
const usage = 'npm run check:deploy [-- --secrets <file>] [--url https://…]'
const listed = z.array(z.object({ name: z.string() }))
const readiness = z.object({
  status: z.string(),
  dependencies: z.record(z.string(), z.object({ state: z.string(), detail: z.string().optional() })),
})

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(`${usage}: says what a deployment lacks, and whether it is ready.`)
  const { secrets: file, url } = readOptions()
  const config = await readWorkerConfig()
  const { vars, actors, crons } = config
  const given = file === undefined ? undefined : secretsIn(await readFile(file, 'utf8'))
  const secrets = given ?? (await secretsOfWrangler('wrangler.toml'))
  const needed = await neededByCode()
  const contexts = config.split.apart.map((context) => findingsOfContext(config, context, needed, given))
  const findings = [
    ...checkDeployment({ vars, secrets, actors, crons }, needed),
    ...(await Promise.all(contexts)).flat(),
  ]
  const ready = url === undefined ? [] : await findingsOf(url)
  const all = [...findings, ...ready]
  for (const { kind, text } of all) console.log(`${kind.padEnd(8)} ${text}`)
  const missing = all.filter(({ kind }) => kind === 'missing').length
  console.log(missing === 0 ? 'nothing is missing' : `${missing} missing`)
  process.exitCode = missing === 0 ? 0 : 1
} catch (thrown) {
  endWith(thrown)
}

function readOptions(): { readonly secrets?: string | undefined; readonly url?: string | undefined } {
  try {
    return parseArgs({ options: { secrets: { type: 'string' }, url: { type: 'string' } } }).values
  } catch (thrown) {
    throw new LocalError(`${oneLine(thrown)}; usage: ${usage}`)
  }
}

/** What the Worker of a context lacks. With `given` secrets of a file, all Workers have these. */
async function findingsOfContext(
  config: DeployedConfig,
  context: LeavingContext,
  { actors }: Needed,
  given: readonly string[] | undefined,
): Promise<Finding[]> {
  const file = configFileOf(context)
  const wanted = (await contextConfigsOf(config)).get(file)
  const isCurrent = (await readFile(join(root, file), 'utf8').catch(() => '')) === wanted
  const deployed = await readWorkerConfig(file)
  const secrets = given ?? (await secretsOfWrangler(file))
  return checkContext({ ...deployed, context, file, secrets, isCurrent }, { actors, crons: deployed.crons })
}

/** Names of the secrets of the deployed Worker of a configuration; wrangler must be logged in. */
async function secretsOfWrangler(config: string): Promise<string[]> {
  const wrangler = join(root, 'node_modules/.bin/wrangler')
  const list = ['secret', 'list', '--format', 'json']
  try {
    const { stdout } = await promisify(execFile)(wrangler, [...list, '--config', config], { cwd: root })
    return secretsIn(stdout)
  } catch (thrown) {
    throw new LocalError(
      `wrangler secret list for ${config} failed (${oneLine(thrown)}); log in with npx wrangler login, or give --secrets <file>.`,
    )
  }
}

/** Names in the JSON of `wrangler secret list`, or in lines of `NAME` or `NAME=value`. */
function secretsIn(text: string): string[] {
  const json = text.trim().startsWith('[') ? listed.safeParse(JSON.parse(text)) : undefined
  if (json?.success === true) return json.data.map(({ name }) => name)
  return text.split('\n').flatMap((line) => /^\s*([A-Z][A-Z0-9_]*)\s*(?:=|$)/.exec(line)?.[1] ?? [])
}

/** Bindings and crons as the code names them. */
async function neededByCode() {
  const [env, schedule] = await Promise.all(
    ['src/env.ts', 'src/cron/schedule.ts'].map((file) => readFile(join(root, file), 'utf8')),
  )
  return neededBy(env ?? '', schedule ?? '')
}

/** What `/readyz` of a running deployment says is not as it should be. */
async function findingsOf(url: string): Promise<Finding[]> {
  try {
    const response = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(20_000) })
    const { status, dependencies } = readiness.parse(await response.json())
    if (status === 'ok') return []
    const broken = Object.entries(dependencies).filter(([, { state }]) => state !== 'ok')
    return broken.map(([name, { state, detail }]) => ({
      kind: state === 'off' ? ('advice' as const) : ('missing' as const),
      text: `${name} is ${state}${detail === undefined ? '' : `: ${detail}`}`,
    }))
  } catch (thrown) {
    return [{ kind: 'missing', text: `${url}/readyz does not answer: ${oneLine(thrown)}` }]
  }
}
