/** The process of the load: a fresh one for each measurement. */
import { measure } from './measure.ts'
import { order, type LoadOutcome } from './reading.ts'

process.once('message', (message) => {
  void carryOut(message).then((outcome) => process.send?.(outcome, () => process.exit()))
})
process.once('disconnect', () => process.exit())

async function carryOut(message: unknown): Promise<LoadOutcome> {
  try {
    return { kind: 'measured', measurement: await measure(order.parse(message)) }
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
  }
}
