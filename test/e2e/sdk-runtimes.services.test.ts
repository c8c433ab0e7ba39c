import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CustomerProject } from '../support/customer-project.ts'
import { sdkChat, sdkChatPrints } from '../support/sdk-chat.ts'
import { System } from '../support/e2e/system.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** The program by its name: in `.runtimes`, where `.ci/run` installs them, or on the machine. */
async function programNamed(name: string): Promise<string | undefined> {
  const own = join(root, '.runtimes/node_modules/.bin', name)
  const version = (program: string) => run(program, ['--version']).then(() => program)
  return await version(own)
    .catch(() => version(name))
    .catch(() => undefined)
}

const runtimes = [
  { name: 'Deno', program: await programNamed('deno'), args: ['run', '--allow-all', '--node-modules-dir=manual'] },
  { name: 'Bun', program: await programNamed('bun'), args: ['run'] },
]
for (const { name, program } of runtimes)
  if (program === undefined) process.stdout.write(`the SDK on ${name}: skipped, there is no ${name} here\n`)

describe.skipIf(runtimes.every(({ program }) => program === undefined))('the package of the SDK', () => {
  let project: CustomerProject
  let system: System

  beforeAll(async () => {
    project = await CustomerProject.make()
    system = await System.start()
  })

  afterAll(async () => {
    system?.abandon()
    await project?.remove()
  })

  for (const { name, program, args } of runtimes)
    test.skipIf(program === undefined)(`sends a message and shows it to a user on ${name}`, async () => {
      await project.write('chat.mjs', sdkChat({ websocket: true }))
      const env = { ...process.env, PARLEY_URL: `http://127.0.0.1:${system.port}` }
      const { stdout } = await run(program ?? name, [...args, 'chat.mjs'], {
        cwd: project.folder,
        env,
        timeout: 60_000,
      })
      expect(JSON.parse(stdout)).toEqual(sdkChatPrints)
    })
})
