import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LocalError } from './local-error.ts'

/**
 * `production`: real keys only. `dev`: the tenant `demo`, its key `demo-key` and `/demo/token` exist. `open`: as `dev`,
 * and every caller may do everything in that tenant.
 */
export type Profile = 'production' | 'dev' | 'open'

/** The command that starts the system. */
export type Launcher = 'start' | 'serve'

const profiles = { start: ['dev', 'open'], serve: ['production', 'dev', 'open'] } as const satisfies Record<
  Launcher,
  readonly Profile[]
>

/**
 * The profile of a start: `npm start` is a development system, `npm run serve` is one only when PARLEY_PROFILE says so.
 * Throws {@link LocalError} when another variable contradicts it.
 */
export function readProfile(env: NodeJS.ProcessEnv, launcher: Launcher): Profile {
  const wanted = env['PARLEY_PROFILE'] || profiles[launcher][0]
  const profile = profiles[launcher].find((known) => known === wanted)
  if (profile === undefined) {
    const choice = profiles[launcher].map((known) => `"${known}"`).join(', ')
    const command = launcher === 'start' ? 'npm start' : 'npm run serve'
    throw new LocalError(`PARLEY_PROFILE is "${wanted}"; with ${command} it is one of ${choice}.`)
  }
  for (const name of ['LOCAL_TENANT', 'LOCAL_API_KEY'])
    if (env[name])
      throw new LocalError(`${name} cannot be set here; PARLEY_PROFILE=dev makes the tenant "demo" with "demo-key".`)
  const environment = env['ENVIRONMENT'] || environmentOf(profile)
  if (environment !== environmentOf(profile))
    throw new LocalError(
      `ENVIRONMENT is "${environment}", but the profile is "${profile}"; unset ENVIRONMENT and choose with PARLEY_PROFILE.`,
    )
  return profile
}

export const isDevelopment = (profile: Profile): boolean => profile !== 'production'

/** ENVIRONMENT of the Worker under this profile. */
export const environmentOf = (profile: Profile): 'local' | 'production' =>
  isDevelopment(profile) ? 'local' : 'production'

/** Whether only this machine reaches a server that listens there. */
export const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)

const fileIn = (dataDir: string) => join(dataDir, 'profile')

/** The kind of system a data folder was last used for; undefined when that was not noted. */
export async function notedProfile(dataDir: string): Promise<'development' | 'production' | undefined> {
  const text = await readFile(fileIn(dataDir), 'utf8').catch(() => '')
  return (['development', 'production'] as const).find((kind) => text.trim() === kind)
}

/** Notes in the data folder what kind of system it holds. */
export async function noteProfile(dataDir: string, profile: Profile): Promise<void> {
  await writeFile(fileIn(dataDir), isDevelopment(profile) ? 'development\n' : 'production\n', { mode: 0o600 })
}
