import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { apiKey, call } from '../support/e2e/people.ts'
import { until } from '../support/e2e/until.ts'
import { absent, executablePath, launchBrowser } from './browser.ts'
import { contrast } from './contrast.ts'
import { Person } from './person.ts'
import { startServer, type Server } from './server.ts'

if (absent) process.stdout.write(`chat page: skipped, no browser at ${executablePath} (CHROMIUM names another)\n`)

describe.skipIf(absent)('the chat page', () => {
  let server: Server
  let browser: Browser
  let people: Person[] = []
  let cast = 0

  beforeAll(async () => {
    server = await startServer()
    browser = await launchBrowser()
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  afterEach(async () => {
    const faults = people.flatMap((person) => person.faults)
    await Promise.all(people.map(({ page }) => page.context().close()))
    people = []
    expect(faults).toEqual([])
  })

  /** New users each time, so that each story begins with empty lists. */
  const names = (...wanted: readonly string[]): string[] => {
    cast += 1
    return wanted.map((name) => `${name}-${process.pid}-${cast}`)
  }
  const arrive = async (name = '', on: 'desktop' | 'phone' = 'desktop'): Promise<Person> => {
    const person = await Person.arrive(browser, server.url, name, on)
    people.push(person)
    return person
  }
  const both = async (): Promise<[Person, Person]> => {
    const [alice = '', bob = ''] = names('alice', 'bob')
    return Promise.all([arrive(alice), arrive(bob)])
  }
  /** Two people with an open direct conversation. */
  const talking = async (): Promise<[Person, Person]> => {
    const [alice, bob] = await both()
    await alice.start('Direct', [bob.name])
    await bob.open(alice.name)
    return [alice, bob]
  }

  test('asks for a name, and remembers it for this tab only', async () => {
    const [name = ''] = names('mary')
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(server.url)
    await page.getByLabel('Your name').fill('Zoë')
    await page.keyboard.press('Enter')
    await page.getByText('Use plain letters').waitFor()
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: 'Start talking' }).click()
    await page.getByRole('button', { name: `You are ${name}` }).waitFor()
    await page.reload()
    await page.getByRole('button', { name: `You are ${name}` }).waitFor()
    const other = await context.newPage()
    await other.goto(server.url)
    await other.getByLabel('Your name').waitFor()
    await context.close()
  })

  test('a notification is counted at the bell at once, until the user has seen it', async () => {
    const [name = ''] = names('mary')
    const { page } = await arrive(name)
    await page.getByRole('button', { name: 'Notifications', exact: true }).waitFor()
    const notification = { content: { title: 'A <b>comment</b>', body: 'Two of them' }, recipients: [name] }
    expect((await call(server, apiKey, 'POST', '/v1/notifications', notification)).status).toBe(202)
    await page.getByRole('button', { name: 'Notifications, 1 new' }).click()
    await page.getByRole('dialog').getByText('A <b>comment</b>').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Notifications', exact: true }).waitFor()
    await page.reload()
    await page.getByRole('button', { name: 'Notifications', exact: true }).click()
    await page.getByRole('dialog').getByText('Two of them').waitFor()
  })

  test('two users talk', async () => {
    const [alice, bob] = await both()
    await alice.start('Direct', [bob.name])
    await alice.say('Ahoy!')
    await bob.entry(alice.name).getByText('Ahoy!').waitFor()
    await bob.entry(alice.name).getByLabel('1 unread').waitFor()
    await bob.open(alice.name)
    await bob.sees('Ahoy!')
    await bob.say('Ahoy yourself.')
    await bob.say('Two lines\nare one message')
    await alice.sees('Ahoy!', 'Ahoy yourself.', 'Two lines\nare one message')
    await alice.allSent()
    await bob.entry(alice.name).getByLabel('1 unread').waitFor({ state: 'detached' })
    await alice.say('Seen?')
    await alice.page.getByText('Seen', { exact: true }).waitFor()
  })

  test('the direct conversation of two users is the same one from both sides', async () => {
    const [alice, bob] = await talking()
    await alice.say('first')
    await bob.sees('first')
    await bob.page.goto(`${server.url}/?as=${bob.name}#/`)
    await bob.start('Direct', [alice.name])
    await bob.sees('first')
    expect(await bob.list.getByRole('link').count()).toBe(1)
  })

  test('a group of three receives every message, in one order', async () => {
    const [a = '', b = '', c = ''] = names('alice', 'bob', 'carol')
    const [alice, bob, carol] = await Promise.all([arrive(a), arrive(b), arrive(c)])
    await alice.start('Group', [b, c], 'Crew')
    await Promise.all([bob.open('Crew'), carol.open('Crew')])
    await Promise.all([alice, bob, carol].map((person) => person.say(`I am ${person.name}`)))
    await expect.poll(async () => (await alice.words()).length).toBe(3)
    const order = await alice.words()
    await Promise.all([bob.sees(...order), carol.sees(...order)])
    expect(new Set(order).size).toBe(3)
  })

  test('the page shows present and typing users', async () => {
    const [alice, bob] = await talking()
    await alice.header.getByText('here now').waitFor()
    const typing = alice.page.getByText(`${bob.name} is typing`)
    // Sent at most every three seconds, and dropped under load: a user who goes on typing is shown.
    const seenTyping = async () => {
      await bob.field.pressSequentially('m')
      return await typing.isVisible()
    }
    await expect.poll(seenTyping, { interval: 500 }).toBe(true)
    const words = await bob.field.inputValue()
    await bob.field.press('Enter')
    await alice.sees(words)
    await typing.waitFor({ state: 'detached' })
    await bob.page.goto('about:blank')
    await alice.header.getByText('away').waitFor({ timeout: 40_000 })
  })

  test('edits and deletes show for all members, also after a reload', async () => {
    const [alice, bob] = await talking()
    await alice.say('teh tide')
    await alice.say('a secret')
    await bob.sees('teh tide', 'a secret')
    await alice.message('a secret').hover()
    await alice.message('a secret').getByRole('button', { name: 'Message options' }).click()
    await alice.page.getByRole('menuitem', { name: 'Delete' }).click()
    await alice.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await bob.sees('teh tide', 'Message deleted')
    // The arrow edits the newest message that is still there on the writer’s page.
    await alice.sees('teh tide', 'Message deleted')
    await alice.field.press('ArrowUp')
    await alice.page.getByText('Editing your message').waitFor()
    await expect.poll(() => alice.field.inputValue()).toBe('teh tide')
    await alice.field.fill('the tide')
    await alice.field.press('Enter')
    await alice.sees('the tide', 'Message deleted')
    await bob.sees('the tide', 'Message deleted')
    await bob.page.reload()
    await bob.sees('the tide', 'Message deleted')
    await bob.message('the tide').getByText('edited').waitFor()
  })

  test('a reaction shows for both with the users who reacted, is taken back, and is there after a reload', async () => {
    const [alice, bob] = await talking()
    await alice.say('Lunch?')
    await bob.sees('Lunch?')
    await bob.message('Lunch?').hover()
    await bob.message('Lunch?').getByRole('button', { name: 'React' }).click()
    await bob.page.getByRole('dialog', { name: 'Choose a reaction' }).getByLabel('Find a reaction').fill('pizza')
    await bob.page.keyboard.press('Enter')
    const chip = alice.message('Lunch?').getByRole('button', { name: `🍕 by ${bob.name}` })
    await chip.click()
    await bob.message('Lunch?').getByText('🍕 2').waitFor()
    await bob.page.reload()
    const own = bob.message('Lunch?').getByText('🍕 2')
    expect(await own.getAttribute('aria-pressed')).toBe('true')
    await own.click()
    await alice.message('Lunch?').getByText('🍕 1').waitFor()
  })

  test('a reply quotes a message, leads to it, and is not lost while there is no connection', async () => {
    const [alice, bob] = await talking()
    await alice.say('Five or six?')
    await bob.sees('Five or six?')
    await bob.page.context().setOffline(true)
    await bob.message('Five or six?').hover()
    await bob.message('Five or six?').getByRole('button', { name: 'Reply', exact: true }).click()
    await bob.page.getByText(`Replying to ${alice.name}: Five or six?`).waitFor()
    await bob.say('Six.')
    await bob.page.getByText('Replying to').waitFor({ state: 'hidden' })
    await bob.page.context().setOffline(false)
    const quote = alice.message('Six.').getByRole('button', { name: 'Go to the quoted message' })
    await quote.getByText('Five or six?').waitFor()
    await quote.click()
    await expect.poll(() => alice.isInSight('Five or six?')).toBe(true)
  })

  test('a thread has its replies beside the conversation, is counted at its message, and can be followed', async () => {
    const [a = '', b = ''] = names('alice', 'bob')
    const [alice, bob] = await Promise.all([arrive(a), arrive(b)])
    await alice.start('Group', [b], 'Threads')
    await bob.open('Threads')
    await alice.say('Which colour?')
    await bob.sees('Which colour?')
    await bob.message('Which colour?').hover()
    await bob.message('Which colour?').getByRole('button', { name: 'Reply in a thread' }).click()
    const own = bob.page.getByRole('complementary', { name: 'Thread' })
    await own.getByRole('textbox', { name: 'Message' }).fill('Blue')
    await own.getByRole('textbox', { name: 'Message' }).press('Enter')
    await own.locator('.bubble').getByText('Blue').waitFor()
    await alice.message('Which colour?').getByRole('button', { name: '1 reply' }).click()
    const thread = alice.page.getByRole('complementary', { name: 'Thread' })
    await thread.locator('.bubble').getByText('Blue').waitFor()
    await thread.getByRole('checkbox').check()
    await thread.getByRole('textbox', { name: 'Message' }).fill('Blue it is')
    await thread.getByRole('textbox', { name: 'Message' }).press('Enter')
    await bob.page.locator('.conversation > .timeline').getByText('Blue it is').waitFor()
    expect(await bob.page.locator('.conversation > .timeline .bubble').getByText('Blue', { exact: true }).count()).toBe(
      0,
    )
    await thread.getByRole('button', { name: 'Following' }).click()
    await thread.getByRole('button', { name: 'Follow', exact: true }).waitFor()
    await alice.page.keyboard.press('Escape')
    await thread.waitFor({ state: 'detached' })
  })

  test('a pinned message is listed, shown where it stands, and unpinned again', async () => {
    const [alice, bob] = await talking()
    await alice.say('The code of the door is 4711')
    await alice.allSent()
    for (const word of ['one', 'two', 'three']) await bob.say(`${word}\n`.repeat(18).trim())
    await bob.allSent()
    await alice.option('The code of the door is 4711', 'Pin')
    await alice.message('The code of the door is 4711').getByRole('img', { name: 'Pinned' }).waitFor()
    await bob.page.getByRole('button', { name: 'Pinned messages' }).click()
    await bob.page.getByRole('dialog').getByText('The code of the door').click()
    await expect.poll(() => bob.isInSight('The code of the door is 4711')).toBe(true)
    await bob.page.getByRole('button', { name: 'Pinned messages' }).click()
    await bob.page.getByRole('button', { name: 'Unpin' }).click()
    await bob.page.getByText('Nothing is pinned.').waitFor()
    await alice
      .message('The code of the door is 4711')
      .getByRole('img', { name: 'Pinned' })
      .waitFor({ state: 'detached' })
  })

  test('an edited message shows its earlier texts to both', async () => {
    const [alice, bob] = await talking()
    await alice.say('See you at fiev')
    await bob.sees('See you at fiev')
    await alice.field.press('ArrowUp')
    await alice.field.fill('See you at five')
    await alice.field.press('Enter')
    await bob.sees('See you at five')
    await bob.message('See you at five').getByRole('button', { name: 'edited' }).click()
    await bob.page.getByRole('dialog').getByText('See you at fiev').waitFor()
  })

  test('code, lists, quotes and bold are formatted, and HTML stays the text that it is', async () => {
    const [alice, bob] = await talking()
    await alice.say(
      '**Two** things, `<b>` is not one:\n\n- a <img src=x onerror=alert(1)>\n- b\n\n> said [before](javascript:alert(1))\n\n```\n2 * 3 * 4\n```',
    )
    const bubble = bob.page.locator('.message .bubble').last()
    await bubble.locator('strong').getByText('Two', { exact: true }).waitFor()
    expect(await bubble.locator('li').allTextContents()).toEqual(['a <img src=x onerror=alert(1)>', 'b'])
    expect(await bubble.locator('blockquote').textContent()).toBe('said [before](javascript:alert(1))')
    expect(await bubble.locator('pre code').textContent()).toBe('2 * 3 * 4')
    expect(await bubble.locator('img, a').count()).toBe(0)
  })

  test('users are shown by their names where they have some', async () => {
    const [alice, bob] = await both()
    await call(server, apiKey, 'PUT', `/v1/users/${bob.name}`, { name: 'Bób van Dam' })
    await alice.start('Group', [bob.name], 'Named')
    await bob.open('Named')
    await bob.say('It is me')
    await alice.page.locator('.author').getByText('Bób van Dam').waitFor()
    await alice.entry('Named').getByText('Bób van Dam: It is me').waitFor()
  })

  test('a reload keeps the conversation open and its history', async () => {
    const [alice, bob] = await talking()
    for (const words of ['one', 'two', 'three']) await alice.say(words)
    await bob.sees('one', 'two', 'three')
    await Promise.all([alice.page.reload(), bob.page.reload()])
    await Promise.all([alice.sees('one', 'two', 'three'), bob.sees('one', 'two', 'three')])
  })

  test('a user that was offline misses nothing, doubles nothing, and their messages of meanwhile arrive', async () => {
    const [alice, bob] = await talking()
    await alice.say('before')
    await bob.sees('before')
    await bob.page.context().setOffline(true)
    await bob.page.getByText('You are offline').waitFor()
    await bob.say('from afar 1')
    await bob.say('from afar 2')
    await bob.page.getByText('Goes out when you are connected.').first().waitFor()
    for (const words of ['a', 'b', 'c']) await alice.say(words)
    await alice.allSent()
    await bob.page.context().setOffline(false)
    const all = ['before', 'a', 'b', 'c', 'from afar 1', 'from afar 2']
    await Promise.all([bob.sees(...all), alice.sees(...all)])
    await bob.allSent()
    await bob.page.getByText('You are offline').waitFor({ state: 'hidden' })
  })

  test('words that have not left outlive their page: another one sends them, once and in order', async () => {
    const [alice, bob] = await talking()
    const asked: string[] = []
    alice.page.on('dialog', (dialog) => void asked.push(dialog.type()))
    await alice.page.context().setOffline(true)
    await alice.page.getByText('You are offline').waitFor()
    await alice.say('not gone yet')
    await alice.say('nor this')
    await alice.page.getByText('Goes out when you are connected.').first().waitFor()
    const context = alice.page.context()
    await expect.poll(() => keptIn(alice.page)).toBe(2)
    await alice.page.close({ runBeforeUnload: true })
    await expect.poll(() => alice.page.isClosed()).toBe(true)
    expect(asked).toEqual([])
    await context.setOffline(false)
    const again = await context.newPage()
    await again.goto(`${server.url}/?as=${encodeURIComponent(alice.name)}`)
    await bob.sees('not gone yet', 'nor this')
  })

  test('a user that closes the page on words that have not left is asked first where the browser keeps nothing', async () => {
    const [alice, bob] = await talking()
    await alice.page.context().addInitScript(() => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }))
    await alice.page.reload()
    await alice.say('before')
    await bob.sees('before')
    const asked: string[] = []
    alice.page.on('dialog', (dialog) => {
      asked.push(dialog.type())
      void dialog.dismiss()
    })
    await alice.page.context().setOffline(true)
    await alice.page.getByText('You are offline').waitFor()
    await alice.say('not gone yet')
    await alice.page.getByText('Goes out when you are connected.').waitFor()
    await alice.page.close({ runBeforeUnload: true })
    await expect.poll(() => asked).toEqual(['beforeunload'])
    await alice.page.context().setOffline(false)
    await bob.sees('before', 'not gone yet')
    await alice.allSent()
    await alice.page.close({ runBeforeUnload: true })
    await expect.poll(() => alice.page.isClosed()).toBe(true)
    expect(asked).toHaveLength(1)
  })

  test('the server goes away and comes back: nothing is lost, and no page has to be reloaded', async ({ skip }) => {
    const { restart } = server
    if (restart === undefined) return skip('the server under PARLEY_URL is not ours to restart')
    const [alice, bob] = await talking()
    await alice.say('before')
    await bob.sees('before')
    const back = restart()
    await alice.page.getByText('Connection lost').waitFor({ timeout: 60_000 })
    await alice.say('meanwhile')
    await back
    await alice.allSent()
    await Promise.all([alice.sees('before', 'meanwhile'), bob.sees('before', 'meanwhile')])
    await alice.page.getByText('Connection lost').waitFor({ state: 'hidden' })
  })

  test('an Enter that ends a composition sends nothing', async () => {
    const [alice, bob] = await talking()
    await alice.field.fill('あ')
    // As Safari gives it: the composition is over already, and the code says whose key it was.
    await alice.field.dispatchEvent('keydown', { key: 'Enter', keyCode: 229 })
    await alice.field.fill('あさ')
    await alice.field.press('Enter')
    await bob.sees('あさ')
  })

  test('an owner makes a member an admin, which all members see, and the admin may then name the group', async () => {
    const [a = '', b = ''] = names('alice', 'bob')
    const [alice, bob] = await Promise.all([arrive(a), arrive(b)])
    await alice.start('Group', [b], 'Deck')
    await bob.open('Deck')
    const about = async ({ page }: Person) => {
      await page.getByRole('button', { name: 'About this conversation' }).click()
      return page.getByRole('dialog', { name: 'About this conversation' })
    }
    const plain = await about(bob)
    await plain.getByText(`${b} (you)`).waitFor()
    expect(await plain.getByRole('button', { name: /Make admin|Rename/ }).count()).toBe(0)
    await plain.getByRole('button', { name: 'Close' }).click()

    const dialog = await about(alice)
    await dialog.getByRole('button', { name: `Make admin: ${b}` }).click()
    await dialog.getByRole('button', { name: `Not admin: ${b}` }).waitFor()
    await bob.page.getByText(`${a} made ${b} an admin`).waitFor()

    const managing = await about(bob)
    await managing.getByLabel('Name', { exact: true }).fill('Bridge')
    await managing.getByRole('button', { name: 'Rename' }).click()
    await alice.page.getByText(`${b} named this “Bridge”`).waitFor()
  })

  test('messages that came while the user was away are counted and marked, and several tabs agree', async () => {
    const [alice, bob] = await talking()
    await alice.say('read this')
    await bob.sees('read this')
    await bob.page.goto(`${server.url}/?as=${bob.name}#/`)
    const second = await bob.secondTab()
    await alice.say('new 1')
    await alice.say('new 2')
    const badge = (person: Person) => person.entry(alice.name).getByLabel('2 unread')
    await Promise.all([badge(bob).waitFor(), badge(second).waitFor()])
    await expect.poll(() => bob.page.title()).toBe('(2) Parley')
    await second.open(alice.name)
    await second.page.locator('.unread-mark').waitFor()
    await second.sees('read this', 'new 1', 'new 2')
    await badge(bob).waitFor({ state: 'detached' })
    await second.say('from the second tab')
    await bob.entry(alice.name).getByText('You: from the second tab').waitFor()
    expect(second.faults).toEqual([])
  })

  test('a user that is too fast is notified, all arrives in order, and scrolling back loads older pages', async () => {
    const [alice, bob] = await talking()
    const lines = Array.from({ length: 140 }, (_, index) => `line ${index + 1}`)
    const path = `/v1/conversations/${new URL(alice.page.url()).hash.replace('#/c/', '')}/messages`
    // Most of them by the app's own server, which may say as much as it likes.
    for (const text of lines.slice(0, 100)) {
      const message = { user: alice.name, clientId: text, text }
      await until(`${text} is said`, async () => (await call(server, apiKey, 'POST', path, message)).status === 201)
    }
    const tooFast = alice.page.getByText('Too fast: goes out in').first().waitFor({ timeout: 60_000 })
    for (const line of lines.slice(100)) await alice.say(line)
    await tooFast
    await expect.poll(async () => (await bob.words()).at(-1), { timeout: 60_000 }).toBe('line 140')
    await bob.page.reload()
    await bob.message('line 140').waitFor()
    expect((await bob.words()).length).toBeLessThan(140)
    const scroller = bob.page.locator('.scroller')
    await expect
      .poll(
        async () => {
          await scroller.hover()
          await bob.page.mouse.wheel(0, -600)
          return (await bob.words()).length
        },
        { timeout: 60_000, interval: 50 },
      )
      .toBe(140)
    expect(await bob.words()).toEqual(lines)
    await alice.say('news')
    await bob.page.getByRole('button', { name: '1 new message' }).click()
    await expect.poll(() => bob.message('news').isVisible()).toBe(true)
  })

  test('a user that scrolls up to the first line keeps their place when older ones come before it', async () => {
    const [alice, bob] = await talking()
    const path = `/v1/conversations/${new URL(alice.page.url()).hash.replace('#/c/', '')}/messages`
    for (let line = 1; line <= 200; line++) {
      const message = { user: alice.name, clientId: `${line}`, text: `line ${line}` }
      await until(`${line} is said`, async () => (await call(server, apiKey, 'POST', path, message)).status === 201)
    }
    await bob.page.reload()
    await bob.message('line 200').waitFor()
    const [first = ''] = await bob.words()
    await bob.page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = 0))
    await expect.poll(async () => (await bob.words()).indexOf(first)).toBeGreaterThan(0)
    await bob.page.locator('.start', { hasText: 'Loading' }).waitFor({ state: 'hidden' })
    expect(await bob.isInSight(first)).toBe(true)
  })

  test('a member that is added again goes on where the removal ended it', async () => {
    const [alice, bob] = await both()
    await alice.start('Group', [bob.name], 'Crew')
    await bob.open('Crew')
    const members = `/v1/conversations/${new URL(alice.page.url()).hash.replace('#/c/', '')}/members`
    await call(server, apiKey, 'DELETE', `${members}/${bob.name}`)
    await bob.page.getByText('You are not in this conversation any more.').waitFor()
    await bob.entry('Crew').waitFor({ state: 'detached' })
    await call(server, apiKey, 'POST', members, { members: [bob.name] })
    await bob.entry('Crew').click()
    await bob.say('back again')
    await alice.sees('back again')
  })

  test('an edit that does not reach the server is not lost', async () => {
    const [alice, bob] = await talking()
    await alice.say('first words')
    await bob.sees('first words')
    await alice.field.fill('')
    await alice.field.press('ArrowUp')
    await alice.page.getByText('Editing your message').waitFor()
    await alice.page.context().setOffline(true)
    await alice.page.getByText('You are offline').waitFor()
    await alice.say('better words')
    await alice.page.getByText('No connection to the server.').waitFor()
    expect(await alice.field.inputValue()).toBe('better words')
    await alice.page.context().setOffline(false)
    await alice.page.getByText('You are offline').waitFor({ state: 'hidden' })
    await alice.field.press('Enter')
    await bob.sees('better words')
  })

  test('on a phone the list and the conversation are two screens', async () => {
    const [a = '', b = ''] = names('alice', 'bob')
    const [alice, bob] = await Promise.all([arrive(a), arrive(b, 'phone')])
    await alice.start('Direct', [b])
    await alice.say('hello phone')
    await bob.open(a)
    await bob.list.waitFor({ state: 'hidden' })
    await bob.sees('hello phone')
    await bob.page.getByRole('button', { name: 'Send' }).waitFor()
    await bob.field.fill('hello desktop')
    await bob.page.getByRole('button', { name: 'Send' }).tap()
    await alice.sees('hello phone', 'hello desktop')
    await bob.page.getByRole('button', { name: 'Back to the list' }).tap()
    await bob.list.waitFor()
    await bob.entry(a).tap()
    await bob.field.waitFor()
    await bob.page.getByRole('button', { name: 'About this conversation' }).tap()
    await bob.page.getByRole('dialog').waitFor()
    await bob.page.goBack()
    await bob.list.waitFor()
    await bob.page.getByRole('dialog').waitFor({ state: 'detached', timeout: 30_000 })
    const overflow = await bob.page.evaluate('document.documentElement.scrollWidth > innerWidth')
    expect(overflow).toBe(false)
  })

  test('names without a gap fit a phone', async () => {
    const [a = '', b = ''] = names(`alice${'a'.repeat(80)}`, `bob${'b'.repeat(80)}`)
    const [alice, bob] = await Promise.all([arrive(a), arrive(b, 'phone')])
    await alice.start('Group', [b], 'Crew')
    await bob.open('Crew')
    const path = `/v1/conversations/${new URL(alice.page.url()).hash.replace('#/c/', '')}`
    await call(server, apiKey, 'PATCH', path, { name: 'n'.repeat(200) })
    await bob.page.getByText('named this').waitFor()
    expect(await bob.cutOff()).toEqual([])
    await bob.page.getByRole('button', { name: 'About this conversation' }).tap()
    await bob.page.getByRole('dialog').getByText(`${b} (you)`).waitFor()
    expect(await bob.cutOff()).toEqual([])
  })

  test('says in plain words what it cannot do', async () => {
    const [alice, bob] = await talking()
    await alice.field.fill('x'.repeat(16_400))
    await alice.page.getByText('Too long by 16 bytes').waitFor()
    await alice.field.press('Enter')
    expect(await alice.page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true)
    await alice.say('short')
    await bob.sees('short')
    await alice.page.goto(`${server.url}/?as=${alice.name}#/c/no-such-conversation`)
    await alice.page.getByText('This conversation does not exist').waitFor()
    await alice.page.getByRole('button', { name: 'New conversation' }).click()
    await alice.page.getByRole('button', { name: 'Start', exact: true }).click()
    await alice.page.getByText('With whom?').waitFor()
  })

  test('words of users are text and never markup', async () => {
    const [alice, bob] = await talking()
    const words = '<img src=x onerror="document.title=1"><b>bold</b> https://example.com/a?b=1&c=2.'
    await alice.say(words)
    await bob.sees(words)
    expect(await bob.message(words).locator('img, b').count()).toBe(0)
    expect(await bob.message(words).getByRole('link').getAttribute('href')).toBe('https://example.com/a?b=1&c=2')
  })

  test('a removed member of a group is notified, and a visitor of a channel reads before joining', async () => {
    const [alice, bob] = await both()
    await alice.start('Channel', [], 'News')
    await alice.say('All hands')
    await bob.page.goto(`${server.url}/?as=${bob.name}${new URL(alice.page.url()).hash}`)
    await bob.sees('All hands')
    await bob.page.getByRole('button', { name: 'Join to write' }).click()
    await bob.say('Aye')
    await alice.page.getByText(`${bob.name} joined`).waitFor()
    await alice.sees('All hands', 'Aye')
    await bob.page.getByRole('button', { name: 'About this conversation' }).click()
    await bob.page.getByRole('dialog').getByRole('button', { name: 'Leave' }).click()
    await bob.page.getByRole('dialog', { name: 'Leave' }).getByRole('button', { name: 'Leave' }).click()
    await alice.page.getByText(`${bob.name} left`).waitFor()
    await expect.poll(() => bob.entry('News').count()).toBe(0)
  })

  const hasCursor = ({ field }: Person) =>
    expect.poll(() => field.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true)

  test('the cursor stands in the field after creating, opening, reloading and joining', async () => {
    const [alice, bob] = await both()
    await alice.start('Channel', [], 'News')
    await hasCursor(alice)
    await alice.page.reload()
    await hasCursor(alice)
    await bob.page.goto(`${server.url}/?as=${bob.name}${new URL(alice.page.url()).hash}`)
    await bob.page.getByRole('button', { name: 'Join to write' }).click()
    await hasCursor(bob)
    await bob.page.goto(`${server.url}/?as=${bob.name}#/`)
    await bob.entry('News').click()
    await hasCursor(bob)
  })

  test('a skip link leads past the list, and the page has one heading of level one', async () => {
    const [alice, bob] = await talking()
    expect(await alice.page.getByRole('heading', { level: 1 }).allTextContents()).toEqual(['Parley'])
    const skip = async (person: Person) => {
      await person.page.evaluate('document.activeElement.blur()')
      await person.page.keyboard.press('Tab')
      await person.page.getByRole('link', { name: 'Skip to the conversation' }).press('Enter')
    }
    await skip(alice)
    await hasCursor(alice)
    await bob.page.goto(`${server.url}/?as=${bob.name}#/`)
    await skip(bob)
    expect(await bob.page.evaluate('document.activeElement.className')).toBe('nothing')
    expect(new URL(bob.page.url()).hash).toBe('#/')
  })

  test('a draft survives a reload in its tab, and goes when it is sent', async () => {
    const [alice, bob] = await talking()
    await alice.field.fill('half a thou')
    const second = await alice.secondTab()
    expect(await second.field.inputValue()).toBe('')
    await alice.page.reload()
    expect(await alice.field.inputValue()).toBe('half a thou')
    await alice.say('half a thought')
    await bob.sees('half a thought')
    await alice.page.reload()
    await alice.sees('half a thought')
    expect(await alice.field.inputValue()).toBe('')
  })

  test('a browser that blocks site data still shows the page and talks', async () => {
    const [name = '', other = ''] = names('mary', 'bob')
    const context = await browser.newContext()
    await context.addInitScript(`
      const blocked = { get() { throw new DOMException('blocked', 'SecurityError') } }
      for (const name of ['sessionStorage', 'localStorage']) Object.defineProperty(window, name, blocked)`)
    const page = await context.newPage()
    await page.goto(server.url)
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: 'Start talking' }).click()
    await page.getByRole('button', { name: 'New conversation' }).click()
    await page.getByLabel('Person', { exact: true }).fill(other)
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.getByRole('textbox', { name: 'Message' }).fill('here I am')
    await page.keyboard.press('Enter')
    await page.locator('.message.sent').getByText('here I am').waitFor()
    await context.close()
  })

  test('each paragraph of a message stands by its own direction, and so does what is typed', async () => {
    const [alice, bob] = await talking()
    await alice.say('A long line in a language that is written from left to right\nשלום')
    await bob.page.locator('.message').getByText('שלום').waitFor()
    const gaps = await bob.page.locator('.message.theirs').evaluate((message) => {
      const [text, bubble] = [message.querySelector('p')?.firstChild, message.querySelector('.bubble')]
      if (text === null || text === undefined || bubble === null) throw new Error('no message')
      const range = message.ownerDocument.createRange()
      range.setStart(text, (text.textContent ?? '').indexOf('ש'))
      range.setEnd(text, (text.textContent ?? '').length)
      const [line, box] = [range.getBoundingClientRect(), bubble.getBoundingClientRect()]
      return { left: line.left - box.left, right: box.right - line.right }
    })
    expect(gaps.left).toBeGreaterThan(3 * gaps.right)
    await bob.field.fill('שלום')
    expect(
      await bob.field.evaluate((field) => field.ownerDocument.defaultView?.getComputedStyle(field).direction),
    ).toBe('rtl')
  })

  test('no present user is shown as away, not for a moment', async () => {
    const [alice, bob] = await talking()
    await alice.header.getByText('here now').waitFor()
    await alice.page.addInitScript(`
      window.states = []
      new MutationObserver(() => window.states.push(document.querySelector('.conversation .state')?.textContent))
        .observe(document, { subtree: true, childList: true, characterData: true })`)
    await alice.page.reload()
    await alice.header.getByText('here now').waitFor()
    expect(await alice.page.evaluate('window.states')).not.toContain('away')
    await alice.page.getByRole('button', { name: 'About this conversation' }).click()
    const members = alice.page.getByRole('dialog').getByRole('listitem')
    await expect.poll(() => members.filter({ hasText: 'here now' }).count()).toBe(2)
    await bob.page.goto('about:blank')
  })

  test('the last owner that leaves is shown their successor, and a group never stands without an owner', async () => {
    const [a = '', b = '', c = ''] = names('alice', 'bob', 'carol')
    const [alice, bob] = await Promise.all([arrive(a), arrive(b)])
    await alice.start('Group', [`${b} ${c}`], 'Crew')
    await bob.open('Crew')
    await alice.page.getByRole('button', { name: 'About this conversation' }).click()
    await alice.page.getByRole('dialog').getByText('3 members').waitFor()
    await alice.page.getByRole('dialog').getByRole('button', { name: 'Leave' }).click()
    const leave = alice.page.getByRole('dialog', { name: 'Leave' })
    await leave.getByText('the longest-standing member becomes owner').waitFor()
    await leave.getByRole('button', { name: 'Leave' }).click()
    await bob.page.getByText(`${a} made ${b} an owner`).waitFor()
    await bob.page.getByText(`${a} left`).waitFor()
    await bob.page.getByRole('button', { name: 'About this conversation' }).click()
    await bob.page.getByRole('button', { name: `Make admin: ${c}` }).waitFor()
  })

  test('each of several waiting messages can be cancelled', async () => {
    const [alice, bob] = await talking()
    await alice.page.context().setOffline(true)
    await alice.page.getByText('You are offline').waitFor()
    for (const words of ['one', 'two', 'three']) await alice.say(words)
    await alice.message('one').getByText('Goes out when you are connected.').waitFor()
    for (const words of ['three', 'two']) await alice.message(words).getByRole('button', { name: 'Cancel' }).click()
    await alice.sees('one')
    await alice.page.context().setOffline(false)
    await bob.sees('one')
  })

  test('messages that wait are as easy to read as others, by day and by night', async () => {
    const [alice] = await talking()
    await alice.page.context().setOffline(true)
    await alice.page.getByText('You are offline').waitFor()
    await alice.say('waiting')
    await alice.message('waiting').getByText('Goes out').waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await alice.page.emulateMedia({ colorScheme })
      for (const part of ['.bubble p', '.bubble .meta']) {
        const found = await alice.page.evaluate(`(${contrast})(document.querySelector('.message.waiting ${part}'))`)
        expect(found, `${colorScheme} ${part}`).toBeGreaterThanOrEqual(4.5)
      }
    }
  })

  test('in forced colours bubbles and the open conversation of the list keep their shape', async () => {
    const [alice, bob] = await talking()
    await alice.say('ahoy')
    await bob.sees('ahoy')
    await bob.page.emulateMedia({ forcedColors: 'active' })
    const style = (selector: string, name: string) =>
      bob.page
        .locator(selector)
        .evaluate(
          (one, property) => one.ownerDocument.defaultView?.getComputedStyle(one).getPropertyValue(property),
          name,
        )
    expect(await style('.message .bubble', 'border-top-style')).toBe('solid')
    expect(await style('.list a[aria-current]', 'outline-style')).toBe('solid')
  })
})

