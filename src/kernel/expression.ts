import { BoundedMap } from './bounded-map.ts'
import { compile, TreeInterpreter } from '@jmespath-community/jmespath'

/** Characters of an expression, at most. */
export const expressionLength = 2000
const maxParts = 500
/** How many times its input each part of an expression may produce, and how many characters of its own. */
const maxGrowth: Size = { times: 16, plus: 16_384 }

type Node = ReturnType<typeof compile>
type Json = Parameters<typeof TreeInterpreter.search>[1]

/** The size of a result: `times` that of the input, and `plus` characters. */
interface Size {
  readonly times: number
  readonly plus: number
}

/**
 * Functions that an expression may use, with how much of their arguments the result may have. Not among them: functions that
 * repeat text (`join`, `pad_left`, `replace`), and those with the size of a product.
 */
const functions: Readonly<Record<string, number>> = {
  abs: 1,
  avg: 1,
  ceil: 1,
  contains: 1,
  ends_with: 1,
  floor: 1,
  keys: 1,
  length: 1,
  lower: 3,
  max: 1,
  merge: 1,
  min: 1,
  not_null: 1,
  reverse: 1,
  sort: 1,
  starts_with: 1,
  sum: 1,
  to_array: 1,
  to_number: 1,
  to_string: 6,
  trim: 1,
  type: 1,
  upper: 3,
  values: 1,
}

/** An expression that may be evaluated. */
export interface Expression {
  /** Throws when the expression does not fit the data. */
  evaluate(data: unknown): unknown
}

/** What an expression is refused with. */
export class BadExpression extends Error {}

/** Why a text is no expression that may be evaluated, or undefined. */
export function badExpression(text: string): string | undefined {
  try {
    parseExpression(text)
    return undefined
  } catch (thrown) {
    if (thrown instanceof BadExpression) return thrown.message
    throw thrown
  }
}

/** The value of an expression on a document; null where it names nothing. Throws on a wrong type or an expression that is refused. */
export function evaluate(text: string, document: unknown): unknown {
  const known = expressions.get(text)
  const expression = known ?? parseExpression(text)
  if (known === undefined) expressions.set(text, expression)
  return expression.evaluate(toJson(document)) ?? null
}

/** Expressions that were used lately, the oldest dropped first: those of a definition are used by each of its runs. */
const expressions = new BoundedMap<string, Expression>(1000)

/** What JSON cannot say is left out, as in the text that an endpoint receives. */
const toJson = (document: unknown): unknown => JSON.parse(JSON.stringify(document ?? null))

/**
 * Parses a JMESPath expression. Every expression ends; how much it can produce follows from its syntax tree, and one that could
 * produce more than its bound is refused, so that no clock is needed. Throws BadExpression.
 */
export function parseExpression(text: string): Expression {
  if (text.length > expressionLength) throw new BadExpression(`at most ${expressionLength} characters`)
  const tree = parsed(text)
  new Growth().of(tree, input)
  return { evaluate: (data) => TreeInterpreter.search(tree, jsonOf(data)) }
}

