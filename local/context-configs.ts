import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bindingOf, contexts, leavingContexts, type LeavingContext } from '../src/contexts.ts'
import { contextEntrypoint } from './split.ts'
import { readWorkerConfig, type DeployedConfig } from './worker-config.ts'

const root = join(import.meta.dirname, '..')

/** The name of a context's configuration. */
export const configFileOf = (context: LeavingContext): string => `wrangler.${context}.toml`

/** The configurations of all contexts that can run as Workers of their own, as wrangler.toml has it. */
export const contextConfigs = async (): Promise<ReadonlyMap<string, string>> =>
  await contextConfigsOf(await readWorkerConfig())

/** Their texts by their files. */
export async function contextConfigsOf(config: DeployedConfig): Promise<ReadonlyMap<string, string>> {
  const schedule = await readFile(join(root, 'src/cron/schedule.ts'), 'utf8')
  const crons = new Map([...schedule.matchAll(/name: '(\w+)', cron: '([^']+)'/g)].map(([, name, cron]) => [name, cron]))
  return new Map(leavingContexts.map((context) => [configFileOf(context), toToml(config, context, crons)]))
}

function toToml(
  { name, compatibilityDate, compatibilityFlags, vars, actors, split: { transferred } }: DeployedConfig,
  context: LeavingContext,
  crons: ReadonlyMap<string | undefined, string | undefined>,
): string {
  const text = (value: string) => JSON.stringify(value)
  const workerOf = (other: string) => `${name}-${other}`
  const ownerOf = (className: string) =>
    transferred.find((other) => contexts[other].actors.some((actor) => actor === className))
  const bindings = actors.map(({ binding, className }) => {
    const owner = ownerOf(className)
    const where = owner === context ? '' : `, script_name = ${text(owner === undefined ? name : workerOf(owner))}`
    return `  { name = ${text(binding)}, class_name = ${text(className)}${where} },\n`
  })
  const taken = transferred.includes(context)
    ? contexts[context].actors.map(
        (actor) => `  { from = ${text(actor)}, from_script = ${text(name)}, to = ${text(actor)} },\n`,
      )
    : []
  const own = contexts[context].crons.flatMap((task) => crons.get(task) ?? [])
  return `# The Worker of the context "${context}", for a system that was taken apart (docs/taking-apart.md).
# Written by \`npm run contexts\` from wrangler.toml and src/contexts.ts: change those.
name = ${text(workerOf(context))}
main = "src/index.ts"
compatibility_date = ${text(compatibilityDate)}
compatibility_flags = [${compatibilityFlags.map(text).join(', ')}]
# Only other Workers of the system call it.
workers_dev = false

[build]
command = "node local/build.ts --web"

[observability]
enabled = true
redact_query_string = true

[vars]
CONTEXTS = ${text(context)}
${Object.entries(vars)
  .map(([key, value]) => `${key} = ${text(value)}\n`)
  .join('')}
[triggers]
crons = [${[...new Set(own)].map(text).join(', ')}]

[[services]]
binding = ${text(bindingOf('core'))}
service = ${text(name)}
entrypoint = ${text(contextEntrypoint)}

[durable_objects]
bindings = [
${bindings.join('')}]
${taken.length === 0 ? '' : `\n[[migrations]]\ntag = "v1"\ntransferred_classes = [\n${taken.join('')}]\n`}`
}
