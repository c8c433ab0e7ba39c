import {
  chatCategory,
  chatNoticeKinds,
  chatWorkflow,
  type ChatNoticeKind,
} from '../../protocol/chat-notifications-api.ts'
import type { Category, Channel, Workflow, WorkflowStep } from '../model.ts'

/** The category of notifications of chat, unless the tenant registered one of this name. */
export const builtInCategory: Category = { name: chatCategory, label: 'Messages', isMandatory: false }

/** What the actor is called; a user without a name is called by the id. */
const author = '{{ actor.name | default: data.author }}'
const shown = '{{ data.message.text | truncate: 300 }}'

const send = (name: string, channel: Channel, title: string, body: string, html?: string): WorkflowStep => ({
  name,
  kind: 'channel',
  channel,
  source: { content: { title, body, ...(html === undefined ? {} : { html }), url: '{{ data.link }}' } },
  onUnknown: 'wait',
  ...(channel === 'in-app' ? {} : { unless: 'seen' as const }),
  heedsQuietHours: true,
  awaitsOutcome: false,
})

const inAppAndPush = (title: string, body: string): readonly WorkflowStep[] => [
  send('app', 'in-app', title, body),
  send('push', 'push', title, body),
]

const invited = `${author} added you to {{ data.place }}`
const unreadTitle =
  '{% if data.count == 1 %}1 unread message{% else %}{{ data.count }} unread messages{% endif %} in {{ data.place }}'
const unreadText =
  '{% for message in data.messages %}{{ message.name }}: {{ message.text | truncate: 300 }}\n{% endfor %}{{ data.link }}'
const unreadHtml =
  '<p>{% for message in data.messages %}<strong>{{ message.name }}</strong>: {{ message.text | truncate: 300 }}<br>{% endfor %}</p>' +
  '{% if data.link != "" %}<p><a href="{{ data.link }}">Read and answer</a></p>{% endif %}' +
  '<p><a href="{{ notification.unsubscribe }}">No e-mails about unread messages</a></p>'

const steps: Readonly<Record<ChatNoticeKind, readonly WorkflowStep[]>> = {
  direct: inAppAndPush(author, shown),
  group: inAppAndPush(`${author} in {{ data.place }}`, shown),
  mention: inAppAndPush(`${author} mentioned you in {{ data.place }}`, shown),
  reply: inAppAndPush(`${author} replied to you in {{ data.place }}`, shown),
  invitation: [
    ...inAppAndPush(invited, 'Open the conversation to take part.'),
    { name: 'later', kind: 'delay', seconds: 600 },
    send('mail', 'email', invited, `${invited}. {{ data.link }}`),
  ],
  unread: [send('mail', 'email', unreadTitle, unreadText, unreadHtml)],
}

const workflows = new Map<string, Workflow>(
  chatNoticeKinds.map((kind) => {
    const name = chatWorkflow(kind)
    return [name, { name, version: 0, category: chatCategory, priority: 'normal', steps: steps[kind] }]
  }),
)

/** A workflow that is there without being registered; a tenant's own of the same name comes before it. Its version is 0. */
export const builtInWorkflow = (name: string): Workflow | undefined => workflows.get(name)
