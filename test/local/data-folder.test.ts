import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { actorsFolder, linkMiniflare } from '../../local/actor-store.ts'
import { knownSecrets, openData } from '../../local/data-folder.ts'
import { readSettings } from '../../local/settings.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (dataDir: string, ...args: string[]) => openData(readSettings({ PARLEY_DATA: dataDir }, args))

describe('a folder that holds something else', () => {
  test.each([[[]], [['--fresh']]])('is refused with %j, and stays as it is', async (args) => {
    mkdirSync(join(folder, 'photos'))
    writeFileSync(join(folder, 'photos', 'cat.jpg'), 'meow')
    await expect(open(folder, ...args)).rejects.toThrow(
      `PARLEY_DATA: ${folder} is not empty and is no data folder of Parley (it has no parley-data.json); choose an empty one.`,
    )
    expect(readdirSync(folder, { recursive: true })).toEqual(['photos', join('photos', 'cat.jpg')])
  })

  test('is refused also with a file of secrets that are not ours, or a marker that is not', async () => {
    for (const name of ['secrets.json', 'parley-data.json']) {
      writeFileSync(join(folder, name), '{"password":"mine"}')
      await expect(open(folder, '--fresh')).rejects.toThrow('is not empty and is no data folder of Parley')
      expect(readdirSync(folder)).toEqual([name])
      rmSync(join(folder, name))
    }
  })
})

test('an empty or missing folder becomes a data folder, and is known as one afterwards', async () => {
  writeFileSync(join(folder, '.DS_Store'), '')
  for (const dataDir of [folder, join(folder, 'new', 'one')]) {
    const made = await openAlone(dataDir)
    expect(await openAlone(dataDir)).toBe(made)
  }
})

test('--fresh removes everything that Parley made there, and new secrets follow', async () => {
  const made = await openAlone(folder)
  mkdirSync(join(folder, 'actors', 'parley-Inbox'), { recursive: true })
  for (const name of [
    'redis.json',
    'qstash.sqlite-wal',
    'redis.json.damaged-17',
    'qstash.sqlite.damaged-17-wal',
    'profile',
    'worker.js',
    'workerd.pid',
    join('actors', 'parley-Inbox', 'x'),
  ])
    writeFileSync(join(folder, name), '')
  expect(await openAlone(folder, '--fresh')).not.toBe(made)
  expect(readdirSync(folder).toSorted()).toEqual(['lock.sqlite', 'parley-data.json', 'secrets.json'])
})

test('--fresh removes nothing while the data folder also holds something that Parley did not make', async () => {
  await openAlone(folder)
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  const before = readdirSync(folder)
  await expect(open(folder, '--fresh')).rejects.toThrow(
    `--fresh: ${folder} also holds notes.txt, which Parley did not make; move it away first.`,
  )
  expect(readdirSync(folder)).toEqual(before)
})

test('--fresh does not follow links out of the folder', async () => {
  await openAlone(folder)
  const elsewhere = mkdtempSync(join(tmpdir(), 'parley-elsewhere-'))
  writeFileSync(join(elsewhere, 'photo.jpg'), '')
  symlinkSync(elsewhere, join(folder, 'actors'))
  await openAlone(folder, '--fresh')
  expect(readdirSync(elsewhere)).toEqual(['photo.jpg'])
  rmSync(elsewhere, { recursive: true })
})

test('a folder of a version without the marker is known by its secrets, and gets the marker', async () => {
  const secret = 'x'.repeat(32)
  const secrets = {
    adminKey: secret,
    postgresPassword: secret,
    redisToken: secret,
    qstashToken: secret,
    qstashCurrentKey: `sig_${secret}`,
    qstashNextKey: `sig_${secret}`,
  }
  writeFileSync(join(folder, 'secrets.json'), JSON.stringify(secrets))
  expect(await openAlone(folder)).toBe(secret)
  expect(readdirSync(folder)).toContain('parley-data.json')
  // Newer secrets are added to it, and stay.
  const added = await knownSecrets(folder)
  expect(added).toEqual({
    ...secrets,
    encryptionKeys: expect.stringMatching(/^local:.{44}$/),
    blobSecret: expect.stringMatching(/^.{32}$/),
  })
  await openAlone(folder)
  expect(await knownSecrets(folder)).toEqual(added)
})

