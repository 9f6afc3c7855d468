# What the command line says around its commands.
heading-error = Error
heading-do = Qué hacer

usage-unknown-argument = { $argument } no se conoce aquí.
usage-unknown-command = No existe la orden { $command }.
usage-bad-value = { $argument } no admite el valor "{ $value }".
usage-choices = Admite: { $choices }.
usage-perhaps = ¿Querías decir { $suggestion }?
usage-conflict = { $first } y { $second } no van juntos.
usage-missing = Falta esto: { $arguments }
usage-missing-command = Falta una orden.
usage-values = { $argument } tiene valores de más o de menos.
usage-not-text = Un argumento no es texto legible (UTF-8).
usage-other = No se entiende la orden.
usage-see = Mira `{ $command } --help`.

prompt-passphrase = Frase de contraseña:{" "}
prompt-new-passphrase = Elige una frase de contraseña (mejor varias palabras):{" "}
prompt-again = La misma otra vez:{" "}
prompt-pseudonym = Nombre que verán los demás (no el tuyo):{" "}
prompt-link = Pega el enlace que te dieron:{" "}
prompt-code = Pega el código de la otra persona:{" "}
prompt-relay = Pega la dirección del relé de tu sindicato (relevo://...):{" "}
prompt-alliance-link = Pega el enlace de un coordinador de la alianza en la que entra tu sindicato:{" "}

man-name = Nombre
man-synopsis = Sinopsis
man-description = Descripción
man-options = Opciones
man-commands = Órdenes
man-extra = Ejemplos
man-version = Versión
man-written = { $count ->
    [one] Se escribió una página.
   *[other] Se escribieron { $count } páginas.
}

attested-yes = El archivo es el que se firmó, y no se cambió nada en él.
attested-file = Archivo
attested-author = Firmado por
attested-author-of = { $pseudonym }, { $union }
attested-claimed = Firmado el (según quien firmó)
attested-card = Credencial de miembro válida hasta
attested-card-over = La credencial había vencido en la fecha indicada: pregunta al sindicato si lo acepta.
attested-alliance = Alianza
attested-compare = Cualquiera puede fundar una alianza. Compara estas doce palabras con alguien de la alianza en quien confías (`relevo charter compare`):
attested-digits = Lo mismo en números, para otro idioma:

doctor-good = bien
doctor-note = atención
doctor-bad = mal
doctor-folder-good = Solo tú puedes abrir la carpeta de la bóveda, { $folder }.
doctor-folder-bad = Otros en este equipo pueden mirar en la carpeta de la bóveda, { $folder }.
doctor-folder-do = Ciérrala: chmod -R go= "{ $folder }"
doctor-vault-good = La bóveda se abre y todas sus páginas están sanas.
doctor-clock-good = El reloj marca { $time }. Comprueba que es correcto: enlaces, alertas y credenciales vencen según él.
doctor-clock-bad = El reloj marca { $time }, antes del último uso de la bóveda.
doctor-clock-do = Pon el reloj en hora; si no, enlaces y credenciales parecen vencidos o aún no válidos.
doctor-core-good = Un fallo no escribe la memoria en el disco.
doctor-core-bad = Un fallo podría escribir la memoria en el disco.
doctor-core-do = Desactiva los volcados de memoria: ulimit -c 0
doctor-swap-good = La memoria no se pasa al disco (sin intercambio).
doctor-swap-note = Este equipo puede pasar la memoria, y con ella mensajes, al disco (intercambio).
doctor-swap-do = Usa un equipo con todo el disco cifrado, o desactiva el intercambio.
doctor-disk-good = El disco tiene espacio.
doctor-disk-bad = El disco está casi lleno: quedan menos de 100 MB.
doctor-disk-do = Libera espacio, o no se podrá recibir nada nuevo.
doctor-employer-note = Un equipo o una red de tu empleador puede leer contigo, haga lo que haga el programa.
doctor-employer-do = Usa solo un equipo y una red propios.
doctor-relay-none = Esta bóveda aún no usa ningún relé.
doctor-relay-offline = No se miraron los relés, por --offline.
doctor-relay-offline-do = Para mirarlos, ejecuta `relevo doctor` sin ella.
doctor-relay-good = Relé { $relay }: se encuentra su nombre, responde, prueba quién es y deja entrar a este equipo.
doctor-relay-bad = Relé { $relay }, { $step }: { $what }
doctor-step-name = al buscar su nombre
doctor-step-answer = al esperar su respuesta
doctor-step-proof = al comprobar quién es
doctor-step-admission = al pedir entrar
doctor-relay-clock = El relé { $relay } tiene otra hora: { $theirs } allí, { $ours } aquí.
doctor-relay-clock-do = Compara las dos con otro reloj. Si el que va mal es este equipo, ponlo en hora; si es el relé, avisa a quien lo lleva.
