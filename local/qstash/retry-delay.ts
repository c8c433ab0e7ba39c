/** A compiled `Upstash-Retry-Delay`: milliseconds to wait, given how often the message was already retried. */
export type RetryDelay = (retried: number) => number

type Operator = (left: number, right: number) => number

const sums = new Map<string, Operator>([
  ['+', (left, right) => left + right],
  ['-', (left, right) => left - right],
])
const products = new Map<string, Operator>([
  ['*', (left, right) => left * right],
  ['/', (left, right) => left / right],
  ['%', (left, right) => left % right],
])

/** The functions the documentation of `Upstash-Retry-Delay` names, with how many arguments each takes. */
const functions = new Map<string, { takes: number; of: (...values: number[]) => number }>([
  ['pow', { takes: 2, of: Math.pow }],
  ['sqrt', { takes: 1, of: Math.sqrt }],
  ['abs', { takes: 1, of: Math.abs }],
  ['exp', { takes: 1, of: Math.exp }],
  ['floor', { takes: 1, of: Math.floor }],
  ['ceil', { takes: 1, of: Math.ceil }],
  ['round', { takes: 1, of: Math.round }],
  ['min', { takes: 2, of: Math.min }],
  ['max', { takes: 2, of: Math.max }],
])

/**
 * Compiles an expression over `retried`, for example `max(1000, pow(2, retried) * 100)`.
 * Throws an Error whose message says what was not understood.
 */
export function compileRetryDelay(expression: string): RetryDelay {
  const tokens = new Tokens(expression)
  const delay = sum(tokens)
  tokens.end()
  return delay
}

/** Walks over the numbers, names and signs of an expression. */
class Tokens {
  readonly #tokens: string[]
  #at = 0

  constructor(expression: string) {
    this.#tokens = expression.match(/\d+(?:\.\d+)?|[a-z]+|\S/gi) ?? []
  }

  peek(): string | undefined {
    return this.#tokens[this.#at]
  }

  next(): string {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new Error('expression ends too early')
    this.#at += 1
    return token
  }

  expect(token: string): void {
    const found = this.next()
    if (found !== token) throw new Error(`expected '${token}', found '${found}'`)
  }

  end(): void {
    const left = this.peek()
    if (left !== undefined) throw new Error(`unexpected '${left}'`)
  }
}

const sum = (tokens: Tokens): RetryDelay => chain(tokens, sums, product)
const product = (tokens: Tokens): RetryDelay => chain(tokens, products, signed)

/** Operands of one precedence, applied from the left. */
function chain(tokens: Tokens, operators: Map<string, Operator>, operand: (tokens: Tokens) => RetryDelay): RetryDelay {
  let left = operand(tokens)
  for (;;) {
    const operator = operators.get(tokens.peek() ?? '')
    if (operator === undefined) return left
    tokens.next()
    left = combined(operator, left, operand(tokens))
  }
}

function combined(operator: Operator, left: RetryDelay, right: RetryDelay): RetryDelay {
  return (retried) => operator(left(retried), right(retried))
}

function signed(tokens: Tokens): RetryDelay {
  if (tokens.peek() !== '-') return atom(tokens)
  tokens.next()
  const value = signed(tokens)
  return (retried) => -value(retried)
}

function atom(tokens: Tokens): RetryDelay {
  const token = tokens.next()
  if (token === '(') {
    const inner = sum(tokens)
    tokens.expect(')')
    return inner
  }
  if (token === 'retried') return (retried) => retried
  if (functions.has(token)) return call(token, tokens)

  const value = Number(token)
  if (Number.isNaN(value)) throw new Error(`unknown name '${token}'`)
  return () => value
}

function call(name: string, tokens: Tokens): RetryDelay {
  const known = functions.get(name)
  if (known === undefined) throw new Error(`unknown function '${name}'`)

  tokens.expect('(')
  const values = [sum(tokens)]
  while (values.length < known.takes) {
    tokens.expect(',')
    values.push(sum(tokens))
  }
  tokens.expect(')')
  return (retried) => known.of(...values.map((value) => value(retried)))
}
