# People: the vault's owner, links, requests, the charter, contacts.
init-made = Votre coffre est prêt dans { $folder }. Les autres vous voient comme { $pseudonym }.
init-employer = Utilisez un appareil et un réseau à vous : ceux d'un employeur peuvent être lus par lui, quoi que fasse ce programme.
init-passphrase = Personne ne peut réinitialiser votre phrase de passe : gardez-la en tête, ou sur papier en lieu sûr.
init-next = Ensuite : suivez un lien que l'on vous a donné (`relevo join`), ou fondez une alliance (`relevo found --help`).

link-cofounder = Donnez ce lien au second coordinateur de votre syndicat :
link-member = Donnez ce lien à la nouvelle personne :
link-union = Donnez ce lien à un coordinateur de l'autre syndicat :
link-contact = Donnez ce code à la personne qui deviendra votre contact :
link-once = { $days ->
    [one] Il vaut pour une personne, une fois, pendant { $days } jour. Remettez-le en personne ou par un moyen sûr ; l'autre vous demande de vive voix s'il est de vous.
   *[other] Il vaut pour une personne, une fois, pendant { $days } jours. Remettez-le en personne ou par un moyen sûr ; l'autre vous demande de vive voix s'il est de vous.
}
link-pending = Le lien pour votre second coordinateur vient dès que l'alliance a répondu. `relevo status` le montre.
found-anew = La fondation est recommencée. L'ancien lien du second coordinateur ne sert plus : donnez le nouveau.
found-again = Si l'adresse était fausse, relancez `relevo found` avec la bonne : c'est possible tant que personne n'a suivi le lien. `relevo found --undo` abandonne.
found-undone = Abandonné. Il n'en reste rien ici, et le lien du second coordinateur ne sert plus.
link-followed = Le lien a été lu et il y a été répondu. Aux autres d'agir : cela peut prendre quelques jours. `relevo status` montre où cela en est.
link-unread = Le lien attend d'être lu.

requests-none = Rien n'attend votre parole.
request-join = { $pseudonym } demande à entrer.
request-vouched = Garants : { $names } ({ $count } sur { $needed })
request-vouched-nobody = Pas encore de garant (il en faut { $needed })
request-second = Dit que ce membre aussi le connaît : { $name }
request-note = Note : { $note }
request-introduction = { $by } vous présente { $pseudonym }, { $union }.
request-no-union = pas encore de carte
request-charter = { $by } vous demande de signer la version { $version } de la charte de { $alliance }, avec ces syndicats : { $unions }
request-union = { $by } demande à faire entrer le syndicat { $union }, avec ces coordinateurs : { $names }
request-do-vouch = Si vous connaissez cette personne et lui faites confiance : relevo vouch { $number }
request-do-admit = Comme coordinateur : relevo admit { $number } (ou --ask NOM, ou --refuse)
request-do-accept = relevo admit { $number } (ou --refuse)
request-do-sign = Lisez-la avec `relevo charter show` ; puis : relevo charter sign { $number }
request-do-propose = Comme coordinateur : relevo charter propose (ou relevo admit { $number } --refuse)
vouch-done = Votre parole est donnée et en route.
ask-done = On demande à { $name } de se porter garant.
admit-done = Admission faite. La carte est en route.
accept-done = Accepté. Vous deviendrez contacts dès que son appareil aura répondu.
refuse-done = Refusé. Personne n'est prévenu.
propose-done = Signée par vous, et en route vers les autres coordinateurs.
sign-done = Signée, et en route vers qui l'a proposée.

charter-title = { $alliance }, charte version { $version }
charter-union = Syndicat { $union }
charter-coordinators = Coordinateurs ({ $threshold } doivent signer ensemble)
charter-vouches = Garants qu'il faut à une nouvelle personne
charter-relays = Relais
charter-draft = Projet { $number }, proposé par { $name }
charter-words = Ces douze mots sont les mêmes pour toute l'alliance. Comparez-les de vive voix avec une personne de confiance :

contacts-none = Vous n'avez pas encore de contacts.
contact-coordinator = coordinateur
contact-verified = mots comparés le { $time }
contact-unverified = mots pas encore comparés
contacts-added = Il a été répondu au code. Vous deviendrez contacts dès que son appareil aura répondu aussi.
introduce-done = Les deux sont prévenus, et chacun peut accepter.
verify-words = Lisez ces six mots avec { $name }, de vive voix ou en personne. Vous devez avoir les mêmes dans le même ordre :
verify-then = Identiques ? relevo verify "{ $name }" --same     Différents ? relevo verify "{ $name }" --different
verify-waiting = L'appareil de { $name } doit d'abord répondre. Demandez-lui de lancer `relevo read` ; puis relancez ceci.
verify-same = Noté : les mots de { $name } étaient identiques.
verify-different = Noté : les mots de { $name } n'étaient pas identiques. Quelqu'un s'interpose peut-être. Rencontrez-vous avant de faire confiance à ce contact, et prévenez un coordinateur.
