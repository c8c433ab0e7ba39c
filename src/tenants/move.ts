import { z } from 'zod'
import { backoffMs } from '../kernel/retry.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import type { MoveOrder, MoveState, MoveView } from '../protocol/moves-api.ts'
import type { Placement } from './record.ts'
import { tenantTables } from './stores.ts'

/** The tables whose rows move with their tenant, in the order in which they are copied. */
export const movedTables = tenantTables.filter(({ move, database }) => move === 'copied' && database === 'shard')

const stage = z.enum([
  'open',
  'settle',
  'copy',
  'carry',
  'compare',
  'fence',
  'drain',
  'activate',
  'release',
  'warm',
  'reopen',
  'end',
  'clear',
  'close',
  'done',
])
type Stage = z.output<typeof stage>

/**
 * A move as the tenant's actor stores it. `home` is the shard of the placement in force, whose `epoch` is here, too; `other` is
 * the shard that rows are copied to, or deleted from in the end.
 */
export const storedMove = z.object({
  from: z.string(),
  to: z.string(),
  home: z.string(),
  other: z.string(),
  epoch: z.int(),
  stage,
  /** Of the last step that was begun, over all moves of the tenant. Shards refuse what comes late from an earlier one. */
  step: z.int(),
  /** What the move ends as; undefined until that is decided. */
  outcome: z.enum(['confirmed', 'reversed']).optional(),
  /** The rows go back to `from`, after they were served by `to`. */
  isReturning: z.boolean(),
  /** Whether `other` was found without rows of the tenant: what is there then is a copy, and may be deleted. */
  isOpened: z.boolean(),
  isPaused: z.boolean(),
  isReverseAsked: z.boolean(),
  /** Whether all rows were compared since they were copied. */
  isCompared: z.boolean(),
  table: z.int(),
  /** The key of the last row of the table that was copied, compared or deleted; null before the first. */
  cursor: z.string().nullable(),
  /** Transactions below this number may have changed rows without a note. */
  horizon: z.string().nullable(),
  /** Rows in one statement: fewer after a failure. */
  together: z.int(),
  rowsPerSecond: z.number(),
  estimated: z.int(),
  copied: z.int(),
  carried: z.int(),
  compared: z.int(),
  deleted: z.int(),
  /** Rows that were not equal when they were compared, and groups of conversation and month that they belong to. */
  differing: z.int(),
  differingIn: z.array(z.string()),
  /** How often in a row copied rows did not become equal. */
  unequal: z.int(),
  startedAt: z.number(),
  copyingMs: z.number(),
  fencedAt: z.number().nullable(),
  switchedAt: z.number().nullable(),
  /** How long writes to Postgres waited, in all, and the number of times. */
  pausedMs: z.number(),
  fences: z.int(),
  endedAt: z.number().nullable(),
  notBefore: z.number(),
  failures: z.int(),
  /** Steps that failed, in all. */
  failedSteps: z.int().default(0),
  /** When both shards had the same rows last. */
  caughtUpAt: z.number().nullable().default(null),
  /** Rounds of copying back changes that found none. */
  idle: z.int(),
  error: z.string().nullable(),
})
export type Move = z.output<typeof storedMove>

/** One bounded piece of work at the shards. */
export type MoveAction =
  | { readonly kind: 'open'; readonly home: string; readonly other: string; readonly epoch: number }
  | { readonly kind: 'settle'; readonly home: string; readonly horizon: string }
  | ({ readonly kind: 'copy' } & Range)
  | { readonly kind: 'carry'; readonly home: string; readonly other: string; readonly together: number }
  | ({ readonly kind: 'compare' } & Range)
  /** Stops the writes, copies the last changes if they are at most `together`, and lets `other` take writes as `phase` says. */
  | {
      readonly kind: 'fence'
      readonly home: string
      readonly other: string
      readonly epoch: number
      readonly phase: Phase
      readonly together: number
    }
  | { readonly kind: 'place'; readonly shard: string; readonly placed?: Placed; readonly phase?: Phase }
  | {
      readonly kind: 'clear'
      readonly other: string
      readonly table: number
      readonly cursor: string | null
      readonly together: number
    }

