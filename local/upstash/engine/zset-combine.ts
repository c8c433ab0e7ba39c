import type { Bytes } from '../bytes.ts'
import { type Command, type Context, reads, writes } from './command.ts'
import { RedisError, refusals } from './errors.ts'
import { parseFloat64, parseInteger } from './numbers.ts'
import { Options } from './options.ts'
import { SortedSet } from './sorted-set.ts'
import { listScored } from './zset-range.ts'

/** What happens to the members of several sets. */
export type Combination = 'UNION' | 'INTER' | 'DIFF'

type Scores = Map<Bytes, number>
type Aggregate = (a: number, b: number) => number

const aggregates: Readonly<Record<string, Aggregate>> = {
  SUM: sum,
  MIN: Math.min,
  MAX: Math.max,
}

interface Plan {
  readonly sources: Scores[]
  readonly aggregate: Aggregate
  readonly withScores: boolean
}

/** ZUNION, ZINTER and ZDIFF. */
export function combiningScored(kind: Combination): Command {
  return reads(-3, (context, args) => {
    const plan = readPlan(context, `z${kind.toLowerCase()}`, args, kind, true)
    return listScored(combine(plan, kind).list(), plan.withScores)
  })
}

/** ZUNIONSTORE, ZINTERSTORE and ZDIFFSTORE. */
export function storingScored(kind: Combination): Command {
  return writes(-4, (context, [target = '', ...args]) => {
    const members = combine(readPlan(context, `z${kind.toLowerCase()}store`, args, kind, false), kind)
    context.db.put(target, { type: 'zset', members })
    return members.size
  })
}

function readPlan(
  context: Context,
  name: Bytes,
  [numkeys = '', ...words]: Bytes[],
  kind: Combination,
  mayShow: boolean,
) {
  const amount = parseInteger(numkeys)
  if (amount < 1) throw new RedisError(`ERR at least 1 input key is needed for '${name}' command`)
  if (amount > words.length) throw refusals.syntax()
  const sources = words.slice(0, amount).map((key) => scoresOf(context, key))
  const settings = { aggregate: sum, withScores: false, weights: sources.map(() => 1) }

  const options = new Options(words.slice(amount))
  while (options.more()) {
    const word = options.word()
    if (word === 'WEIGHTS' && kind !== 'DIFF')
      settings.weights = sources.map(() =>
        parseFloat64(options.value(), () => new RedisError('ERR weight value is not a float')),
      )
    else if (word === 'AGGREGATE' && kind !== 'DIFF') settings.aggregate = readAggregate(options)
    else if (word === 'WITHSCORES' && mayShow) settings.withScores = true
    else throw refusals.syntax()
  }
  return { ...settings, sources: sources.map((scores, at) => weigh(scores, settings.weights[at] ?? 1)) }
}

function readAggregate(options: Options): Aggregate {
  const aggregate = aggregates[options.word()]
  if (aggregate === undefined) throw refusals.syntax()
  return aggregate
}

/** Infinities of opposite sign cancel to 0 in Redis, not to NaN. */
function sum(a: number, b: number): number {
  return Number.isNaN(a + b) ? 0 : a + b
}

/** Plain sets may take part too, every member with score 1. */
function scoresOf({ db }: Context, key: Bytes): Scores {
  const value = db.entry(key)?.value
  if (value === undefined) return new Map()
  if (value.type === 'set') return new Map([...value.members].map((member) => [member, 1]))
  if (value.type !== 'zset') throw refusals.wrongType()
  return new Map([...value.members].map(({ member, score }) => [member, score]))
}

function weigh(scores: Scores, weight: number): Scores {
  // Zero times infinity is 0 in Redis, not NaN.
  return new Map([...scores].map(([member, score]) => [member, Number.isNaN(score * weight) ? 0 : score * weight]))
}

function combine({ sources, aggregate }: Plan, kind: Combination): SortedSet {
  const [first = new Map<Bytes, number>(), ...others] = sources
  const merged = others.reduce((left, right) => merge(left, right, kind, aggregate), first)
  return SortedSet.from([...merged].map(([member, score]) => ({ member, score })))
}

function merge(left: Scores, right: Scores, kind: Combination, aggregate: Aggregate): Scores {
  const merged: Scores = new Map()
  for (const [member, score] of left) {
    const other = right.get(member)
    if (other === undefined && kind !== 'INTER') merged.set(member, score)
    if (other !== undefined && kind !== 'DIFF') merged.set(member, aggregate(score, other))
  }
  if (kind === 'UNION') for (const [member, score] of right) if (!left.has(member)) merged.set(member, score)
  return merged
}
