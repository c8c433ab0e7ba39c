/**
 * Measures the path of a reconnect with recovery: which source files run from the arrival of a client's WebSocket at its gateway
 * until the client is subscribed again and has what it missed: its connect, its own inbox, and the subscription. The deployed
 * actors run on the simulated platform of test/sim under V8's precise coverage. A file is on the path when a function of it ran
 * in each of three returns: in one of them an alarm may ring, or a record be asked for again.
 *
 * Run by `npm run check`. Prints the files and exits with 1 when there are more files or lines than the bounds below; `-v`
 * prints functions.
 */
import { Device } from '../sim/device.ts'
import { Rows, shardWriter, tenant, tokenMaker } from '../sim/neighbours.ts'
import { Setting } from '../sim/setting.ts'
import { actorsSource } from '../sim/worker-code.ts'
import { filesOf, functionsDuring, printPath, type FunctionRun } from './path.ts'

/** Lower these with the code. */
const bounds = { of: 'a reconnect', maxFiles: 95, maxLines: 11_550 }
const conversation = 'lunch'
const channel = `conversation:${conversation}`
const missed = 20

const problems = printPath(filesOf(await actorsSource(), await functionsRun()), bounds)
for (const problem of problems) process.stderr.write(`${problem}\n`)
if (problems.length > 0) process.exitCode = 1

/** Lets a member miss messages and come back, and returns the functions that ran meanwhile. */
async function functionsRun(): Promise<FunctionRun[]> {
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()) })
  const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
  const { world } = setting
  const token = tokenMaker(tenant, await setting.admit(tenant))
  const members = ['alice', 'bob', 'carol']
  const wanted = { tenant, id: conversation, type: 'group', name: conversation, members, createdBy: members[0] }
  await setting.call('Conversation', `${tenant}/${conversation}`, 'create', wanted)
  let received = 0
  const heard = (from: string) => {
    if (from === channel) received++
  }
  // Carol keeps the gateway of bob, and what it knows of the tenant and the conversation, in memory.
  const devices = members.map((user, index) => {
    const told = { joined: () => undefined, heard: user === 'bob' ? heard : () => undefined }
    return new Device({ world, user, gateway: `eu/${Math.min(index, 1)}`, channels: [channel], token, told })
  })
  const [alice, bob] = devices
  if (bob === undefined) throw new Error('bob has no device')
  for (const device of devices) device.come()
  await setting.until('all are subscribed', () => devices.every(({ isListening }) => isListening))
  let sent = 0
  /** Bob goes and misses messages. */
  const miss = async (): Promise<void> => {
    bob.leave()
    await setting.pass(500)
    for (const end = sent + missed; sent < end;) {
      const data = { conversation, clientId: `message-${++sent}`, text: 'Hungry?' }
      alice?.ask({ rpc: { method: 'message.send', data } }, () => undefined)
      await setting.pass(50)
    }
    // What follows from the messages: their inboxes are told.
    await setting.pass(3000)
  }
  const comeBack = async (): Promise<void> => {
    const due = received + missed
    bob.come()
    await setting.until('bob has what he missed', () => bob.isListening && received === due)
  }
  await miss()
  await comeBack()
  let always: readonly FunctionRun[] | undefined
  for (let n = 0; n < 3; n++) {
    await miss()
    const functions = await functionsDuring(comeBack)
    const starts = new Set(functions.map(({ start }) => start))
    always = (always ?? functions).filter(({ start }) => starts.has(start))
  }
  setting.close()
  return [...(always ?? [])]
}
