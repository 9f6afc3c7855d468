# Messages, groups, documents, alerts, and how things stand.
state-waiting = À espera
state-sent = Enviado
state-delivered = Entregue
state-not-sent = Não enviado
state-undecided = Não enviado: entretanto entrou alguém, ou foi adicionado de novo. Envie outra vez se todos os que lá estão agora o podem ler.
state-received = recebido

message-you = Você
message-somebody = alguém que já não está aqui
message-alert = Alerta. Leia-o e responda: relevo alert list
message-document = Documento "{ $name }". Obtenha-o: relevo document list
message-leave = quer sair do grupo
message-newer = Esta mensagem precisa de uma versão mais nova do Relevo.
read-none = Não há mensagens novas.

read-look = Algo precisa da sua atenção: relevo status

group-none = Não está em nenhum grupo.
group-created = O grupo { $name } está criado, e os convites a caminho.
group-added = A caminho: a mudança conta logo que esteja no registo do grupo.
group-removed = { $name } sai do grupo, e o grupo passa para outra caixa.
group-withdrawn = { $name } ainda não tinha entrado, e não será adicionado.
group-left = Pede-se aos administradores que o retirem de { $name }.
group-renamed = O grupo chama-se agora { $name }.
group-moved = { $name } passa para o outro retransmissor.
group-refounded = { $name } começa de novo. Convidados: { $people }.
group-unreached = Este dispositivo não consegue chegar a estas pessoas fora da conversa antiga: { $people }. Avise-as por outro meio; as que estão entre os seus contactos, adicione-as com `relevo group add`.
group-you = você
group-administrator = administrador
standing-live = pronto
standing-halted = parado: peça a um administrador que o adicione de novo
standing-left = já não está nele
standing-behind = esteve fora mais tempo do que o retransmissor guarda mensagens: peça a um administrador que o adicione de novo

document-none = Não há documentos.
document-number = Documento { $number }: { $name }, { $size }
document-sending = a caminho
document-sent = enviado
document-posted = O documento { $number } foi enviado.
document-offered = espera que o obtenha: relevo document get { $number }
document-here = aqui
document-failed = não enviado: o ficheiro mudou ou desapareceu
document-kept = Ainda não passou tudo. Continua com: relevo document get { $number }
document-saved = Escrito em { $path }
document-exported = Escrito em { $path }, com a sua prova ao lado. Qualquer pessoa pode verificar ambos com `relevo document verify`.

severity-info = Informação
severity-urgent = Urgente
severity-emergency = Emergência
alert-none = Não há alertas.
alert-title = Alerta { $number }, { $severity }: de { $name }, { $union }
alert-drill = Isto é um simulacro.
alert-until = Válido até { $time }
alert-expired = Expirou em { $time }
alert-do = Responda: relevo alert answer { $number } read     ou, se precisa de ajuda: relevo alert answer { $number } help
alert-answered-read = Respondeu: li.
alert-answered-help = Respondeu: preciso de ajuda.
alert-own = O seu alerta { $number }, de { $issued }, válido até { $expires }
alert-sent = O alerta { $number } está a caminho.
alert-answer-done = A sua resposta está a caminho, só para quem o enviou.
alert-read = Leram
alert-help = Precisam de ajuda
alert-silent = Em silêncio
alert-summary = Responderam { $answered } de { $total }. O silêncio não quer dizer que esteja tudo bem.

