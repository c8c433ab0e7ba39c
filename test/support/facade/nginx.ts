import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../e2e/system.ts'

const program = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0)

/** Why nginx cannot be used here, if so. */
export const missingNginx = program === undefined ? 'no nginx: install the package nginx' : undefined

/** A real nginx with a site of its own, which fails as the header `x-legacy` says. */
export class Nginx {
  readonly port: number
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  static async start(): Promise<Nginx> {
    const nginx = new Nginx(await freePort(), await mkdtemp(join(tmpdir(), 'parley-nginx-')))
    await nginx.#write()
    await nginx.startAgain()
    return nginx
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async startAgain(): Promise<void> {
    this.#child = spawn(program ?? 'nginx', ['-p', this.#folder, '-c', 'nginx.conf', '-e', 'error.log'], {
      stdio: 'ignore',
    })
    while ((await fetch(this.url).catch(() => undefined)) === undefined)
      await new Promise((again) => setTimeout(again, 20))
  }

  /** Ends it without a word to its clients. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #write(): Promise<void> {
    await writeFile(join(this.#folder, 'page.json'), JSON.stringify({ page: 'x'.repeat(5000) }))
    await writeFile(
      join(this.#folder, 'nginx.conf'),
      `daemon off;
master_process off;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  types { application/json json; }
  gzip on;
  gzip_proxied any;
  gzip_types application/json;
  server {
    listen 127.0.0.1:${this.port};
    root .;
    add_header X-Side legacy always;
    add_header Set-Cookie "a=1; Path=/" always;
    add_header Set-Cookie "b=2; Path=/cart" always;
    if ($http_x_legacy = 503) { return 503; }
    if ($http_x_legacy = 500) { return 500; }
    if ($http_x_legacy = reset) { return 444; }
    location = /old { return 301 /page.json; }
    location / { try_files $uri /page.json; }
  }
}
`,
    )
  }
}
