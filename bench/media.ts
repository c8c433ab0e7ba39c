import { constants } from 'node:fs'
import { access, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'

/** Where all sides keep their data, which decides most of the cost of a commit. */
export const mediumNames = ['disk', 'tmpfs'] as const
export type MediumName = (typeof mediumNames)[number]

const homes: Readonly<Record<MediumName, string>> = {
  disk: join(import.meta.dirname, '../.parley/bench'),
  tmpfs: '/dev/shm',
}

/** Why a medium cannot be used here, if so. */
export async function missingMedium(medium: MediumName): Promise<string | undefined> {
  if (medium === 'disk') return undefined
  const writable = await access(homes[medium], constants.W_OK).then(
    () => true,
    () => false,
  )
  return writable ? undefined : `${homes[medium]} is not there or not writable`
}

/** Gives `work` an empty folder on the medium and removes it afterwards. */
export async function withFolder<T>(medium: MediumName, work: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(homes[medium], { recursive: true })
  const folder = await mkdtemp(join(homes[medium], 'parley-bench-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** The kinds of file system one is likely to meet, by the number the kernel gives them. */
const fileSystems: Readonly<Record<number, string>> = {
  0x01021994: 'tmpfs',
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x794c7630: 'overlayfs',
  0x2fc12fc1: 'zfs',
}

/** What the medium really is: a disk that turns out to be memory would make the figures lie. */
export async function fileSystem(medium: MediumName): Promise<string> {
  await mkdir(homes[medium], { recursive: true })
  const { type } = await statfs(homes[medium])
  return fileSystems[type] ?? `0x${type.toString(16)}`
}