test('a marker of a newer version is refused', async () => {
  writeFileSync(join(folder, 'parley-data.json'), '{"parley":"data folder","layout":2}')
  await expect(open(folder, '--fresh')).rejects.toThrow(
    `PARLEY_DATA: ${folder} was made by a newer version of Parley (layout 2, this version knows 1)`,
  )
})

test('two processes do not open one folder at a time', async () => {
  const first = spawnOpen(folder, [], 'await new Promise(() => setInterval(() => {}, 1000))')
  await once(first.stdout, 'data')
  await expect(open(folder, '--fresh')).rejects.toThrow(`Parley already uses ${folder}`)
  first.kill('SIGKILL')
  await once(first, 'exit')
  await openAlone(folder)
})

describe('actors of a folder from before both runtimes shared one', () => {
  const file = (...path: string[]) => {
    mkdirSync(join(folder, ...path), { recursive: true })
    writeFileSync(join(folder, ...path, 'x.sqlite'), '')
  }

  test('are kept when they were those of npm start', async () => {
    file('miniflare', 'do', 'parley-Inbox')
    mkdirSync(join(folder, 'actors'))
    expect(readdirSync(await actorsFolder(folder))).toEqual(['parley-Inbox'])
    expect(readdirSync(join(await linkMiniflare(folder), 'do', 'parley-Inbox'))).toEqual(['x.sqlite'])
    expect(await actorsFolder(folder)).toBe(join(folder, 'actors'))
  })

  test('are kept when they were those of npm run serve, after which Miniflare finds them', async () => {
    file('actors', 'parley-Inbox')
    mkdirSync(join(folder, 'miniflare', 'do'), { recursive: true })
    for (let start = 0; start < 2; start++)
      expect(readdirSync(join(await linkMiniflare(folder), 'do'))).toEqual(['parley-Inbox'])
  })

  test('are refused when each runtime had its own, and stay as they are', async () => {
    file('miniflare', 'do', 'parley-Inbox')
    file('actors', 'parley-Inbox')
    const before = readdirSync(folder, { recursive: true })
    await expect(actorsFolder(folder)).rejects.toThrow(`${folder} holds the actors of two systems`)
    expect(readdirSync(folder, { recursive: true })).toEqual(before)
  })
})

describe('PARLEY_DATA', () => {
  const dataDirOf = (text: string) => readSettings({ PARLEY_DATA: text }, []).dataDir

  test('that is empty means the default, not the folder of the sources', () => {
    expect(dataDirOf('')).toBe(join(import.meta.dirname, '../../.parley'))
  })

  test('that begins with ~ is below the home folder, also where no shell expanded it', () => {
    expect(dataDirOf('~/something')).toBe(join(homedir(), 'something'))
    expect(dataDirOf('~')).toBe(homedir())
  })
})

/** Opens the folder in a process of its own, which then ends and frees it; returns its admin key. */
async function openAlone(dataDir: string, ...args: string[]): Promise<string> {
  const child = spawnOpen(dataDir, args, '')
  const said: string[] = []
  child.stdout.on('data', (chunk) => said.push(String(chunk)))
  await once(child, 'close')
  return said.join('').trim()
}

function spawnOpen(dataDir: string, args: readonly string[], then: string) {
  const local = join(import.meta.dirname, '../../local')
  const script = `
    const { openData } = await import(${JSON.stringify(join(local, 'data-folder.ts'))})
    const { readSettings } = await import(${JSON.stringify(join(local, 'settings.ts'))})
    const { adminKey } = await openData(readSettings({ PARLEY_DATA: ${JSON.stringify(dataDir)} }, ${JSON.stringify(args)}))
    console.log(adminKey)
    ${then}`
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
}
