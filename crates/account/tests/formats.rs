//! Logs and sections that a release has written are read by every later one.
//!
//! `formats/` holds them as lengths and octets. `ACCOUNT_RECORD=1 cargo test -p
//! account` with a test's name writes them anew: only ever before the release that
//! first has them.

#![expect(clippy::unwrap_used, reason = "a test")]

use account::directory;
use account::{
    Cause, Collect, Command, DeviceId, DeviceProtocols, FoldKind, Grantee, Hold, HoldSettings,
    Identifier, Limits, NewMessage, Note, Rights, Scope, Source, SpecialUses, State, Stored,
    StoredSection, SweepRules, UndoWhich, UniqueIdForm, Which, decide,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use terms::{
    AccountId, BlobId, EmailNumber, Flag, FlagSet, InternalDate, MailboxId, MailboxName, ModSeq,
    SpecialUse, StoreMode, StoreOp, Timestamp, Uid, UidSet, UidValidity,
};

const ACCOUNT: AccountId = AccountId(0x00ff_1122_3344_5566_7788_99aa_bbcc_ddee);
const DAY: i64 = 86_400_000;

/// What release 0.1 found.
const ACCOUNT_DIGEST: u128 = 0x314c_f56e_cd97_12ad_e33a_4392_2b57_232f;
const ACCOUNT_MORE_DIGEST: u128 = 0x13bf_4b73_4347_1433_a978_6b11_4d70_09a2;
const ACCOUNT_WAITED_DIGEST: u128 = 0x316b_4903_ceb0_57ea_d40b_9008_cf15_f36d;
const DIRECTORY_MORE_DIGEST: u128 = 0x40aa_6acb_7a19_7194_41dd_1f45_64e2_546f;
const DIRECTORY_DIGEST: u128 = 0xe567_172a_c0f3_c14a_45aa_6515_fe38_a26d;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/formats")
        .join(name)
}

fn recording() -> bool {
    std::env::var_os("ACCOUNT_RECORD").is_some()
}

/// Keys, numbers and octets; a payload has key and number zero.
type Records = Vec<(u64, ModSeq, Vec<u8>)>;

fn write(name: &str, records: &Records) {
    let mut w = terms::Writer::new();
    for (key, number, octets) in records {
        w.varint(*key);
        w.varint(number.0);
        w.bytes(octets);
    }
    std::fs::write(path(name), w.into_octets()).unwrap();
}

fn read(name: &str) -> Records {
    let octets = std::fs::read(path(name)).unwrap();
    let mut r = terms::Reader::new(&octets);
    let mut records = Vec::new();
    while r.remaining() > 0 {
        let (key, number) = (r.varint().unwrap(), ModSeq(r.varint().unwrap()));
        records.push((key, number, r.bytes().unwrap().to_vec()));
    }
    records
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn flags(texts: &[&str]) -> FlagSet {
    texts
        .iter()
        .map(|text| Flag::parse(text).unwrap())
        .collect()
}

fn append(number: u128, more: NewMessage) -> Command {
    Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: vec![
            NewMessage {
                internal_date: Some(InternalDate {
                    seconds: 1_600_000_000,
                    zone_minutes: -330,
                }),
                ..more
            },
            NewMessage::new(BlobId(number + 1), 4_321),
        ],
        source: Source::Delivery,
    }
}

