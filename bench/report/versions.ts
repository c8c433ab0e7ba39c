import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The workerd that npm installed. */
export const workerdBinary = createRequire(import.meta.url).resolve('workerd/bin/workerd')

/** Its version, as it tells it. */
export async function workerdVersion(): Promise<string> {
  return version(workerdBinary)
}

/** The version of the Redis server on the PATH. */
export async function redisVersion(): Promise<string> {
  return version('redis-server')
}

/** True when a program of this name lies on the PATH. */
export function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

/** The first thing it says that looks like a version or a date. */
async function version(command: string): Promise<string> {
  const { stdout } = await run(command, ['--version'])
  return /\d+[.-]\d+[.-]\d+/.exec(stdout)?.[0] ?? stdout.trim()
}
