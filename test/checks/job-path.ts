/**
 * Measures the path of an http job: which source files run from `POST /v1/jobs`, behind the middleware, until the post to the
 * endpoint leaves. The route, the queue and the worker as deployed run on the simulated platform of test/sim under V8's precise
 * coverage, which begins when the body of the request is first read. A file is on the path when a function of it ran; the top
 * level of its module does not count, nor do the folders that every HTTP request passes (`shared`), nor those where a call leaves
 * the process (`outside`), as on the other paths.
 *
 * Run by `npm run check`. Prints the files and exits with 1 when there are more files or lines than the bounds below; `-v`
 * prints functions.
 */
import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Session, type Profiler } from 'node:inspector/promises'
import { join } from 'node:path'
import { globals } from '../sim/globals.ts'
import { hashApiKey, newApiKey } from '../../src/auth/api-key.ts'
import { provision, tenant } from '../sim/neighbours.ts'
import { Setting } from '../sim/setting.ts'
import { bundleOf, load } from '../sim/worker-code.ts'
import { outside } from './path.ts'

const maxFiles = 20
const maxLines = 2200

/** What every HTTP request passes: middleware, reading and answering, shedding of load. */
const shared = /^src\/(?:edge\/(?:middleware|http)|limits|env\.ts$)/

const root = join(import.meta.dirname, '../..')
const bundleFile = 'job-path.js'
const queue = 'acme/default'
const entry = `
  import { Hono } from 'hono'
  import { mount } from './src/edge/http/operations.ts'
  import { jobs } from './src/edge/resources/jobs/jobs.ts'
  export { JobQueue } from './durable-objects/job-queue/job-queue.ts'
  export { JobWorker } from './src/handlers/job-worker.ts'

  /** The routes of jobs behind the middleware, as an actor of the simulation. */
  export class JobRoutes {
    constructor(ctx, env) { this.env = env }
    async post(key, body) {
      const encoded = new TextEncoder().encode(body)
      // The body is first read right behind the middleware.
      const pull = (controller) => { this.env.BEHIND_MIDDLEWARE(); controller.enqueue(encoded); controller.close() }
      const stream = new ReadableStream({ pull }, { highWaterMark: 0 })
      const headers = { authorization: 'Bearer ' + key, 'content-type': 'application/json' }
      const request = new Request('https://parley.test/v1/jobs', { method: 'POST', body: stream, duplex: 'half', headers })
      const response = await mount(new Hono(), jobs).fetch(request, this.env)
      return { status: response.status, body: await response.text() }
    }
  }
`

/** Hashes without the thread pool, which simulated time does not wait for. */
const subtle = {
  digest: async (_: string, data: Uint8Array) => Uint8Array.from(createHash('sha256').update(data).digest()).buffer,
  importKey: async (_: string, key: Uint8Array) => key,
  sign: async (_: string, key: Uint8Array, data: Uint8Array) =>
    Uint8Array.from(createHmac('sha256', key).update(data).digest()).buffer,
}

const bundle = await bundleOf(entry)
const path = filesOf(await functionsRun())
const total = path.reduce((sum, { lines }) => sum + lines, 0)
for (const { file, lines, functions } of path) {
  const names = process.argv.includes('-v') ? `  ${functions.join(' ')}` : ''
  process.stdout.write(`${String(lines).padStart(5)}  ${file}${names}\n`)
}
process.stdout.write(`${String(total).padStart(5)}  lines in ${path.length} files\n`)
const problems = [
  ...(path.length > maxFiles ? [`${path.length} files are on the path of a job: at most ${maxFiles}`] : []),
  ...(total > maxLines ? [`${total} lines are on the path of a job: at most ${maxLines}`] : []),
]
for (const problem of problems) process.stderr.write(`${problem}\n`)
if (problems.length > 0) process.exitCode = 1

/** Enqueues a job and returns the functions that ran until it was done. */
async function functionsRun(): Promise<{ readonly name: string; readonly start: number }[]> {
  const profiler = new Session()
  profiler.connect()
  await profiler.post('Profiler.enable')
  await profiler.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  const posts: string[] = []
  let covered: Profiler.ScriptCoverage[] = []
  const endpoints = {
    fetch: async (url: string) => {
      if (posts.push(url) === 2) covered = (await profiler.post('Profiler.takePreciseCoverage')).result
      return new Response(null, { status: 200 })
    },
  }
  const simulated: object = Object(globals['crypto'])
  const classes = load(
    bundle,
    {
      ...globals,
      Response,
      crypto: { ...simulated, subtle },
    },
    bundleFile,
  )
  const setting = await Setting.of(1, { faults: 0, weather: {} }, () => classes, {
    QSTASH_TOKEN: 'token',
    QSTASH_CURRENT_SIGNING_KEY: 'current',
    QSTASH_NEXT_SIGNING_KEY: 'next',
    PUBLIC_URL: 'https://parley.test',
    ENDPOINTS: endpoints,
    // Counters start anew: what ran before belongs to the middleware.
    BEHIND_MIDDLEWARE: () => void profiler.post('Profiler.takePreciseCoverage'),
  })
  const key = newApiKey(tenant)
  const stored = { id: 'k', hash: await hashApiKey(key) }
  await setting.call('Tenant', tenant, 'provision', { ...provision(tenant), key: stored })
  const post = (id: string) =>
    setting.call('JobRoutes', 'one', 'post', key, JSON.stringify({ id, url: `https://hooks.example.com/${id}` }))
  const isDone = async (jobs: number): Promise<void> => {
    await setting.until('the job is posted', () => posts.length === jobs)
    await setting.pass(5000)
  }
  await post('first')
  await isDone(1)

  const answer = await post('measured')
  await isDone(2)
  profiler.disconnect()
  const stats = JSON.stringify(await setting.call('JobQueue', queue, 'stats'))
  setting.close()
  if (!stats.includes('"done":2')) throw new Error(`the job is not done: ${JSON.stringify(answer)} ${stats}`)
  const functions = covered.find(({ url }) => url === bundleFile)?.functions ?? []
  return functions.flatMap(({ functionName, ranges: [range] }) =>
    range !== undefined && range.count > 0 && range.startOffset > 0
      ? [{ name: functionName, start: range.startOffset }]
      : [],
  )
}

/** The source files of functions in the bundle: esbuild puts a comment with its path before each module. */
function filesOf(functions: readonly { readonly name: string; readonly start: number }[]) {
  const modules = [...bundle.matchAll(/^\/\/ (\S+)$/gm)].map(({ 1: file = '', index }) => ({ file, index }))
  const found = new Map<string, string[]>()
  for (const { name, start } of functions) {
    const { file = '' } = modules.findLast(({ index }) => index <= start) ?? {}
    const isOnPath = /^(?:src|durable-objects)\//.test(file) && !shared.test(file) && !outside.test(file)
    if (isOnPath) found.set(file, [...(found.get(file) ?? []), name])
  }
  return [...found]
    .map(([file, names]) => ({ file, lines: linesOf(file), functions: names }))
    .sort((a, b) => (a.file < b.file ? -1 : 1))
}

function linesOf(file: string): number {
  return readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length
}
