# People: the vault's owner, links, requests, the charter, contacts.
init-made = Tu bóveda está lista en { $folder }. Los demás te ven como { $pseudonym }.
init-employer = Usa un equipo y una red propios: los de un empleador los puede leer el empleador, haga lo que haga este programa.
init-passphrase = Nadie puede restablecer tu frase de contraseña: guárdala en la memoria, o en papel en un lugar seguro.
init-next = Ahora: sigue un enlace que te dieron (`relevo join`), o funda una alianza (`relevo found --help`).

link-cofounder = Da este enlace al segundo coordinador de tu sindicato:
link-member = Da este enlace a la persona nueva:
link-union = Da este enlace a un coordinador del otro sindicato:
link-contact = Da este código a la persona que será tu contacto:
link-once = { $days ->
    [one] Sirve para una persona, una vez, durante un día. Entrégalo en persona o por un medio de confianza; la otra parte te pregunta por voz si es tuyo.
   *[other] Sirve para una persona, una vez, durante { $days } días. Entrégalo en persona o por un medio de confianza; la otra parte te pregunta por voz si es tuyo.
}
link-pending = El enlace para tu segundo coordinador llega en cuanto la alianza responda. `relevo status` lo muestra.
found-anew = La fundación empezó de nuevo. El enlace anterior para el segundo coordinador ya no sirve: entrega el nuevo.
found-again = Si la dirección estaba mal, ejecuta otra vez `relevo found` con la correcta: se puede hasta que alguien siga el enlace. `relevo found --undo` lo deja.
found-undone = Deshecho. Aquí no queda nada de ello, y el enlace para el segundo coordinador ya no sirve.
link-followed = El enlace se leyó y se respondió. Ahora actúan otros: puede tardar unos días. `relevo status` muestra cómo va.
link-unread = El enlace espera a ser leído.

requests-none = Nada espera tu palabra.
request-join = { $pseudonym } pide entrar.
request-vouched = Con el aval de: { $names } ({ $count } de { $needed })
request-vouched-nobody = Aún sin avales (hacen falta { $needed })
request-second = Dice que este miembro también le conoce: { $name }
request-note = Nota: { $note }
request-introduction = { $by } te presenta a { $pseudonym }, { $union }.
request-no-union = aún sin credencial
request-charter = { $by } te pide firmar la versión { $version } de la carta de { $alliance }, con estos sindicatos: { $unions }
request-union = { $by } pide incorporar el sindicato { $union }, con estos coordinadores: { $names }
request-do-vouch = Si conoces a esta persona y confías en ella: relevo vouch { $number }
request-do-admit = Como coordinador: relevo admit { $number } (o --ask NOMBRE, o --refuse)
request-do-accept = relevo admit { $number } (o --refuse)
request-do-sign = Léela con `relevo charter show`; luego: relevo charter sign { $number }
request-do-propose = Como coordinador: relevo charter propose (o relevo admit { $number } --refuse)
vouch-done = Diste tu aval y está en camino.
ask-done = Se pide su aval a { $name }.
admit-done = Admisión hecha. La credencial está en camino.
accept-done = Aceptado. Seréis contactos en cuanto responda su equipo.
refuse-done = Rechazado. Nadie es avisado.
propose-done = Firmada por ti, y en camino a los demás coordinadores.
sign-done = Firmada, y en camino a quien la propuso.

charter-title = { $alliance }, carta versión { $version }
charter-union = Sindicato { $union }
charter-coordinators = Coordinadores ({ $threshold } tienen que firmar juntos)
charter-vouches = Avales que necesita una persona nueva
charter-relays = Relés
charter-draft = Borrador { $number }, propuesto por { $name }
charter-words = Estas doce palabras son las mismas para todos en la alianza. Compáralas por voz con alguien de confianza:

contacts-none = Aún no tienes contactos.
contact-coordinator = coordinador
contact-verified = palabras comparadas el { $time }
contact-unverified = palabras aún sin comparar
contacts-added = Se respondió al código. Seréis contactos en cuanto responda también su equipo.
introduce-done = Ambos están avisados, y cada uno puede aceptar.
verify-words = Lee estas seis palabras con { $name }, por voz o en persona. Ambos tenéis que ver las mismas en el mismo orden:
verify-then = ¿Iguales? relevo verify "{ $name }" --same     ¿Distintas? relevo verify "{ $name }" --different
verify-waiting = Antes tiene que responder el equipo de { $name }. Pídele que ejecute `relevo read`; luego repite esta orden.
verify-same = Anotado: las palabras de { $name } eran las mismas.
verify-different = Anotado: las palabras de { $name } no eran las mismas. Puede haber alguien en medio. Encontraos en persona antes de confiar en este contacto, y avisa a un coordinador.
