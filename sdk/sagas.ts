import type { z } from 'zod'
import type { sagaDefinition } from '../src/protocol/sagas-api.ts'

/**
 * Builds definitions of sagas. The compiler knows the names of the steps and the types of what they return; bodies and conditions
 * are written as values, and become JMESPath expressions.
 */

/** The body of `PUT /v1/sagas/{name}`. */
export type SagaDefinition = z.input<typeof sagaDefinition>
type StepJson = SagaDefinition['steps'][number]

declare const referenced: unique symbol

/** A value of a run that is not known yet: its input, or what an earlier step returned. */
export type Reference<T> = { readonly [referenced]: T } & FieldsOf<NonNullable<T>>
type FieldsOf<T> = T extends readonly unknown[]
  ? unknown
  : T extends object
    ? { readonly [Name in keyof T & string]-?: Reference<T[Name]> }
    : unknown

/** A JMESPath expression, made by `expression`. */
export class Expression {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A body that is put together when the call is made. */
export type Template =
  | { readonly [referenced]: unknown }
  | Expression
  | string
  | number
  | boolean
  | null
  | readonly Template[]
  | { readonly [name: string]: Template }

/** A JMESPath expression with references and values in it: `` expression`${input.total} > ${100}` ``. */
export const expression = (texts: TemplateStringsArray, ...values: readonly Template[]): Expression =>
  new Expression(
    texts.map((text, index) => (index === 0 ? text : `${expressionOf(values[index - 1] ?? null)}${text}`)).join(''),
  )

/** What a call of a step may use. */
export interface RunDocument<Input, Results> {
  readonly input: Reference<Input>
  readonly steps: {
    readonly [Name in keyof Results]: { readonly state: Reference<string>; readonly result: Reference<Results[Name]> }
  }
  /** `reason` is there once the run is compensated. */
  readonly run: Reference<{ id: string; saga: string; version: number; startedAt: number; reason?: string }>
}

/** A POST to an https address. Without `body` it is sent the whole document of the run. */
export interface EndpointCall<Document> {
  readonly url: string
  readonly body?: (document: Document) => Template
}

/** An operation of Parley, by its operationId. */
export interface OperationCall<Document> {
  readonly operation: string
  readonly input?: (document: Document) => {
    readonly params?: Template
    readonly query?: Template
    readonly body?: Template
  }
}

/** Waiting for a signal, or for an event by its `correlationid` or key. */
export type Wait<Document> =
  | { readonly signal: string }
  | { readonly topic?: string; readonly event: string; readonly correlation: (document: Document) => Template }

type Call<Document> = EndpointCall<Document> | OperationCall<Document>

type Work<Document> =
  | { readonly call: EndpointCall<Document>; readonly operation?: never; readonly wait?: never; readonly sleep?: never }
  | {
      readonly operation: OperationCall<Document>
      readonly call?: never
      readonly wait?: never
      readonly sleep?: never
    }
  | { readonly wait: Wait<Document>; readonly call?: never; readonly operation?: never; readonly sleep?: never }
  | {
      readonly sleep: { readonly seconds: number }
      readonly call?: never
      readonly operation?: never
      readonly wait?: never
    }

/** Says what a step returns: `returns: type<{charge: string}>()`. It is for the compiler only. */
export interface Type<T> {
  readonly [referenced]?: T
}
export const type = <T>(): Type<T> => ({})

/** A step that starts when those in `after` have ended; without `after`, when the step before it has. */
export type StepOptions<Input, Results, Name extends string, Result> = Work<RunDocument<Input, Results>> & {
  readonly after?: readonly (keyof Results & string)[]
  readonly when?: (document: RunDocument<Input, Results>) => Expression
  readonly compensate?: Call<RunDocument<Input, Results & Record<Name, Result>>>
  readonly status?: EndpointCall<RunDocument<Input, Results>>
  readonly timeoutSeconds?: number
  readonly retry?: { readonly attempts?: number; readonly seconds?: number; readonly maxSeconds?: number }
  readonly onUnknown?: 'attention' | 'compensate'
  readonly returns?: Type<Result>
}

/** Behind the pivot the run only goes forward, so there is nothing to compensate. */
type AllowedOptions<Input, Results, Name extends string, Result, HasPivot extends boolean> = HasPivot extends true
  ? StepOptions<Input, Results, Name, Result> & { readonly compensate?: never }
  : StepOptions<Input, Results, Name, Result>

/** A name that no earlier step has. */
type NewName<Name extends string, Results> = Name extends keyof Results ? never : Name

/** A definition whose steps are added one by one. Each call returns a new builder. */
export class SagaBuilder<Input, Results, HasPivot extends boolean = false> {
  readonly #steps: readonly StepJson[]

