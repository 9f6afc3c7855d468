# Messages, groups, documents, alerts, and how things stand.
state-waiting = En espera
state-sent = Enviado
state-delivered = Entregado
state-not-sent = No enviado
state-undecided = No enviado: entretanto entró alguien, o te añadieron de nuevo. Envíalo otra vez si todos los que están ahora pueden leerlo.
state-received = recibido

message-you = Tú
message-somebody = alguien que ya no está aquí
message-alert = Alerta. Léela y responde: relevo alert list
message-document = Documento "{ $name }". Descárgalo: relevo document list
message-leave = quiere salir del grupo
message-newer = Este mensaje necesita una versión más nueva de Relevo.
read-none = No hay mensajes nuevos.

read-look = Algo necesita tu atención: relevo status

group-none = No estás en ningún grupo.
group-created = El grupo { $name } está creado, y las invitaciones en camino.
group-added = En camino: el cambio cuenta en cuanto esté en el registro del grupo.
group-removed = { $name } sale del grupo, y el grupo pasa a otro buzón.
group-withdrawn = { $name } aún no había entrado, y no será añadido al grupo.
group-left = Se pide a los administradores que te saquen de { $name }.
group-renamed = El grupo se llama ahora { $name }.
group-moved = { $name } pasa al otro relé.
group-refounded = { $name } empieza de nuevo. Invitados: { $people }.
group-unreached = Este equipo no puede llegar a estas personas fuera de la conversación antigua: { $people }. Avísalas por otro medio; a las que estén entre tus contactos, añádelas con `relevo group add`.
group-you = tú
group-administrator = administrador
standing-live = listo
standing-halted = parado: pide a un administrador que te añada de nuevo
standing-left = ya no estás en él
standing-behind = estuviste fuera más tiempo del que el relé guarda mensajes: pide a un administrador que te añada de nuevo

document-none = No hay documentos.
document-number = Documento { $number }: { $name }, { $size }
document-sending = en camino
document-sent = enviado
document-posted = El documento { $number } está enviado.
document-offered = espera a que lo descargues: relevo document get { $number }
document-here = aquí
document-failed = no enviado: el archivo cambió o ya no está
document-kept = Aún no ha pasado todo. Sigue con: relevo document get { $number }
document-saved = Escrito en { $path }
document-exported = Escrito en { $path }, con su prueba al lado. Cualquiera puede comprobar ambos con `relevo document verify`.

severity-info = Información
severity-urgent = Urgente
severity-emergency = Emergencia
alert-none = No hay alertas.
alert-title = Alerta { $number }, { $severity }: de { $name }, { $union }
alert-drill = Esto es un simulacro.
alert-until = Válida hasta { $time }
alert-expired = Venció el { $time }
alert-do = Responde: relevo alert answer { $number } read     o, si necesitas ayuda: relevo alert answer { $number } help
alert-answered-read = Respondiste: la leí.
alert-answered-help = Respondiste: necesito ayuda.
alert-own = Tu alerta { $number }, del { $issued }, válida hasta { $expires }
alert-sent = La alerta { $number } está en camino.
alert-answer-done = Tu respuesta está en camino, solo para quien la envió.
alert-read = La leyeron
alert-help = Necesitan ayuda
alert-silent = Callan
alert-summary = Respondieron { $answered } de { $total }. Callar no quiere decir estar a salvo.

