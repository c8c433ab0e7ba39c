import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answers, freePort } from '../ports.ts'
import { workerdBinary, workerdVersion } from '../report/versions.ts'
import type { Target } from './target.ts'

/** A bare Durable Object on plain workerd, on the same binary and flags as Parley. */
export const bare: Target = {
  name: 'bare',
  what: 'one Durable Object per conversation on plain workerd: store, answer, tell every socket',

  async missing() {
    return undefined
  },

  async start(directory, processes) {
    const port = await freePort()
    await mkdir(join(directory, 'objects'), { recursive: true })
    await cp(join(import.meta.dirname, '../peers/bare-object.js'), join(directory, 'bare-object.js'))
    await writeFile(join(directory, 'bare.capnp'), capnp(port))

    const args = ['serve', 'bare.capnp']
    const server = processes.start({ name: 'bare', command: workerdBinary, args, cwd: directory, logs: directory })
    await server.ready(() => answers(`http://127.0.0.1:${port}/`), 15_000)
    return {
      url: `ws://127.0.0.1:${port}/`,
      durability: 'SQLite in WAL mode, synchronous=FULL: one fsync per message before ack and deliveries',
      versions: { workerd: await workerdVersion() },
      stop: () => server.stop(),
    }
  },
}

function capnp(port: number): string {
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .bare),
    (name = "objects", disk = (path = "objects", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);

const bare :Workerd.Worker = (
  modules = [(name = "bare-object.js", esModule = embed "bare-object.js")],
  compatibilityDate = "2026-10-01",
  compatibilityFlags = ["no_web_socket_compression"],
  durableObjectNamespaces = [(className = "Conversation", uniqueKey = "bare-conversation", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [(name = "CONVERSATIONS", durableObjectNamespace = "Conversation")],
);
`
}
