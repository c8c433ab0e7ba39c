import { readConfig, type Config } from './read-config.ts'
import type { Vars } from './vars.ts'

export type { Config, OpenProfile } from './read-config.ts'

const loaded = new WeakMap<object, Config>()

/** The configuration of an environment, read once. A wrong or missing variable is an error that names it. */
export function loadConfig(given: Vars): Config {
  const vars = given.worker ?? given
  const known = loaded.get(vars)
  if (known !== undefined) return known
  const config = readConfig(vars)
  loaded.set(vars, config)
  return config
}
