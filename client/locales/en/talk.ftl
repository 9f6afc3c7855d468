# Messages, groups, documents, alerts, and how things stand.
state-waiting = Waiting
state-sent = Sent
state-delivered = Delivered
state-not-sent = Not sent
state-undecided = Not sent: somebody joined in the meantime, or you were added anew. Send it again if all who are there now may read it.
state-received = received

message-you = You
message-somebody = somebody who is no longer here
message-alert = Alert. Read and answer it: relevo alert list
# $name (String)
message-document = Document "{ $name }". Fetch it: relevo document list
message-leave = wants to leave the group
message-newer = This message needs a newer version of Relevo.
read-none = No new messages.

read-look = Something needs your attention: relevo status

group-none = You are in no group.
# $name (String)
group-created = The group { $name } is made, and the invitations are on their way.
group-added = On its way: the administrators' change counts as soon as it is in the group's log.
# $name (String)
group-removed = { $name } is being removed, and the group moves to a new mailbox.
# $name (String)
group-withdrawn = { $name } was not in yet, and will not be added.
# $name (String)
group-left = The administrators are asked to take you out of { $name }.
# $name (String)
group-renamed = The group is now called { $name }.
# $name (String)
group-moved = { $name } is moving to the other relay.
# $name (String)
# $people (String)
group-refounded = { $name } is started anew. Invited: { $people }.
# $people (String)
group-unreached = This device cannot reach these outside of the old conversation: { $people }. Tell them by another way; add those who are among your contacts with `relevo group add`.
group-you = you
group-administrator = administrator
standing-live = ready
standing-halted = stands still: ask an administrator to add you again
standing-left = you are no longer in it
standing-behind = you were away longer than the relay keeps messages: ask an administrator to add you again

document-none = There are no documents.
# $number (String)
# $name (String)
# $size (String)
document-number = Document { $number }: { $name }, { $size }
document-sending = on its way
document-sent = sent
# $number (String)
document-posted = Document { $number } is sent.
# $number (String)
document-offered = waits to be fetched: relevo document get { $number }
document-here = here
document-failed = not sent: the file changed or is gone
# $number (String)
document-kept = Not all of it has moved yet. It goes on with: relevo document get { $number }
# $path (String)
document-saved = Written to { $path }
# $path (String)
document-exported = Written to { $path }, with its proof beside it. Anybody can check both with `relevo document verify`.

severity-info = Information
severity-urgent = Urgent
severity-emergency = Emergency
alert-none = There are no alerts.
# $number (String)
# $severity (String)
# $name (String)
# $union (String)
alert-title = Alert { $number }, { $severity }: from { $name }, { $union }
alert-drill = This is a drill.
# $time (String)
alert-until = Valid until { $time }
# $time (String)
alert-expired = Expired on { $time }
# $number (String)
alert-do = Answer: relevo alert answer { $number } read     or, if you need help: relevo alert answer { $number } help
alert-answered-read = You answered: I have read it.
alert-answered-help = You answered: I need help.
# $number (String)
# $issued (String)
# $expires (String)
alert-own = Your alert { $number }, issued { $issued }, valid until { $expires }
# $number (String)
alert-sent = Alert { $number } is on its way.
alert-answer-done = Your answer is on its way to the sender alone.
alert-read = Have read it
alert-help = Need help
alert-silent = Silent
# $answered (Number) - people
# $total (Number) - people
alert-summary = { $answered } of { $total } have answered. Silent does not mean safe.

# $pseudonym (String)
status-me = You are { $pseudonym }.
# $union (String)
# $alliance (String)
# $time (String)
status-member = Member of { $union }, in the alliance { $alliance }. Your card is valid until { $time }.
status-coordinator = You are a coordinator of your union.
status-no-card = You are not a member of an alliance yet.
# $union (String)
status-founding = You are founding the union { $union }.
status-founding-waits = Nobody has followed the link for your second coordinator yet:
status-founding-sign = The second coordinator is there. The two devices sign the union's first set by themselves.
status-founding-signed = The union is signed by both coordinators. What is missing is the charter: whoever was asked signs it with `relevo charter sign`.
status-link-reading = A link you followed waits to be read.
status-link-asked = A link you followed was answered; now others have to act.
# $what (String)
status-link-failed = A link you followed failed: { $what }
# $count (Number) - requests
status-requests = { $count ->
    [one] One request waits for your word: relevo requests
   *[other] { $count } requests wait for your word: relevo requests
}
# $count (Number) - messages
status-new = { $count ->
    [one] There is one new message: relevo read
   *[other] There are { $count } new messages: relevo read
}
# $count (Number) - messages and changes
status-waiting = { $count ->
    [one] One message or change waits for the network.
   *[other] { $count } messages or changes wait for the network.
}
status-settled = Everything has left and everything is read.
# $relay (String)
status-relay = Relay { $relay }
relay-idle = nothing to do
relay-no-address = its address is not known here
relay-connecting = connecting
relay-open = connected
# $what (String)
relay-offline = not reached: { $what }
relay-waiting = not reached; it is tried again
refusal-mailbox-full = a mailbox there is full
refusal-relay-full = the relay is full
refusal-rate = too much for this hour; it goes on later
refusal-allowance = what you may store there is used up
refusal-busy = the relay is busy; it goes on later
refusal-other = the relay refused something

