import { html, raw } from 'hono/html'
import type { Category, Channel, Preferences } from '../../../notifications/model.ts'
import { effectiveSwitches } from '../../../notifications/preferences/effective.ts'
import type { Appearance } from '../../../protocol/preferences-api.ts'

/** HTML that is escaped already. */
type Html = ReturnType<typeof html>

/** Channels that the page has switches for; webhooks are the tenant's own. */
export const shownChannels = ['in-app', 'email', 'push', 'sms', 'chat'] as const satisfies readonly Channel[]
type Shown = (typeof shownChannels)[number]

const labels: Readonly<Record<Shown, string>> = {
  'in-app': 'In the app',
  email: 'E-mail',
  push: 'Push',
  sms: 'SMS',
  chat: 'Chat',
}

/** The name of a checkbox: its channel, and the category behind it, or nothing for the channel itself. */
export const boxOf = (channel: Channel, category?: string): string => `${channel}:${category ?? ''}`

interface PageOptions {
  readonly appearance: Appearance
  /** For the style element, by the policy of the answer. */
  readonly nonce: string
}

interface PreferencesPageOptions extends PageOptions {
  readonly preferences: Preferences
  readonly tenantPreferences: Preferences
  readonly categories: readonly Category[]
  readonly isSaved: boolean
}

/** The page with all switches of a user: a form that works without a script. */
export function preferencesPage(options: PreferencesPageOptions): Html {
  const { preferences, tenantPreferences, categories, isSaved } = options
  const all = effectiveSwitches(preferences, tenantPreferences)
  return page(
    'Notification preferences',
    options,
    html`${isSaved ? html`<p class="saved" role="status">Your preferences were saved.</p>` : ''}
      <form method="post">
        ${group({ title: 'All notifications', note: 'Unless a category below says otherwise.', switches: all })}
        ${categories.map((category) =>
          group({
            title: category.label ?? category.name,
            note: category.isMandatory ? 'Always sent: these notifications are required.' : undefined,
            category: category.name,
            isMandatory: category.isMandatory,
            switches: effectiveSwitches(preferences, tenantPreferences, category),
          }),
        )}
        <button type="submit">Save</button>
      </form>`,
  )
}

/** Asks whether to unsubscribe: opening a link changes nothing, since programs open links, too. */
export const unsubscribePage = (what: string, preferencesUrl: string, options: PageOptions): Html =>
  page(
    'Unsubscribe',
    options,
    html`<p>You will no longer receive ${what} by e-mail.</p>
      <form method="post"><button type="submit">Unsubscribe</button></form>
      <p><a href="${preferencesUrl}">Change other preferences</a></p>`,
  )

export const unsubscribedPage = (what: string, preferencesUrl: string, options: PageOptions): Html =>
  page(
    'You are unsubscribed',
    options,
    html`<p>You will no longer receive ${what} by e-mail.</p>
      <p><a href="${preferencesUrl}">Change your preferences</a></p>`,
  )

export const mandatoryPage = (what: string, preferencesUrl: string, options: PageOptions): Html =>
  page(
    'These messages are required',
    options,
    html`<p>Messages of the kind ${what} cannot be switched off.</p>
      <p><a href="${preferencesUrl}">Change other preferences</a></p>`,
  )

/** For a link that is not whole, or not of this system. */
export const badLinkPage = (options: PageOptions): Html =>
  page(
    'This link does not work',
    options,
    html`<p>
      It may have been cut off on its way. Open the link in the message again, or ask the sender of the message.
    </p>`,
  )

interface Group {
  readonly title: string
  readonly note?: string | undefined
  readonly category?: string
  readonly isMandatory?: boolean
  readonly switches: Readonly<Record<Channel, boolean>>
}

const group = ({ title, note, category, isMandatory = false, switches }: Group): Html => html`
  <fieldset${isMandatory ? raw(' disabled') : ''}>
    <legend>${title}</legend>
    ${note === undefined ? '' : html`<p class="note">${note}</p>`}
    ${isMandatory || category === undefined ? '' : html`<input type="hidden" name="shown" value="${category}" />`}
    <div class="boxes">
      ${shownChannels.map(
        (channel) =>
          html`<label
            ><input type="checkbox" name="${boxOf(channel, category)}" ${switches[channel] ? raw(' checked') : ''} />
            ${labels[channel]}</label
          >`,
      )}
    </div>
  </fieldset>
`

function page(title: string, { appearance, nonce }: PageOptions, content: Html): Html {
  const { name, logo } = appearance
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}${name === undefined ? '' : ` · ${name}`}</title>
        <style nonce="${nonce}">
          ${raw(styleOf(appearance))}
        </style>
      </head>
      <body>
        <main>
          ${logo === undefined ? '' : html`<img class="logo" src="${logo}" alt="" />`}
          ${name === undefined ? '' : html`<p class="product">${name}</p>`}
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`
}

/** The colours are #rrggbb by the schema of the settings, so that they can stand in a style. */
function styleOf({ accent = '#2f5fd0', background = '#ffffff', text = '#1c1f26' }: Appearance): string {
  return `
    :root { color-scheme: ${isDark(background) ? 'dark' : 'light'}; }
    * { box-sizing: border-box; }
    body { margin: 0; background: ${background}; color: ${text}; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
    main { max-width: 40rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
    h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1.5rem; }
    .logo { max-height: 3rem; max-width: 100%; }
    .product { margin: 0; font-weight: 600; opacity: 0.8; }
    .saved { border-inline-start: 4px solid ${accent}; padding: 0.5rem 0.75rem; }
    fieldset { border: 1px solid color-mix(in srgb, ${text} 25%, ${background}); border-radius: 0.5rem; margin: 0 0 1rem; padding: 0.75rem 1rem; min-width: 0; }
    legend { font-weight: 600; padding: 0 0.25rem; }
    .note { margin: 0 0 0.5rem; opacity: 0.8; }
    .boxes { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
    label { display: inline-flex; align-items: center; gap: 0.5rem; min-height: 2.75rem; }
    input[type='checkbox'] { width: 1.25rem; height: 1.25rem; accent-color: ${accent}; }
    button { min-height: 2.75rem; padding: 0.5rem 1.5rem; border: 0; border-radius: 0.5rem; background: ${accent}; color: ${isDark(accent) ? '#ffffff' : '#000000'}; font: inherit; font-weight: 600; cursor: pointer; }
    a { color: inherit; }
    :focus-visible { outline: 3px solid ${accent}; outline-offset: 2px; }
    @media (max-width: 30rem) { .boxes { flex-direction: column; } button { width: 100%; } }
  `
}

/** Whether white text is the more readable one on a colour (relative luminance of WCAG 2). */
function isDark(colour: string): boolean {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179
}
