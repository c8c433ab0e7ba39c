/**
 * The seed of all chance in tests: of properties, through seed.setup.ts, and of what reads it with `inject('seed')`. It is always
 * the same, so that a test is red for what changed and not by chance. PARLEY_TEST_SEED gives another one.
 */
const fixed = 20_261_130

declare module 'vitest' {
  export interface ProvidedContext {
    readonly seed: number
  }
}

const given = (): number | undefined => {
  const text = process.env['PARLEY_TEST_SEED']
  if (text === undefined || text === '') return undefined
  const seed = Number(text)
  if (!Number.isSafeInteger(seed)) throw new Error(`PARLEY_TEST_SEED: must be an integer, got "${text}"`)
  return seed
}

/** What a configuration of vitest provides to its tests. */
export const fixedSeed = (): { seed: number } => ({ seed: given() ?? fixed })

/** For commands that look for what is not known yet: another seed each time, which is printed. */
export function randomSeed(): { seed: number } {
  const seed = given()
  if (seed !== undefined) return { seed }
  const random = Math.floor(Math.random() * 2 ** 31)
  // The configuration is read again for each project.
  process.env['PARLEY_TEST_SEED'] = String(random)
  process.stdout.write(`the same again with PARLEY_TEST_SEED=${random}\n`)
  return { seed: random }
}
