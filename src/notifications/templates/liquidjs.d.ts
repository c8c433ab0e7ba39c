/**
 * The part of LiquidJS that is used. Its own declarations bring the types of Node into the Worker, where timers are numbers. The
 * build for browsers is the one without Node modules.
 */
declare module 'liquidjs/dist/liquid.browser.mjs' {
  export interface Template {
    readonly children?: (partials: boolean, sync: boolean) => Generator<unknown, Template[]>
    /** Of `render` and `layout`: a text when the name is written there. */
    readonly file?: unknown
  }

  export class Context {
    constructor(
      document: object,
      options: object,
      render: { readonly sync: boolean },
      parts: { readonly liquid: Liquid },
    )
    renderLimit: { check: (now: number) => void }
    memoryLimit: { use: (count: number) => void }
  }

  export interface Emitter {
    write(text: unknown): void
    readonly buffer: string
  }

  /** A variable as it is written: `data.order["id"]`; the parts of a variable in brackets are a list of their own. */
  export type Segments = readonly (string | number | Segments)[]

  export class Liquid {
    constructor(options: object)
    readonly options: object
    readonly tags: Record<string, unknown>
    readonly renderer: {
      renderTemplates: (
        templates: readonly Template[],
        context: Context,
        emitter?: Emitter,
      ) => IterableIterator<unknown>
    }
    parse(text: string): Template[]
    renderSync(templates: readonly Template[], context: Context): unknown
    globalVariableSegmentsSync(templates: readonly Template[], options: { readonly partials: boolean }): Segments[]
  }

  /** Runs a generator of the library to its end. */
  export function toValueSync(generator: unknown): unknown
}
