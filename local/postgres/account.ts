import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, cp, lchown, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { PostgresError } from './errors.ts'

const run = promisify(execFile)

/** `nobody`: a uid every distribution has in its passwd file, which initdb insists on. */
const nobody = 65534

/** How a Postgres program is run, given that Postgres refuses uid 0. */
export interface Account {
  /**
   * `self`: we are not root. `namespace`: root, renamed inside a user namespace; files stay root's, so a 0700 path is
   * no obstacle. `nobody`: root hands the process and its files to the account `nobody`, where user namespaces are
   * forbidden.
   */
  readonly kind: 'self' | 'namespace' | 'nobody'
  /** The account that must own the data files; undefined leaves them as they are. */
  readonly owner: number | undefined
  /** Words to put before the program. */
  readonly prefix: readonly string[]
  /** For spawn: the ids to take, and a folder that account may stand in. */
  readonly spawn: { readonly uid?: number; readonly gid?: number; readonly cwd: string }
}

/** Picks the account for this process; `wanted` overrides the choice (root only). */
export async function chooseAccount(wanted?: 'namespace' | 'nobody'): Promise<Account> {
  const leash = await deathLeash()
  if (process.getuid?.() !== 0) {
    return { kind: 'self', owner: undefined, prefix: leash, spawn: { cwd: '/' } }
  }
  const renamed = ['unshare', '-U', `--map-user=${nobody}`, `--map-group=${nobody}`]
  if (wanted !== 'nobody' && (wanted === 'namespace' || (await works([...renamed, 'true'])))) {
    return { kind: 'namespace', owner: 0, prefix: [...renamed, ...leash], spawn: { cwd: '/' } }
  }
  return { kind: 'nobody', owner: nobody, prefix: leash, spawn: { uid: nobody, gid: nobody, cwd: '/' } }
}

/** Hands a file or a data folder to the account, since Postgres refuses one it does not own. Cheap when already so. */
export async function give({ owner }: Account, path: string): Promise<void> {
  const top = await stat(path)
  if (owner === undefined || top.uid === owner) return
  const inside = top.isDirectory() ? await readdir(path, { recursive: true, withFileTypes: true }) : []
  for (const entry of inside) await lchown(join(entry.parentPath, entry.name), owner, owner)
  // The folder itself last: seeing it owned means all inside is.
  await chown(path, owner, owner)
}

/**
 * Programs the account can reach: the given ones, or a copy under `dataDir` when they lie behind a folder closed to the
 * account `nobody`. Throws {@link PostgresError} if the data folder itself is closed.
 */
export async function reachable(account: Account, binaries: Binaries, dataDir: string): Promise<Binaries> {
  if (account.kind !== 'nobody') return binaries
  if (!(await openToAll(dirname(dataDir)))) {
    throw new PostgresError(
      `Postgres cannot run as root, and the account 'nobody' cannot enter ${dirname(dataDir)}: choose a data folder outside it or start as another user.`,
    )
  }
  if (await openToAll(binaries.bin)) return binaries
  const copy = join(dataDir, `programs-${binaries.major}`)
  if (!existsSync(join(copy, 'bin', 'postgres'))) {
    await cp(dirname(binaries.bin), copy, { recursive: true, verbatimSymlinks: true })
  }
  return { ...binaries, bin: join(copy, 'bin') }
}

/** Words that make the kernel interrupt the program when we die, SIGKILL included; none where setpriv is missing. */
async function deathLeash(): Promise<string[]> {
  const leash = ['setpriv', '--pdeathsig', 'INT']
  return (await works([...leash, 'true'])) ? leash : []
}

async function works([program = '', ...args]: string[]): Promise<boolean> {
  return await run(program, args).then(
    () => true,
    () => false,
  )
}

async function openToAll(folder: string): Promise<boolean> {
  const { mode } = await stat(folder)
  if ((mode & 0o001) === 0) return false
  return folder === dirname(folder) || (await openToAll(dirname(folder)))
}