/** Some rows of a table, from the one after `cursor`. */
interface Range {
  readonly home: string
  readonly other: string
  readonly table: number
  readonly cursor: string | null
  readonly together: number
}

/** What a shard notes of the tenant: the epoch, and whether it takes writes, reads only, or neither. */
export interface Placed {
  readonly epoch: number
  readonly state: 'active' | 'moving' | 'gone'
}
/** What the shard does with changes of the tenant's rows, see migrations/shard/0005_moves.sql. */
export type Phase = 'noting' | 'fenced' | 'arriving' | 'closed'

/** What came of an action. */
export type MoveAnswer =
  | { readonly kind: 'opened'; readonly horizon: string; readonly estimated: number }
  | { readonly kind: 'settled'; readonly isSettled: boolean }
  | { readonly kind: 'copied'; readonly rows: number; readonly cursor: string | null }
  /** `read`: notes that were read; `unequal`: rows that were copied and are not equal; `isMore`: whether notes are left. */
  | {
      readonly kind: 'carried'
      readonly read: number
      readonly rows: number
      readonly unequal: number
      readonly isMore: boolean
    }
  /** `cursor` is null after the last row. */
  | {
      readonly kind: 'compared'
      readonly rows: number
      readonly cursor: string | null
      readonly differing: number
      readonly differingIn: readonly string[]
    }
  /** `isSwitched`: nothing was left to copy but `rows`, which are equal, and the other shard takes writes. */
  | { readonly kind: 'fenced'; readonly rows: number; readonly isSwitched: boolean }
  | { readonly kind: 'done' }
  | { readonly kind: 'cleared'; readonly rows: number; readonly cursor: string | null }

/** Writes to Postgres wait at most so long; then the fence is lifted and the move tries again later. */
const maxFencedMs = 5000
/** Notes that are copied under the fence: with more of them, they are copied before. */
const fewNotes = 1000
/** A page of history that was asked for before the switch is read within this time. */
const readersMs = 10_000
const settleEveryMs = 200
const retryBaseMs = 500
const retryCapMs = 60_000
const refenceMs = 5000
/** Between two rounds that copy changes back, while the move waits for its confirmation. */
const warmEveryMs = 2000
const warmCapMs = 60_000
const usualRows = 2000
/** Fewer only after failures: where a step is slow since processors are busy, a smaller one takes as long. */
const minRows = 1000
/** A step that takes longer is made smaller. */
const longMs = 1000
/** The rest after a step, at most. */
const maxRestMs = 100
const maxUnequal = 5
const shownDiffering = 20

/** What the actor knows when a move is asked for. */
export interface MoveRequest {
  readonly order: MoveOrder & { readonly to: string }
  readonly placement: Placement
  readonly state: string
  readonly before: Move | undefined
  readonly now: number
}

/** Begins a move. The shards were looked at by the caller. */
export function startMove({ order, placement, state, before, now }: MoveRequest): Move | Refusal {
  if (state !== 'active') return refuse('conflict', `id: the tenant is ${state}; only an active tenant is moved`)
  if (before !== undefined && !isEnded(before))
    return refuse(
      'conflict',
      `id: a move to "${before.to}" is under way (${stateOf(before)}); confirm or reverse it first`,
    )
  if (order.to === placement.shard) return refuse('conflict', `to: the tenant is on "${order.to}" already`)
  return {
    from: placement.shard,
    to: order.to,
    home: placement.shard,
    other: order.to,
    epoch: placement.epoch,
    stage: 'open',
    step: before?.step ?? 0,
    isReturning: false,
    isOpened: false,
    isPaused: false,
    isReverseAsked: false,
    isCompared: false,
    table: 0,
    cursor: null,
    horizon: null,
    together: usualRows,
    rowsPerSecond: order.rowsPerSecond,
    estimated: 0,
    copied: 0,
    carried: 0,
    compared: 0,
    deleted: 0,
    differing: 0,
    differingIn: [],
    unequal: 0,
    startedAt: now,
    copyingMs: 0,
    fencedAt: null,
    switchedAt: null,
    pausedMs: 0,
    fences: 0,
    endedAt: null,
    notBefore: now,
    failures: 0,
    failedSteps: 0,
    caughtUpAt: null,
    idle: 0,
    error: null,
  }
}

