import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { familyOf, lives, memoryOf, naming } from '../support/e2e/processes.ts'
import { freePort, System, type SystemOptions } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

const systems: System[] = []

afterEach(() => {
  for (const system of systems.splice(0)) system.abandon()
})

async function prepare(options: SystemOptions = {}): Promise<System> {
  const system = System.prepare(await freePort(), options)
  systems.push(system)
  return system
}

/** What a start that must fail says, and its exit code. */
async function refusalOf(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const system = await prepare()
  const code = await system.spawn(args, env)
  // Its last words may be read only after its end was.
  await until('it says something', () => system.output !== '')
  return { code, said: system.output.trim() }
}

describe('a start that cannot be says why in one sentence', () => {
  test('when the port is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await new Promise((listening) => squatter.once('listening', listening))
    const address = squatter.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const { code, said } = await refusalOf({ PORT: port })
    squatter.close()
    expect({ code, said }).toEqual({
      code: 1,
      said: expect.stringMatching(new RegExp(`^parley: port ${port} is taken .*PORT\\.$`)),
    })
  })

  test('when the data folder cannot be written', async () => {
    const system = await prepare()
    const file = join(system.dataDir, 'file')
    writeFileSync(file, '')
    const { code, said } = await refusalOf({ PARLEY_DATA: join(file, 'data') })
    expect({ code, said }).toEqual({
      code: 1,
      said: expect.stringMatching(/^parley: the data folder \S+ cannot be written .*PARLEY_DATA\.$/),
    })
  })

  test.each(['eighty', '0', '70000', '80.5'])('when PORT is "%s"', async (port) => {
    expect(await refusalOf({ PORT: port })).toEqual({
      code: 1,
      said: `parley: PORT is "${port}"; it must be a whole number from 1 to 65535.`,
    })
  })

  test.each(['LINKS', 'HIBERNATION'])('when %s is neither on nor off', async (name) => {
    expect(await refusalOf({ [name]: 'maybe' })).toEqual({
      code: 1,
      said: `parley: ${name} is "maybe"; it is on or off.`,
    })
  })

  test('when an option is unknown', async () => {
    const { code, said } = await refusalOf({}, ['--frehs'])
    expect({ code, said }).toEqual({ code: 1, said: expect.stringMatching(/^parley: --frehs .*--fresh, --shards/) })
  })
})

test('a second start on the folder of a running system is refused, and the first goes on until it is ended', async () => {
  const system = await prepare()
  print(`npm run serve: first start ${Math.round(await system.startAgain())} ms, ${memoryUsed(system)}`)
  const { code, said } = await refusalOf({ PARLEY_DATA: system.dataDir }, ['--fresh'])
  expect({ code, said }).toEqual({
    code: 1,
    said: expect.stringMatching(new RegExp(`^parley: Parley already runs on \\S+ \\(process ${system.launcherPid}\\)`)),
  })
  const alice = await new Person(system, 'alice').connect()
  await endsCompletely(system)
  alice.leave()
})

test('npm start and npm run serve keep one state in a folder, over restarts, until --fresh empties it', async () => {
  const system = await prepare({ launcher: 'start' })
  print(`npm start: first start ${Math.round(await system.startAgain())} ms, ${memoryUsed(system)}`)
  const alice = await new Person(system, 'alice').connect()
  const group = await makeGroup(system, ['alice'])
  await alice.send(group, 'c1', 'hello')
  const token = await alice.token()
  const texts = async () => {
    const page = await call(system, token, 'GET', `/v1/conversations/${group}/messages`)
    return z
      .object({ messages: z.array(z.object({ text: z.string() })) })
      .parse(page.body)
      .messages.map(({ text }) => text)
  }
  await endsCompletely(system)

  system.launcher = 'serve'
  await system.startAgain()
  expect(await texts()).toEqual(['hello'])
  await alice.client.ready(60_000)
  expect(await alice.send(group, 'c1', 'hello')).toMatchObject({ seq: 1, duplicate: true })
  await alice.send(group, 'c2', 'again')
  alice.leave()
  await system.terminate()

  system.launcher = 'start'
  print(`npm start: second start ${Math.round(await system.startAgain())} ms`)
  expect((await texts()).toSorted()).toEqual(['again', 'hello'])
  await system.terminate()

  await system.startAgain({}, ['--fresh'])
  expect((await call(system, apiKey, 'GET', `/v1/conversations/${group}`)).status).toBe(404)
})

test('a SIGTERM in the middle of starting leaves nothing behind', async () => {
  const system = await prepare()
  const exited = system.spawn()
  await until('Postgres is being started', () => naming(system.dataDir).length > 1)
  await system.terminate()
  expect(await exited).toBe(0)
  await until('every process is gone', () => naming(system.dataDir).length === 0)
})

/** SIGTERM, also with a socket open: all of it ends, soon, and without an error. */
async function endsCompletely(system: System): Promise<void> {
  const family = familyOf(system.launcherPid).map(({ pid }) => pid)
  await system.terminate()
  await until('every process is gone', () => !family.some(lives) && naming(system.dataDir).length === 0)
  expect(system.output).not.toMatch(/error/i)
}

/** Figures to read, not to hold anyone to: this machine may be busy. */
const print = (figures: string) => process.stdout.write(`${figures}\n`)

/** Memory of the idle system and its parts. */
function memoryUsed(system: System): string {
  const parts = familyOf(system.launcherPid).map(({ pid, command }) => ({ name: nameOf(command), mb: memoryOf(pid) }))
  const sum = (which: readonly { mb: number }[]) => Math.round(which.reduce((total, { mb }) => total + mb, 0))
  const named = [...Map.groupBy(parts, ({ name }) => name)].map(([name, which]) => `${name} ${sum(which)}`)
  return `${sum(parts)} MB (${named.join(', ')})`
}

const nameOf = (command: string) => ['postgres', 'workerd', 'esbuild'].find((name) => command.includes(name)) ?? 'node'
