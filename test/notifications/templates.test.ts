import { describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/notifications/model.ts'
import { badTemplate } from '../../src/notifications/templates/check.ts'
import { BadTemplate, renderTemplate, templateLimits } from '../../src/notifications/templates/engine.ts'
import { htmlToText } from '../../src/notifications/templates/html-to-text.ts'
import { renderOwn, renderStored } from '../../src/notifications/templates/render.ts'
import {
  localeChain,
  type LocaleContent,
  type MessageTemplate,
  type Partials,
} from '../../src/notifications/templates/template.ts'

const message = (locales: Record<string, LocaleContent>, further: Partial<MessageTemplate> = {}): MessageTemplate => ({
  kind: 'message',
  locale: 'en',
  locales,
  ...further,
})
const says = (body: string, schema?: unknown): MessageTemplate => message({ en: { all: { body } } }, { schema })
const partial = (text: string) => ({ kind: 'partial', locale: 'en', locales: { en: text } }) as const

const document = (data: unknown, name = 'Ann'): RunDocument => ({
  recipient: { id: 'ann', name, properties: {}, targets: [], email: 'ann@example.com' },
  data,
  events: [{ id: 'n', at: 0, data }],
  total: 1,
  steps: {},
  state: { isSeen: false, isRead: false, isInteracted: false },
})
const order = (data: unknown, further: object = {}) =>
  ({ channel: 'email', locale: 'en', document: document(data), ...further }) as const

const bad = (definition: MessageTemplate, partials: Partials = {}) => badTemplate('t', definition, partials)

describe('a definition is refused', () => {
  const schema = {
    type: 'object',
    properties: {
      order: { type: 'object', properties: { id: { type: 'string' } } },
      items: { type: 'array', items: true },
    },
  }
  test.each([
    ['text that is no template', says('{% if data.x %}'), /locales\.en\.all\.body: tag .*if.* not closed/],
    ['an unknown filter', says('{{ data.x | shout }}'), /undefined filter: shout/],
    ['an unknown variable', says('{{ user.name }}'), /user\.name: there is no such variable/],
    ['a field that no profile has', says('{{ recipient.firstName }}'), /recipient\.firstName: a profile has id, name/],
    [
      'a variable that the schema does not declare',
      says('{{ data.order.total }}', schema),
      /data\.order\.total: the schema declares no such/,
    ],
    ['a loop that makes too many steps', says('{% for i in (1..900000) %}.{% endfor %}'), /more than 20000 steps/],
    [
      'loops in loops without content',
      says('{% for i in (1..900) %}{% for j in (1..900) %}{% endfor %}{% endfor %}'),
      /more than/,
    ],
    ['a range that is too long', says('{% for i in (1..90000000) %}.{% endfor %}'), /more than 1000000 characters/],
    [
      'a text that doubles itself',
      says(`{% assign x = "ab" %}${'{% assign x = x | append: x %}'.repeat(40)}`),
      /more than 1000000/,
    ],
    ['a long text in a loop', says(`{% for i in (1..1000) %}${'x'.repeat(5000)}{% endfor %}`), /more than 1000000/],
    [
      'a long block in a loop',
      says(`{% capture all %}{% for i in (1..1000) %}${'x'.repeat(5000)}{% endfor %}{% endcapture %}`),
      /more than 1000000/,
    ],
    ['a text that is too long', says('x'.repeat(templateLimits.length + 1)), /at most 100000 characters/],
    ['a partial that is not there', says('{% render "footer" %}'), /there is no partial "footer"/],
    ['the name of a partial in a variable', says('{% render data.which %}'), /write the name of the partial in quotes/],
    ['include', says('{% include "footer" %}'), /tag .*include.* not found/],
    ['a schema with an unknown keyword', says('x', { typo: 1 }), /schema\.typo: this keyword is not supported/],
    ['a fallback without content', message({ de: { all: { body: 'x' } } }), /has nothing for "en"/],
  ])('for %s', (_, definition, reason) => {
    expect(bad(definition)).toMatch(reason)
  })

  test('when its partials lead back to one of them', () => {
    const partials = { a: partial('{% render "b" %}'), b: partial('{% if true %}{% render "a" %}{% endif %}') }
    expect(bad(says('{% render "a" %}'), partials)).toMatch('a → b → a: a partial that uses itself has no end')
    expect(badTemplate('a', partials.a, { b: partials.b })).toMatch('a → b → a')
  })
})

test('a definition is accepted with what Liquid, the schema and its partials have', () => {
  const schema = {
    type: 'object',
    properties: {
      order: { $ref: '#/$defs/order' },
      items: { type: 'array', items: { type: 'object', properties: { name: { type: 'string' } } } },
      any: true,
      map: { type: 'object', additionalProperties: { type: 'string' } },
    },
    $defs: { order: { anyOf: [{ type: 'object', properties: { id: { type: 'string' } } }] } },
  }
  const text =
    '{% layout "frame" %}{% block content %}{% assign n = data.items.size %}{{ data.order.id }} {{ data.any.thing }} {{ data.map.x }}' +
    '{% for item in data.items %}{{ forloop.index }} {{ item.name }}{% render "line", item: item %}{% endfor %}{{ n }}{% endblock %}'
  const partials = { frame: partial('<{% block content %}{% endblock %}>'), line: partial('{{ item.name }}') }
  expect(bad(says(text, schema), partials)).toBeUndefined()
})

describe('a message', () => {
  test('escapes values in HTML and nowhere else', () => {
    const content = {
      title: 'Hi {{ recipient.name }}',
      body: '{{ recipient.name }}',
      html: '<p title="{{ recipient.name }}">{{ recipient.name }}</p>',
    }
    const { content: rendered } = renderOwn(
      { content },
      { ...order({}), document: document({}, `<b onclick='x("y")'>`) },
    )
    expect(rendered.html).toBe(
      `<p title="&lt;b onclick=&#39;x(&#34;y&#34;)&#39;&gt;">&lt;b onclick=&#39;x(&#34;y&#34;)&#39;&gt;</p>`,
    )
    expect(rendered.body).toBe(`<b onclick='x("y")'>`)
  })

  test('has a subject on one line, whatever a value holds', () => {
    const content = { title: 'Order {{ data.id }}', body: 'x' }
    const { content: rendered } = renderOwn({ content }, order({ id: '1\r\nBcc: all@example.com' }))
    expect(rendered.title).toBe('Order 1 Bcc: all@example.com')
  })

  test('is not made when data is missing, except in conditions and before a default', () => {
    const template = says('{{ data.name }}')
    expect(() => renderStored(template, {}, order({}))).toThrow(/body: undefined variable: data\.name/)
    expect(() => renderStored(template, {}, order(undefined))).toThrow(BadTemplate)
    const lenient = says(
      '{% if data.name %}{{ data.name }}{% endif %}{{ data.name | default: "you" }}{{ recipient.name }}',
    )
    expect(renderStored(lenient, {}, order({})).content.body).toBe('youAnn')
  })

  test('is not made of data that breaks the schema', () => {
    const template = says('{{ data.n }}', { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] })
    expect(renderStored(template, {}, order({ n: 1 })).content.body).toBe('1')
    expect(() => renderStored(template, {}, order({ n: 'x' }))).toThrow(/data\.n: /)
  })

  test('has none of what every JavaScript object has', () => {
    const template = says('[{{ data.constructor.name | default: "none" }}]')
    expect(renderStored(template, {}, order({})).content.body).toBe('[none]')
  })

  test('does not end a process by data with a loop inside of a loop', () => {
    const template = says(
      '{% for a in data.l %}{% for b in data.l %}{% for c in data.l %}{% endfor %}{% endfor %}{% endfor %}',
    )
    expect(() => renderStored(template, {}, order({ l: Array.from({ length: 200 }, () => 1) }))).toThrow(
      /more than 20000 steps/,
    )
  })

  test('leads to web addresses only', () => {
    const content = { body: 'x', url: '{{ data.url }}' }
    expect(renderOwn({ content }, order({ url: 'https://example.com/a' })).content.url).toBe('https://example.com/a')
    // oxlint-disable-next-line no-script-url -- what is refused
    expect(() => renderOwn({ content }, order({ url: 'javascript:alert(1)' }))).toThrow(/url: not an http/)
  })
})

