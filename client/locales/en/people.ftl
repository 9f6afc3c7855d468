# People: the vault's owner, links, requests, the charter, contacts.
# $folder (String)
# $pseudonym (String)
init-made = Your vault is ready in { $folder }. Others see you as { $pseudonym }.
init-employer = Use a device and a network of your own: those of an employer can be read by the employer, whatever this program does.
init-passphrase = Nobody can reset your passphrase: keep it in mind, or on paper in a safe place.
init-next = Next: follow a link you were given (`relevo join`), or found an alliance (`relevo found --help`).

link-cofounder = Give this link to the second coordinator of your union:
link-member = Give this link to the newcomer:
link-union = Give this link to a coordinator of the other union:
link-contact = Give this code to the person who is to become your contact:
# $days (Number) - how long it lasts
link-once = { $days ->
    [one] It works for one person, once, for one day. Hand it over in person or by a way you trust; the other side asks you by voice whether it is yours.
   *[other] It works for one person, once, for { $days } days. Hand it over in person or by a way you trust; the other side asks you by voice whether it is yours.
}
link-pending = The link for your second coordinator comes as soon as the alliance has answered. `relevo status` shows it.
found-anew = The founding was begun anew. The earlier link for the second coordinator works no more: hand out the new one.
found-again = If the address was wrong, run `relevo found` again with the right one: that is possible until somebody has followed the link. `relevo found --undo` gives up.
found-undone = Given up. Nothing of it is left here, and the link for the second coordinator works no more.
link-followed = The link was read and answered. Now others act: this can take some days. `relevo status` shows how far it is.
link-unread = The link waits to be read.

requests-none = Nothing waits for your word.
# $pseudonym (String)
request-join = { $pseudonym } asks to join.
# $names (String)
# $count (Number)
# $needed (Number)
request-vouched = Vouched for by: { $names } ({ $count } of { $needed })
# $needed (Number)
request-vouched-nobody = Vouched for by nobody yet ({ $needed } needed)
# $name (String)
request-second = Says that this member knows them too: { $name }
# $note (String)
request-note = Note: { $note }
# $by (String)
# $pseudonym (String)
# $union (String)
request-introduction = { $by } introduces { $pseudonym }, { $union }.
request-no-union = no card yet
# $by (String)
# $version (String)
# $alliance (String)
# $unions (String)
request-charter = { $by } asks you to sign version { $version } of the charter of { $alliance }, with these unions: { $unions }
# $by (String)
# $union (String)
# $names (String)
request-union = { $by } asks to bring in the union { $union }, with these coordinators: { $names }
# $number (String)
request-do-vouch = If you know this person and trust them: relevo vouch { $number }
# $number (String)
request-do-admit = As a coordinator: relevo admit { $number } (or --ask NAME, or --refuse)
# $number (String)
request-do-accept = relevo admit { $number } (or --refuse)
# $number (String)
request-do-sign = Read it with `relevo charter show`; then: relevo charter sign { $number }
# $number (String)
request-do-propose = As a coordinator: relevo charter propose (or relevo admit { $number } --refuse)
vouch-done = Your word is given and on its way.
# $name (String)
ask-done = { $name } is asked to vouch.
admit-done = Admitted. The card is on its way.
accept-done = Accepted. You become each other's contacts as soon as their device has answered.
refuse-done = Refused. Nobody is told.
propose-done = Signed by you, and on its way to the other coordinators.
sign-done = Signed, and on its way to whoever proposed it.

# $alliance (String)
# $version (String)
charter-title = { $alliance }, charter version { $version }
# $union (String)
charter-union = Union { $union }
# $threshold (String)
charter-coordinators = Coordinators ({ $threshold } must sign together)
charter-vouches = Vouches that a newcomer needs
charter-relays = Relays
# $number (String)
# $name (String)
charter-draft = Draft { $number }, proposed by { $name }
charter-words = These twelve words are the same for everybody in the alliance. Compare them by voice with somebody you trust:

contacts-none = You have no contacts yet.
contact-coordinator = coordinator
# $time (String)
contact-verified = words compared on { $time }
contact-unverified = words not yet compared
contacts-added = The code was answered. You become each other's contacts as soon as their device has answered too.
introduce-done = Both are told, and each can accept.
# $name (String)
verify-words = Read these six words with { $name }, by voice or in person. Both must have the same ones in the same order:
# $name (String)
verify-then = The same? relevo verify "{ $name }" --same     Not the same? relevo verify "{ $name }" --different
# $name (String)
verify-waiting = The device of { $name } has to answer first. Ask them to run `relevo read`; then run this again.
# $name (String)
verify-same = Noted: the words of { $name } were the same.
# $name (String)
verify-different = Noted: the words of { $name } were not the same. Somebody may stand between you. Meet in person before you trust this contact, and tell a coordinator.
