import { randomBytes } from 'node:crypto'
import { access, constants, readFile, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { LocalError } from './local-error.ts'
import { takeFolder } from './owned-folder.ts'
import type { Settings } from './settings.ts'

/** Secrets of this machine's own system, made once and kept beside its data. */
export interface Secrets {
  readonly adminKey: string
  readonly postgresPassword: string
  readonly redisToken: string
  readonly qstashToken: string
  readonly qstashCurrentKey: string
  readonly qstashNextKey: string
  /** Signs requests to the folder with files. */
  readonly blobSecret: string
  /** ENCRYPTION_KEYS of the Worker. */
  readonly encryptionKeys: string
}

/** Takes the data folder for this process and reads its secrets. Throws {@link LocalError} if it is not Parley's or cannot be written. */
export async function openData({ dataDir, fresh }: Settings): Promise<Secrets> {
  try {
    await takeFolder(dataDir, fresh)
    await access(dataDir, constants.W_OK)
    return await readSecrets(join(dataDir, 'secrets.json'))
  } catch (thrown) {
    if (thrown instanceof LocalError) throw thrown
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    throw new LocalError(`the data folder ${dataDir} cannot be written (${why}); choose another with PARLEY_DATA.`)
  }
}

/** Makes sure that no other process listens on the port, before anything is started. */
export async function claimPort({ host, port }: Settings): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new LocalError(`port ${port} is taken (${error.message}); choose another with PORT.`)),
    )
    server.listen(port, host, resolve)
  })
  await new Promise((closed) => server.close(closed))
}

/** The secrets of a data folder that is there already. */
export async function knownSecrets(dataDir: string): Promise<Secrets | undefined> {
  try {
    const kept: Secrets = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8'))
    return kept
  } catch {
    return undefined
  }
}

async function readSecrets(file: string): Promise<Secrets> {
  const made: Secrets = {
    encryptionKeys: `local:${randomBytes(32).toString('base64')}`,
    adminKey: secret(),
    postgresPassword: secret(),
    redisToken: secret(),
    qstashToken: secret(),
    qstashCurrentKey: `sig_${secret()}`,
    qstashNextKey: `sig_${secret()}`,
    blobSecret: secret(),
  }
  try {
    await writeFile(file, JSON.stringify(made, null, 2), { flag: 'wx', mode: 0o600 })
    return made
  } catch {
    const kept: Partial<Secrets> = JSON.parse(await readFile(file, 'utf8'))
    const all = { ...made, ...kept }
    // A folder of an earlier version lacks the newer ones.
    if (Object.keys(all).length > Object.keys(kept).length) await replaceFile(file, JSON.stringify(all, null, 2))
    return all
  }
}

/** Whole or not at all: a process that ends meanwhile must not leave half a file of secrets. */
async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

const secret = () => randomBytes(24).toString('base64url')
