import { registerHooks } from 'node:module'
import openapiTS, { astToString } from 'openapi-typescript'
import { z } from 'zod'

const openApiModule = z.object({ openApi: z.custom<(serverUrl: string) => unknown>((it) => typeof it === 'function') })
const schemas = z.record(z.string(), z.unknown())
const openApiDocument = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.looseObject({ schemas }),
})
const operation = z.looseObject({ responses: z.record(z.string(), z.looseObject({})) })

/**
 * The types of every operation that a tenant calls, generated from the definitions of the operations. Errors are left out: they are all
 * ParleyError. A field with a default may be left out of a request, so it is optional.
 */
export async function apiTypes(): Promise<string> {
  const document = openApiDocument.parse(await loadedDocument())
  const paths = Object.fromEntries(
    Object.entries(document.paths)
      .filter(([path]) => path.startsWith('/v1/'))
      .map(([path, item]) => [path, Object.fromEntries(Object.entries(item).map(withSuccessOnly))]),
  )
  const { webhooks: _, ...rest } = document
  const components = { ...document.components, schemas: reachedFrom(paths, document.components.schemas) }
  const source = JSON.stringify({ ...rest, paths, components })
  return astToString(await openapiTS(source, { defaultNonNullable: false, immutable: true, alphabetize: true }))
}

async function loadedDocument(): Promise<unknown> {
  // Operations name actors, whose base classes exist in Workers only.
  const workers = new URL('../test/support/workers-in-node.ts', import.meta.url).href
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'cloudflare:workers' ? { url: workers, shortCircuit: true } : next(specifier, context),
  })
  // By its address, since the types of Workers are not known in this project.
  const { openApi } = openApiModule.parse(await import(new URL('../src/edge/openapi/openapi.ts', import.meta.url).href))
  return openApi('https://parley.example')
}

function withSuccessOnly([method, value]: [string, unknown]): [string, unknown] {
  const read = operation.safeParse(value)
  if (!read.success) return [method, value]
  const responses = Object.entries(read.data.responses)
    .filter(([status]) => status.startsWith('2'))
    .map(([status, response]) => [status, { ...response, headers: undefined }])
  return [method, { ...read.data, responses: Object.fromEntries(responses) }]
}

/** The schemas that are used, by `$ref` from one to the next. */
function reachedFrom(start: unknown, all: z.output<typeof schemas>): z.output<typeof schemas> {
  const reached = new Map<string, unknown>()
  const open = [JSON.stringify(start)]
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (reached.has(name)) continue
      const schema = isAnyJson(name, all[name]) ? {} : all[name]
      reached.set(name, schema)
      open.push(JSON.stringify(schema))
    }
  }
  return Object.fromEntries(reached)
}

/** A schema that names itself is that of any JSON, which TypeScript cannot write as a field of an interface: `unknown`. */
const isAnyJson = (name: string, schema: unknown): boolean =>
  JSON.stringify(schema).includes(`"#/components/schemas/${name}"`)
