import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What workerd opens for one connection of a client. */
const perConnection = 2
/** A system that has no limit of its own. */
const unlimited = 1_048_576

/** What workerd opens for one actor: its database, the log of that, and the log's index. */
const perActor = 3
/** More cost too much memory, some 200 KB each; with more memory, set `MAX_NAMED_ACTORS`. */
const maxActors = 2500

/** Files this user may have open in one process. */
async function openFiles(): Promise<number> {
  const { stdout } = await run('sh', ['-c', 'ulimit -n'])
  return Number(stdout.trim()) || unlimited
}

/** The variables of the Worker that follow from the limit of open files. */
export async function descriptorVars(): Promise<{
  readonly MAX_CONNECTIONS: string
  readonly MAX_NAMED_ACTORS: string
}> {
  const files = await openFiles()
  return { MAX_CONNECTIONS: String(connectionsWithin(files)), MAX_NAMED_ACTORS: String(actorsWithin(files)) }
}

/** How many actors that callers named may be open at once: they share half of the files with those of conversations and users. */
export const actorsWithin = (files: number): number =>
  Math.min(maxActors, Math.max(100, Math.floor(files / 4 / perActor)))

/** How many connections of clients workerd may hold under a limit of open files: half of those are for actors. */
export const connectionsWithin = (files: number): number => Math.max(1, Math.floor(files / 2 / perConnection))
