# Messages, groups, documents, alerts, and how things stand.
state-waiting = En attente
state-sent = Envoyé
state-delivered = Remis
state-not-sent = Non envoyé
state-undecided = Non envoyé : entre-temps, quelqu'un est entré, ou vous avez été ajouté de nouveau. Renvoyez-le si tous ceux qui y sont maintenant peuvent le lire.
state-received = reçu

message-you = Vous
message-somebody = quelqu'un qui n'est plus ici
message-alert = Alerte. Lisez-la et répondez : relevo alert list
message-document = Document "{ $name }". Récupérez-le : relevo document list
message-leave = veut quitter le groupe
message-newer = Ce message demande une version plus récente de Relevo.
read-none = Pas de nouveaux messages.

read-look = Quelque chose demande votre attention : relevo status

group-none = Vous n'êtes dans aucun groupe.
group-created = Le groupe { $name } est créé, et les invitations sont en route.
group-added = En route : le changement compte dès qu'il est dans le journal du groupe.
group-removed = { $name } sort du groupe, et le groupe change de boîte.
group-withdrawn = { $name } n'y était pas encore, et n'y sera pas ajouté.
group-left = On demande aux administrateurs de vous retirer de { $name }.
group-renamed = Le groupe s'appelle maintenant { $name }.
group-moved = { $name } passe à l'autre relais.
group-refounded = { $name } recommence. Invités : { $people }.
group-unreached = Cet appareil ne peut pas joindre ces personnes hors de l'ancienne conversation : { $people }. Prévenez-les par un autre moyen ; ajoutez celles qui sont parmi vos contacts avec `relevo group add`.
group-you = vous
group-administrator = administrateur
standing-live = prêt
standing-halted = arrêté : demandez à un administrateur de vous ajouter de nouveau
standing-left = vous n'y êtes plus
standing-behind = vous avez été absent plus longtemps que le relais ne garde les messages : demandez à un administrateur de vous ajouter de nouveau

document-none = Il n'y a pas de documents.
document-number = Document { $number } : { $name }, { $size }
document-sending = en route
document-sent = envoyé
document-posted = Le document { $number } est envoyé.
document-offered = attend d'être récupéré : relevo document get { $number }
document-here = ici
document-failed = non envoyé : le fichier a changé ou disparu
document-kept = Tout n'est pas encore passé. La suite avec : relevo document get { $number }
document-saved = Écrit dans { $path }
document-exported = Écrit dans { $path }, avec sa preuve à côté. Chacun peut vérifier les deux avec `relevo document verify`.

severity-info = Information
severity-urgent = Urgent
severity-emergency = Urgence vitale
alert-none = Il n'y a pas d'alertes.
alert-title = Alerte { $number }, { $severity } : de { $name }, { $union }
alert-drill = Ceci est un exercice.
alert-until = Valable jusqu'au { $time }
alert-expired = Expirée le { $time }
alert-do = Répondez : relevo alert answer { $number } read     ou, s'il vous faut de l'aide : relevo alert answer { $number } help
alert-answered-read = Vous avez répondu : je l'ai lue.
alert-answered-help = Vous avez répondu : j'ai besoin d'aide.
alert-own = Votre alerte { $number }, du { $issued }, valable jusqu'au { $expires }
alert-sent = L'alerte { $number } est en route.
alert-answer-done = Votre réponse est en route, pour l'expéditeur seul.
alert-read = L'ont lue
alert-help = Ont besoin d'aide
alert-silent = Sans réponse
alert-summary = { $answered } sur { $total } ont répondu. Le silence ne veut pas dire que tout va bien.