status-me = Você é { $pseudonym }.
status-member = Membro de { $union }, na aliança { $alliance }. O seu cartão é válido até { $time }.
status-coordinator = É coordenador do seu sindicato.
status-no-card = Ainda não é membro de uma aliança.
status-founding = Está a fundar o sindicato { $union }.
status-founding-waits = Ainda ninguém seguiu a ligação para o seu segundo coordenador:
status-founding-sign = O segundo coordenador já está. Os dois dispositivos assinam por si o primeiro grupo de coordenadores.
status-founding-signed = Ambos os coordenadores assinaram o sindicato. Falta a carta: quem recebeu o pedido assina-a com `relevo charter sign`.
status-link-reading = Uma ligação que seguiu espera ser lida.
status-link-asked = Uma ligação que seguiu foi respondida; agora têm de agir os outros.
status-link-failed = Uma ligação que seguiu falhou: { $what }
status-requests = { $count ->
    [one] Um pedido espera a sua palavra: relevo requests
   *[other] { $count } pedidos esperam a sua palavra: relevo requests
}
status-new = { $count ->
    [one] Há uma mensagem nova: relevo read
   *[other] Há { $count } mensagens novas: relevo read
}
status-waiting = { $count ->
    [one] Uma mensagem ou mudança espera pela rede.
   *[other] { $count } mensagens ou mudanças esperam pela rede.
}
status-settled = Tudo saiu e tudo está lido.
status-relay = Retransmissor { $relay }
relay-idle = nada a fazer
relay-no-address = o seu endereço não é conhecido aqui
relay-connecting = a ligar
relay-open = ligado
relay-offline = sem ligação: { $what }
relay-waiting = sem ligação; tenta-se de novo
refusal-mailbox-full = uma caixa lá está cheia
refusal-relay-full = o retransmissor está cheio
refusal-rate = demasiado para esta hora; continua mais tarde
refusal-allowance = esgotou-se o que lá pode guardar
refusal-busy = o retransmissor está ocupado; continua mais tarde
refusal-other = o retransmissor recusou algo

