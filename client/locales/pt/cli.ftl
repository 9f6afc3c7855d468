# What the command line says around its commands.
heading-error = Erro
heading-do = O que fazer

usage-unknown-argument = { $argument } não é conhecido aqui.
usage-unknown-command = Não há o comando { $command }.
usage-bad-value = { $argument } não aceita o valor "{ $value }".
usage-choices = Aceita: { $choices }.
usage-perhaps = Queria dizer { $suggestion }?
usage-conflict = { $first } e { $second } não vão juntos.
usage-missing = Falta isto: { $arguments }
usage-missing-command = Falta um comando.
usage-values = { $argument } tem valores a mais ou a menos.
usage-not-text = Um argumento não é texto legível (UTF-8).
usage-other = O comando não se entende.
usage-see = Veja `{ $command } --help`.

prompt-passphrase = Frase-passe:{" "}
prompt-new-passphrase = Escolha uma frase-passe (de preferência várias palavras):{" "}
prompt-again = A mesma outra vez:{" "}
prompt-pseudonym = Nome que os outros verão (não o seu):{" "}
prompt-link = Cole a ligação que lhe deram:{" "}
prompt-code = Cole o código da outra pessoa:{" "}
prompt-relay = Cole o endereço do retransmissor do seu sindicato (relevo://...):{" "}
prompt-alliance-link = Cole a ligação de um coordenador da aliança em que o seu sindicato entra:{" "}

man-name = Nome
man-synopsis = Sinopse
man-description = Descrição
man-options = Opções
man-commands = Comandos
man-extra = Exemplos
man-version = Versão
man-written = { $count ->
    [one] Foi escrita uma página.
   *[other] Foram escritas { $count } páginas.
}

attested-yes = O ficheiro é o que foi assinado, e nada nele foi alterado.
attested-file = Ficheiro
attested-author = Assinado por
attested-author-of = { $pseudonym }, { $union }
attested-claimed = Assinado em (segundo quem assinou)
attested-card = Cartão de membro válido até
attested-card-over = O cartão já tinha expirado na data indicada: pergunte ao sindicato se o aceita.
attested-alliance = Aliança
attested-compare = Qualquer pessoa pode fundar uma aliança. Compare estas doze palavras com alguém da aliança em quem confia (`relevo charter compare`):
attested-digits = As mesmas em números, para outra língua:

doctor-good = bem
doctor-note = atenção
doctor-bad = mal
doctor-folder-good = Só você pode abrir a pasta do cofre, { $folder }.
doctor-folder-bad = Outros neste dispositivo podem ver a pasta do cofre, { $folder }.
doctor-folder-do = Feche-a: chmod -R go= "{ $folder }"
doctor-vault-good = O cofre abre e todas as suas páginas estão sãs.
doctor-clock-good = O relógio marca { $time }. Veja se está certo: ligações, alertas e cartões expiram por ele.
doctor-clock-bad = O relógio marca { $time }, antes do último uso do cofre.
doctor-clock-do = Acerte o relógio; senão ligações e cartões parecem expirados ou ainda não válidos.
doctor-core-good = Uma falha não escreve a memória no disco.
doctor-core-bad = Uma falha poderia escrever a memória no disco.
doctor-core-do = Desligue os despejos de memória: ulimit -c 0
doctor-swap-good = A memória não passa para o disco (sem memória de troca).
doctor-swap-note = Este dispositivo pode passar a memória, e com ela mensagens, para o disco (memória de troca).
doctor-swap-do = Use um dispositivo com o disco todo cifrado, ou desligue a memória de troca.
doctor-disk-good = O disco tem espaço.
doctor-disk-bad = O disco está quase cheio: restam menos de 100 MB.
doctor-disk-do = Liberte espaço, ou nada de novo pode ser recebido.
doctor-employer-note = Um dispositivo ou uma rede do seu empregador pode ler consigo, faça o programa o que fizer.
doctor-employer-do = Use só um dispositivo e uma rede seus.
doctor-relay-none = Este cofre ainda não usa nenhum retransmissor.
doctor-relay-offline = Os retransmissores não foram vistos, por causa de --offline.
doctor-relay-offline-do = Para os ver, execute `relevo doctor` sem isso.
doctor-relay-good = Retransmissor { $relay }: o nome encontra-se, responde, prova quem é e deixa entrar este aparelho.
doctor-relay-bad = Retransmissor { $relay }, { $step }: { $what }
doctor-step-name = ao procurar o nome
doctor-step-answer = ao esperar a resposta
doctor-step-proof = ao verificar quem é
doctor-step-admission = ao pedir para entrar
doctor-relay-clock = O retransmissor { $relay } tem outra hora: { $theirs } lá, { $ours } aqui.
doctor-relay-clock-do = Compare as duas com outro relógio. Se é este aparelho que está errado, acerte-o; se é o retransmissor, avise quem o mantém.
