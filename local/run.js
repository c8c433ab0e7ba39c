// Runs a script of ours: `node local/run.js local/start.ts …`. Plain JavaScript, since it must run on whichever Node a
// machine has, and before `npm ci`.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

const [script = '', ...args] = process.argv.slice(2)
const root = resolve(import.meta.dirname ?? '.', '..')
const own = resolve(root, 'node_modules/node/bin/node')

if (!existsSync(own)) {
  console.error('parley: packages are missing; run npm ci first.')
  process.exit(1)
}

if (process.features.typescript) {
  process.argv.splice(1, 2, resolve(root, script))
  await import(resolve(root, script))
} else {
  // A Node that does not read TypeScript: the one from npm does.
  const child = spawn(own, [resolve(root, script), ...args], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
}