/** How many unsent messages the browser of a page keeps. A text, since Node's types know no IndexedDB. */
const keptIn = (page: Page): Promise<number> =>
  page.evaluate<number>(`new Promise((resolve, reject) => {
    const opening = indexedDB.open('parley')
    opening.onerror = () => reject(opening.error)
    opening.onsuccess = () => {
      const counting = opening.result.transaction('unsent').objectStore('unsent').count()
      counting.onsuccess = () => {
        opening.result.close()
        resolve(counting.result)
      }
    }
  })`)

describe.skipIf(absent)('a new user of a development system', () => {
  let server: Server
  let browser: Browser

  beforeAll(async () => {
    server = await startServer({ guide: true })
    browser = await launchBrowser()
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  test('finds a bot that greets and answers, and a channel in which something has been said', async () => {
    const alice = await Person.arrive(browser, server.url, 'alice')
    const guide = alice.list.getByRole('link').filter({ has: alice.page.locator('.name').getByText('Guide') })
    await guide.getByLabel('1 unread').waitFor()
    await guide.click()
    await alice.header.getByRole('heading', { name: 'Guide' }).waitFor()
    await alice.page.locator('.bubble').getByText('Hello! I am a bot').waitFor()
    await alice.say('help')
    await alice.page.locator('.bubble').getByText('What you can look at:').waitFor()
    await alice.open('Welcome')
    await alice.page.locator('.bubble').getByText('This channel is open to every user').waitFor()
    await alice.page.reload()
    await guide.getByText('What you can look at').waitFor()
    expect(await alice.list.getByRole('link').count()).toBe(2)
    expect(alice.faults).toEqual([])
  })
})
