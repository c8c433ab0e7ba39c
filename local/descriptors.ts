import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What workerd opens for one connection of a client. */
const perConnection = 2
/** A system that has no limit of its own. */
const unlimited = 1_048_576

/** How many connections of clients workerd may hold under this user's limit of open files: half of those are for actors. */
export async function maxConnections(): Promise<number> {
  const { stdout } = await run('sh', ['-c', 'ulimit -n'])
  return connectionsWithin(Number(stdout.trim()) || unlimited)
}

/** The same for a limit that is known. */
export const connectionsWithin = (files: number): number => Math.max(1, Math.floor(files / 2 / perConnection))
