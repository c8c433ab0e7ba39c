import { bindingOf, contexts, leavingContexts, type LeavingContext } from '../src/contexts.ts'
import { LocalError } from './local-error.ts'
import type { Split, WorkerConfig } from './worker-config.ts'

export const notSplit: Split = { apart: [], transferred: [] }

/** A Worker of the system, as a local runtime starts it. */
export interface LocalWorker {
  /** `main`, or the name of its context. */
  readonly name: string
  readonly vars: Readonly<Record<string, string>>
  /** All actors, with the Worker that has the class. */
  readonly actors: readonly (WorkerConfig['actors'][number] & { readonly worker: string })[]
  /** Service bindings to the other Workers. */
  readonly services: readonly { readonly binding: string; readonly worker: string }[]
}

/** The entrypoint of the service bindings between Workers. */
export const contextEntrypoint = 'ContextWorker'
const main = 'main'
const minActors = 100

/** The Workers that a system consists of: the main one first. */
export function workersOf(
  config: WorkerConfig,
  vars: Readonly<Record<string, string>>,
  { apart, transferred }: Split,
): LocalWorker[] {
  const actors = config.actors.map((actor) => ({ ...actor, worker: ownerOf(actor.className, transferred) }))
  const shared = { ...vars, ...openActorsEach(vars, apart.length + 1) }
  return [
    {
      name: main,
      vars: shared,
      actors,
      services: apart.map((context) => ({ binding: bindingOf(context), worker: context })),
    },
    ...apart.map((context) => ({
      name: context,
      vars: { ...shared, CONTEXTS: context },
      actors,
      services: [{ binding: bindingOf('core'), worker: main }],
    })),
  ]
}

const ownerOf = (className: string, transferred: readonly LeavingContext[]): string =>
  transferred.find((context) => contexts[context].actors.some((name) => name === className)) ?? main

/** The process may have so many actors open, and each Worker counts those that it calls: they share the number. */
function openActorsEach(vars: Readonly<Record<string, string>>, workers: number): { MAX_OPEN_ACTORS?: string } {
  const all = vars['MAX_OPEN_ACTORS']
  if (all === undefined || workers === 1) return {}
  return { MAX_OPEN_ACTORS: String(Math.max(minActors, Math.floor(Number(all) / workers))) }
}

/** Reads `--split` and `--transfer`: names of contexts with commas between them. */
export function readSplit(split: string | undefined, transfer: string | undefined): Split {
  const apart = namesIn('--split', split)
  const transferred = namesIn('--transfer', transfer)
  const lonely = transferred.find((name) => !apart.includes(name))
  if (lonely !== undefined)
    throw new LocalError(`--transfer ${lonely} needs --split ${lonely}: actors go to a Worker of their own context.`)
  return { apart, transferred }
}

function namesIn(option: string, text: string | undefined): LeavingContext[] {
  const names = (text ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]))
  const known = names.flatMap((name) => leavingContexts.filter((context) => context === name))
  const unknown = names.find((name) => !known.some((context) => context === name))
  if (unknown !== undefined)
    throw new LocalError(`${option} is "${unknown}"; it is one or more of ${leavingContexts.join(', ')}.`)
  return [...new Set(known)]
}