export const isEnded = ({ stage: at }: Move): boolean => at === 'done'

/** The placement that is in force: the record of the tenant has it. */
export const placementOf = ({ home: shard, epoch }: Move): Placement => ({ shard, epoch })

const isSwitching = ({ stage: at }: Move): boolean => at === 'activate' || at === 'release'

/** Whether writes to Postgres wait. The move, and not the tenant, says then which shard takes them. */
export const isFenced = ({ fencedAt }: Move): boolean => fencedAt !== null

/** When the next step is due; undefined when there is none until the operator decides. */
export function dueAt(move: Move): number | undefined {
  if (isEnded(move) || (move.isPaused && !isFenced(move))) return undefined
  return move.notBefore
}

/** The piece of work that is next. Doing it twice is harmless. */
export function nextAction(move: Move): MoveAction | undefined {
  const { home, other, epoch, table, cursor, together } = move
  const range = { home, other, table, cursor, together }
  switch (move.stage) {
    case 'open':
      return { kind: 'open', home, other, epoch }
    case 'settle':
      return { kind: 'settle', home, horizon: move.horizon ?? '0' }
    case 'copy':
      return { kind: 'copy', ...range }
    case 'carry':
    case 'drain':
    case 'warm':
      return { kind: 'carry', home, other, together }
    case 'compare':
      return { kind: 'compare', ...range, together: 10 * together }
    case 'fence':
      return {
        kind: 'fence',
        home,
        other,
        epoch: epoch + 1,
        phase: servingPhase(move),
        together: Math.min(together, fewNotes),
      }
    case 'activate':
      return { kind: 'place', shard: home, placed: { epoch, state: 'active' }, phase: servingPhase(move) }
    case 'release':
      return { kind: 'place', shard: other, placed: { epoch, state: 'gone' }, phase: 'arriving' }
    case 'reopen':
      return { kind: 'place', shard: home, placed: { epoch: epoch + 2, state: 'active' }, phase: 'noting' }
    case 'end':
      // A shard that was fenced, or may have been, takes writes again with an epoch that no writer has had.
      return {
        kind: 'place',
        shard: home,
        phase: 'closed',
        ...(isFenced(move) ? { placed: { epoch: epoch + 2, state: 'active' } as const } : {}),
      }
    case 'clear':
      return { kind: 'clear', other, table, cursor, together }
    case 'close':
      return { kind: 'place', shard: other, placed: { epoch, state: 'gone' }, phase: 'closed' }
    case 'done':
      return undefined
  }
}

/** What the shard that the tenant is switched to does with changes. */
const servingPhase = ({ isReturning }: Move): Phase => (isReturning ? 'closed' : 'noting')

/** The move as it is stored before its next action is done. */
export const begun = (move: Move, now: number): Move => ({
  ...move,
  step: move.step + 1,
  fencedAt: move.stage === 'fence' ? (move.fencedAt ?? now) : move.fencedAt,
})