status-me = Eres { $pseudonym }.
status-member = Miembro de { $union }, en la alianza { $alliance }. Tu credencial vale hasta { $time }.
status-coordinator = Eres coordinador de tu sindicato.
status-no-card = Aún no eres miembro de una alianza.
status-founding = Estás fundando el sindicato { $union }.
status-founding-waits = Nadie ha seguido aún el enlace para tu segundo coordinador:
status-founding-sign = Ya está el segundo coordinador. Los dos equipos firman por sí mismos el primer grupo de coordinadores.
status-founding-signed = Ambos coordinadores han firmado el sindicato. Falta la carta: a quien se le pidió, la firma con `relevo charter sign`.
status-link-reading = Un enlace que seguiste espera a ser leído.
status-link-asked = Un enlace que seguiste fue respondido; ahora tienen que actuar otros.
status-link-failed = Un enlace que seguiste falló: { $what }
status-requests = { $count ->
    [one] Una solicitud espera tu palabra: relevo requests
   *[other] { $count } solicitudes esperan tu palabra: relevo requests
}
status-new = { $count ->
    [one] Hay un mensaje nuevo: relevo read
   *[other] Hay { $count } mensajes nuevos: relevo read
}
status-waiting = { $count ->
    [one] Un mensaje o cambio espera a la red.
   *[other] { $count } mensajes o cambios esperan a la red.
}
status-settled = Todo salió y todo está leído.
status-relay = Relé { $relay }
relay-idle = nada que hacer
relay-no-address = aquí no se conoce su dirección
relay-connecting = conectando
relay-open = conectado
relay-offline = sin conexión: { $what }
relay-waiting = sin conexión; se intenta de nuevo
refusal-mailbox-full = un buzón allí está lleno
refusal-relay-full = el relé está lleno
refusal-rate = demasiado para esta hora; sigue más tarde
refusal-allowance = se agotó lo que puedes guardar allí
refusal-busy = el relé está ocupado; sigue más tarde
refusal-other = el relé rechazó algo