function parsed(text: string): Node {
  try {
    return compile(text)
  } catch (thrown) {
    throw new BadExpression(`not a JMESPath expression: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- data of an event is JSON
const jsonOf = (data: unknown): Json => data as Json

const input: Size = { times: 1, plus: 0 }
const nothing: Size = { times: 0, plus: 0 }
const small: Size = { times: 0, plus: 32 }

const scaled = ({ times, plus }: Size, by: number): Size => ({ times: times * by, plus: plus * by })
const sum = (sizes: readonly Size[], own = 0): Size => ({
  times: sizes.reduce((total, { times }) => total + times, 0),
  plus: sizes.reduce((total, { plus }) => total + plus, own),
})
const larger = (one: Size, other: Size): Size => ({
  times: Math.max(one.times, other.times),
  plus: Math.max(one.plus, other.plus),
})

/** How large the result of each part can be, where each stays within the bound. */
class Growth {
  #parts = 0

  /** The size of a part's result for an input of this size. Throws BadExpression where it is too large. */
  of(node: Node, given: Size): Size {
    if (++this.#parts > maxParts) throw new BadExpression(`at most ${maxParts} parts; those of projections count twice`)
    const size = this.#sizeOf(node, given)
    if (size.times > maxGrowth.times || size.plus > maxGrowth.plus)
      throw new BadExpression(`its result can have more than ${maxGrowth.times} times its input; repeat less`)
    return size
  }

  #sizeOf(node: Node, given: Size): Size {
    switch (node.type) {
      case 'Field':
        checkName(node.name)
        return given
      case 'Identity':
      case 'Current':
      case 'Index':
      case 'Slice':
        return given
      case 'Literal':
        return { times: 0, plus: JSON.stringify(node.value).length }
      case 'IndexExpression':
      case 'Subexpression':
      case 'Pipe':
        return this.of(node.right, this.of(node.left, given))
      case 'Projection':
      case 'ValueProjection':
        return this.#projected(node.right, this.of(node.left, given))
      case 'FilterProjection': {
        const items = this.of(node.left, given)
        this.#projected(node.condition, items)
        return this.#projected(node.right, items)
      }
      case 'Flatten':
        return this.of(node.child, given)
      case 'MultiSelectList':
        return sum(
          node.children.map((child) => this.of(child, given)),
          2 + node.children.length,
        )
      case 'MultiSelectHash':
        return sum(
          node.children.map(({ name, value }) => {
            checkName(name)
            return sum([this.of(value, given)], JSON.stringify(name).length + 2)
          }),
          2,
        )
      case 'OrExpression':
      case 'AndExpression':
        return larger(this.of(node.left, given), this.of(node.right, given))
      case 'Ternary':
        this.of(node.condition, given)
        return larger(this.of(node.trueExpr, given), this.of(node.falseExpr, given))
      case 'Comparator':
      case 'Arithmetic':
        this.of(node.left, given)
        this.of(node.right, given)
        return small
      case 'NotExpression':
        this.of(node.child, given)
        return small
      case 'Unary':
        this.of(node.operand, given)
        return small
      case 'Function':
        return this.#called(node, given)
      case 'Root':
      case 'Variable':
      case 'LetExpression':
      case 'Binding':
      case 'ExpressionReference':
        throw new BadExpression(`${node.type}: not supported`)
    }
  }

  /** A part applied to each item of `items`. What it adds of its own it adds for each item, and an item has at least two characters. */
  #projected(node: Node, items: Size): Size {
    const own = this.of(node, nothing).plus
    return sum([this.of(node, items), scaled(items, own / 2)])
  }

  #called({ name, children }: Extract<Node, { type: 'Function' }>, given: Size): Size {
    const times = Object.hasOwn(functions, name) ? functions[name] : undefined
    if (times === undefined)
      throw new BadExpression(`${name}: this function is not supported; there are ${Object.keys(functions).join(', ')}`)
    return sum([scaled(sum(children.map((child) => this.of(child, given))), times)], 32)
  }
}

/**
 * What an expression names of its document: the names from the root on, e.g. `['steps', 'mail', 'state']`. Empty for one that has
 * the same value on each document; a path without names is the document as a whole. Throws BadExpression.
 */
export function pathsIn(text: string): readonly (readonly string[])[] {
  parseExpression(text)
  const found: string[][] = []
  walk(parsed(text), [], found)
  return found
}

/**
 * Adds the paths that a part names, where `base` is the path of its input; undefined where the input is no part of the document.
 * Returns the path of the result, undefined when it has none.
 */
function walk(node: Node, base: string[] | undefined, found: string[][]): string[] | undefined {
  switch (node.type) {
    case 'Identity':
    case 'Current':
      if (base !== undefined) found.push(base)
      return base
    case 'Field': {
      const path = base === undefined ? undefined : [...base, node.name]
      if (path !== undefined) found.push(path)
      return path
    }
    case 'Subexpression':
    case 'Pipe':
      return walk(node.right, walk(node.left, base, found), found)
    case 'IndexExpression':
    case 'Projection':
    case 'ValueProjection':
      walk(node.left, base, found)
      return undefined
    case 'FilterProjection':
      walk(node.left, base, found)
      return undefined
    case 'Flatten':
      walk(node.child, base, found)
      return undefined
    case 'MultiSelectList':
    case 'Function':
      for (const child of node.children) walk(child, base, found)
      return undefined
    case 'MultiSelectHash':
      for (const { value } of node.children) walk(value, base, found)
      return undefined
    case 'OrExpression':
    case 'AndExpression':
    case 'Comparator':
    case 'Arithmetic':
      walk(node.left, base, found)
      walk(node.right, base, found)
      return undefined
    case 'NotExpression':
      walk(node.child, base, found)
      return undefined
    case 'Unary':
      walk(node.operand, base, found)
      return undefined
    case 'Ternary':
      walk(node.condition, base, found)
      walk(node.trueExpr, base, found)
      walk(node.falseExpr, base, found)
      return undefined
    case 'Literal':
    case 'Index':
    case 'Slice':
    case 'Root':
    case 'Variable':
    case 'LetExpression':
    case 'Binding':
    case 'ExpressionReference':
      return undefined
  }
}

/** Names that every JavaScript object has would be found where the data has none. */
function checkName(name: string): void {
  if (name in Object.prototype) throw new BadExpression(`${name}: this name cannot be used`)
}

/** Whether a JMESPath condition holds: false, null, and empty strings, lists and objects do not (JMESPath, "Or Expressions"). */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  if (typeof value !== 'object') return true
  return Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0
}