/// Every kind of change that was there at first.
fn commands() -> Vec<Command> {
    let all = UidSet::range(Uid::MIN, Uid::MAX);
    let one = |uid: u32| UidSet::single(Uid::new(uid).unwrap());
    let inbox = MailboxId::INBOX;
    vec![
        Command::CreateAccount {
            limits: Limits {
                octets: Some(1 << 30),
                messages: None,
            },
            hold: HoldSettings {
                hold: Hold::Span(3_600),
                ..HoldSettings::default()
            },
            uid_validity_floor: UidValidity::new(1_800_000_000),
        },
        append(
            10,
            NewMessage {
                prefix: b"Delivered-To: ann@example.org\r\n".to_vec(),
                flags: flags(&["\\Seen", "$Forwarded", "blue"]),
                lacks_final_crlf: true,
                internationalised: true,
                downgraded_size: Some(99),
                unique_id: Some("uid-from-elsewhere".into()),
                ..NewMessage::new(BlobId(10), 120)
            },
        ),
        append(
            11,
            NewMessage {
                shared: true,
                ..NewMessage::new(BlobId(11), 4_321)
            },
        ),
        append(20, NewMessage::new(BlobId(20), 77)),
        Command::CreateMailbox {
            name: name("Work/Caf\u{e9}"),
            special_uses: SpecialUses::from_iter([SpecialUse::Important]),
        },
        Command::Store {
            mailbox: inbox,
            uids: UidSet::range(Uid::new(2).unwrap(), Uid::new(4).unwrap()),
            op: StoreOp {
                mode: StoreMode::Add,
                flags: flags(&["\\Deleted", "red"]),
            },
            unchanged_since: None,
        },
        Command::Copy {
            from: inbox,
            uids: all.clone(),
            all: false,
            to: name("Work/Caf\u{e9}").into(),
        },
        Command::Move {
            from: inbox,
            uids: one(5),
            all: false,
            to: name("Archive").into(),
        },
        Command::Expunge {
            mailbox: inbox,
            which: Which::All,
            deleted_only: true,
            cause: Cause::Expunge,
        },
        Command::Undo {
            which: UndoWhich {
                emails: Some([EmailNumber(2)].into_iter().collect()),
                ..UndoWhich::default()
            },
            keep_collected: false,
        },
        Command::RenameMailbox {
            from: name("Work"),
            to: name("Done"),
        },
        Command::Subscribe {
            name: name("Done/Caf\u{e9}"),
            subscribed: true,
        },
        Command::SetSpecialUses {
            mailbox: MailboxId(7),
            special_uses: SpecialUses::from_iter([SpecialUse::All]),
        },
        Command::DeclareDevice {
            name: "phone".into(),
            protocols: DeviceProtocols {
                pop3: true,
                imap: false,
            },
            expires: Some(Timestamp(1_900_000_000_000)),
            may_not_delete: false,
        },
        Command::Collect {
            device: DeviceId::DEFAULT,
            how: Collect::Dele,
            messages: vec![(EmailNumber(1), Uid::MIN)],
        },
        Command::RevokeDevice(DeviceId(2)),
        Command::SetLimits(Limits {
            octets: None,
            messages: Some(1_000),
        }),
        Command::Sweep(SweepRules::default()),
        Command::DeleteMailbox {
            name: name("Done/Caf\u{e9}"),
        },
        Command::TrimExpungeLog {
            mailbox: inbox,
            floor: ModSeq(12),
        },
        Command::SetHold(HoldSettings {
            hold: Hold::Remove,
            ..HoldSettings::default()
        }),
        Command::Epoch {
            told: terms::ModSeq::ZERO,
        },
        append(30, NewMessage::new(BlobId(30), 55)),
        Command::Sweep(SweepRules::default()),
        append(40, NewMessage::new(BlobId(40), 66)),
        Command::Collect {
            device: DeviceId::DEFAULT,
            how: Collect::Retr,
            messages: vec![(EmailNumber(65_545), Uid::MIN)],
        },
    ]
}