describe('locales', () => {
  test('fall back from the whole tag to its language, then to that of the template', () => {
    expect(localeChain('zh-Hant-TW', 'en-GB')).toEqual(['zh-hant-tw', 'zh-hant', 'zh', 'en-gb', 'en'])
    expect(localeChain('de-u-co-phonebk', 'de')).toEqual(['de-u-co-phonebk', 'de-u-co', 'de'])
    expect(localeChain(undefined, 'en')).toEqual(['en'])
  })

  test('choose content and partials, each by itself', () => {
    const template = message({
      en: { email: { body: 'Hello{% render "bye" %}' }, all: { body: 'Hi' } },
      de: { email: { body: 'Hallo{% render "bye" %}' } },
    })
    const partials = { bye: { kind: 'partial', locale: 'en', locales: { en: ', bye', 'de-CH': ', ade' } } } as const
    const body = (locale: string | undefined, channel: 'email' | 'sms' = 'email') => {
      const { locale: found, content } = renderStored(template, partials, { ...order({}), locale, channel })
      return `${found}: ${content.body}`
    }
    expect(body('de-CH')).toBe('de: Hallo, ade')
    expect(body('DE')).toBe('de: Hallo, bye')
    expect(body('fr')).toBe('en: Hello, bye')
    // German says nothing on SMS.
    expect(body('de', 'sms')).toBe('en: Hi')
  })
})