/** The move after an action succeeded; `tookMs` is how long it took. */
export function afterAnswer(before: Move, answer: MoveAnswer, now: number, tookMs: number): Move {
  const move = { ...before, failures: 0, error: null, notBefore: now }
  switch (answer.kind) {
    case 'opened':
      return { ...move, stage: 'settle', isOpened: true, horizon: answer.horizon, estimated: answer.estimated }
    case 'settled':
      return answer.isSettled ? { ...move, stage: 'copy' } : { ...move, notBefore: now + settleEveryMs }
    case 'copied':
      return afterCopied(move, answer, now, tookMs)
    case 'carried':
      return afterCarried(move, answer, now, tookMs)
    case 'compared':
      return rested(afterCompared(paced(move, tookMs), answer), now, tookMs)
    case 'cleared':
      return rested(afterCleared(paced(move, tookMs), answer), now, tookMs)
    case 'fenced':
      return afterFenced(move, answer, now)
    case 'done':
      return afterDone[move.stage]?.(move, now) ?? move
  }
}

function afterCopied(
  move: Move,
  { rows, cursor }: Extract<MoveAnswer, { kind: 'copied' }>,
  now: number,
  tookMs: number,
): Move {
  const copied = move.copied + rows
  const waitMs = Math.max(Math.min(maxRestMs, tookMs), (rows * 1000) / move.rowsPerSecond - tookMs)
  const counted = { ...paced(move, tookMs), copied, copyingMs: move.copyingMs + tookMs + waitMs }
  if (cursor !== null) return { ...counted, cursor, notBefore: now + waitMs }
  return atNextTable(counted) ?? { ...counted, stage: 'carry', table: 0, cursor: null }
}

/** Statements that take long become smaller: what else runs on the shards, and in the process of the actor, waits for them. */
function paced(move: Move, tookMs: number): Move {
  if (tookMs > longMs)
    return { ...move, together: Math.min(move.together, Math.max(minRows, Math.floor(move.together / 2))) }
  return tookMs < longMs / 2 ? { ...move, together: Math.min(usualRows, move.together * 2) } : move
}

/** A move rests as long as it works, for a moment at most, unless writes wait for it. */
const rested = (move: Move, now: number, tookMs: number): Move => ({
  ...move,
  notBefore: Math.max(move.notBefore, now + Math.min(maxRestMs, tookMs)),
})

/** The first row of the next table; undefined after the last one. */
function atNextTable(move: Move): Move | undefined {
  const table = move.table + 1
  return table < movedTables.length ? { ...move, table, cursor: null } : undefined
}

function afterCarried(
  before: Move,
  { read, rows, unequal, isMore }: Extract<MoveAnswer, { kind: 'carried' }>,
  now: number,
  tookMs: number,
): Move {
  const counted = { ...paced(before, tookMs), carried: before.carried + rows }
  if (unequal > 0) return afterUnequal(counted, unequal, now)
  const move = { ...counted, unequal: 0, ...(isMore ? {} : { caughtUpAt: now - tookMs }) }
  if (move.stage === 'warm') return afterWarmed(move, read, isMore, now)
  if (isMore) return move.stage === 'drain' ? liftedWhenLate(move, now) : rested(move, now, tookMs / 2)
  if (move.stage === 'drain') return switched(move)
  if (!move.isCompared) return { ...move, stage: 'compare', table: 0, cursor: null }
  // Notes that came while the last ones were copied are few, unless there were many.
  return read > fewNotes ? move : { ...move, stage: 'fence', fences: move.fences + 1 }
}

/** Usually nothing is left after the fence; many changes, or rows that are not equal, are copied like all others. */
function afterFenced(before: Move, { rows, isSwitched }: Extract<MoveAnswer, { kind: 'fenced' }>, now: number): Move {
  const move = { ...before, carried: before.carried + rows }
  return isSwitched ? serving({ ...switched(move), caughtUpAt: now }, now) : { ...move, stage: 'drain' }
}

/** Rows that were just copied under the eyes of a lock are not equal: the notes are kept and it is tried again. */
function afterUnequal(move: Move, rows: number, now: number): Move {
  const unequal = move.unequal + 1
  const next = { ...move, unequal }
  if (unequal < maxUnequal) return move.stage === 'drain' ? liftedWhenLate(next, now) : next
  const error = `${rows} rows differ on "${move.other}" after they were copied ${unequal} times; reverse the move`
  return move.stage === 'drain' ? { ...next, error, stage: 'reopen' } : { ...next, error, notBefore: now + retryCapMs }
}