status-me = Vous êtes { $pseudonym }.
status-member = Membre de { $union }, dans l'alliance { $alliance }. Votre carte vaut jusqu'au { $time }.
status-coordinator = Vous êtes coordinateur de votre syndicat.
status-no-card = Vous n'êtes pas encore membre d'une alliance.
status-founding = Vous fondez le syndicat { $union }.
status-founding-waits = Personne n'a encore suivi le lien pour votre second coordinateur :
status-founding-sign = Le second coordinateur est là. Les deux appareils signent d'eux-mêmes le premier groupe de coordinateurs.
status-founding-signed = Les deux coordinateurs ont signé le syndicat. Il manque la charte : qui en a reçu la demande la signe avec `relevo charter sign`.
status-link-reading = Un lien que vous avez suivi attend d'être lu.
status-link-asked = Il a été répondu à un lien que vous avez suivi ; aux autres d'agir.
status-link-failed = Un lien que vous avez suivi a échoué : { $what }
status-requests = { $count ->
    [one] { $count } demande attend votre parole : relevo requests
   *[other] { $count } demandes attendent votre parole : relevo requests
}
status-new = { $count ->
    [one] Il y a { $count } nouveau message : relevo read
   *[other] Il y a { $count } nouveaux messages : relevo read
}
status-waiting = { $count ->
    [one] { $count } message ou changement attend le réseau.
   *[other] { $count } messages ou changements attendent le réseau.
}
status-settled = Tout est parti et tout est lu.
status-relay = Relais { $relay }
relay-idle = rien à faire
relay-no-address = son adresse n'est pas connue ici
relay-connecting = connexion en cours
relay-open = connecté
relay-offline = pas joint : { $what }
relay-waiting = pas joint ; nouvel essai à venir
refusal-mailbox-full = une boîte y est pleine
refusal-relay-full = le relais est plein
refusal-rate = trop pour cette heure ; la suite plus tard
refusal-allowance = ce que vous pouvez y garder est épuisé
refusal-busy = le relais est occupé ; la suite plus tard
refusal-other = le relais a refusé quelque chose

