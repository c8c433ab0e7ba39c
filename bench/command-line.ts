import { parseArgs } from 'node:util'
import { z } from 'zod'

/** What `read` makes of the command line; a mistake in it ends the program with a sentence that names it. */
export function commandLine<T>(read: (args: readonly string[]) => T): T {
  try {
    return read(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(2)
  }
}

/** Reads `--name value` for each field of a schema; a field that may be `true` is a flag. Throws what names the mistake. */
export const flagsOf =
  <S extends z.ZodObject>(schema: S) =>
  (args: readonly string[]): z.output<S> => {
    const kinds = Object.entries(schema.shape).map(([name, field]) => {
      const type = z.safeParse(field, true).data === true ? ('boolean' as const) : ('string' as const)
      return [name, { type }] as const
    })
    const read = schema.safeParse(parseArgs({ args: [...args], options: Object.fromEntries(kinds) }).values)
    if (!read.success) throw new Error(z.prettifyError(read.error))
    return read.data
  }

/** How often everything is repeated. */
export const rounds = z.coerce.number().int().min(1).max(50).default(3)
/** How long something is measured. */
export const seconds = z.coerce.number().min(0.5).max(600).default(5)
/** How many of something; as many as `usual` unless given. */
export const count = (usual: number) => z.coerce.number().int().min(1).default(usual)
/** Some of `names`, separated by commas; all unless given. */
export const someOf = <const T extends readonly [string, ...string[]]>(names: T) =>
  z
    .string()
    .default(names.join(','))
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(names)))
