/**
 * The process of the load. A fresh one for each measurement: what the engine learned about one target's frames neither
 * helps nor hinders the next, and a load that hangs can be ended.
 */
import { bareWire } from '../targets/bare-wire.ts'
import { gluedWire } from '../targets/glued-wire.ts'
import { parleyWire } from '../targets/parley-wire.ts'
import type { TargetName, Wire } from '../targets/target.ts'
import { measure } from './measure.ts'
import { order, type Outcome } from './measurement.ts'
import { scenarios } from './scenarios.ts'

const wires: Readonly<Record<TargetName, Wire>> = { parley: parleyWire, bare: bareWire, glued: gluedWire }

process.once('message', (message) => {
  void carryOut(message).then((outcome) => process.send?.(outcome, () => process.exit()))
})
process.once('disconnect', () => process.exit())

async function carryOut(message: unknown): Promise<Outcome> {
  try {
    const { target, scenario, reach, timing } = order.parse(message)
    return { kind: 'measured', measurement: await measure(wires[target], reach, scenarios[scenario], timing) }
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
  }
}
