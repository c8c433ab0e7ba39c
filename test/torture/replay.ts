import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { fault } from './faults.ts'

const replay = z.object({ seed: z.number(), faults: z.array(fault) })

/** One round: what people say follows from the seed, and what goes wrong is written out. */
export type Replay = z.output<typeof replay>

/** Writes a round down. Returns how to play it again. */
export function writeReplay(round: Replay): string {
  const file = join(tmpdir(), `parley-torture-${round.seed}.json`)
  writeFileSync(file, JSON.stringify(round, null, 2))
  return `npm run torture -- --replay ${file}`
}

/** Reads what `writeReplay` wrote; throws with what is wrong with it. */
export const readReplay = (file: string): Replay => replay.parse(JSON.parse(readFileSync(file, 'utf8')))
