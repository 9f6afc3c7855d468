//! Help, usage errors, completions, manual pages.

use std::io::Read;
use std::process::Stdio;

use super::Device;

#[test]
fn help_speaks_four_languages() {
    let device = Device::new();
    for (language, words) in [
        ("en", ["Encrypted messages", "Usage: relevo", "Commands:", "Make your vault", "Examples:"]),
        ("es", ["Mensajes, alertas", "Uso: relevo", "Órdenes:", "Crea tu bóveda", "Ejemplos:"]),
        ("fr", ["Messages, alertes", "Utilisation: relevo", "Commandes:", "Créer votre coffre", "Exemples:"]),
        ("pt", ["Mensagens, alertas", "Utilização: relevo", "Comandos:", "Criar o seu cofre", "Exemplos:"]),
    ] {
        device.run(&["--help", "--lang", language]).done().says(&words);
        let by_locale = device.command(&["--help"]).env("LANG", format!("{language}_XX.UTF-8")).output().unwrap();
        assert!(String::from_utf8_lossy(&by_locale.stdout).contains(words[0]), "{language}");
    }
}

#[test]
fn every_command_has_help() {
    let device = Device::new();
    for command in ["init", "found", "charter sign", "invite", "group create", "alert send", "document verify"] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help", "--lang", "es"]).collect();
        device.run(&arguments).done().says(&[&format!("Uso: relevo {command}"), "Ejemplos:", "relevo "]);
    }
}

#[test]
fn a_mistake_is_explained_in_the_persons_language_with_exit_code_2() {
    let device = Device::new();
    device
        .run(&["sned", "Quilla"])
        .stopped(2, &["Error: There is no command sned. Did you mean send?", "`relevo --help`"]);
    device.run(&["--lang", "fr", "send"]).stopped(2, &["Erreur", "Il manque", "Que faire", "`relevo send --help`"]);
    device.run(&["alert", "answer", "1", "yes", "--lang", "pt"]).stopped(2, &["não aceita", "yes", "read, help"]);
    device.run(&["--lang", "de", "status"]).stopped(2, &["--lang", "de", "en, es, fr, pt"]);
    device.run(&[]).stopped(2, &["A command is missing.", "relevo --help"]);
}

#[test]
fn a_mistake_is_one_json_object_for_programs() {
    let said = Device::new().run(&["--json", "sned"]).stopped(2, &[]);
    assert_eq!(said.out, "");
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"], "usage");
    assert!(error["what"].is_string() && error["do"].is_string());
}

#[test]
fn a_terminal_escape_in_an_argument_is_not_obeyed() {
    let said = Device::new().run(&["\u{1b}[2J\u{202e}evil"]);
    assert!(said.err.contains("\u{fffd}[2J\u{fffd}evil") && !said.err.contains('\u{1b}'), "{:?}", said.err);
}

#[test]
fn completions_and_manual_pages_are_in_the_persons_language() {
    let device = Device::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        device.run(&["completions", shell]).done().says(&["relevo"]);
    }
    device.run(&["man", "pages", "--lang", "es"]).done().says(&["Se escribieron"]);
    let page = std::fs::read_to_string(device.path("pages/relevo-alert-send.1")).unwrap();
    for word in [".SH Nombre", ".SH Opciones", "Envía una alerta", ".SH Ejemplos"] {
        assert!(page.contains(word), "{word} is not in {page}");
    }
    assert!(!page.contains(".SH OPTIONS") && !page.contains("possible values"));
}

#[test]
fn a_closed_pipe_is_quiet() {
    let mut child =
        Device::new().command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}
