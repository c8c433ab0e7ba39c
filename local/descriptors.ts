import { execFile } from 'node:child_process'
import { totalmem } from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What workerd opens for one connection of a client. */
const perConnection = 2
/** A system that has no limit of its own. */
const unlimited = 1_048_576

/** What workerd opens for one actor: its database, the log of that, and the log's index. */
const perActor = 3
/** Open actors may take this part of the files: the rest is for connections, the log and outgoing requests. */
const partOfFiles = 0.39
/** An open actor takes about so much memory, and all of them at most a sixth of what there is. */
const bytesPerActor = 256 * 1024
const partOfMemory = 1 / 6
/** More than these were never tried in one process. */
const maxActors = 10_000
const minActors = 100

/** Files this user may have open in one process. */
async function openFiles(): Promise<number> {
  const { stdout } = await run('sh', ['-c', 'ulimit -n'])
  return Number(stdout.trim()) || unlimited
}

/** The variables of the Worker that follow from the limit of open files. */
export async function descriptorVars(): Promise<{
  readonly MAX_CONNECTIONS: string
  readonly MAX_OPEN_ACTORS: string
}> {
  const files = await openFiles()
  return { MAX_CONNECTIONS: String(connectionsWithin(files)), MAX_OPEN_ACTORS: String(actorsWithin(files, memory())) }
}

/** How many actors may be open at once under a limit of open files, with so many bytes of memory. */
export const actorsWithin = (files: number, bytes: number): number =>
  Math.max(
    minActors,
    Math.min(
      maxActors,
      Math.floor((files * partOfFiles) / perActor),
      Math.floor((bytes * partOfMemory) / bytesPerActor),
    ),
  )

/** Memory of this machine, or of the container that limits it. */
function memory(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem()
}

/** How many connections of clients workerd may hold under a limit of open files: half of those are for actors. */
export const connectionsWithin = (files: number): number => Math.max(1, Math.floor(files / 2 / perConnection))
