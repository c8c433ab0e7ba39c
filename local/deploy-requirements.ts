/** What a deployment is made of, by name: values of secrets cannot be read back. */
export interface Deployment {
  /** Plain variables and their values. */
  readonly vars: Readonly<Record<string, string>>
  /** Names of secrets. */
  readonly secrets: readonly string[]
  /** Actors of the Worker: name of the binding, name of the class. */
  readonly actors: readonly { readonly binding: string; readonly className: string }[]
  readonly crons: readonly string[]
}

/** What the code of the Worker needs. */
export interface Needed {
  readonly actors: Deployment['actors']
  readonly crons: readonly string[]
}

/** Missing: the deployment does not work, or a part of it. Advice: it works less well. */
export interface Finding {
  readonly kind: 'missing' | 'advice'
  readonly text: string
}

const missing = (text: string): Finding => ({ kind: 'missing', text })
const advice = (text: string): Finding => ({ kind: 'advice', text })

/** The configuration of a context that runs as a Worker of its own. */
export interface ContextDeployment extends Deployment {
  readonly context: string
  /** Its file. */
  readonly file: string
  /** Names of its service bindings. */
  readonly services: readonly string[]
  /** Whether the file is what `npm run contexts` writes now. */
  readonly isCurrent: boolean
}

/** Goes through what a deployment needs; an empty list means that nothing is missing. */
export function checkDeployment(deployment: Deployment, needed: Needed): Finding[] {
  return [
    ...developmentSettings(deployment),
    ...databases(deployment),
    ...jobs(deployment),
    ...cache(deployment),
    ...operator(deployment),
    ...bindings(deployment, needed),
  ]
}

/** The same for a Worker of one context; each finding names its file. Only jobs talk to QStash, only notifications store credentials, and none opens a database. */
export function checkContext(deployment: ContextDeployment, needed: Needed): Finding[] {
  const { context, file, services, isCurrent } = deployment
  const binding = 'CORE'
  const findings = [
    ...developmentSettings(deployment),
    ...(context === 'jobs' ? jobs(deployment) : []),
    ...(context === 'notifications' && !isSet(deployment, 'ENCRYPTION_KEYS')
      ? [missing('secret ENCRYPTION_KEYS: without it no credentials of providers can be stored or read')]
      : []),
    ...cache(deployment),
    ...bindings(deployment, needed),
    ...(services.includes(binding) ? [] : [missing(`service binding ${binding}: the main Worker`)]),
    ...(isCurrent ? [] : [missing('it is not what wrangler.toml asks for: run npm run contexts, and deploy it again')]),
  ]
  return findings.map(({ kind, text }) => ({ kind, text: `${file}: ${text}` }))
}

const isSet = ({ vars, secrets }: Deployment, name: string): boolean =>
  secrets.includes(name) || (vars[name] ?? '') !== ''

const unset = (deployment: Deployment, names: readonly string[]): string[] =>
  names.filter((name) => !isSet(deployment, name))

function developmentSettings(deployment: Deployment): Finding[] {
  const { vars } = deployment
  const environment = vars['ENVIRONMENT'] ?? 'production'
  const forbidden = ['LOCAL_TENANT', 'LOCAL_API_KEY', 'PARLEY_PROFILE', 'ALLOW_PRIVATE_ENDPOINTS']
  return [
    ...(environment === 'production' ? [] : [missing(`ENVIRONMENT is "${environment}": a deployment is "production"`)]),
    ...forbidden
      .filter((name) => isSet(deployment, name))
      .map((name) => missing(`${name} is set: it is for development only, remove it`)),
  ]
}

function databases(deployment: Deployment): Finding[] {
  const shards = (deployment.vars['SHARDS'] ?? 'shard0,shard1')
    .split(',')
    .map((part) => part.trim().split(':')[0] ?? '')
  const names = ['DIRECTORY', ...shards].map((name) => `DATABASE_URL_${name.toUpperCase()}`)
  return unset(deployment, names).map((name) => missing(`secret ${name}: the connection string, as parley_app`))
}

function jobs(deployment: Deployment): Finding[] {
  const names = ['QSTASH_TOKEN', 'QSTASH_CURRENT_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY']
  const absent = unset(deployment, names)
  if (absent.length === names.length)
    return [advice('QStash is not configured: jobs and messages for later wait until it is')]
  return [
    ...absent.map((name) => missing(`secret ${name}: without it no job runs`)),
    ...publicUrl(deployment.vars['PUBLIC_URL'], isSet(deployment, 'PUBLIC_URL')),
  ]
}

function publicUrl(value: string | undefined, isKnown: boolean): Finding[] {
  if (!isKnown) return [missing('PUBLIC_URL: where QStash calls the Worker, https://…')]
  if (value === undefined) return []
  if (!URL.canParse(value) || new URL(value).protocol !== 'https:')
    return [missing(`PUBLIC_URL is "${value}": it must begin with https://`)]
  const { hostname, pathname } = new URL(value)
  const isLocal = hostname === 'localhost' || hostname.startsWith('127.') || !hostname.includes('.')
  return [
    ...(isLocal ? [missing(`PUBLIC_URL is "${value}": QStash cannot reach ${hostname}`)] : []),
    ...(pathname === '/' ? [] : [missing(`PUBLIC_URL is "${value}": the origin only, without a path`)]),
  ]
}

function cache(deployment: Deployment): Finding[] {
  const names = ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN']
  const absent = unset(deployment, names)
  if (absent.length === names.length)
    return [advice('Redis is not configured: old history and tenants are read slower')]
  return absent.map((name) => missing(`${name}: half of a Redis is none`))
}

function operator(deployment: Deployment): Finding[] {
  const plain = ['ADMIN_KEY', 'ENCRYPTION_KEYS'].filter((name) => deployment.vars[name] !== undefined)
  return [
    ...plain.map((name) => missing(`${name} stands in plain text among the variables: make it a secret`)),
    ...(isSet(deployment, 'ADMIN_KEY') ? [] : [missing('secret ADMIN_KEY: without it no tenant can be made')]),
    ...(isSet(deployment, 'ENCRYPTION_KEYS')
      ? []
      : [
          advice(
            'ENCRYPTION_KEYS is not set: shards can be registered with a secret only, not with a connection string',
          ),
        ]),
  ]
}

function bindings({ actors, crons }: Deployment, needed: Needed): Finding[] {
  const absent = needed.actors.filter(
    ({ binding, className }) => !actors.some((actor) => actor.binding === binding && actor.className === className),
  )
  return [
    ...absent.map(({ binding, className }) => missing(`binding ${binding} of the class ${className} in wrangler.toml`)),
    ...needed.crons.filter((cron) => !crons.includes(cron)).map((cron) => missing(`cron trigger "${cron}"`)),
  ]
}

/** The bindings that the text of src/env.ts declares, and the crons of the text of src/cron/schedule.ts. */
export function neededBy(env: string, schedule: string): Needed {
  const actors = [...env.matchAll(/readonly (\w+): DurableObjectNamespace<(\w+)Rpc>/g)]
  const crons = [...schedule.matchAll(/cron: '([^']+)'/g)].map(([, cron = '']) => cron)
  return {
    actors: actors.map(([, binding = '', className = '']) => ({ binding, className })),
    crons: [...new Set(crons)],
  }
}
