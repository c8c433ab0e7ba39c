import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { descendants } from '../report/memory.ts'

const run = promisify(execFile)

/** workerd's allocator is tcmalloc, which accounts for itself; these are functions of its own in the binary. */
const asked = [
  'set $bytes = ((char*(*)(unsigned long))TCMallocInternalMalloc)(8)',
  'set $known = ((unsigned char(*)(char*,unsigned long,char*))MallocExtension_Internal_GetNumericProperty)("generic.current_allocated_bytes",31,$bytes)',
  String.raw`printf "known %d live %lu\n", $known, *(unsigned long*)$bytes`,
  'call ((void(*)(char*))TCMallocInternalFree)($bytes)',
]
const timeoutMs = 60_000

/**
 * KiB that workerd's own code holds at this moment, without what its allocator keeps for later and without the heap of
 * scripts; NaN where there is no gdb, or where it may not look into other processes. workerd stands still meanwhile, for a second or two.
 */
export async function liveMemory(): Promise<number> {
  const workerd = (await descendants()).find(({ name }) => name === 'workerd')
  if (workerd === undefined) return Number.NaN
  const commands = asked.flatMap((command) => ['-ex', command])
  try {
    const args = ['-nx', '-batch', '-p', String(workerd.pid), ...commands]
    const { stdout } = await run('gdb', args, { timeout: timeoutMs, killSignal: 'SIGKILL' })
    const [, known, bytes] = /known (\d+) live (\d+)/.exec(stdout) ?? []
    return known === '1' ? Number(bytes) / 1024 : Number.NaN
  } catch {
    return Number.NaN
  }
}
