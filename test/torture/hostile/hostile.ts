import { fork, type ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { call } from '../../support/e2e/people.ts'
import { kill } from '../../support/e2e/processes.ts'
import { System } from '../../support/e2e/system.ts'
import { attacks } from './attacks.ts'
import { Observer, quantile } from './observer.ts'

/** What other tenants and the process may notice of an attack. */
export const bounds = { p99Ms: 250, megabytes: 1024, descriptors: 8000, recoveryMs: 10_000, files: 5000 } as const

/** How one attack went. */
export interface AttackEnd {
  readonly broken: readonly string[]
  readonly figures: string
}

const watchedAfterMs = bounds.recoveryMs + 2000
const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const { pid } of children) if (pid !== undefined) kill(pid, 'SIGKILL')
})

/** Lets one hostile caller loose on a system of its own while users of another tenant chat, and judges what they noticed. */
export async function playAttack(name: string, seed: number): Promise<AttackEnd> {
  const attack = attacks[name]
  if (attack === undefined) throw new Error(`there is no attack ${name}; there are ${Object.keys(attacks).join(', ')}`)
  const system = await System.start()
  try {
    const made = await call(system, system.adminKey, 'PUT', '/admin/v1/tenants/mallory', { name: 'Mallory' })
    const { apiKey } = z.object({ apiKey: z.string() }).parse(made.body)
    const observer = await Observer.in(system, `${name}-${seed}`)
    observer.begin()
    await pause(3000)
    const filesBefore = actorFiles(system)
    const began = performance.now()
    await runAttacker([name, String(seed), String(system.port), apiKey], attack.seconds * 1000 + 5000)
    const ended = performance.now()
    await pause(watchedAfterMs)
    await observer.end()
    return await judge(observer, { began, ended, files: actorFiles(system) - filesBefore })
  } catch (thrown) {
    return { broken: [`the attack could not be judged: ${String(thrown)}`], figures: system.output.slice(-500) }
  } finally {
    system.abandon()
  }
}

async function judge(
  observer: Observer,
  { began, ended, files }: { readonly began: number; readonly ended: number; readonly files: number },
): Promise<AttackEnd> {
  const before = observer.samples.filter(({ at }) => at < began)
  const during = observer.samples.filter(({ at }) => at >= began && at < ended)
  const late = observer.samples.filter(({ at, ms }) => at >= ended && ms > bounds.p99Ms)
  const recoveryMs = Math.max(0, ...late.map(({ at }) => at - ended))
  const p99 = quantile(during, 0.99)
  const failed = during.filter(({ ms }) => ms === Infinity).length
  const megabytes = Math.max(...observer.vitals.map((one) => one.megabytes))
  const descriptors = Math.max(...observer.vitals.map((one) => one.descriptors))
  const lost = await observer.lost()
  observer.leave()
  const round = Math.round
  const usual = quantile(before, 0.99)
  // Where others use the cores, times say nothing of the attack; what does not depend on them is judged all the same.
  const isBusy = usual > bounds.p99Ms / 2
  const slow = [
    p99 > bounds.p99Ms ? `p99 of the other tenant was ${round(p99)} ms, at most ${bounds.p99Ms}` : '',
    recoveryMs > bounds.recoveryMs ? `still slow ${round(recoveryMs)} ms after the end` : '',
  ].filter((text) => text !== '')
  const broken = [
    ...(isBusy && slow.length > 0
      ? [`times are not judged: the machine is busy, p99 was ${round(usual)} ms before the attack`]
      : slow),
    megabytes > bounds.megabytes ? `memory was ${round(megabytes)} MB, at most ${bounds.megabytes}` : '',
    descriptors > bounds.descriptors ? `${descriptors} descriptors, at most ${bounds.descriptors}` : '',
    files > bounds.files ? `${files} files of actors were made, at most ${bounds.files}` : '',
    lost.length > 0 ? `${lost.length} acknowledged messages are lost, ${lost[0]} among them` : '',
  ].filter((text) => text !== '')
  const figures =
    `p50 ${round(quantile(during, 0.5))}, p99 ${round(p99)}, max ${round(quantile(during, 1))} ms ` +
    `(before: p50 ${round(quantile(before, 0.5))}, p99 ${round(usual)}), ${failed} of ${during.length} failed, ` +
    `recovered after ${round(recoveryMs)} ms, ${round(megabytes)} MB, ${descriptors} descriptors, ${files} new files, ` +
    `${observer.acknowledged} acknowledged, ${lost.length} lost`
  return { broken, figures }
}

/** Resolves when the attacker has ended, or was ended since it did not. */
async function runAttacker(args: readonly string[], withinMs: number): Promise<void> {
  const child = fork(join(import.meta.dirname, 'attacker.ts'), [...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  children.add(child)
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
  await exited
  clearTimeout(timer)
  children.delete(child)
}

const actorFiles = (system: System): number =>
  readdirSync(join(system.dataDir, 'actors'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.sqlite'),
  ).length
