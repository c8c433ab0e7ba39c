/**
 * Measures the path of a message: which source files run from the arrival of a `message.send` frame at a gateway until the
 * conversation has called the other gateways (the fan-out). The deployed actors run on the simulated platform of test/sim
 * under V8's precise coverage. A file is on the path when a function of it ran; the top level of its module does not count.
 *
 * Run by `npm run check`. Prints the files and exits with 1 when there are more files or lines than the bounds below, or
 * when docs/flows/sending-a-message.md lists other files. `--write` writes the list into that page, `-v` prints functions.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Device } from '../sim/device.ts'
import { Rows, shardWriter, tenant, tokenMaker } from '../sim/neighbours.ts'
import { Setting } from '../sim/setting.ts'
import { actorsSource } from '../sim/worker-code.ts'
import { filesOf, functionsDuring, printPath, type FunctionRun } from './path.ts'

const bounds = { of: 'a message', maxFiles: 18, maxLines: 2600 }

const root = join(import.meta.dirname, '../..')
const page = 'docs/flows/sending-a-message.md'
const conversation = 'lunch'
const channel = `conversation:${conversation}`
const members = ['alice', 'bob', 'carol']
/** Messages sent before the measured one: they fetch a lease from the rate limiter and tell the inboxes of a new conversation. */
const warmUp = 20

const path = filesOf(await actorsSource(), await functionsRun())
const tooMuch = printPath(path, bounds)
if (process.argv.includes('--write')) writeList()

const measured = path.map(({ file }) => file)
const listed = [...readFileSync(join(root, page), 'utf8').matchAll(/^- `((?:src|durable-objects)\/[^`]+)`/gm)].map(
  ([, file = '']) => file,
)
const problems = [
  ...tooMuch,
  ...measured.filter((file) => !listed.includes(file)).map((file) => `${page} does not list ${file}`),
  ...listed.filter((file) => !measured.includes(file)).map((file) => `${page} lists ${file}, which is not on the path`),
]
for (const problem of problems) process.stderr.write(`${problem}\n`)
if (problems.length > 0) process.exitCode = 1

/** Sends messages from one of three members at two gateways, and returns the functions that ran for the last one. */
async function functionsRun(): Promise<FunctionRun[]> {
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()) })
  const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
  const { world } = setting
  const received = new Map(members.map((user) => [user, 0]))
  const token = tokenMaker(tenant, await setting.admit(tenant))
  const wanted = { tenant, id: conversation, type: 'group', name: conversation, members, createdBy: members[0] }
  await setting.call('Conversation', `${tenant}/${conversation}`, 'create', wanted)
  const devices = members.map((user, index) => {
    const heard = (from: string) => {
      if (from === channel) received.set(user, (received.get(user) ?? 0) + 1)
    }
    const told = { joined: () => undefined, heard }
    return new Device({ world, user, gateway: `eu/${index % 2}`, channels: [channel], token, told })
  })
  for (const device of devices) device.come()
  await setting.until('all members are subscribed', () => devices.every(({ isListening }) => isListening))

  const send = (count: number) => {
    const data = { conversation, clientId: `message-${count}`, text: 'Hungry?' }
    devices[0]?.ask({ rpc: { method: 'message.send', data } }, () => undefined)
  }
  for (let count = 1; count <= warmUp; count++) {
    send(count)
    await setting.until('all members received it', () => members.every((user) => received.get(user) === count))
    await setting.pass(100)
  }

  const call = `Conversation ${tenant}/${conversation} < execute`
  const functions = await functionsDuring(async () => {
    world.trace = []
    send(warmUp + 1)
    // Looked at after each event, so that the whole event of the conversation, with its calls to gateways, has happened.
    await setting.until(
      'the conversation takes the call',
      () => world.trace?.some((line) => line.includes(call)) === true,
    )
  })
  setting.close()
  return functions
}

function writeList(): void {
  const text = readFileSync(join(root, page), 'utf8')
  const list = path.map(({ file }) => `- \`${file}\``).join('\n')
  writeFileSync(join(root, page), text.replace(/(?:^- `(?:src|durable-objects)\/[^`]+`\n)+/m, `${list}\n`))
}
