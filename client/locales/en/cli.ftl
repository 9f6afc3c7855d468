# What the command line says around its commands.
heading-error = Error
heading-do = What to do

# $argument (String) - as typed
usage-unknown-argument = { $argument } is not known here.
# $command (String) - as typed
usage-unknown-command = There is no command { $command }.
# $value (String) - as typed
# $argument (String) - name of the argument
usage-bad-value = { $argument } does not take the value "{ $value }".
# $choices (String) - list
usage-choices = It takes: { $choices }.
# $suggestion (String) - a command or an option
usage-perhaps = Did you mean { $suggestion }?
# $first (String) - an argument
# $second (String) - another
usage-conflict = { $first } and { $second } do not go together.
# $arguments (String) - list
usage-missing = This is missing: { $arguments }
usage-missing-command = A command is missing.
# $argument (String) - name of the argument
usage-values = { $argument } has too few or too many values.
usage-not-text = An argument is not readable text (UTF-8).
usage-other = The command cannot be understood.
# $command (String) - such as relevo alert
usage-see = See `{ $command } --help`.

prompt-passphrase = Passphrase:{" "}
prompt-new-passphrase = Choose a passphrase (several words are best):{" "}
prompt-again = The same once more:{" "}
prompt-pseudonym = Name that others will see (not your own):{" "}
prompt-link = Paste the link you were given:{" "}
prompt-code = Paste the code of the other person:{" "}
prompt-relay = Paste the address of your union's relay (relevo://...):{" "}
prompt-alliance-link = Paste the link from a coordinator of the alliance that your union joins:{" "}

man-name = Name
man-synopsis = Synopsis
man-description = Description
man-options = Options
man-commands = Commands
man-extra = Examples
man-version = Version
# $count (Number) - pages
man-written = { $count ->
    [one] One page was written.
   *[other] { $count } pages were written.
}

attested-yes = The file is the one that was signed, and nothing in it was changed.
attested-file = File
attested-author = Signed by
# $pseudonym (String) - who signed
# $union (String) - its union
attested-author-of = { $pseudonym }, { $union }
attested-claimed = Signed at (the signer's claim)
attested-card = Membership card valid until
attested-card-over = The card had expired at the claimed time: ask the union whether to accept it.
attested-alliance = Alliance
attested-compare = Anybody can found an alliance. Compare these twelve words with somebody of the alliance you trust (`relevo charter compare`):
attested-digits = The same as numbers, for another language:

doctor-good = good
doctor-note = note
doctor-bad = bad
# $folder (String) - the vault's folder
doctor-folder-good = Only you can open the vault's folder, { $folder }.
# $folder (String)
doctor-folder-bad = Others on this device can look into the vault's folder, { $folder }.
# $folder (String)
doctor-folder-do = Close it: chmod -R go= "{ $folder }"
doctor-vault-good = The vault opens and every page of it is sound.
# $time (String) - date, time and distance from UTC
doctor-clock-good = The clock says { $time }. See that this is right: links, alerts and cards expire by it.
# $time (String)
doctor-clock-bad = The clock says { $time }, which is earlier than the vault's last use.
doctor-clock-do = Set the clock; otherwise links and cards seem expired, or not yet valid.
doctor-core-good = A crash writes no memory to the disk.
doctor-core-bad = A crash could write memory to the disk.
doctor-core-do = Turn core dumps off: ulimit -c 0
doctor-swap-good = No memory is moved to the disk (no swap).
doctor-swap-note = This device may move memory, and with it messages, to the disk (swap).
doctor-swap-do = Use a device whose whole disk is encrypted, or turn swap off.
doctor-disk-good = The disk has room.
doctor-disk-bad = The disk is almost full: less than 100 MB are free.
doctor-disk-do = Free some room, or nothing new can be received.
doctor-employer-note = A device or network of your employer can read along with you whatever the program does.
doctor-employer-do = Use only a device and a network of your own.
doctor-relay-none = This vault uses no relay yet.
doctor-relay-offline = The relays were not looked at, because of --offline.
doctor-relay-offline-do = To look at them, run `relevo doctor` without it.
# $relay (String)
doctor-relay-good = Relay { $relay }: its name is found, it answers, proves who it is and lets this device in.
# $relay (String)
# $step (String)
# $what (String)
doctor-relay-bad = Relay { $relay }, { $step }: { $what }
doctor-step-name = looking up its name
doctor-step-answer = waiting for its answer
doctor-step-proof = checking who it is
doctor-step-admission = asking to be let in
# $relay (String)
# $theirs (String)
# $ours (String)
doctor-relay-clock = Relay { $relay } has another time: { $theirs } there, { $ours } here.
doctor-relay-clock-do = Compare both with another clock. If it is this device that is wrong, set it; if it is the relay, tell whoever runs it.
