//! The real `relevo` against a real `relevo-relay`: every command that needs the network, as a program runs it, each
//! object held against client/JSON.md.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../../client/tests/cli/documented.rs"]
mod documented;

use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use relevo_tests::relay_process::RelayProcess;
use serde_json::Value;
use tempfile::TempDir;

/// Rounds in which everybody fetches before a test gives up.
const ROUNDS: usize = 20;

fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_relevo-demo")).with_file_name(name);
    assert!(path.exists(), "{name} is not built: run `cargo build --workspace --bins`, or tests/run");
    path
}

struct Person {
    folder: TempDir,
}

struct Said {
    objects: Vec<Value>,
    error: Option<Value>,
    code: i32,
}

impl Person {
    fn new(pseudonym: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("passphrase"), "la relève de demain").unwrap();
        let person = Self { folder };
        person.done(&["init", "--pseudonym", pseudonym]);
        person
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("relevo"));
        command
            .args(["--vault", "vault", "--passphrase-file", "passphrase", "--wait", "30"])
            .args(arguments)
            .env_clear()
            .env("TZ", "UTC")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command and holds each object against what JSON.md documents for it.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Said {
        self.fed(arguments, Stdio::null())
    }

    /// The same with something to read.
    #[track_caller]
    fn fed(&self, arguments: &[&str], input: Stdio) -> Said {
        let output = self.command(&[&["--json"], arguments].concat()).stdin(input).output().unwrap();
        let lines = |bytes: &[u8]| -> Vec<Value> {
            let parsed = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{arguments:?} says {line:?}"));
            String::from_utf8_lossy(bytes).lines().map(parsed).collect()
        };
        let said = Said {
            objects: lines(&output.stdout),
            error: lines(&output.stderr).pop(),
            code: output.status.code().unwrap(),
        };
        let words: Vec<&str> = arguments.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        let command = match words[..] {
            [group @ ("charter" | "contacts" | "group" | "alert" | "document"), act, ..] => format!("{group} {act}"),
            [command, ..] => command.to_owned(),
            [] => panic!("no command"),
        };
        let json_md = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/JSON.md");
        for object in &said.objects {
            let is_alert = object.get("alert").is_some() && command == "read";
            documented::holds(&json_md, if is_alert { "alert list" } else { &command }, object);
        }
        if let Some(error) = &said.error {
            documented::holds(&json_md, "errors", error);
        }
        said
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {:?}", said.error);
        said.objects
    }

    #[track_caller]
    fn link(&self, arguments: &[&str]) -> String {
        self.done(arguments)[0]["link"].as_str().unwrap().to_owned()
    }

    /// What people see, in a language.
    #[track_caller]
    fn sees(&self, language: &str, arguments: &[&str]) -> String {
        let output = self.command(&[&["--lang", language], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Lets everybody fetch until `look` finds something.
#[track_caller]
fn until<T>(what: &str, people: &[&Person], mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..ROUNDS {
        if let Some(found) = look() {
            return found;
        }
        for person in people {
            person.done(&["read", "--all"]);
        }
    }
    panic!("{what} did not happen within {ROUNDS} rounds")
}

#[track_caller]
fn request(of: &Person, kind: &str, people: &[&Person]) -> String {
    until(&format!("a request of kind {kind}"), people, || {
        let open = of.done(&["requests"]);
        open.iter().find(|request| request["kind"] == kind).map(|request| request["request"].to_string())
    })
}

#[track_caller]
fn is_member(person: &Person, people: &[&Person]) {
    until("membership", people, || person.done(&["status"])[0]["union"].is_string().then_some(()));
}

#[track_caller]
fn hears(person: &Person, text: &str, people: &[&Person]) -> Value {
    until("the message", people, || person.done(&["read", "--all"]).into_iter().find(|one| one["text"] == text))
}

/// Two coordinators, who found an alliance on the relay.
fn found(relay: &RelayProcess) -> (Person, Person) {
    let (quilla, mistral) = (Person::new("Quilla"), Person::new("Mistral"));
    let link = quilla.link(&["found", "--alliance", "Alianza", "--union", "Norte", "--relay", relay.address()]);
    assert_eq!(mistral.done(&["join", &link])[0]["state"], "asked");
    let both = [&quilla, &mistral];
    let draft = request(&mistral, "charter", &both);
    let shown = mistral.done(&["charter", "show"]);
    assert_eq!((&shown[0]["draft"], &shown[0]["alliance"]), (&draft.parse::<u64>().unwrap().into(), &"Alianza".into()));
    mistral.done(&["charter", "sign", &draft]);
    is_member(&quilla, &both);
    is_member(&mistral, &both);
    let words = [&quilla, &mistral].map(|person| person.done(&["charter", "compare"])[0]["numbers"].clone());
    assert_eq!(words[0], words[1]);
    (quilla, mistral)
}

/// A member whom both coordinators vouch for.
fn admit(quilla: &Person, mistral: &Person) -> Person {
    let ceibo = Person::new("Ceibo");
    let link = quilla.link(&["invite", "--days", "3", "--note", "welcome"]);
    ceibo.done(&["join", &link, "--second", "Mistral", "--note", "we met on Monday"]);
    let late = Person::new("Late").run(&["join", &link]);
    assert_eq!((late.code, &late.error.unwrap()["error"]), (1, &"code-used".into()), "a link works once");

    let people = [quilla, mistral, &ceibo];
    let first = request(quilla, "join", &people);
    let early = quilla.run(&["admit", &first]);
    assert_eq!((early.code, &early.error.unwrap()["error"]), (4, &"too-few-vouches".into()));
    quilla.done(&["vouch", &first]);
    let second = request(mistral, "join", &people);
    mistral.done(&["vouch", &second]);
    assert_eq!(mistral.done(&["admit", &second])[0]["done"], "admitted");
    is_member(&ceibo, &people);
    ceibo
}

fn talk(quilla: &Person, mistral: &Person, ceibo: &Person) {
    let people = [quilla, mistral, ceibo];
    let sent = &mistral.done(&["send", "Quilla", "¿Cuándo vence?"])[0];
    assert!(["sent", "delivered"].contains(&sent["state"].as_str().unwrap()), "{sent}");
    assert_eq!(hears(quilla, "¿Cuándo vence?", &people)["author"], "Mistral");
    until("its delivery", &people, || {
        let own = mistral.done(&["read", "--all"]);
        own.into_iter().find(|one| one["id"] == sent["id"] && one["state"] == "delivered")
    });
    assert!(mistral.sees("pt", &["read", "--all"]).contains("Você → Quilla (Entregue)\n    ¿Cuándo vence?"));

    until("both are contacts", &people, || (quilla.done(&["contacts", "list"]).len() == 2).then_some(()));
    quilla.done(&["group", "create", "Mesa", "Mistral", "Ceibo"]);
    until("the group", &people, || (!ceibo.done(&["group", "list"]).is_empty()).then_some(()));
    ceibo.done(&["send", "Mesa", "Bonjour"]);
    assert_eq!(hears(mistral, "Bonjour", &people)["conversation"], "Mesa");
    quilla.done(&["group", "rename", "Mesa", "Mesa 2027"]);
    until("the new name", &people, || (ceibo.done(&["group", "list"])[0]["group"] == "Mesa 2027").then_some(()));
    let refused = ceibo.run(&["group", "rename", "Mesa 2027", "Mine"]);
    assert_eq!((refused.code, &refused.error.unwrap()["error"]), (4, &"not-administrator".into()));
}

/// The group is founded anew, and is the one of that name from then on.
fn refound(quilla: &Person, mistral: &Person, ceibo: &Person) {
    let people = [quilla, mistral, ceibo];
    let refused = ceibo.run(&["group", "refound", "Mesa 2027"]);
    assert_eq!((refused.code, &refused.error.unwrap()["error"]), (4, &"not-administrator".into()));
    let done = quilla.done(&["group", "refound", "Mesa 2027"]).remove(0);
    assert_eq!((&done["done"], done["invited"].as_array().unwrap().len()), (&"refounded".into(), 2));
    until("all are in the new one", &people, || {
        let seats = people.map(|person| {
            let groups = person.done(&["group", "list"]);
            assert_eq!(groups.len(), 1, "one of that name");
            groups[0]["members"].as_array().unwrap().len()
        });
        let told = mistral.done(&["status"])[0].to_string().contains("\"refounded\"");
        (seats == [3; 3] && told).then_some(())
    });
    assert!(mistral.sees("fr", &["status"]).contains("Quilla a recommencé cette conversation"));
    mistral.done(&["send", "Mesa 2027", "De nouveau ensemble"]);
    hears(ceibo, "De nouveau ensemble", &people);
    assert!(
        ceibo.done(&["read", "Mesa 2027", "--all"]).iter().any(|one| one["text"] == "Bonjour"),
        "and what was said before"
    );
}

fn alert(quilla: &Person, mistral: &Person, ceibo: &Person) {
    let people = [quilla, mistral, ceibo];
    let texts = ["--text", "es=Reunión a las 8", "--text", "fr=Réunion à 8 h"];
    let sent = &quilla.done(&[&["alert", "send", "Mesa 2027"], &texts[..]].concat())[0];
    let number = until("the alert", &people, || ceibo.done(&["alert", "list"]).pop())["alert"].to_string();
    assert!(ceibo.sees("fr", &["alert", "list"]).contains("fr: Réunion à 8 h"));
    ceibo.done(&["alert", "answer", &number, "help"]);
    let status = until("the answer", &people, || {
        let status = quilla.done(&["alert", "status", &sent["alert"].to_string()]).remove(0);
        (!status["need_help"].as_array().unwrap().is_empty()).then_some(status)
    });
    assert_eq!((&status["need_help"][0]["pseudonym"], &status["silent"][0]), (&"Ceibo".into(), &"Mistral".into()));
    let refused = ceibo.run(&[&["alert", "send", "Mesa 2027"], &texts[..]].concat());
    assert_eq!((refused.code, &refused.error.unwrap()["error"]), (4, &"not-a-coordinator".into()));
}

fn document(quilla: &Person, mistral: &Person) {
    let people = [quilla, mistral];
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    fs::write(quilla.path("agreement.pdf"), &bytes).unwrap();
    quilla.done(&["document", "send", "Mistral", "agreement.pdf"]);
    let number = until("the document", &people, || mistral.done(&["document", "list"]).pop())["document"].to_string();
    mistral.done(&["document", "get", &number, "--to", "got.pdf"]);
    assert!(fs::read(mistral.path("got.pdf")).unwrap() == bytes);
    let again = mistral.run(&["document", "get", &number, "--to", "got.pdf"]);
    assert_eq!((again.code, &again.error.unwrap()["error"]), (1, &"document-exists".into()));
    mistral.done(&["document", "export", &number, "--to", "proof"]);
    assert_eq!(mistral.done(&["document", "verify", "proof"])[0]["author"], "Quilla");
}

fn know(quilla: &Person, mistral: &Person, ceibo: &Person) {
    let people = [quilla, mistral, ceibo];
    quilla.done(&["introduce", "Mistral", "Ceibo", "--note", "both know the mine"]);
    for person in [mistral, ceibo] {
        let known = person.done(&["contacts", "list"]).len();
        if known < 2 {
            let number = request(person, "introduction", &people);
            assert_eq!(person.done(&["admit", &number])[0]["done"], "accepted");
        }
    }
    until("words", &people, || {
        let words = mistral.done(&["verify", "Quilla", "--wait", "1"]).remove(0);
        (words["state"] == "words").then_some(())
    });
    let words = mistral.done(&["verify", "Quilla"])[0]["numbers"].clone();
    let theirs = until("their words", &people, || {
        let words = quilla.done(&["verify", "Mistral", "--wait", "1"]).remove(0);
        (words["state"] == "words").then(|| words["numbers"].clone())
    });
    assert_eq!(words, theirs);
    assert_eq!(mistral.done(&["verify", "Quilla", "--same"])[0]["state"], "same");
    let contacts = mistral.done(&["contacts", "list"]);
    assert!(contacts.iter().any(|one| one["pseudonym"] == "Quilla" && one["verified"].is_string()));
    let code = ceibo.link(&["contacts", "code"]);
    let own = ceibo.run(&["contacts", "add", &code]);
    assert_eq!((own.code, &own.error.unwrap()["error"]), (1, &"code-own".into()));
}

/// What the doctor finds about the one relay in use.
#[track_caller]
fn examined(person: &Person, more: &[&str]) -> Value {
    let findings = person.run(&[&["doctor"], more].concat()).objects;
    let mut relays = findings.into_iter().filter(|finding| finding["check"] == "relay");
    let found = relays.next().unwrap();
    assert!(relays.next().is_none(), "one relay is in use, or none");
    found
}

/// A founder who types wrong addresses, each of which is told from the others, and begins anew until it is right.
fn mistake(relay: &RelayProcess) {
    let founder = Person::new("Nadia");
    assert_eq!(examined(&founder, &[])["relay"], Value::Null, "no relay is in use yet");
    let right = relay.address();
    let (before, secrets) = right.split_once("/#").unwrap();
    let (fingerprint, place) = before.strip_prefix("relevo://").unwrap().split_once('@').unwrap();
    let (path, admission) = secrets.split_once('.').unwrap();
    let other = |text: &str| format!("{}{}", if text.starts_with('a') { 'b' } else { 'a' }, &text[1..]);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap();
    let found = |address: &str| {
        fs::write(founder.path("address"), address).unwrap();
        let input = fs::File::open(founder.path("address")).unwrap();
        founder.fed(&["found", "--alliance", "Otra", "--union", "Sur", "--wait", "3"], input.into())
    };
    for (address, code, error, step) in [
        (format!("relevo://{fingerprint}@{nobody}/#{secrets}"), 3, "relay-unreachable", "answer"),
        (format!("relevo://{}@{place}/#{secrets}", other(fingerprint)), 1, "relay-wrong-identity", "proof"),
        (format!("relevo://{fingerprint}@{place}/#{}.{admission}", other(path)), 1, "relay-not-a-relay", "proof"),
        (format!("relevo://{fingerprint}@{place}/#{path}.{}", other(admission)), 1, "relay-not-admitted", "admission"),
    ] {
        let said = found(&address);
        assert_eq!((said.code, &said.error.unwrap()["error"]), (code, &error.into()));
        let finding = examined(&founder, &["--wait", "3"]);
        let expected = ("bad".into(), step.into(), error.into());
        assert_eq!((&finding["state"], &finding["step"], &finding["error"]), (&expected.0, &expected.1, &expected.2));
    }
    let said = found(right);
    assert_eq!(said.code, 0, "{:?}", said.error);
    let link = said.objects[0]["link"].clone();
    assert_eq!(founder.done(&["status"])[0]["founding"]["link"], link);
    assert_eq!(examined(&founder, &[])["state"], "good");
    assert_eq!(examined(&founder, &["--offline"])["state"], "note");
    assert_eq!(founder.done(&["found", "--undo"])[0]["done"], "undone");
    assert_eq!(founder.done(&["status"])[0]["founding"], Value::Null);
}

/// With --offline nothing reaches the relay's port; without, something does.
fn offline(mut relay: RelayProcess, quilla: &Person) {
    let place = relay.address().split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    relay.stop().unwrap();
    let ear = UdpSocket::bind(&place).unwrap();
    ear.set_nonblocking(true).unwrap();
    let sent = quilla.done(&["send", "Mistral", "luego", "--offline"]);
    assert_eq!(sent[0]["state"], "waiting");
    quilla.done(&["status", "--offline"]);
    quilla.done(&["read", "--offline"]);
    assert_eq!(examined(quilla, &["--offline"])["state"], "note");
    let heard = ear.recv_from(&mut [0; 2048]).map_err(|fault| fault.kind());
    assert!(matches!(heard, Err(ErrorKind::WouldBlock)), "the relay's port heard {heard:?}");
    assert_eq!(quilla.run(&["read", "--wait", "1"]).code, 3);
    ear.recv_from(&mut [0; 2048]).unwrap();
}

#[test]
fn an_alliance_lives_by_the_command_line() {
    let folder = TempDir::new().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let relay = RelayProcess::start(&program("relevo-relay"), &folder.path().join("relay"), listen).unwrap();
    let (quilla, mistral) = found(&relay);
    let ceibo = admit(&quilla, &mistral);
    talk(&quilla, &mistral, &ceibo);
    refound(&quilla, &mistral, &ceibo);
    alert(&quilla, &mistral, &ceibo);
    document(&quilla, &mistral);
    know(&quilla, &mistral, &ceibo);
    mistake(&relay);
    offline(relay, &quilla);
}
