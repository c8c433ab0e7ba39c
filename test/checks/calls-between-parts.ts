import { globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '../..')

/** A call from one part to another: an actor, an entrypoint of the Worker, or an outside service. */
export interface Call {
  readonly from: string
  readonly to: string
  readonly method: string
  readonly at: string
}

/**
 * What the compiler is told of the runtime: enough to know a stub and its class. With all of the runtime's types it would take
 * ten times as long.
 */
const runtime = `
interface Stub<T> { readonly stubOf: T; fetch(request: Request): Promise<Response> }
type DurableObjectStub<T> = Stub<T> & T
interface DurableObjectNamespace<T> {
  getByName(name: string, options?: unknown): DurableObjectStub<T>
  get(id: unknown): DurableObjectStub<T>
  jurisdiction(name: string): DurableObjectNamespace<T>
}
type Fetcher<T = unknown> = Stub<T> & T
declare namespace Rpc { interface DurableObjectBranded {} }
`

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts'],
  module: ts.ModuleKind.Preserve,
  types: [],
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
}

const parsing = { languageVersion: ts.ScriptTarget.ES2022, jsDocParsingMode: ts.JSDocParsingMode.ParseNone }

const runtimeFile = join(root, 'runtime-of-communication.d.ts')

/** The program of these files; modules outside of the project are unknown to it. */
function programOf(files: readonly string[], madeUp: ReadonlyMap<string, string>): ts.Program {
  const host = ts.createCompilerHost(options)
  const texts = new Map([...madeUp, [runtimeFile, runtime]])
  const textOf = (file: string): string => texts.get(file) ?? readFileSync(file, 'utf8')
  return ts.createProgram([...files, ...texts.keys()], options, {
    ...host,
    fileExists: (file) => texts.has(file) || host.fileExists(file),
    readFile: textOf,
    getSourceFile: (file) => ts.createSourceFile(file, textOf(file), parsing, true),
    resolveModuleNameLiterals: (literals, containing) =>
      literals.map(({ text }) => ({
        resolvedModule: /^\..*\.ts$/.test(text)
          ? { resolvedFileName: resolve(dirname(containing), text), extension: ts.Extension.Ts }
          : undefined,
      })),
  })
}

