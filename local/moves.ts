import type { MoveView } from '../src/protocol/moves-api.ts'
import { oneLine } from './local-error.ts'

/** What moving tenants needs of the operator's interface. */
export interface MovingOperator {
  tenantsOn(shard: string, after: string): AsyncIterable<string>
  startMove(tenant: string, order: MoveSettings): Promise<MoveView>
  /** The last move of the tenant; undefined when it was never moved. */
  lastMove(tenant: string): Promise<MoveView | undefined>
  decideMove(tenant: string, decision: 'confirm' | 'reverse' | 'pause' | 'resume'): Promise<MoveView>
}

export interface MoveSettings {
  readonly to?: string
  readonly rowsPerSecond?: number
}

export interface DrainOptions {
  readonly order: MoveSettings
  /** Tenants that are moved at one time. */
  readonly parallel: number
  /** Whether each move is confirmed when it is made. */
  readonly isConfirmed: boolean
  readonly report: (line: string) => void
  /** Waits before moves are looked at again. */
  readonly wait: () => Promise<unknown>
}

/** How far a move is, in a line. */
export function progressOf(tenant: string, move: MoveView): string {
  const { from, to, state, table, rows, pauseMs, error, isPaused, isReversing } = move
  const copied = `${rows.copied.toLocaleString('en')} of ${rows.estimated.toLocaleString('en')} rows`
  const details: Partial<Record<MoveView['state'], string>> = {
    copying: `${copied}, ${rows.perSecond.toLocaleString('en')} a second`,
    'catching-up': `${rows.caughtUp.toLocaleString('en')} rows that changed meanwhile`,
    verifying: `${rows.compared.toLocaleString('en')} rows compared, ${rows.differing.toLocaleString('en')} differed`,
    clearing: `${rows.deleted.toLocaleString('en')} rows deleted`,
  }
  const parts = [
    `${tenant}: ${from} → ${to}`,
    `${state}${isPaused ? ' (paused)' : ''}${isReversing && state !== 'reversed' ? ' (reversing)' : ''}`,
    ...(table === null ? [] : [table]),
    ...(details[state] === undefined ? [] : [details[state]]),
    ...(pauseMs > 0 ? [`writes waited ${pauseMs} ms`] : []),
    ...(error === null ? [] : [`FAILED, tried again: ${error}`]),
  ]
  return parts.join(', ')
}

/**
 * Moves all tenants off a shard, a few at one time; moves that are under way already are followed. A tenant that cannot be moved
 * stops no other. May be interrupted and repeated.
 */
export async function drainShard(
  operator: MovingOperator,
  shard: string,
  options: DrainOptions,
): Promise<{ readonly moved: number; readonly failed: number }> {
  const tenants: string[] = []
  for await (const tenant of operator.tenantsOn(shard, '')) tenants.push(tenant)
  const left = tenants.values()
  let moved = 0
  let failed = 0
  const lane = async () => {
    for (const tenant of left) {
      try {
        await moveAway(operator, shard, tenant, options)
        moved++
        options.report(`[${moved + failed}/${tenants.length}] ${tenant}: moved`)
      } catch (thrown) {
        failed++
        options.report(`[${moved + failed}/${tenants.length}] ${tenant}: FAILED: ${oneLine(thrown)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.parallel, tenants.length) }, lane))
  options.report(`${shard}: ${moved} of ${tenants.length} tenants moved, ${failed} failed`)
  return { moved, failed }
}

async function moveAway(
  operator: MovingOperator,
  shard: string,
  tenant: string,
  { order, isConfirmed, report, wait }: DrainOptions,
): Promise<void> {
  const before = await operator.lastMove(tenant)
  const isUnderWay = before !== undefined && before.endedAt === null
  if (!isUnderWay) await operator.startMove(tenant, order)
  let shown = ''
  for (;;) {
    const move = await operator.lastMove(tenant)
    if (move === undefined) throw new Error('its move is gone')
    const line = progressOf(tenant, move)
    if (line !== shown) report(line)
    shown = line
    if (move.isReversing) throw new Error('its move is being reversed')
    if (move.endedAt !== null && move.serving !== shard) return
    if (move.endedAt !== null) throw new Error(`its move ended as ${move.state}`)
    if (move.state === 'awaiting-confirmation') {
      if (!isConfirmed) return
      await operator.decideMove(tenant, 'confirm')
    }
    await wait()
  }
}
