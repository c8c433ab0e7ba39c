import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** The browser to try the page in: Debian's Chromium, or the one `CHROMIUM` names. */
export const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** True when there is no browser to try it in. */
export const absent = !existsSync(executablePath)

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts the browser, which connects to no server but the page's. */
export const launchBrowser = (): Promise<Browser> => chromium.launch({ executablePath, args: flags })
