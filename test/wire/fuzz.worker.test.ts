import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { closes } from '../../src/protocol/close-codes.ts'
import { errors } from '../../src/protocol/errors.ts'
import { binaryFrame, command, textFrame } from '../support/frames.ts'
import { Line } from '../support/worker/line.ts'
import { connectAs, type Person } from '../support/worker/person.ts'
import { post, say, sayRaw, Streamed, ways } from '../support/worker/streamed.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import type { Heard } from '../support/worker/wire.ts'

// Every client is new, and connecting takes a second and more where other processes want the cores, too.
vi.setConfig({ testTimeout: 300_000 })

let tenant: TestTenant
/** A client on the same gateway that is not involved. */
let witness: Person

beforeEach(async () => {
  tenant = await newTenant()
  witness = await connectAs(tenant, 'witness')
  witness.line.answersPings = true
})
afterEach(() => witness.line.close())

let people = 0
/** A token of a new user, so that no client is told to come more slowly. */
const somebody = () => tenant.token(`person-${++people}`)

/** What a client brought on itself; anything else would be our own failure. */
const deserved: readonly number[] = [closes.badRequest, closes.invalidToken, closes.tooManyRequests].map(
  ({ code }) => code,
)
const codes: readonly number[] = Object.values(errors).map(({ code }) => code)

const lastPing = { id: 0xffff_fffe, ping: {} }
/** Whether it answers the last ping. What was made up may bear the same id, and is answered otherwise. */
const answersLastPing = ({ id, error }: Heard) => id === lastPing.id && error?.code === errors.notAvailable.code

/** How it ends, when a last ping is asked: answered, or closed by a code that says whose fault it was. */
async function ends(line: Line): Promise<void> {
  const ping = line.next('the answer to the last ping', answersLastPing)
  const how = await Promise.race([ping, line.closed()])
  // The one that did not come is not waited for.
  ping.catch(() => undefined)
  if ('code' in how) {
    expect(deserved).toContain(how.code)
    expect(how.reason).not.toBe('')
  }
  for (const { error } of line.frames.flat()) if (error !== undefined) expect(codes).toContain(error.code)
  line.close()
}

const often = { numRuns: 60 }

describe.each(['json', 'protobuf'] as const)('whatever a %s socket is sent', (format) => {
  const frames = fc.array<string | Uint8Array<ArrayBuffer>>(format === 'json' ? textFrame : binaryFrame, {
    minLength: 1,
    maxLength: 6,
  })

  test.each(['before it has connected', 'once it has'])(
    '%s, it answers or closes with a reason, and no other connection notices',
    async (when) => {
      await fc.assert(
        fc.asyncProperty(frames, async (told) => {
          const line = await Line.open(undefined, '', format)
          if (when === 'once it has') await line.ask({ connect: { token: await somebody() } })
          for (const frame of told) line.sayRaw(frame)
          line.tell(lastPing)
          await ends(line)
          expect(await witness.line.ask({ ping: {} })).toMatchObject({ error: { code: 108 } })
        }),
        often,
      )
    },
  )

  test('commands in any order are each answered, or end it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 12 }), async (commands) => {
        const line = await Line.open(undefined, '', format)
        line.tell({ id: 0xffff_ffff, connect: { token: await somebody() } }, ...commands, lastPing)
        await ends(line)
      }),
      often,
    )
  })
})

describe.each(ways)('whatever is posted for a session that receives by %s', (way) => {
  test('is taken or refused, and the session answers or ends with a reason', async () => {
    const frame = way === 'messages' ? binaryFrame : textFrame
    await fc.assert(
      fc.asyncProperty(frame, fc.uint8Array({ maxLength: 60 }), async (posted, anything) => {
        const stream = await Streamed.open(way, { id: 1, connect: { token: await somebody() } })
        const { connect } = await stream.replyTo(1)
        const to = { session: connect!.session!, node: connect!.node!, way }
        expect([204, 400]).toContain((await post(way, new Uint8Array(anything))).status)
        expect(await sayRaw(to, posted)).toBe(204)
        expect(await say(to, lastPing)).toBe(204)
        const last = await stream.next(
          'an answer or the end',
          (heard) => answersLastPing(heard) || heard.push?.disconnect !== undefined,
        )
        if (last.push !== undefined) expect(deserved).toContain(last.push.disconnect?.code)
        if (!stream.over) await stream.leave()
      }),
      { numRuns: 15 },
    )
  })
})