# $name (String)
warning-undelivered = Something for { $name } could not be delivered. Ask them by another way to run `relevo read`.
warning-charter-fork = There are two charters with the same number. Tell the coordinators of all unions, by voice or in person.
warning-charter-rollback = An older charter was shown as the newest and was refused. Tell your coordinators, by voice.
# $name (String)
warning-alert-refused = { $name } passed on an alert that is forged or expired. Its words were not shown. Ask a coordinator by voice.
# $name (String)
warning-key-changed = { $name } has a new device or key. That is usual after a new phone or computer; compare words again before you say anything sensitive.
warning-parcel-refused = Something that came did not hold together and was dropped.
# $name (String)
warning-words-broken = The words of { $name } were not the same. Somebody may stand between you: meet in person.
warning-comparison-broken = A comparison of words was broken off by the other side. Somebody may stand in between: compare in person.
warning-inbox-damaged = The relay lost, changed or holds back what lay in your inbox. Tell whoever runs the relay; ask others to send again.
warning-link-used-twice = Two people have followed one link of yours, and only the first counts. Ask whoever you gave it to, by voice, what name they chose, before anybody vouches for the first: it may be somebody else.
warning-link-expired = Somebody followed a link of yours after its time was over, and was not let in. If you still want them, make a new one: `relevo invite`.
# $group (String)
alarm-rollback = { $group }: the relay was put back to an earlier state; messages may be missing. Ask the others.
# $group (String)
alarm-gap = { $group }: messages expired before this device fetched them.
# $group (String)
alarm-chain-broken = { $group }: the relay contradicts what it said before. Tell a coordinator; an administrator can move the conversation: `relevo group move`.
# $group (String)
# $name (String)
alarm-disagreement = { $group }: { $name } says that the relay showed them something else. Compare by voice, and tell a coordinator.
# $group (String)
alarm-lie = { $group }: the relay has signed another history than the one it gave you. Tell a coordinator, and move to another relay: `relevo group move`.
# $group (String)
alarm-lie-proved = { $group }: the relay has signed two different histories, and both signatures together prove it to anybody: `relevo status --json` shows them. Tell a coordinator, and move to another relay: `relevo group move`.
# $group (String)
alarm-missing-commit = { $group }: a change of the group is missing here. If some do not get what others write, an administrator can start it anew: `relevo group refound`.
# $group (String)
alarm-halted = { $group }: stands still, because a change could not be read. Ask an administrator to add you again, or to start it anew: `relevo group refound`.
# $group (String)
alarm-lost-commit = { $group }: a change of yours was accepted by the relay and is not there. Tell a coordinator.
# $group (String)
# $name (String)
alarm-not-added = { $group }: { $name } is not in yet: their device left no usable key at their relay. Ask them to run `relevo read`; it is tried again by itself for at least four weeks.
# $group (String)
# $name (String)
alarm-not-welcomed = { $group }: { $name } is a member now, but the relay did not take what lets them in. Remove them, then add them again.
# $group (String)
alarm-older-copy = { $group }: this device has sent things there that it no longer knows of. Its vault is an older copy, put back from a backup perhaps: what came since may be missing here. Its keys there are made anew. If nobody put a copy back, tell a coordinator.
# $group (String)
# $name (String)
alarm-complaint = { $group }: the device of { $name } could not read a change of the group. Add them again.
# $group (String)
alarm-not-moved = { $group }: could not move to its new mailbox. Try again, or start it anew: `relevo group refound`.
# $group (String)
alarm-not-done = { $group }: a change that you wanted is not possible there; it was given up.
# $group (String)
alarm-withheld = { $group }: the relay has more messages and does not give them. Try another network; if it stays so, ask the others, and move the conversation: `relevo group move`.
# $group (String)
alarm-frozen = { $group }: the relay takes no more messages here, though nobody moved the conversation. Tell a coordinator; an administrator can start it anew on another relay: `relevo group refound`.
# $group (String)
alarm-closed = { $group }: the relay says that this conversation is no longer there. Ask the others; if it is there for them, tell a coordinator; if it is not, an administrator can start it anew: `relevo group refound`.
# $group (String)
alarm-damaged = { $group }: the relay says that its disk has damaged a message. It and what comes after it can be read by nobody for up to 30 days. Tell who runs the relay; an administrator can start the conversation anew: `relevo group refound`.
# $group (String)
# $time (String)
alarm-waiting = { $group }: what you wrote waits since { $time }. The relay has not taken it, or does not give it back. Look at the network; if it stays so, move the conversation: `relevo group move`.
# $group (String)
# $time (String)
alarm-held-back = { $group }: what you wrote since { $time } has not left this device, because you are cut off from the conversation. Ask an administrator to add you again.
# $group (String)
# $time (String)
alarm-change-held-back = { $group }: a change of the group waits on this device, because messages are missing here and the others may have changed the group meanwhile. It is made by itself as soon as that is clear, at the latest { $time }. If it is urgent, such as a removal, ask another administrator to make it.
# $group (String)
# $time (String)
alarm-change-waits-for-relay = { $group }: a change of the group waits on this device until { $time } at the latest, so that what the relay lost when it was put back can return first. It is made by itself then.
# $group (String)
# $name (String)
alarm-refounded = { $group }: { $name } started this conversation anew, and it goes on from here. What was said before can still be read. See who is in it: `relevo group list`.
# $group (String)
# $name (String)
alarm-left-behind = { $group }: { $name } still writes where this conversation was before it was started anew, and is not here. If they belong here, add them: `relevo group add`.
# $group (String)
alarm-other = { $group }: something happened that this version does not know. Install the newest one.
