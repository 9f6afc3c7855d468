//! What goes wrong is said, and loses nothing.

use std::path::Path;
use std::time::Duration;

use relevo_client::account::{AccountFault, What};
use relevo_client::conversation::{AlarmKind, MessageState};
use relevo_client::document::{DocumentFault, DocumentState};
use relevo_relay::backup::{Wanted, back_up, restore};
use relevo_tests::world::{Allied, TestMember, TestRelay, found_first, join, until};

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for item in std::fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &target)?
        } else {
            std::fs::copy(item.path(), target).map(drop)?
        }
    }
    Ok(())
}

/// Two who have a conversation.
async fn talking(relay: &TestRelay) -> anyhow::Result<(TestMember, TestMember)> {
    let (quilla, mistral) = found_first(relay).await?;
    quilla.send("Mistral", "hola", None).await?;
    until("both are in a conversation", &[&quilla, &mistral], async || {
        Ok((mistral.messages(None, 0, 10).await?.len() == 1).then_some(()))
    })
    .await?;
    Ok((quilla, mistral))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_rolled_back_is_noticed_by_everybody() -> anyhow::Result<()> {
    let mut allied = Allied::found().await?;
    allied.meet(0, 2).await?;
    let backup = tempfile::tempdir()?;
    allied.people[0].send("Ceibo", "before the copy", None).await?;
    until("it arrives", &allied.all(), async || {
        Ok((allied.people[2].messages(None, 0, 10).await?.len() == 1).then_some(()))
    })
    .await?;
    allied.north.stop().await?;
    let data = allied.north.data();
    copy(&data, backup.path())?;
    allied.north.resume().await?;
    for n in 0..5 {
        allied.people[0].send("Ceibo", &format!("after the copy {n}"), None).await?;
    }
    until("they arrive", &allied.all(), async || {
        Ok((allied.people[2].messages(None, 0, 10).await?.len() == 6).then_some(()))
    })
    .await?;
    allied.north.stop().await?;
    std::fs::remove_dir_all(&data)?;
    copy(backup.path(), &data)?;
    allied.north.resume().await?;
    for person in [0, 2] {
        until("the rollback is said", &allied.all(), async || {
            let alarms = allied.people[person].alarms().await?;
            let told = |kind| matches!(kind, AlarmKind::Rollback | AlarmKind::ChainBroken);
            Ok(alarms.iter().any(|alarm| told(alarm.kind)).then_some(()))
        })
        .await?;
    }
    // What was read stays read.
    assert_eq!(allied.people[2].messages(None, 0, 10).await?.len(), 6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_restarts_under_load_lose_and_repeat_nothing() -> anyhow::Result<()> {
    const EACH: usize = 120;
    let mut relay = TestRelay::start().await?;
    let (quilla, mistral) = talking(&relay).await?;
    let restarts = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            relay.stop().await?;
            relay.resume().await?;
        }
        anyhow::Ok(())
    };
    let talk = async |who: &TestMember, to: &str| {
        for n in 0..EACH {
            who.send(to, &format!("{} {n}", who.name), None).await?;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(restarts, talk(&quilla, "Mistral"), talk(&mistral, "Quilla"))?;
    for (reader, author) in [(&quilla, "Mistral"), (&mistral, "Quilla")] {
        let wanted: Vec<String> = (0..EACH).map(|n| format!("{author} {n}")).collect();
        until("all of it arrives, once and in order", &[&quilla, &mistral], async || {
            let said = reader.messages(None, 0, 1000).await?;
            let texts = said.iter().filter(|said| !said.is_ours).filter_map(|said| match &said.what {
                What::Text(text) => Some(text.as_str()),
                What::Document(_) | What::Alert | What::Leave | What::Newer => None,
            });
            let heard: Vec<&str> = texts.filter(|text| text.starts_with(author)).collect();
            assert!(heard.len() <= EACH && wanted.iter().zip(&heard).all(|(one, other)| one == other), "{heard:?}");
            Ok((heard.len() == EACH).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_restored_from_a_backup_says_so_and_people_go_on() -> anyhow::Result<()> {
    let mut allied = Allied::found().await?;
    allied.meet(0, 2).await?;
    let words = async |allied: &Allied, count: usize| {
        until("they arrive", &allied.all(), async || {
            Ok((allied.people[2].messages(None, 0, 20).await?.len() == count).then_some(()))
        })
        .await
    };
    allied.people[0].send("Ceibo", "before the backup", None).await?;
    words(&allied, 1).await?;
    // In mid-traffic: some of these are in it and some are not.
    for n in 0..3 {
        allied.people[0].send("Ceibo", &format!("meanwhile {n}"), None).await?;
    }
    let folder = tempfile::tempdir()?;
    let wanted = Wanted { file: folder.path().join("backup"), to: vec![] };
    let config = allied.north.config();
    let asked = config.clone();
    let (contents, wanted) =
        tokio::task::spawn_blocking(move || back_up(&asked, &wanted).map(|contents| (contents, wanted))).await??;
    assert!(contents.mailboxes > 0 && contents.entries > 0);
    for n in 0..3 {
        allied.people[0].send("Ceibo", &format!("after the backup {n}"), None).await?;
    }
    words(&allied, 7).await?;

    // The machine is lost, and another one takes its place.
    allied.north.stop().await?;
    std::fs::remove_dir_all(&config.data)?;
    let (_, address) = restore(&config, &wanted.file, None)?;
    allied.north.resume().await?;
    assert_eq!(address.to_text(), allied.north.address());
    for person in [0, 2] {
        until("it is said", &allied.all(), async || {
            let alarms = allied.people[person].alarms().await?;
            let kinds: Vec<_> = alarms.iter().map(|alarm| alarm.kind).collect();
            // An honest restoration is called that, and nothing worse.
            assert!(kinds.iter().all(|kind| *kind == AlarmKind::Rollback), "{kinds:?}");
            Ok((!kinds.is_empty()).then_some(()))
        })
        .await?;
    }
    allied.people[0].send("Ceibo", "we go on", None).await?;
    allied.people[2].send("Quilla", "so do we", None).await?;
    words(&allied, 9).await?;
    until("both are heard", &allied.all(), async || {
        Ok((allied.people[0].messages(None, 0, 20).await?.len() == 9).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joined_after_the_backup_of_a_restored_relay_is_let_in_and_reached_again() -> anyhow::Result<()> {
    let mut relay = TestRelay::start().await?;
    let (quilla, mistral) = found_first(&relay).await?;
    let folder = tempfile::tempdir()?;
    let wanted = Wanted { file: folder.path().join("backup"), to: vec![] };
    let config = relay.config();
    let asked = config.clone();
    let wanted = tokio::task::spawn_blocking(move || back_up(&asked, &wanted).map(|_| wanted)).await??;
    let nadia = TestMember::new("Nadia")?;
    join(&quilla, &mistral, &nadia).await?;
    nadia.sync().await?;

    // The relay knows neither her admission, nor her inbox, nor what others were given to reach her by.
    relay.stop().await?;
    std::fs::remove_dir_all(&config.data)?;
    restore(&config, &wanted.file, None)?;
    relay.resume().await?;
    let all = [&quilla, &mistral, &nadia];
    until("it is said", &all, async || {
        Ok(nadia.warnings().await?.iter().any(|warning| warning.kind.code() == "inbox-damaged").then_some(()))
    })
    .await?;
    mistral.create_group("Turno", &["Nadia".to_owned(), "Quilla".to_owned()]).await?;
    let members = async |of: &TestMember| {
        let all = of.conversations().await?;
        anyhow::Ok(all.into_iter().find(|one| one.name == "Turno").map(|one| one.members).unwrap_or_default())
    };
    until("she is in the group", &all, async || {
        if !members(&mistral).await?.iter().any(|one| one.pseudonym == "Nadia") {
            // Her shelf was empty for a moment: whoever asks again need not wait for a minute.
            mistral.add("Turno", &["Nadia".to_owned()]).await?;
        }
        Ok((members(&nadia).await?.len() == 3).then_some(()))
    })
    .await?;
    nadia.send("Turno", "sigo aquí", None).await?;
    until("she is heard", &all, async || Ok((heard(&quilla, "Turno").await? == ["sigo aquí"]).then_some(()))).await
}

/// Texts of others that somebody has read in a group, in their order.
async fn heard(reader: &TestMember, group: &str) -> anyhow::Result<Vec<String>> {
    let said = reader.messages(Some(group), 0, 100).await?;
    let texts = said.into_iter().filter(|said| !said.is_ours).filter_map(|said| match said.what {
        What::Text(text) => Some(text),
        What::Document(_) | What::Alert | What::Leave | What::Newer => None,
    });
    Ok(texts.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_relay_has_lost_is_given_back_by_whoever_has_it() -> anyhow::Result<()> {
    let mut allied = Allied::found().await?;
    let [quilla, ceibo, aurore] = [0, 2, 3];
    allied.meet(quilla, ceibo).await?;
    allied.meet(quilla, aurore).await?;
    allied.people[quilla].create_group("Mesa", &["Ceibo".to_owned(), "Aurore".to_owned()]).await?;
    until("the group is there", &allied.all(), async || {
        let mut in_it = 0;
        for person in [quilla, ceibo, aurore] {
            let all = allied.people[person].conversations().await?;
            in_it += all.iter().filter(|one| one.name == "Mesa" && one.members.len() == 3).count();
        }
        Ok((in_it == 3).then_some(()))
    })
    .await?;
    allied.people[quilla].send("Mesa", "before the backup", None).await?;
    until("it arrives", &allied.all(), async || {
        Ok((heard(&allied.people[aurore], "Mesa").await?.len() == 1).then_some(()))
    })
    .await?;
    allied.people[aurore].offline().await;

    let folder = tempfile::tempdir()?;
    let wanted = Wanted { file: folder.path().join("backup"), to: vec![] };
    let config = allied.north.config();
    let asked = config.clone();
    let wanted = tokio::task::spawn_blocking(move || back_up(&asked, &wanted).map(|_| wanted)).await??;
    // Words, then commits, then words that only who has the commits can read.
    allied.people[quilla].send("Mesa", "first", None).await?;
    allied.people[quilla].rename("Mesa", "Mesa grande").await?;
    let known = [&allied.people[quilla], &allied.people[1], &allied.people[ceibo]];
    until("the name is known", &known, async || {
        let all = allied.people[ceibo].conversations().await?;
        Ok(all.iter().any(|one| one.name == "Mesa grande").then_some(()))
    })
    .await?;
    for (from, text) in [(ceibo, "second"), (quilla, "third")] {
        allied.people[from].send("Mesa grande", text, None).await?;
        until("it is read", &known, async || {
            let reader = &allied.people[quilla + ceibo - from];
            Ok(heard(reader, "Mesa grande").await?.contains(&text.to_owned()).then_some(()))
        })
        .await?;
    }

    // The machine is lost, and with it who founded the group stays away: another one has what is to come back.
    allied.people[quilla].offline().await;
    allied.north.stop().await?;
    std::fs::remove_dir_all(&config.data)?;
    restore(&config, &wanted.file, None)?;
    allied.north.resume().await?;
    allied.people[aurore].online()?;
    let here = [&allied.people[1], &allied.people[ceibo], &allied.people[aurore]];
    until("all of it is given back", &here, async || {
        let conversations = allied.people[aurore].conversations().await?;
        Ok(conversations.iter().any(|one| one.name == "Mesa grande").then_some(()))
    })
    .await?;
    until("what was said behind the commit too", &here, async || {
        Ok((heard(&allied.people[aurore], "Mesa grande").await?.len() == 4).then_some(()))
    })
    .await?;
    assert_eq!(heard(&allied.people[aurore], "Mesa grande").await?, ["before the backup", "first", "second", "third"]);
    // And nobody reads anything twice.
    allied.people[quilla].online()?;
    allied.people[aurore].send("Mesa grande", "we go on", None).await?;
    until("they go on", &allied.all(), async || {
        let both =
            (heard(&allied.people[quilla], "Mesa grande").await?, heard(&allied.people[ceibo], "Mesa grande").await?);
        Ok((both.0 == ["second", "we go on"] && both.1.last().is_some_and(|last| last == "we go on")).then_some(both.1))
    })
    .await
    .map(|ceibos| assert_eq!(ceibos, ["before the backup", "first", "third", "we go on"]))?;
    for person in [quilla, ceibo, aurore] {
        let kinds: Vec<_> = allied.people[person].alarms().await?.iter().map(|alarm| alarm.kind).collect();
        assert!(kinds.iter().all(|kind| *kind == AlarmKind::Rollback), "{person}: {kinds:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanishes_or_changes_is_said_and_its_document_given_up() -> anyhow::Result<()> {
    let relay = TestRelay::start().await?;
    let (quilla, mistral) = talking(&relay).await?;
    let file = quilla.folder().join("acta.pdf");
    std::fs::write(&file, vec![7; 700_000])?;
    let gone = quilla.prepare_document("Mistral", &file).await?;
    let changed = quilla.prepare_document("Mistral", &file).await?;
    std::fs::write(&file, vec![8; 700_000])?;
    let fault = quilla.upload(changed, |_| {}).await;
    assert!(matches!(fault, Err(AccountFault::Document(DocumentFault::Changed))), "{fault:?}");
    std::fs::remove_file(&file)?;
    let fault = quilla.upload(gone, |_| {}).await;
    assert!(matches!(fault, Err(AccountFault::Document(DocumentFault::File(_)))), "{fault:?}");
    let states: Vec<DocumentState> = quilla.documents().await?.iter().map(|document| document.state).collect();
    assert_eq!(states, [DocumentState::Failed, DocumentState::Failed]);
    mistral.sync().await?;
    assert!(mistral.documents().await?.is_empty(), "nothing was posted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_to_a_dead_relay_waits_and_leaves_when_the_relay_returns() -> anyhow::Result<()> {
    let mut relay = TestRelay::start().await?;
    let (quilla, mistral) = talking(&relay).await?;
    relay.stop().await?;
    quilla.send("Mistral", "¿me oyes?", None).await?;
    let status = quilla.settle(Duration::from_secs(2)).await?;
    assert!(!status.is_settled());
    assert!(status.relays[0].fault.is_some(), "why it waits is said");
    let last = quilla.messages(None, 0, 10).await?.pop();
    assert_eq!(last.map(|said| said.state), Some(MessageState::Waiting));
    relay.resume().await?;
    until("it arrives once", &[&quilla, &mistral], async || {
        let said = mistral.messages(None, 0, 10).await?;
        let count = said.iter().filter(|said| said.what == What::Text("¿me oyes?".to_owned())).count();
        assert!(count <= 1);
        Ok((count == 1).then_some(()))
    })
    .await
}
