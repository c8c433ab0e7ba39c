import { Context, Liquid, type Emitter, type Template } from 'liquidjs/dist/liquid.browser.mjs'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { reasonOf } from '../../kernel/log.ts'

/** Bounds of one text of a template and what it becomes. */
export const templateLimits = {
  /** Characters of one text. */
  length: 100_000,
  /** Nodes that one rendering may visit: each text, output and tag, and each turn of a loop. */
  steps: 20_000,
  /** Characters that one rendering may make, those of values in between included. */
  characters: 1_000_000,
} as const

/** A template that cannot be parsed or rendered. The message says why, and where. */
export class BadTemplate extends Error {}

export type Escaping = 'html' | 'text'

/** The texts of partials by name, in the locale of the rendering. */
export type PartialTexts = ReadonlyMap<string, string>

const noPartials: PartialTexts = new Map()

/**
 * The partials of the rendering under way. A rendering is synchronous, so that one variable serves all, and engines need not
 * be made for each tenant.
 */
let current: PartialTexts = noPartials

/** There are no files: the "file system" is the partials of the tenant. */
const partialFiles = {
  existsSync: (name: string) => current.has(name),
  exists: async (name: string) => current.has(name),
  readFileSync: (name: string) => current.get(name) ?? '',
  readFile: async (name: string) => current.get(name) ?? '',
  resolve: (_: string, name: string) => name,
  contains: async () => true,
  containsSync: () => true,
}

function makeEngine(escaping: Escaping, isStrict: boolean): Liquid {
  const engine = new Liquid({
    fs: partialFiles,
    relativeReference: false,
    ownPropertyOnly: true,
    strictFilters: true,
    strictVariables: isStrict,
    lenientIf: true,
    parseLimit: 2 * templateLimits.length,
    memoryLimit: templateLimits.characters,
    ...(escaping === 'html' ? { outputEscape: 'escape' as const } : {}),
  })
  boundOutput(engine)
  // `render` does the same without seeing the variables around it, which the check of variables relies on.
  delete engine.tags['include']
  return engine
}

/** Has each text that a rendering makes counted, those in blocks and captures included, which the library does not count. */
function boundOutput({ renderer }: Liquid): void {
  const render = renderer.renderTemplates.bind(renderer)
  renderer.renderTemplates = (templates, context, emitter) =>
    render(templates, context, emitter ?? new CountedText(context))
}

class CountedText implements Emitter {
  buffer = ''
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  write(value: unknown): void {
    const text = textOf(value)
    this.#context.memoryLimit.use(text.length)
    this.buffer += text
  }
}

/** As the library writes values: lists without separators, nothing for null. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(textOf).join('')
  return String(value)
}

const engines = {
  html: { strict: makeEngine('html', true), lenient: makeEngine('html', false) },
  text: { strict: makeEngine('text', true), lenient: makeEngine('text', false) },
}

/** Parsed texts, the oldest dropped first: those of a template are used by each of its messages. */
const parsedTexts = { html: new BoundedMap<string, Template[]>(200), text: new BoundedMap<string, Template[]>(500) }

/** Parses a text. Throws BadTemplate. */
export function parseTemplate(text: string, escaping: Escaping): Template[] {
  const known = parsedTexts[escaping].get(text)
  if (known !== undefined) return known
  if (text.length > templateLimits.length) throw new BadTemplate(`at most ${templateLimits.length} characters`)
  const parsed = explained(() => engines[escaping].strict.parse(text))
  parsedTexts[escaping].set(text, parsed)
  return parsed
}

/**
 * Renders a text. A variable that is missing is an error, except in conditions and in front of `default`; not so when
 * `isLenient`. The work is counted and not timed, since the clock of a Worker stands still while it computes. Throws BadTemplate.
 */
export function renderTemplate(
  text: string,
  escaping: Escaping,
  document: object,
  partials: PartialTexts = noPartials,
  isLenient = false,
): string {
  const templates = parseTemplate(text, escaping)
  const engine = engines[escaping][isLenient ? 'lenient' : 'strict']
  const context = new Context(document, engine.options, { sync: true }, { liquid: engine })
  let steps = 0
  context.renderLimit.check = () => {
    if (++steps > templateLimits.steps) throw new Error(`it takes more than ${templateLimits.steps} steps; loop less`)
  }
  current = partials
  try {
    return explained(() => outputOf(engine, templates, context))
  } finally {
    current = noPartials
  }
}

function outputOf(engine: Liquid, templates: Template[], context: Context): string {
  const output: unknown = engine.renderSync(templates, context)
  return typeof output === 'string' ? output : String(output)
}

function explained<T>(work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new BadTemplate('nested too deep')
    throw new BadTemplate(
      reasonOf(thrown).replace(
        'memory alloc limit exceeded',
        `it makes more than ${templateLimits.characters} characters`,
      ),
    )
  }
}

/** The names of the partials that a text uses itself. Throws BadTemplate for a name that only the rendering would know. */
export function partialsOf(text: string, escaping: Escaping): ReadonlySet<string> {
  const names = new Set<string>()
  const waiting = [...parseTemplate(text, escaping)]
  for (let template = waiting.pop(); template !== undefined; template = waiting.pop()) {
    if ('file' in template && template.file !== undefined) {
      if (typeof template.file !== 'string')
        throw new BadTemplate('render and layout: write the name of the partial in quotes')
      names.add(template.file)
    }
    const children = template.children?.(false, true)
    for (let step = children?.next(); step !== undefined; step = children?.next()) {
      if (step.done !== true) continue
      waiting.push(...step.value)
      break
    }
  }
  return names
}

/** The variables that a text and its partials expect, each as the path to it as far as it is written: `['data', 'order', 'id']`. */
export function variablesOf(text: string, escaping: Escaping, partials: PartialTexts): readonly string[][] {
  const templates = parseTemplate(text, escaping)
  current = partials
  try {
    const found = explained(() => engines[escaping].strict.globalVariableSegmentsSync(templates, { partials: true }))
    return found.map((segments) => {
      const known = segments.findIndex((segment) => typeof segment !== 'string')
      return (known === -1 ? segments : segments.slice(0, known)).filter((segment) => typeof segment === 'string')
    })
  } finally {
    current = noPartials
  }
}
