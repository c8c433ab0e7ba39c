import { lstat, mkdir, readdir, rename, rmdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { LocalError } from './local-error.ts'

/** Where Miniflare looks for actors below its own folder. */
const miniflareActors = join('miniflare', 'do')

/**
 * The folder of the actors' files, the same one under plain workerd and under Miniflare. Actors that an earlier version
 * kept for Miniflare alone are moved there. Throws {@link LocalError} if that version kept some for each of the two.
 */
export async function actorsFolder(dataDir: string): Promise<string> {
  const actors = join(dataDir, 'actors')
  const separate = join(dataDir, miniflareActors)
  await mkdir(actors, { recursive: true })
  if (!(await lstat(separate).catch(() => undefined))?.isDirectory()) return actors
  if ((await readdir(separate)).length === 0) await rmdir(separate)
  else if ((await readdir(actors)).length > 0)
    throw new LocalError(
      `${dataDir} holds the actors of two systems: those of npm run serve in actors, those of npm start in ${miniflareActors}. ` +
        'Move one of these folders away; the system of the other one is kept.',
    )
  else await rename(separate, actors)
  return actors
}

/** Makes Miniflare keep its actors in the same folder; returns its persistence path. */
export async function linkMiniflare(dataDir: string): Promise<string> {
  await actorsFolder(dataDir)
  await mkdir(join(dataDir, 'miniflare'), { recursive: true })
  await symlink(join('..', 'actors'), join(dataDir, miniflareActors)).catch((thrown: unknown) => {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown
  })
  return join(dataDir, 'miniflare')
}