/// The kinds of changes that came later.
fn more_commands() -> Vec<Command> {
    let inbox = MailboxId::INBOX;
    let retr = HoldSettings {
        collect: Collect::Retr,
        show_collected: true,
        ..HoldSettings::default()
    };
    let grant = |negative, grantee, letters| Command::SetRights {
        mailbox: inbox,
        identifier: Identifier { negative, grantee },
        mode: StoreMode::Replace,
        rights: Rights::parse(letters).unwrap(),
    };
    let annotate = |mailbox, entry: &str, value: Option<&[u8]>| Command::SetMetadata {
        mailbox,
        entries: vec![(entry.to_owned(), value.map(<[u8]>::to_vec))],
    };
    let form = Some(UniqueIdForm::new("%u").unwrap());
    let begin = |operation, uid| Command::BeginTransfer {
        operation,
        to: AccountId(77),
        mailbox: inbox,
        uids: UidSet::single(Uid::new(uid).unwrap()),
    };
    vec![
        Command::CreateAccount {
            limits: Limits::default(),
            hold: retr,
            uid_validity_floor: None,
        },
        append(10, NewMessage::new(BlobId(10), 120)),
        Command::SetUniqueIdForm(form),
        append(20, NewMessage::new(BlobId(20), 130)),
        annotate(Some(inbox), "/private/comment", Some(b"mine")),
        annotate(None, "/shared/vendor/x", Some(b"\0all")),
        grant(false, Grantee::Anyone, "lr"),
        grant(true, Grantee::Account(AccountId(9)), "r"),
        begin(1, 1),
        Command::ReceiveTransfer {
            operation: 2,
            from: AccountId(78),
            mailbox: inbox,
            messages: vec![NewMessage::new(BlobId(40), 140)],
        },
        Command::WithdrawTransfer {
            operation: 3,
            from: AccountId(79),
        },
        Command::Collect {
            device: DeviceId::DEFAULT,
            how: Collect::Retr,
            messages: vec![(EmailNumber(2), Uid::new(2).unwrap())],
        },
        Command::DeviceWarned(DeviceId::DEFAULT),
        begin(4, 3),
        Command::FinishTransfer(1),
        Command::ForgetTransfer(2),
        annotate(Some(inbox), "/private/comment", None),
        annotate(Some(inbox), "/shared/comment", Some(b"ours")),
        grant(true, Grantee::Account(AccountId(9)), ""),
        grant(false, Grantee::Account(AccountId(10)), "lrswi"),
        Command::SetHold(HoldSettings {
            collect: Collect::Dele,
            ..retr
        }),
        Command::Collect {
            device: DeviceId::DEFAULT,
            how: Collect::Dele,
            messages: vec![(EmailNumber(2), Uid::new(2).unwrap())],
        },
        Command::Sweep(SweepRules {
            run_percent_max: 0,
            run_rows_min: 1,
        }),
    ]
}

/// A run of the hold that waits, and goes on.
fn still_more_commands() -> Vec<Command> {
    let large = Command::Sweep(SweepRules {
        run_percent_max: 0,
        run_rows_min: 1,
    });
    vec![
        Command::CreateAccount {
            limits: Limits::default(),
            hold: HoldSettings {
                hold: Hold::Span(3_600),
                ..HoldSettings::default()
            },
            uid_validity_floor: None,
        },
        append(10, NewMessage::new(BlobId(10), 120)),
        append(20, NewMessage::new(BlobId(20), 130)),
        Command::Collect {
            device: DeviceId::DEFAULT,
            how: Collect::Dele,
            messages: vec![(EmailNumber(2), Uid::new(2).unwrap())],
        },
        large.clone(),
        append(30, NewMessage::new(BlobId(30), 140)),
        large,
    ]
}

fn record_account(name: &str, commands: Vec<Command>, fold_after: usize) {
    let mut state = State::new(ACCOUNT);
    let mut now = Timestamp(1_700_000_000_000);
    let (mut log, mut sections) = (Records::new(), Records::new());
    for (index, command) in commands.into_iter().enumerate() {
        now = now.plus_millis(if matches!(command, Command::Sweep(_)) {
            8 * DAY
        } else {
            1_000
        });
        let mut decision = decide(&state, &command, now).unwrap();
        if index == 5 {
            decision.changes.note([
                Note::RecentTold {
                    mailbox: MailboxId::INBOX,
                    uid: Uid::new(3).unwrap(),
                },
                Note::LastPoll {
                    device: DeviceId::DEFAULT,
                    time: now,
                },
            ]);
        }
        let payload = decision.changes.encode();
        state.apply(&decision.changes);
        state.committed(payload.len());
        log.push((0, ModSeq::ZERO, payload));
        if index == fold_after {
            let fold = state.fold(FoldKind::All).unwrap();
            state.folded(&fold);
            sections = fold
                .sections
                .iter()
                .map(|s| (s.0, fold.number, s.1.clone()))
                .collect();
        }
    }
    write(&format!("{name}.log"), &log);
    write(&format!("{name}.sections"), &sections);
    println!("{name} {:#034x}", state.digest().unwrap());
}