warning-undelivered = Algo para { $name } não pôde ser entregue. Peça-lhe por outro meio que execute `relevo read`.
warning-charter-fork = Há duas cartas com o mesmo número. Avise os coordenadores de todos os sindicatos, de viva voz ou em pessoa.
warning-charter-rollback = Uma carta mais antiga foi mostrada como a mais nova e foi recusada. Avise os seus coordenadores de viva voz.
warning-alert-refused = { $name } passou um alerta falso ou expirado. O texto não foi mostrado. Pergunte a um coordenador de viva voz.
warning-key-changed = { $name } tem um dispositivo ou uma chave nova. É normal depois de mudar de telefone ou computador; comparem de novo as palavras antes de dizer algo delicado.
warning-parcel-refused = Algo que chegou não fazia sentido e foi descartado.
warning-words-broken = As palavras de { $name } não eram as mesmas. Alguém pode estar no meio: encontrem-se em pessoa.
warning-comparison-broken = A outra parte interrompeu uma comparação de palavras. Alguém pode estar no meio: comparem em pessoa.
warning-inbox-damaged = O retransmissor perdeu, alterou ou retém o que estava na sua caixa. Avise quem mantém o retransmissor; peça aos outros que enviem de novo.
warning-link-used-twice = Duas pessoas seguiram uma mesma ligação sua, e só a primeira conta. Pergunte de viva voz a quem a deu que nome escolheu, antes que alguém abone a primeira: pode ser outra pessoa.
warning-link-expired = Alguém seguiu uma ligação sua depois de expirar, e não entrou. Se ainda quer essa pessoa, faça outra: `relevo invite`.
alarm-rollback = { $group }: o retransmissor voltou a um estado anterior; podem faltar mensagens. Pergunte aos outros.
alarm-gap = { $group }: houve mensagens que expiraram antes de este dispositivo as receber.
alarm-chain-broken = { $group }: o retransmissor contradiz o que disse antes. Avise um coordenador; um administrador pode mudar a conversa de lugar: `relevo group move`.
alarm-disagreement = { $group }: { $name } diz que o retransmissor lhe mostrou outra coisa. Comparem de viva voz, e avise um coordenador.
alarm-lie = { $group }: o retransmissor assinou uma história diferente da que lhe deu. Avise um coordenador, e mudem de retransmissor: `relevo group move`.
alarm-lie-proved = { $group }: o retransmissor assinou duas histórias diferentes, e as duas assinaturas juntas provam-no a qualquer pessoa: `relevo status --json` mostra-as. Avise um coordenador, e mudem de retransmissor: `relevo group move`.
alarm-missing-commit = { $group }: falta aqui uma mudança do grupo. Se a uns não chega o que outros escrevem, um administrador pode começá-lo de novo: `relevo group refound`.
alarm-halted = { $group }: parado, porque uma mudança não pôde ser lida. Peça a um administrador que o adicione de novo, ou que comece de novo o grupo: `relevo group refound`.
alarm-lost-commit = { $group }: o retransmissor aceitou uma mudança sua e ela não está lá. Avise um coordenador.
alarm-not-added = { $group }: { $name } ainda não entrou: o seu aparelho não deixou nenhuma chave utilizável no retransmissor. Peça-lhe que execute `relevo read`; volta a tentar-se sozinho durante pelo menos quatro semanas.
alarm-not-welcomed = { $group }: { $name } já é membro, mas o retransmissor não aceitou o que lhe permite entrar. Retire esta pessoa e adicione-a de novo.
alarm-older-copy = { $group }: este aparelho enviou para lá coisas que já não conhece. O seu cofre é uma cópia anterior, talvez reposta de uma salvaguarda: pode faltar o que chegou depois. As suas chaves lá são feitas de novo. Se ninguém repôs uma cópia, avise um coordenador.
alarm-complaint = { $group }: o dispositivo de { $name } não pôde ler uma mudança do grupo. Adicione-o de novo.
alarm-not-moved = { $group }: não pôde passar para a nova caixa. Tente de novo, ou comece de novo a conversa: `relevo group refound`.
alarm-not-done = { $group }: uma mudança que queria não é possível ali; foi abandonada.
alarm-withheld = { $group }: o retransmissor tem mais mensagens e não as entrega. Tente outra rede; se continuar assim, pergunte aos outros e mudem a conversa de lugar: `relevo group move`.
alarm-frozen = { $group }: o retransmissor não aceita mais mensagens aqui, embora ninguém tenha mudado a conversa de lugar. Avise um coordenador; um administrador pode começá-la de novo noutro retransmissor: `relevo group refound`.
alarm-closed = { $group }: o retransmissor diz que esta conversa já não está lá. Pergunte aos outros; se eles a têm, avise um coordenador; se não, um administrador pode começá-la de novo: `relevo group refound`.
alarm-damaged = { $group }: o retransmissor diz que o seu disco danificou uma mensagem. Nem ela nem as seguintes podem ser lidas, até 30 dias. Avise quem mantém o retransmissor; um administrador pode começar de novo a conversa: `relevo group refound`.
alarm-waiting = { $group }: o que escreveu espera desde { $time }. O retransmissor não o aceitou, ou não o devolve. Veja a rede; se continuar assim, mudem a conversa de lugar: `relevo group move`.
alarm-held-back = { $group }: o que escreveu desde { $time } não saiu deste dispositivo, porque está cortado da conversa. Peça a um administrador que o adicione de novo.
alarm-change-held-back = { $group }: uma mudança do grupo espera neste dispositivo, porque faltam mensagens aqui e os outros podem ter mudado o grupo entretanto. É feita sozinha assim que isso estiver claro, o mais tardar { $time }. Se for urgente, como uma remoção, peça a outro administrador que a faça.
alarm-change-waits-for-relay = { $group }: uma mudança do grupo espera neste dispositivo, o mais tardar até { $time }, para que antes volte o que o relé perdeu ao ser restaurado. Depois é feita sozinha.
alarm-refounded = { $group }: { $name } começou de novo esta conversa, que continua aqui. O que foi dito antes ainda se pode ler. Veja quem está: `relevo group list`.
alarm-left-behind = { $group }: { $name } ainda escreve onde esta conversa estava antes de começar de novo, e não está aqui. Se deve estar, adicione essa pessoa: `relevo group add`.
alarm-other = { $group }: aconteceu algo que esta versão não conhece. Instale a mais nova.