warning-undelivered = Algo para { $name } no se pudo entregar. Pídele por otro medio que ejecute `relevo read`.
warning-charter-fork = Hay dos cartas con el mismo número. Avisa a los coordinadores de todos los sindicatos, por voz o en persona.
warning-charter-rollback = Alguien mostró una carta anterior como la más nueva; se rechazó. Avisa a tus coordinadores por voz.
warning-alert-refused = { $name } pasó una alerta falsa o vencida. No se mostró su texto. Pregunta a un coordinador por voz.
warning-key-changed = { $name } tiene un equipo o una clave nueva. Es normal tras cambiar de teléfono u ordenador; comparad palabras de nuevo antes de decir algo delicado.
warning-parcel-refused = Algo que llegó no era coherente y se descartó.
warning-words-broken = Las palabras de { $name } no eran las mismas. Puede haber alguien en medio: encontraos en persona.
warning-comparison-broken = La otra parte interrumpió una comparación de palabras. Puede haber alguien en medio: comparad en persona.
warning-inbox-damaged = El relé perdió, cambió o retiene lo que había en tu buzón. Avisa a quien lleva el relé; pide a los demás que envíen de nuevo.
warning-link-used-twice = Dos personas siguieron un mismo enlace tuyo, y solo cuenta la primera. Pregunta por voz a quien se lo diste qué nombre eligió, antes de que nadie avale a la primera: puede ser otra persona.
warning-link-expired = Alguien siguió un enlace tuyo cuando ya había vencido, y no entró. Si aún quieres que entre, haz otro: `relevo invite`.
alarm-rollback = { $group }: el relé volvió a un estado anterior; pueden faltar mensajes. Pregunta a los demás.
alarm-gap = { $group }: hubo mensajes que vencieron antes de que este equipo los recogiera.
alarm-chain-broken = { $group }: el relé contradice lo que dijo antes. Avisa a un coordinador; un administrador puede trasladar la conversación: `relevo group move`.
alarm-disagreement = { $group }: { $name } dice que el relé le mostró otra cosa. Comparad por voz, y avisa a un coordinador.
alarm-lie = { $group }: el relé ha firmado una historia distinta de la que te dio. Avisa a un coordinador, y cambiad de relé: `relevo group move`.
alarm-lie-proved = { $group }: el relé ha firmado dos historias distintas, y las dos firmas juntas lo prueban ante cualquiera: `relevo status --json` las muestra. Avisa a un coordinador, y cambiad de relé: `relevo group move`.
alarm-missing-commit = { $group }: aquí falta un cambio del grupo. Si a unos no les llega lo que escriben otros, un administrador puede empezarlo de nuevo: `relevo group refound`.
alarm-halted = { $group }: parado, porque un cambio no se pudo leer. Pide a un administrador que te añada de nuevo, o que empiece de nuevo el grupo: `relevo group refound`.
alarm-lost-commit = { $group }: el relé aceptó un cambio tuyo y no está. Avisa a un coordinador.
alarm-not-added = { $group }: { $name } aún no ha entrado: su equipo no dejó ninguna clave utilizable en su relé. Pídele que ejecute `relevo read`; se vuelve a intentar solo durante al menos cuatro semanas.
alarm-not-welcomed = { $group }: { $name } ya es miembro, pero el relé no aceptó lo que le deja entrar. Quita a esta persona y añádela de nuevo.
alarm-older-copy = { $group }: este equipo envió allí cosas que ya no conoce. Su bóveda es una copia anterior, quizá restaurada de una copia de seguridad: puede faltar lo que llegó después. Sus claves allí se hacen de nuevo. Si nadie restauró una copia, avisa a un coordinador.
alarm-complaint = { $group }: el equipo de { $name } no pudo leer un cambio del grupo. Añádele de nuevo.
alarm-not-moved = { $group }: no pudo pasar a su nuevo buzón. Inténtalo de nuevo, o empieza de nuevo la conversación: `relevo group refound`.
alarm-not-done = { $group }: un cambio que querías no es posible ahí; se abandonó.
alarm-withheld = { $group }: el relé tiene más mensajes y no los entrega. Prueba con otra red; si sigue así, pregunta a los demás y trasladad la conversación: `relevo group move`.
alarm-frozen = { $group }: el relé no acepta más mensajes aquí, aunque nadie trasladó la conversación. Avisa a un coordinador; un administrador puede empezarla de nuevo en otro relé: `relevo group refound`.
alarm-closed = { $group }: el relé dice que esta conversación ya no está. Pregunta a los demás; si ellos la tienen, avisa a un coordinador; si no, un administrador puede empezarla de nuevo: `relevo group refound`.
alarm-damaged = { $group }: el relé dice que su disco ha dañado un mensaje. Ni ese ni los que siguen se pueden leer, hasta 30 días. Avisa a quien lleva el relé; un administrador puede empezar de nuevo la conversación: `relevo group refound`.
alarm-waiting = { $group }: lo que escribiste espera desde { $time }. El relé no lo ha tomado, o no lo devuelve. Mira la red; si sigue así, trasladad la conversación: `relevo group move`.
alarm-held-back = { $group }: lo que escribiste desde { $time } no ha salido de este dispositivo, porque estás fuera de la conversación. Pide a un administrador que te añada de nuevo.
alarm-change-held-back = { $group }: un cambio del grupo espera en este dispositivo, porque aquí faltan mensajes y los demás pueden haber cambiado el grupo entretanto. Se hace solo en cuanto esté claro, a más tardar { $time }. Si es urgente, por ejemplo una expulsión, pide a otro administrador que lo haga.
alarm-change-waits-for-relay = { $group }: un cambio del grupo espera en este dispositivo, a más tardar hasta { $time }, para que antes vuelva lo que el relé perdió al ser restaurado. Después se hace solo.
alarm-refounded = { $group }: { $name } empezó de nuevo esta conversación, que sigue aquí. Lo dicho antes aún se puede leer. Mira quién está: `relevo group list`.
alarm-left-behind = { $group }: { $name } aún escribe donde estaba esta conversación antes de empezar de nuevo, y no está aquí. Si debe estar, añádele: `relevo group add`.
alarm-other = { $group }: ocurrió algo que esta versión no conoce. Instala la más nueva.
