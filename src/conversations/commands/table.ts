import type { Command } from '../command.ts'
import { addMembersCommand } from './add-members.ts'
import { deleteConversation } from './delete-conversation.ts'
import { deleteMessage } from './delete-message.ts'
import { editMessage } from './edit-message.ts'
import { getConversation } from './get-conversation.ts'
import { joinConversation } from './join-conversation.ts'
import { leaveConversation } from './leave-conversation.ts'
import { listEdits } from './list-edits.ts'
import { listPins } from './list-pins.ts'
import { listReactions } from './list-reactions.ts'
import { listMembers } from './list-members.ts'
import { markRead } from './mark-read.ts'
import { pinMessage } from './pin-message.ts'
import { react } from './react.ts'
import { restoreMessage } from './restore-message.ts'
import { removeMemberCommand } from './remove-member.ts'
import { renameConversation } from './rename-conversation.ts'
import { reportTyping } from './report-typing.ts'
import { banMember, listBans, unbanMember } from './ban-member.ts'
import { setRights } from './set-rights.ts'
import { updateConversation } from './update-conversation.ts'
import { sendMessage } from './send-message.ts'
import { setRole } from './set-role.ts'
import {
  appendToMessage,
  beginMessage,
  cancelMessage,
  completeMessage,
  interruptMessage,
  listStreaming,
} from './stream-message.ts'
import { unpinMessage } from './unpin-message.ts'
import { followThread } from './follow-thread.ts'
import { listThreads } from './list-threads.ts'
import { readThread } from './read-thread.ts'
import { unreact } from './unreact.ts'

/** Every command of a conversation. The rpc methods, the routes and the API reference are made from this list. */
export const commands: readonly Command[] = [
  getConversation,
  renameConversation,
  updateConversation,
  setRights,
  deleteConversation,
  joinConversation,
  leaveConversation,
  listMembers,
  addMembersCommand,
  setRole,
  removeMemberCommand,
  banMember,
  unbanMember,
  listBans,
  sendMessage,
  beginMessage,
  appendToMessage,
  completeMessage,
  cancelMessage,
  listStreaming,
  editMessage,
  deleteMessage,
  restoreMessage,
  listEdits,
  react,
  unreact,
  listReactions,
  pinMessage,
  unpinMessage,
  listPins,
  listThreads,
  followThread,
  readThread,
  markRead,
  reportTyping,
]

/** What a conversation asks of itself: no rpc method and no route is made of it. */
const ownCommands: readonly Command[] = [interruptMessage]

const byName = new Map([...commands, ...ownCommands].map((command) => [command.name, command]))

/** The command of an rpc method, or one that a conversation asks of itself. */
export const commandNamed = (name: string): Command | undefined => byName.get(name)