test('a partial sees what it is given, and nothing else', () => {
  const partials = new Map([['line', '{{ item }}{{ secret | default: "-" }}']])
  expect(renderTemplate('{% assign secret = "s" %}{% render "line", item: 1 %}', 'text', {}, partials)).toBe('1-')
})

describe('the text of an HTML e-mail', () => {
  test.each([
    ['<p>Hello <b>Ann</b>,</p>\n<p>you&nbsp;have mail.</p>', 'Hello Ann,\n\nyou have mail.'],
    ['<style>p{}</style><script>if (a<b) x("</p>")</script><title>no</title>Text<!-- not > this -->', 'Text'],
    ['<a href="https://example.com/a?b=1&amp;c=2">Open</a>', 'Open (https://example.com/a?b=1&c=2)'],
    ['<a href="https://example.com">https://example.com</a> <a href="#x">top</a>', 'https://example.com top'],
    ['<ul><li>one</li><li><a href="mailto:a@b.c">a@b.c</a></li></ul>after', '- one\n- a@b.c\n\nafter'],
    ['one<br>two<br/><br>three', 'one\ntwo\n\nthree'],
    ['<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>', 'a b\nc'],
    ['<img alt="Logo" src=x><p>1 &lt; 2 &amp;&#x20AC;&#8364; &unknown;</p>', 'Logo\n\n1 < 2 &€€ &unknown;'],
    ['1 < 2 and <b title="a>b">c</b>', '1 < 2 and c'],
    ['<p>open', 'open'],
    ['<a href="https://example.com', ''],
  ])('of %j', (html, text) => {
    expect(htmlToText(html)).toBe(text)
  })

  test('is made in one walk, whatever the HTML is', () => {
    for (const part of ['<', '<a ', '<a "', `<a "'>`, '&', '<!--', '<p', '<li>', '<a href=x>'])
      expect(htmlToText(part.repeat(20_000)).length).toBeLessThan(200_000)
  })
})
