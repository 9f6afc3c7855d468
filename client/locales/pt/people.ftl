# People: the vault's owner, links, requests, the charter, contacts.
init-made = O seu cofre está pronto em { $folder }. Os outros veem-no como { $pseudonym }.
init-employer = Use um dispositivo e uma rede seus: os de um empregador podem ser lidos por ele, faça este programa o que fizer.
init-passphrase = Ninguém pode repor a sua frase-passe: guarde-a na memória, ou em papel num lugar seguro.
init-next = A seguir: siga uma ligação que lhe deram (`relevo join`), ou funde uma aliança (`relevo found --help`).

link-cofounder = Dê esta ligação ao segundo coordenador do seu sindicato:
link-member = Dê esta ligação à pessoa nova:
link-union = Dê esta ligação a um coordenador do outro sindicato:
link-contact = Dê este código à pessoa que será seu contacto:
link-once = { $days ->
    [one] Serve para uma pessoa, uma vez, durante um dia. Entregue-a em pessoa ou por um meio de confiança; a outra parte pergunta-lhe de viva voz se é sua.
   *[other] Serve para uma pessoa, uma vez, durante { $days } dias. Entregue-a em pessoa ou por um meio de confiança; a outra parte pergunta-lhe de viva voz se é sua.
}
link-pending = A ligação para o seu segundo coordenador vem logo que a aliança responda. `relevo status` mostra-a.
found-anew = A fundação recomeçou. A ligação anterior para o segundo coordenador já não serve: entregue a nova.
found-again = Se o endereço estava errado, execute de novo `relevo found` com o certo: é possível até que alguém siga a ligação. `relevo found --undo` desiste.
found-undone = Desfeito. Nada disso fica aqui, e a ligação para o segundo coordenador já não serve.
link-followed = A ligação foi lida e respondida. Agora agem os outros: pode levar alguns dias. `relevo status` mostra como está.
link-unread = A ligação espera ser lida.

requests-none = Nada espera a sua palavra.
request-join = { $pseudonym } pede para entrar.
request-vouched = Com o aval de: { $names } ({ $count } de { $needed })
request-vouched-nobody = Ainda sem avais (são precisos { $needed })
request-second = Diz que este membro também o conhece: { $name }
request-note = Nota: { $note }
request-introduction = { $by } apresenta-lhe { $pseudonym }, { $union }.
request-no-union = ainda sem cartão
request-charter = { $by } pede-lhe que assine a versão { $version } da carta de { $alliance }, com estes sindicatos: { $unions }
request-union = { $by } pede para fazer entrar o sindicato { $union }, com estes coordenadores: { $names }
request-do-vouch = Se conhece esta pessoa e confia nela: relevo vouch { $number }
request-do-admit = Como coordenador: relevo admit { $number } (ou --ask NOME, ou --refuse)
request-do-accept = relevo admit { $number } (ou --refuse)
request-do-sign = Leia-a com `relevo charter show`; depois: relevo charter sign { $number }
request-do-propose = Como coordenador: relevo charter propose (ou relevo admit { $number } --refuse)
vouch-done = O seu aval está dado e a caminho.
ask-done = Pede-se o aval de { $name }.
admit-done = Admissão feita. O cartão está a caminho.
accept-done = Aceite. Serão contactos logo que o dispositivo dele responda.
refuse-done = Recusado. Ninguém é avisado.
propose-done = Assinada por si, e a caminho dos outros coordenadores.
sign-done = Assinada, e a caminho de quem a propôs.

charter-title = { $alliance }, carta versão { $version }
charter-union = Sindicato { $union }
charter-coordinators = Coordenadores ({ $threshold } têm de assinar juntos)
charter-vouches = Avais de que uma pessoa nova precisa
charter-relays = Retransmissores
charter-draft = Rascunho { $number }, proposto por { $name }
charter-words = Estas doze palavras são as mesmas para toda a aliança. Compare-as de viva voz com alguém de confiança:

contacts-none = Ainda não tem contactos.
contact-coordinator = coordenador
contact-verified = palavras comparadas em { $time }
contact-unverified = palavras ainda não comparadas
contacts-added = O código foi respondido. Serão contactos logo que o dispositivo da outra pessoa também responda.
introduce-done = Ambos foram avisados, e cada um pode aceitar.
verify-words = Leia estas seis palavras com { $name }, de viva voz ou em pessoa. Ambos têm de ter as mesmas pela mesma ordem:
verify-then = Iguais? relevo verify "{ $name }" --same     Diferentes? relevo verify "{ $name }" --different
verify-waiting = Primeiro tem de responder o dispositivo de { $name }. Peça-lhe que execute `relevo read`; depois repita isto.
verify-same = Anotado: as palavras de { $name } eram as mesmas.
verify-different = Anotado: as palavras de { $name } não eram as mesmas. Alguém pode estar no meio. Encontrem-se em pessoa antes de confiar neste contacto, e avise um coordenador.