fn directory_commands() -> Vec<directory::Command> {
    use directory::{Command, DeviceCredential, Domain, NewAccount};
    let account = |name: &str, id: u128| NewAccount {
        name: name.into(),
        id: AccountId(id),
        verifiers: vec![
            "{ARGON2ID}$argon2id$x".into(),
            "{SCRAM-SHA-256}4096,a,b,c".into(),
        ],
        settings: BTreeMap::new(),
    };
    vec![
        Command::SetDomain {
            name: "example.org".into(),
            domain: Domain {
                limits: Limits {
                    octets: Some(5),
                    messages: None,
                },
                hold: Some(HoldSettings::default()),
                settings: [("language".to_owned(), "de".to_owned())].into(),
            },
        },
        Command::AddAccounts(vec![
            account("ann@example.org", 1),
            account("bob@example.net", 2),
            account("carl", 3),
        ]),
        Command::AddAlias {
            alias: "info@example.org".into(),
            name: "ann@example.org".into(),
        },
        Command::RenameAccount {
            from: "ann@example.org".into(),
            to: "anna@example.org".into(),
            keep_alias: true,
        },
        Command::SetDevice {
            name: "anna@example.org".into(),
            credential: DeviceCredential {
                device: DeviceId(2),
                name: "phone".into(),
                verifiers: vec!["{ARGON2ID}y".into()],
                expires: Some(Timestamp(5)),
            },
        },
        Command::Set {
            name: "carl".into(),
            key: "language".into(),
            value: Some("en".into()),
        },
        Command::SetEnabled {
            name: "carl".into(),
            enabled: false,
        },
        Command::SetExpiry {
            name: "carl".into(),
            expires: Some(Timestamp(9)),
        },
        Command::FileUse(vec![(AccountId(1), Timestamp(7))]),
        Command::RemoveAccount {
            name: "bob@example.net".into(),
            uid_validity: UidValidity::new(1_700_000_009),
        },
        Command::RemoveDomain {
            name: "example.net".into(),
        },
        Command::RemoveAccount {
            name: "carl".into(),
            uid_validity: None,
        },
        Command::FinishRemoval(AccountId(3)),
    ]
}

/// The kinds of changes and entries that came later.
fn more_directory_commands() -> Vec<directory::Command> {
    use directory::{Command, DeviceUse, NewAccount};
    let account = |name: &str, id: u128| NewAccount {
        name: name.into(),
        id: AccountId(id),
        verifiers: vec!["{ARGON2ID}$argon2id$x".into()],
        settings: BTreeMap::new(),
    };
    let used = |account, time, from: &str| DeviceUse {
        account: AccountId(account),
        device: DeviceId(1),
        time: Timestamp(time),
        from: from.into(),
    };
    let share = |with: &[Grantee]| Command::SetShares {
        owner: AccountId(1),
        with: with.iter().copied().collect::<BTreeSet<_>>(),
    };
    vec![
        Command::AddAccounts(vec![
            account("ann@example.org", 1),
            account("bob@example.org", 2),
        ]),
        Command::FileDeviceUse(vec![used(1, 7, "192.0.2.1"), used(2, 8, "2001:db8::1")]),
        share(&[Grantee::Anyone, Grantee::Account(AccountId(2))]),
        // Now the account's entry has what its devices were last used for.
        Command::Set {
            name: "ann@example.org".into(),
            key: "language".into(),
            value: Some("en".into()),
        },
        Command::Epoch {
            told: terms::ModSeq::ZERO,
        },
        share(&[Grantee::Account(AccountId(2))]),
        Command::FileDeviceUse(vec![used(1, 9, "192.0.2.9")]),
        Command::Set {
            name: "bob@example.org".into(),
            key: "language".into(),
            value: Some("de".into()),
        },
    ]
}