/** A fence that is up for too long is taken down: writes go on, and the move tries again. */
function liftedWhenLate(move: Move, now: number): Move {
  const isLate = move.fencedAt !== null && now - move.fencedAt > maxFencedMs
  return isLate ? { ...move, stage: 'reopen', notBefore: now } : move
}

function switched(move: Move): Move {
  return { ...move, stage: 'activate', home: move.other, other: move.home, epoch: move.epoch + 1 }
}

/** The shard of the placement takes writes. */
const serving = (move: Move, now: number): Move => ({ ...unfenced(move, now), stage: 'release', switchedAt: now })

/** Changes are copied back until the move is confirmed, so that it can be reversed as fast as it was made. */
function afterWarmed(move: Move, read: number, isMore: boolean, now: number): Move {
  if (move.isReverseAsked) return returning(move, now)
  if (isMore) return move
  const idle = read > 0 ? 0 : move.idle + 1
  return { ...move, idle, notBefore: now + Math.min(warmCapMs, warmEveryMs * 2 ** Math.min(idle, 10)) }
}

const returning = (move: Move, now: number): Move => ({
  ...move,
  stage: 'carry',
  isReturning: true,
  isCompared: false,
  isPaused: false,
  notBefore: now,
})

function afterCompared(
  move: Move,
  { rows, cursor, differing, differingIn }: Extract<MoveAnswer, { kind: 'compared' }>,
): Move {
  const counted = {
    ...move,
    compared: move.compared + rows,
    differing: move.differing + differing,
    differingIn: [...new Set([...move.differingIn, ...differingIn])].slice(0, shownDiffering),
  }
  if (cursor !== null) return { ...counted, cursor }
  return atNextTable(counted) ?? { ...counted, stage: 'carry', isCompared: true, table: 0, cursor: null }
}

function afterCleared(move: Move, { rows, cursor }: Extract<MoveAnswer, { kind: 'cleared' }>): Move {
  const counted = { ...move, cursor, deleted: move.deleted + rows }
  if (cursor !== null) return counted
  return atNextTable(counted) ?? { ...counted, stage: 'close', table: 0 }
}

/** What follows each stage whose action has no answer but that it is done. */
const afterDone: Partial<Record<Stage, (move: Move, now: number) => Move>> = {
  activate: serving,
  release: (move, now) => (move.isReturning ? cleared(move, 'reversed', now) : { ...move, stage: 'warm' }),
  reopen: (move, now) => ({
    ...unfenced(move, now),
    stage: 'carry',
    epoch: move.epoch + 2,
    notBefore: now + refenceMs,
  }),
  end: (move, now) => {
    const open = { ...unfenced(move, now), epoch: isFenced(move) ? move.epoch + 2 : move.epoch }
    return cleared(open, open.outcome ?? 'reversed', now)
  },
  close: (move, now) => ({ ...move, stage: 'done', endedAt: now }),
}

/** Rows of the former shard go when no reader can be under way there any more. */
function cleared(move: Move, outcome: 'confirmed' | 'reversed', now: number): Move {
  const notBefore = move.switchedAt === null ? now : Math.max(now, move.switchedAt + readersMs)
  return { ...move, outcome, stage: move.isOpened ? 'clear' : 'close', table: 0, cursor: null, notBefore }
}

const unfenced = (move: Move, now: number): Move => ({
  ...move,
  fencedAt: null,
  pausedMs: move.pausedMs + (move.fencedAt === null ? 0 : now - move.fencedAt),
})

