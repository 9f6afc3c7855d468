# What the command line says around its commands.
heading-error = Erreur
heading-do = Que faire

usage-unknown-argument = { $argument } n'est pas connu ici.
usage-unknown-command = Il n'y a pas de commande { $command }.
usage-bad-value = { $argument } n'admet pas la valeur « { $value } ».
usage-choices = Valeurs admises : { $choices }.
usage-perhaps = Vouliez-vous dire { $suggestion } ?
usage-conflict = { $first } et { $second } ne vont pas ensemble.
usage-missing = Il manque : { $arguments }
usage-missing-command = Il manque une commande.
usage-values = { $argument } a trop ou trop peu de valeurs.
usage-not-text = Un argument n'est pas du texte lisible (UTF-8).
usage-other = La commande n'est pas compréhensible.
usage-see = Voyez `{ $command } --help`.

prompt-passphrase = Phrase de passe :{" "}
prompt-new-passphrase = Choisissez une phrase de passe (plusieurs mots, c'est mieux) :{" "}
prompt-again = La même encore une fois :{" "}
prompt-pseudonym = Nom que verront les autres (pas le vôtre) :{" "}
prompt-link = Collez le lien que l'on vous a donné :{" "}
prompt-code = Collez le code de l'autre personne :{" "}
prompt-relay = Collez l'adresse du relais de votre syndicat (relevo://...) :{" "}
prompt-alliance-link = Collez le lien d'un coordinateur de l'alliance où entre votre syndicat :{" "}

man-name = Nom
man-synopsis = Synopsis
man-description = Description
man-options = Options
man-commands = Commandes
man-extra = Exemples
man-version = Version
man-written = { $count ->
    [one] { $count } page a été écrite.
   *[other] { $count } pages ont été écrites.
}

attested-yes = Le fichier est celui qui a été signé, et rien n'y a été changé.
attested-file = Fichier
attested-author = Signé par
attested-author-of = { $pseudonym }, { $union }
attested-claimed = Signé le (d'après le signataire)
attested-card = Carte de membre valable jusqu'au
attested-card-over = La carte avait expiré à cette date : demandez au syndicat s'il l'accepte.
attested-alliance = Alliance
attested-compare = N'importe qui peut fonder une alliance. Comparez ces douze mots avec une personne de l'alliance en qui vous avez confiance (`relevo charter compare`) :
attested-digits = Les mêmes en nombres, pour une autre langue :

doctor-good = bien
doctor-note = attention
doctor-bad = mal
doctor-folder-good = Vous seul pouvez ouvrir le dossier du coffre, { $folder }.
doctor-folder-bad = D'autres sur cet appareil peuvent regarder dans le dossier du coffre, { $folder }.
doctor-folder-do = Fermez-le : chmod -R go= "{ $folder }"
doctor-vault-good = Le coffre s'ouvre et toutes ses pages sont saines.
doctor-clock-good = L'horloge indique { $time }. Vérifiez que c'est juste : liens, alertes et cartes expirent d'après elle.
doctor-clock-bad = L'horloge indique { $time }, avant la dernière utilisation du coffre.
doctor-clock-do = Réglez l'horloge ; sinon liens et cartes semblent expirés ou pas encore valables.
doctor-core-good = Une panne n'écrit pas la mémoire sur le disque.
doctor-core-bad = Une panne pourrait écrire la mémoire sur le disque.
doctor-core-do = Désactivez les vidages de mémoire : ulimit -c 0
doctor-swap-good = La mémoire n'est pas déplacée sur le disque (pas d'espace d'échange).
doctor-swap-note = Cet appareil peut déplacer la mémoire, et avec elle des messages, sur le disque (espace d'échange).
doctor-swap-do = Utilisez un appareil dont tout le disque est chiffré, ou désactivez l'espace d'échange.
doctor-disk-good = Le disque a de la place.
doctor-disk-bad = Le disque est presque plein : il reste moins de 100 Mo.
doctor-disk-do = Libérez de la place, sinon rien de nouveau ne peut être reçu.
doctor-employer-note = Un appareil ou un réseau de votre employeur peut lire avec vous, quoi que fasse le programme.
doctor-employer-do = N'utilisez qu'un appareil et un réseau à vous.
doctor-relay-none = Ce coffre n'utilise encore aucun relais.
doctor-relay-offline = Les relais n'ont pas été examinés, à cause de --offline.
doctor-relay-offline-do = Pour les examiner, lancez `relevo doctor` sans cette option.
doctor-relay-good = Relais { $relay } : son nom est trouvé, il répond, prouve qui il est et laisse entrer cet appareil.
doctor-relay-bad = Relais { $relay }, { $step } : { $what }
doctor-step-name = en cherchant son nom
doctor-step-answer = en attendant sa réponse
doctor-step-proof = en vérifiant qui il est
doctor-step-admission = en demandant à entrer
doctor-relay-clock = Le relais { $relay } a une autre heure : { $theirs } là-bas, { $ours } ici.
doctor-relay-clock-do = Comparez les deux avec une autre horloge. Si c'est cet appareil qui se trompe, réglez-le ; si c'est le relais, prévenez qui le tient.