fn record_directory(name: &str, commands: Vec<directory::Command>, fold_after: usize) {
    let mut state = directory::State::new();
    let mut log = Records::new();
    let mut sections = Records::new();
    for (index, command) in commands.into_iter().enumerate() {
        let decision = directory::decide(&state, &command, Timestamp(1_000)).unwrap();
        log.push((0, ModSeq::ZERO, decision.changes.encode()));
        state.apply(&decision.changes);
        if index == fold_after {
            let fold = state.fold();
            sections = fold
                .sections
                .iter()
                .map(|s| (s.0, fold.number, s.1.clone()))
                .collect();
        }
    }
    write(&format!("{name}.log"), &log);
    write(&format!("{name}.sections"), &sections);
    println!("{name} {:#034x}", state.digest());
}

fn stored<'a>(covers: ModSeq, sections: &'a Records, log: &'a Records) -> Stored<'a> {
    let section = |(key, number, octets): &'a (u64, ModSeq, Vec<u8>)| StoredSection {
        key: *key,
        number: *number,
        octets,
    };
    Stored {
        covers,
        sections: sections.iter().map(section).collect(),
        commits: log.iter().map(|record| record.2.as_slice()).collect(),
    }
}

#[test]
fn an_account_of_release_0_1_is_read() {
    if recording() {
        record_account("account-1", commands(), 10);
    }
    account_is_read("account-1", ACCOUNT_DIGEST);
}

#[test]
fn later_changes_of_an_account_are_read() {
    if recording() {
        record_account("account-2", more_commands(), 13);
    }
    account_is_read("account-2", ACCOUNT_MORE_DIGEST);
}

#[test]
fn a_run_that_waited_is_read() {
    if recording() {
        record_account("account-3", still_more_commands(), 5);
    }
    account_is_read("account-3", ACCOUNT_WAITED_DIGEST);
}

fn account_is_read(name: &str, digest: u128) {
    let log = read(&format!("{name}.log"));
    let sections = read(&format!("{name}.sections"));
    let mut state = State::new(ACCOUNT);
    for (_, _, payload) in &log {
        state.follow(payload).unwrap();
    }
    assert_eq!(state.digest().unwrap(), digest);
    let covers = sections[0].1;
    let later: Records = log
        .into_iter()
        .filter(|(_, _, payload)| account::Changes::decode(payload).unwrap().last() > Some(covers))
        .collect();
    let state = State::load(ACCOUNT, Scope::All, &stored(covers, &sections, &later)).unwrap();
    assert_eq!(state.digest().unwrap(), digest);
}

#[test]
fn a_directory_of_release_0_1_is_read() {
    if recording() {
        record_directory("directory-1", directory_commands(), 5);
    }
    directory_is_read("directory-1", DIRECTORY_DIGEST);
}

#[test]
fn later_changes_of_a_directory_are_read() {
    if recording() {
        record_directory("directory-2", more_directory_commands(), 3);
    }
    directory_is_read("directory-2", DIRECTORY_MORE_DIGEST);
}

fn directory_is_read(name: &str, digest: u128) {
    let log = read(&format!("{name}.log"));
    let sections = read(&format!("{name}.sections"));
    let mut state = directory::State::new();
    for (_, _, payload) in &log {
        state.follow(payload).unwrap();
    }
    assert_eq!(state.digest(), digest);
    let covers = sections[0].1;
    let later: Records = log
        .into_iter()
        .filter(|(_, _, payload)| {
            directory::Changes::decode(payload).unwrap().last() > Some(covers)
        })
        .collect();
    let state = directory::State::load(&stored(covers, &sections, &later)).unwrap();
    assert_eq!(state.digest(), digest);
}