  constructor(steps: readonly StepJson[] = []) {
    this.#steps = steps
  }

  step<const Name extends string, Result = unknown>(
    name: NewName<Name, Results>,
    options: AllowedOptions<Input, Results, Name, Result, HasPivot>,
  ): SagaBuilder<Input, Results & Record<Name, Result>, HasPivot> {
    return new SagaBuilder([...this.#steps, stepJson(name, options)])
  }

  /** The step after which the run only goes forward; there is at most one. */
  pivot<const Name extends string, Result = unknown>(
    name: HasPivot extends true ? never : NewName<Name, Results>,
    options: StepOptions<Input, Results, Name, Result>,
  ): SagaBuilder<Input, Results & Record<Name, Result>, true> {
    return new SagaBuilder([...this.#steps, { ...stepJson(name, options), pivot: true }])
  }

  /** The body of `PUT /v1/sagas/{name}`. */
  definition(options: Omit<SagaDefinition, 'steps'> = {}): SagaDefinition {
    return { ...options, steps: [...this.#steps] }
  }
}

/** A definition without steps, of runs with such an input. */
export const saga = <Input>(): SagaBuilder<Input, unknown> => new SagaBuilder()

function stepJson<Input, Results, Name extends string, Result>(
  name: string,
  options: StepOptions<Input, Results, Name, Result>,
): StepJson {
  const { call, operation, wait, sleep, after, when, compensate, status, returns: _, ...rest } = options
  return {
    ...rest,
    name,
    ...(after === undefined ? {} : { after: [...after] }),
    ...(when === undefined ? {} : { when: when(document()).text }),
    ...(call === undefined ? {} : { call: callJson(call) }),
    ...(operation === undefined ? {} : { operation: operationJson(operation) }),
    ...(wait === undefined ? {} : { wait: waitJson(wait) }),
    ...(sleep === undefined ? {} : { sleep }),
    ...(compensate === undefined
      ? {}
      : { compensate: 'url' in compensate ? callJson(compensate) : operationJson(compensate) }),
    ...(status === undefined ? {} : { status: callJson(status) }),
  }
}

const callJson = <Document>({ url, body }: EndpointCall<Document>) =>
  body === undefined ? { url } : { url, body: expressionOf(body(document())) }

const operationJson = <Document>({ operation, input }: OperationCall<Document>) =>
  input === undefined ? { operation } : { operation, input: expressionOf({ ...input(document()) }) }

const waitJson = <Document>(wait: Wait<Document>) =>
  'signal' in wait ? wait : { ...wait, correlation: expressionOf(wait.correlation(document())) }

/** Paths of references, which are proxies: their fields are further references. */
const paths = new WeakMap<object, string>()

function reference(path: string): object {
  const made = new Proxy({}, { get: (_, name) => (typeof name === 'string' ? child(path, name) : undefined) })
  paths.set(made, path)
  return made
}

const child = (path: string, name: string): object => reference(path === '' ? named(name) : `${path}.${named(name)}`)

// oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters -- every field of the document is a reference
const document = <Document>(): Document => reference('') as Document

const named = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name))

/** JSON has no backticks outside of its texts, and there they may be written as an escape. */
const literal = (value: unknown): string => `\`${JSON.stringify(value).replaceAll('`', '\\u0060')}\``

function expressionOf(template: Template): string {
  if (typeof template !== 'object' || template === null) return literal(template)
  const path = paths.get(template)
  if (path !== undefined) return path
  if (template instanceof Expression) return template.text
  if (isList(template)) return template.length === 0 ? literal([]) : `[${template.map(expressionOf).join(', ')}]`
  const fields = Object.entries(template).map(([name, value]) => `${named(name)}: ${expressionOf(value)}`)
  return fields.length === 0 ? literal({}) : `{${fields.join(', ')}}`
}

const isList = (template: object): template is readonly Template[] => Array.isArray(template)
