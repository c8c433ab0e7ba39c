import { LocalError } from './local-error.ts'

/** A service that may be a real one: the variable that chooses it, and those that mean nothing without that one. */
const services = [
  { name: 'Postgres', chosenBy: 'DATABASE_URL_DIRECTORY', others: /^(?:DATABASE_URL_[A-Z0-9_]+|SHARDS|NEON_PROXY)$/ },
  { name: 'Redis', chosenBy: 'UPSTASH_REDIS_REST_URL', others: /^UPSTASH_REDIS_REST_TOKEN$/ },
  { name: 'QStash', chosenBy: 'QSTASH_TOKEN', others: /^QSTASH_(?:URL|CURRENT_SIGNING_KEY|NEXT_SIGNING_KEY)$/ },
] as const

/** Throws {@link LocalError} when a variable is set that would be ignored: its service is not the one it speaks of. */
export function requireWholeServices(env: NodeJS.ProcessEnv): void {
  for (const { name, chosenBy, others } of services) {
    if (env[chosenBy]) continue
    const ignored = Object.keys(env).find((key) => others.test(key) && env[key])
    if (ignored !== undefined)
      throw new LocalError(`${ignored} is for a real ${name}, but ${chosenBy} is not set; set it, or unset ${ignored}.`)
  }
  if (env['REDIS_URL'] && env['UPSTASH_REDIS_REST_URL'])
    throw new LocalError('REDIS_URL and UPSTASH_REDIS_REST_URL are two stores for one thing; unset one of them.')
}