warning-undelivered = Quelque chose n'a pas pu être remis à { $name }. Demandez-lui par un autre moyen de lancer `relevo read`.
warning-charter-fork = Il y a deux chartes du même numéro. Prévenez les coordinateurs de tous les syndicats, de vive voix ou en personne.
warning-charter-rollback = Une charte plus ancienne a été présentée comme la plus récente et refusée. Prévenez vos coordinateurs de vive voix.
warning-alert-refused = { $name } a transmis une alerte fausse ou expirée. Son texte n'a pas été montré. Demandez à un coordinateur de vive voix.
warning-key-changed = { $name } a un nouvel appareil ou une nouvelle clé. C'est normal après un changement d'appareil ; comparez de nouveau les mots avant de dire quelque chose de délicat.
warning-parcel-refused = Quelque chose qui est arrivé ne tenait pas debout et a été écarté.
warning-words-broken = Les mots de { $name } n'étaient pas identiques. Quelqu'un s'interpose peut-être : rencontrez-vous.
warning-comparison-broken = L'autre côté a interrompu une comparaison de mots. Quelqu'un s'interpose peut-être : comparez en personne.
warning-inbox-damaged = Le relais a perdu, changé ou retient ce qui était dans votre boîte. Prévenez qui tient le relais ; demandez aux autres de renvoyer.
warning-link-used-twice = Deux personnes ont suivi un même lien de vous, et seule la première compte. Demandez de vive voix à qui vous l'avez donné quel nom elle a choisi, avant que quiconque se porte garant de la première : c'est peut-être quelqu'un d'autre.
warning-link-expired = Quelqu'un a suivi un lien de vous après son expiration, et n'est pas entré. Si vous voulez toujours cette personne, faites-en un autre : `relevo invite`.
alarm-rollback = { $group } : le relais est revenu à un état antérieur ; des messages peuvent manquer. Demandez aux autres.
alarm-gap = { $group } : des messages ont expiré avant que cet appareil ne les relève.
alarm-chain-broken = { $group } : le relais contredit ce qu'il a dit avant. Prévenez un coordinateur ; un administrateur peut déplacer la conversation : `relevo group move`.
alarm-disagreement = { $group } : { $name } dit que le relais lui a montré autre chose. Comparez de vive voix, et prévenez un coordinateur.
alarm-lie = { $group } : le relais a signé une autre histoire que celle qu'il vous a donnée. Prévenez un coordinateur, et changez de relais : `relevo group move`.
alarm-lie-proved = { $group } : le relais a signé deux histoires différentes, et les deux signatures ensemble le prouvent à quiconque : `relevo status --json` les montre. Prévenez un coordinateur, et changez de relais : `relevo group move`.
alarm-missing-commit = { $group } : un changement du groupe manque ici. Si les uns ne reçoivent pas ce que les autres écrivent, un administrateur peut le recommencer : `relevo group refound`.
alarm-halted = { $group } : arrêté, car un changement n'a pas pu être lu. Demandez à un administrateur de vous ajouter de nouveau, ou de recommencer le groupe : `relevo group refound`.
alarm-lost-commit = { $group } : le relais a accepté un changement de vous et il n'y est pas. Prévenez un coordinateur.
alarm-not-added = { $group } : { $name } n'y est pas encore : son appareil n'a laissé aucune clé utilisable à son relais. Demandez-lui de lancer `relevo read` ; l'essai se répète de lui-même pendant au moins quatre semaines.
alarm-not-welcomed = { $group } : { $name } est membre, mais le relais n'a pas pris ce qui lui permet d'entrer. Retirez cette personne, puis ajoutez-la de nouveau.
alarm-older-copy = { $group } : cet appareil y a envoyé des choses qu'il ne connaît plus. Son coffre est une copie antérieure, peut-être remise depuis une sauvegarde : ce qui est arrivé depuis peut manquer ici. Ses clés y sont refaites. Si personne n'a remis de copie, prévenez un coordinateur.
alarm-complaint = { $group } : l'appareil de { $name } n'a pas pu lire un changement du groupe. Ajoutez cette personne de nouveau.
alarm-not-moved = { $group } : n'a pas pu passer à sa nouvelle boîte. Réessayez, ou recommencez la conversation : `relevo group refound`.
alarm-not-done = { $group } : un changement que vous vouliez n'y est pas possible ; il a été abandonné.
alarm-withheld = { $group } : le relais a d'autres messages et ne les donne pas. Essayez un autre réseau ; si cela dure, demandez aux autres et déplacez la conversation : `relevo group move`.
alarm-frozen = { $group } : le relais ne prend plus de messages ici, alors que personne n'a déplacé la conversation. Prévenez un coordinateur ; un administrateur peut la recommencer sur un autre relais : `relevo group refound`.
alarm-closed = { $group } : le relais dit que cette conversation n'est plus là. Demandez aux autres ; s'ils l'ont encore, prévenez un coordinateur ; sinon, un administrateur peut la recommencer : `relevo group refound`.
alarm-damaged = { $group } : le relais dit que son disque a abîmé un message. Ni lui ni les suivants ne peuvent être lus, pendant 30 jours au plus. Prévenez qui tient le relais ; un administrateur peut recommencer la conversation : `relevo group refound`.
alarm-waiting = { $group } : ce que vous avez écrit attend depuis { $time }. Le relais ne l'a pas pris, ou ne le rend pas. Regardez le réseau ; si cela dure, déplacez la conversation : `relevo group move`.
alarm-held-back = { $group } : ce que vous avez écrit depuis { $time } n'a pas quitté cet appareil, car vous êtes coupé de la conversation. Demandez à un administrateur de vous ajouter de nouveau.
alarm-change-held-back = { $group } : un changement du groupe attend sur cet appareil, car des messages manquent ici et les autres ont pu changer le groupe entre-temps. Il se fait de lui-même dès que c'est clair, au plus tard { $time }. Si c'est urgent, par exemple un retrait, demandez à un autre administrateur de le faire.
alarm-change-waits-for-relay = { $group } : un changement du groupe attend sur cet appareil, au plus tard jusqu'à { $time }, pour que revienne d'abord ce que le relais a perdu en étant restauré. Il se fait ensuite de lui-même.
alarm-refounded = { $group } : { $name } a recommencé cette conversation, qui continue ici. Ce qui a été dit avant se lit encore. Voyez qui y est : `relevo group list`.
alarm-left-behind = { $group } : { $name } écrit encore là où était cette conversation avant de recommencer, et n'est pas ici. S'il faut, ajoutez cette personne : `relevo group add`.
alarm-other = { $group } : il s'est passé quelque chose que cette version ne connaît pas. Installez la plus récente.
