//! `restante config` and what it says about wrong files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{bad, good, run};
use std::fs;

#[test]
fn the_example_is_right_once_its_paths_are() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("restante.toml");
    let example = good(&run(&["config", "example"]));
    fs::write(&file, &example).unwrap();
    let said = bad(&run(&["config", "check", file.to_str().unwrap()]));
    assert!(said.contains("/etc/restante/certificate.pem: "), "{said}");
    let here = directory.path().to_str().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.path().join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(
        directory.path().join("key.pem"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    let example = example.replace("/etc/restante/", &format!("{here}/"));
    fs::write(&file, example.replace("unix:/run/restante/", "unix:/run/")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        good(&run(&["config", "check", file])),
        format!("{file} is right\n")
    );
    assert_eq!(
        good(&run(&["--config", file, "config", "check"])),
        format!("{file} is right\n")
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("restante.toml");
    let file = path.to_str().unwrap();
    let check = |text: &str, expected: &str| {
        fs::write(&path, text).unwrap();
        for args in [&["config", "check", file][..], &["serve", "--config", file]] {
            let said = bad(&run(args));
            assert!(said.contains(&format!("{file}:{expected}")), "{said}");
        }
    };
    check(
        "data = \"/d\"\n[[listen]]\nprotocl = \"imap\"\naddress = \"127.0.0.1:1\"\n",
        "3: unknown key `protocl` in [[listen]]; did you mean `protocol`?",
    );
    check("data = \"/d\"\nhostname = 7\n", " nothing to listen on");
    check(
        "hostname = 7\n[[listen]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:1\"\n",
        " `data` is missing",
    );
    check("data = [\n", "1: ");
    let gone = directory.path().join("gone.toml");
    let said = bad(&run(&["serve", "--config", gone.to_str().unwrap()]));
    assert!(
        said.contains("cannot be read") && said.contains("config example"),
        "{said}"
    );
}

#[test]
fn the_operators_texts_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let texts = directory.path().join("texts");
    fs::create_dir(&texts).unwrap();
    let path = directory.path().join("restante.toml");
    let file = path.to_str().unwrap();
    let settings = format!(
        "data = \"{}\"\ntexts = \"{}\"\n[[listen]]\nprotocol = \"imap\"\n\
         address = \"127.0.0.1:0\"\nplaintext-login = true\n",
        directory.path().join("d").display(),
        texts.display()
    );
    fs::write(&path, settings).unwrap();
    let french = texts.join("quota.fr.txt");
    fs::write(&french, "Subject: Plein\n\n{percent} %\n{prozent}\n").unwrap();
    let other = texts.join("README");
    fs::write(&other, "mine\n").unwrap();
    for args in [&["config", "check", file][..], &["serve", "--config", file]] {
        let said = bad(&run(args));
        for (file, what) in [
            (&french, ":4: there is no {prozent}"),
            (&other, ": a text is"),
        ] {
            assert!(
                said.contains(&format!("{}{what}", file.display())),
                "{said}"
            );
        }
    }
    fs::remove_file(&other).unwrap();
    fs::write(&french, "Subject: Plein\n\n{percent} %\n{hold-frees}\n").unwrap();
    good(&run(&["config", "check", file]));
    fs::remove_dir_all(&texts).unwrap();
    let said = bad(&run(&["config", "check", file]));
    assert!(said.contains(texts.to_str().unwrap()), "{said}");
}

#[test]
fn what_leads_nowhere_is_said_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("restante.toml");
    let file = path.to_str().unwrap();
    let here = directory.path().to_str().unwrap();
    fs::write(directory.path().join("no.pem"), "no PEM\n").unwrap();
    let check = |before: &str, after: &str, expected: &str| {
        let listen = "[[listen]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:1\"\n";
        fs::write(&path, format!("data = \"/d\"\n{before}\n{listen}{after}\n")).unwrap();
        let said = bad(&run(&["config", "check", file]));
        assert!(said.contains(&format!("{file}:{expected}")), "{said}");
    };
    check(
        "user = \"nosuchuser\"",
        "",
        "2: there is no user `nosuchuser`; make it",
    );
    check(
        "user = \"root\"\ngroup = \"nosuchgroup\"",
        "",
        "3: there is no group `nosuchgroup`; make it",
    );
    let tls = |certificate: &str| {
        format!("[tls]\ncertificate = \"{here}/{certificate}\"\nkey = \"{here}/key.pem\"")
    };
    check(
        "",
        &tls("gone.pem"),
        &format!("7: {here}/gone.pem: No such file"),
    );
    check(
        "",
        &tls("no.pem"),
        &format!("7: {here}/no.pem: there is no certificate in it"),
    );
    let socket = format!("[[listen]]\nprotocol = \"lmtp\"\naddress = \"unix:{here}/gone/lmtp\"");
    check(
        "",
        &socket,
        &format!("8: there is no directory {here}/gone; make it"),
    );
    check(
        "",
        "[pop3]\nlanguage = \"xx\"",
        "7: there is no language `xx`; there are en, de, and `languages` adds others",
    );
    let languages = format!("[pop3]\nlanguages = \"{here}/gone.toml\"");
    check(
        "",
        &languages,
        &format!("7: {here}/gone.toml: No such file"),
    );
}

#[test]
fn a_command_without_data_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let gone = directory.path().join("gone");
    let said = bad(&run(&["account", "list", "--data", gone.to_str().unwrap()]));
    assert!(said.contains("there is no data directory"), "{said}");
    assert!(!gone.exists());
}