/** Where the code is that calls outside services; Redis is also behind the cache. */
const services: readonly (readonly [RegExp, string])[] = [
  [/^src\/adapters\/neon\//, 'Postgres'],
  [/^src\/adapters\/upstash\//, 'Redis'],
  [/^src\/adapters\/qstash\//, 'QStash'],
  [/^src\/adapters\/endpoint(-socket)?\.ts$/, 'endpoint of a tenant'],
]

const addressFile = 'durable-objects/address.ts'

/** `durable-objects/gateway` of a file in it; a file beside the folders is a part of its own. */
const partOf = (file: string): string => file.split('/').slice(0, 2).join('/')

/** Every call between parts in `src/` and `durable-objects/`; `madeUp` adds files by their path in the project. */
export function callsBetweenParts(madeUp: Readonly<Record<string, string>> = {}): Call[] {
  const own = globSync('{src,durable-objects}/**/*.ts', { cwd: root })
  const program = programOf(
    own.map((file) => join(root, file)),
    new Map(Object.entries(madeUp).map(([file, text]) => [join(root, file), text])),
  )
  return new Scan(program).calls()
}

class Scan {
  readonly #program: ts.Program
  readonly #checker: ts.TypeChecker
  readonly #sources: readonly { readonly file: string; readonly source: ts.SourceFile }[]
  readonly #methods: ReadonlySet<string>
  readonly #addresses: ReadonlySet<string>
  /** Functions of address.ts that return a stub as an interface, and the calls that it allows. */
  readonly #ports = new Map<string, Set<string>>()
  readonly #calls: Call[] = []

  constructor(program: ts.Program) {
    this.#program = program
    this.#checker = program.getTypeChecker()
    this.#sources = program
      .getSourceFiles()
      .map((source) => ({ source, file: source.fileName.slice(root.length + 1) }))
      .filter(({ file }) => /^(src|durable-objects)\//.test(file))
    this.#methods = new Set([
      'fetch',
      ...this.#declared('contracts.ts', ts.isMethodSignature),
      ...this.#declared('notification-contracts.ts', ts.isMethodSignature),
    ])
    this.#addresses = new Set([
      ...this.#declared('address.ts', isNamedFunction),
      ...this.#declared('naming.ts', isNamedFunction),
    ])
  }

  calls(): Call[] {
    const isAddress = (file: string): boolean => file === addressFile
    for (const { file, source } of this.#sources.filter((each) => isAddress(each.file))) this.#lookIn(file, source)
    for (const { file, source } of this.#sources.filter((each) => !isAddress(each.file))) this.#lookIn(file, source)
    return this.#calls
  }

  #lookIn(file: string, source: ts.SourceFile): void {
    const look = (node: ts.Node): void => {
      if (!ts.isImportDeclaration(node) && !ts.isInterfaceDeclaration(node)) {
        this.#look(node, file, source)
        ts.forEachChild(node, look)
      }
    }
    look(source)
  }

  #declared(file: string, isWanted: (node: ts.Node) => node is ts.NamedDeclaration): string[] {
    const source = this.#program.getSourceFile(join(root, 'durable-objects', file))
    const names: string[] = []
    const look = (node: ts.Node): void => {
      if (isWanted(node) && node.name !== undefined && ts.isIdentifier(node.name)) names.push(node.name.text)
      ts.forEachChild(node, look)
    }
    if (source !== undefined) look(source)
    return names
  }

  #look(node: ts.Node, file: string, source: ts.SourceFile): void {
    const note = (to: string, method: string): void => {
      if (file === addressFile) return this.#notePort(node, to, method)
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source))
      this.#calls.push({ from: partOf(file), to, method, at: `${file}:${line + 1}` })
    }
    if (ts.isIdentifier(node)) {
      for (const call of this.#portsOf(node)) {
        const [to = '', method = ''] = call.split('.')
        note(to, method)
      }
    } else if (ts.isPropertyAccessExpression(node)) {
      const of = node.expression
      if (ts.isPropertyAccessExpression(of) && isExports(of.expression)) note(of.name.text, node.name.text)
      else if (this.#methods.has(node.name.text) && !takesFunction(node.parent)) {
        const to = this.#stubbed(this.#checker.getTypeAtLocation(of))
        if (to !== undefined) note(to, node.name.text)
      }
    } else if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      if (this.#addresses.has(node.expression.text)) this.#lookAtPort(node, note)
      else this.#lookAtService(node.expression, node, file, note)
    }
  }

  #notePort(node: ts.Node, to: string, method: string): void {
    const port = ts.findAncestor(node, isNamedFunction)?.name
    if (port === undefined || !ts.isIdentifier(port)) return
    this.#ports.set(port.text, (this.#ports.get(port.text) ?? new Set()).add(`${to}.${method}`))
  }

  #portsOf(node: ts.Identifier): Iterable<string> {
    const calls = this.#ports.get(node.text)
    const symbol = calls === undefined ? undefined : this.#checker.getSymbolAtLocation(node)
    if (calls === undefined || symbol === undefined || !(symbol.flags & ts.SymbolFlags.Alias)) return []
    const [declared] = this.#checker.getAliasedSymbol(symbol).declarations ?? []
    return declared?.getSourceFile().fileName === join(root, addressFile) ? calls : []
  }

  /** A stub that is given away as an interface of a context: each method of that interface may be called. */
  #lookAtPort(node: ts.CallExpression, note: (to: string, method: string) => void): void {
    if (ts.isPropertyAccessExpression(node.parent)) return
    const port = this.#checker.getContextualType(node)
    if (port === undefined || this.#stubbed(port) !== undefined) return
    const to = this.#stubbed(this.#checker.getTypeAtLocation(node))
    if (to === undefined) return
    for (const { name } of port.getProperties()) if (this.#methods.has(name)) note(to, name)
  }

  #lookAtService(
    callee: ts.Identifier,
    call: ts.CallExpression,
    file: string,
    note: (to: string, method: string) => void,
  ): void {
    if (file.startsWith('src/adapters/')) return
    // A call without an adapter names its service itself.
    if (callee.text === 'callDependency')
      return note(call.arguments[0]?.getText() === 'qstashService' ? 'QStash' : 'another service', callee.text)
    const imported = this.#checker.getSymbolAtLocation(callee)
    if (imported === undefined || !(imported.flags & ts.SymbolFlags.Alias)) return
    const [declaration] = this.#checker.getAliasedSymbol(imported).declarations ?? []
    if (declaration === undefined) return
    const where = declaration.getSourceFile().fileName.slice(root.length + 1)
    const found = services.find(([pattern]) => pattern.test(where))
    if (found === undefined) return
    const answer = this.#checker.typeToString(this.#checker.getTypeAtLocation(call))
    if (answer.startsWith('Promise<')) note(found[1], callee.text)
  }

  /** The class of a stub: `Conversation` of a stub of ConversationRpc; `ContextWorker` for the Worker of a context. */
  #stubbed(type: ts.Type): string | undefined {
    if (type.isUnion()) return type.types.map((each) => this.#stubbed(each)).find((each) => each !== undefined)
    if (type.getSymbol()?.getName() === 'ContextService') return 'ContextWorker'
    const of = type.getProperty('stubOf')
    if (of === undefined) return undefined
    const rpc = this.#checker.getTypeOfSymbol(of)
    return (rpc.aliasSymbol ?? rpc.getSymbol())?.getName().replace(/Rpc$/, '')
  }
}

/** Arrays have methods of these names; none of an actor begins with a function. */
const takesFunction = (call: ts.Node): boolean => {
  const first = ts.isCallExpression(call) ? call.arguments[0] : undefined
  return first !== undefined && (ts.isArrowFunction(first) || ts.isFunctionExpression(first))
}

const isExports = (node: ts.Expression): boolean => ts.isPropertyAccessExpression(node) && node.name.text === 'exports'

const isNamedFunction = (node: ts.Node): node is ts.FunctionDeclaration | ts.VariableDeclaration =>
  ts.isFunctionDeclaration(node) ||
  (ts.isVariableDeclaration(node) && node.initializer !== undefined && ts.isArrowFunction(node.initializer))
