import { spawn } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const output = join(import.meta.dirname, '../../local/output.ts')

/** Exit code of a process that logs for a while, into `out`, and then ends with 7. */
function endOfLogging(out: number): Promise<number | null> {
  const source = `
    import { surviveLostOutput } from ${JSON.stringify(output)}
    surviveLostOutput()
    const tick = () => { console.log('out'); console.error('err') }
    tick()
    setImmediate(() => { tick(); setImmediate(() => process.exit(7)) })`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', out, out] })
  return new Promise((resolve) => child.once('exit', resolve))
}

test.skipIf(!existsSync('/dev/full'))('a launcher whose log is on a full disk goes on', async () => {
  expect(await endOfLogging(openSync('/dev/full', 'w'))).toBe(7)
})
