import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { expect } from 'vitest'

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
const desktop = { viewport: { width: 1280, height: 800 } }

/** One person in front of the chat page. Whatever the page does wrong unasked is remembered in `faults`. */
export class Person {
  readonly name: string
  readonly page: Page
  readonly faults: string[]

  private constructor(name: string, page: Page, faults: string[]) {
    this.name = name
    this.page = page
    this.faults = faults
  }

  /** Opens the page as `name` in a browser of their own. */
  static async arrive(
    browser: Browser,
    url: string,
    name: string,
    on: 'desktop' | 'phone' = 'desktop',
  ): Promise<Person> {
    const context = await browser.newContext(on === 'phone' ? phone : desktop)
    return Person.#openTab(context, `${url}/?as=${encodeURIComponent(name)}`, name)
  }

  static async #openTab(context: BrowserContext, url: string, name: string): Promise<Person> {
    const page = await context.newPage()
    const faults = watch(page, new URL(url).origin)
    await page.goto(url)
    const person = new Person(name, page, faults)
    await person.list.waitFor()
    return person
  }

  /** The same person in a second tab of the same browser, at the same place. */
  secondTab(): Promise<Person> {
    return Person.#openTab(this.page.context(), this.page.url(), this.name)
  }

  get list(): Locator {
    return this.page.getByRole('navigation', { name: 'Conversations' })
  }

  get field(): Locator {
    return this.page.getByRole('textbox', { name: 'Message' })
  }

  get header(): Locator {
    return this.page.getByRole('main').locator('header')
  }

  /** A line of the list. */
  entry(name: string): Locator {
    return this.list.getByRole('link').filter({ hasText: name })
  }

  /** The messages shown, oldest first, by their words. */
  words(): Promise<string[]> {
    return this.page.locator('.message p').allTextContents()
  }

  /** The bubble that says `text`. */
  message(text: string): Locator {
    return this.page.locator('.message').filter({ has: this.page.locator('p').getByText(text, { exact: true }) })
  }

  /** Whether the message that says `text` stands within what is scrolled to. */
  isInSight(text: string): Promise<boolean> {
    return this.message(text).evaluate((message) => {
      const [own, all] = [message.getBoundingClientRect(), message.closest('.scroller')?.getBoundingClientRect()]
      return all !== undefined && own.bottom > all.top && own.top < all.bottom
    })
  }

  /** What of the conversation and its dialogs reaches beyond the window. */
  cutOff(): Promise<string[]> {
    return this.page
      .locator('.conversation, .conversation *, dialog *')
      .evaluateAll((all) =>
        all
          .filter((one) => one.getBoundingClientRect().right > one.ownerDocument.documentElement.clientWidth + 1)
          .map((one) => one.outerHTML.slice(0, 100)),
      )
  }

  /** Starts a conversation from the list. */
  async start(kind: 'Direct' | 'Group' | 'Channel', people: readonly string[], name = ''): Promise<void> {
    await this.page.getByRole('button', { name: 'New conversation' }).click()
    await this.page.getByRole('radio', { name: kind }).check()
    const field = this.page.getByLabel(kind === 'Direct' ? 'Person' : 'People', { exact: true })
    await field.fill(people.join(','))
    if (name !== '') await this.page.getByLabel('Name', { exact: true }).fill(name)
    await this.page.getByRole('button', { name: 'Start', exact: true }).click()
    await this.field.waitFor()
  }

  /** Opens a conversation of the list, and waits until one can write in it. */
  async open(name: string): Promise<void> {
    await this.entry(name).click()
    await this.header.getByRole('heading', { name }).waitFor()
    await this.field.waitFor()
  }

  /** Chooses what the options of the message that says `text` offer. */
  async option(text: string, label: string): Promise<void> {
    await this.message(text).hover()
    await this.message(text).getByRole('button', { name: 'Message options' }).click()
    await this.page.getByRole('menuitem', { name: label }).click()
  }

  /** Writes a message and sends it with Enter. */
  async say(text: string): Promise<void> {
    await this.field.fill(text)
    await this.field.press('Enter')
  }

  /** Waits until exactly these words are shown, in this order. */
  async sees(...words: readonly string[]): Promise<void> {
    try {
      await expect.poll(() => this.words()).toEqual(words)
    } catch (cause) {
      // What the page says beside the messages, an error or a banner, tells why they are missing.
      throw new Error(`${this.name} sees other messages. The page: ${await this.page.innerText('body')}`, { cause })
    }
  }

  /** Waits until nothing of what was written is still on its way. */
  async allSent(): Promise<void> {
    await expect.poll(() => this.page.locator('.message.sending, .message.waiting').count()).toBe(0)
  }
}

/** The page must not fail unseen, break its policy, or ask anyone but its server for anything. */
function watch(page: Page, origin: string): string[] {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text())
  })
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol.startsWith('http') && url.origin !== origin) faults.push(`asked ${request.url()}`)
  })
  return faults
}