/** The move after an action failed, or may have been done all the same: it is done again after a growing pause. */
export function afterFailure(before: Move, reason: string, now: number, random: number): Move {
  const failures = before.failures + 1
  const waitMs = backoffMs(failures, retryBaseMs, isFenced(before) ? 1000 : retryCapMs, random)
  const move = {
    ...before,
    failures,
    failedSteps: before.failedSteps + 1,
    error: reason.slice(0, 500),
    notBefore: now + waitMs,
    together: Math.max(1, Math.floor(before.together / 2)),
  }
  if (move.stage === 'warm' && move.isReverseAsked) return { ...returning(move, now), notBefore: now + waitMs }
  // After its switch a move has to be completed; before it the fence is lifted.
  return ['fence', 'drain'].includes(move.stage) ? liftedWhenLate(move, now) : move
}

/** The operator's decisions on a move that is under way. */
export type MoveDecision = 'confirm' | 'reverse' | 'pause' | 'resume'

/** The move after the operator decided, or why that is refused. */
export function decide(move: Move, decision: MoveDecision, now: number): Move | Refusal {
  if (isEnded(move)) return refuse('conflict', `the move is ${stateOf(move)}; there is nothing to ${decision}`)
  switch (decision) {
    case 'confirm':
      return confirmed(move, now)
    case 'reverse':
      return reversed(move, now)
    case 'pause':
      return { ...move, isPaused: true }
    case 'resume':
      return { ...move, isPaused: false, notBefore: now, failures: 0 }
  }
}

function confirmed(move: Move, now: number): Move | Refusal {
  if (move.outcome === 'confirmed') return move
  if (move.stage !== 'warm' || move.isReverseAsked)
    return refuse('conflict', `the move is ${stateOf(move)}; it can be confirmed when it is awaiting-confirmation`)
  return { ...move, stage: 'end', outcome: 'confirmed', isPaused: false, notBefore: now }
}

function reversed(move: Move, now: number): Move | Refusal {
  if (move.outcome === 'confirmed')
    return refuse('conflict', 'the move is confirmed; move the tenant back with a move of its own')
  if (move.outcome === 'reversed' || move.isReturning) return move
  if (move.stage === 'warm') return returning({ ...move, isReverseAsked: true }, now)
  // Its switch is completed first; what was written to the new shard goes back then.
  if (isSwitching(move)) return { ...move, isReverseAsked: true }
  return {
    ...move,
    stage: 'end',
    outcome: 'reversed',
    isReverseAsked: true,
    isPaused: false,
    table: 0,
    cursor: null,
    notBefore: now,
  }
}

/** The state that an operator sees. */
export function stateOf(move: Move): MoveState {
  const states: Readonly<Record<Stage, MoveState>> = {
    open: 'starting',
    settle: 'starting',
    copy: 'copying',
    carry: 'catching-up',
    compare: 'verifying',
    fence: 'fenced',
    drain: 'fenced',
    reopen: 'fenced',
    release: 'switched',
    activate: 'switched',
    warm: 'awaiting-confirmation',
    end: 'clearing',
    clear: 'clearing',
    close: 'clearing',
    done: move.outcome ?? 'reversed',
  }
  return states[move.stage]
}

/** The move as an operator sees it. */
export function viewOf(move: Move, now: number): MoveView {
  const { from, to, home, copied, estimated, copyingMs, carried, compared, differing, deleted, error } = move
  const isInTable = ['copy', 'compare', 'clear'].includes(move.stage)
  return {
    from,
    to,
    serving: home,
    state: stateOf(move),
    isReversing: move.isReverseAsked,
    isPaused: move.isPaused,
    table: isInTable ? (movedTables[move.table]?.name ?? null) : null,
    rows: {
      estimated,
      copied,
      perSecond: copyingMs === 0 ? 0 : Math.round((copied * 1000) / copyingMs),
      caughtUp: carried,
      compared,
      differing,
      deleted,
    },
    differingIn: move.differingIn,
    pauseMs: Math.round(move.pausedMs + (move.fencedAt === null ? 0 : now - move.fencedAt)),
    fences: move.fences,
    startedAt: move.startedAt,
    switchedAt: move.switchedAt,
    endedAt: move.endedAt,
    failures: move.failures,
    nextAt: dueAt(move) ?? null,
    error,
  }
}
