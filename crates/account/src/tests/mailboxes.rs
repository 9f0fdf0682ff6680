//! CREATE, DELETE, RENAME, COPY and MOVE, point by point.

use super::House;
use crate::{
    Cause, Command, Limits, MailboxRef, NewMessage, Outcome, Refusal, Source, SpecialUses,
    UndoWhich, View, Which,
};
use terms::{
    Flag, FlagSet, Keyword, MailboxId, MailboxName, SpecialUse, StoreMode, StoreOp, Uid, UidSet,
};

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn all() -> UidSet {
    UidSet::range(Uid::MIN, Uid::MAX)
}

impl House {
    fn create(&mut self, text: &str) -> Result<Outcome, Refusal> {
        self.run(&Command::CreateMailbox {
            name: name(text),
            special_uses: SpecialUses::NONE,
        })
    }

    fn delete(&mut self, text: &str) -> Result<Outcome, Refusal> {
        self.run(&Command::DeleteMailbox { name: name(text) })
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<Outcome, Refusal> {
        self.run(&Command::RenameMailbox {
            from: name(from),
            to: name(to),
        })
    }

    pub(super) fn append(&mut self, text: &str, flags: &[&str]) -> Uid {
        let flags = flags.iter().map(|flag| Flag::parse(flag).unwrap());
        let messages = vec![NewMessage {
            flags: flags.collect(),
            ..NewMessage::new(self.blob(), 100)
        }];
        let command = Command::Append {
            mailbox: name(text).into(),
            create: true,
            messages,
            source: Source::Append,
        };
        match self.run(&command).unwrap() {
            Outcome::Appended { uids, .. } => uids.first().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn id(&self, text: &str) -> MailboxId {
        self.state.mailbox_named(&name(text)).unwrap().id
    }

    fn flags(&self, text: &str) -> Vec<FlagSet> {
        let record = self.state.mailbox_named(&name(text)).unwrap();
        let table = self.state.table(record.id).unwrap();
        table.rows().map(|row| record.flag_set(&row)).collect()
    }
}

#[test]
fn a_new_account_has_its_mailboxes() {
    let house = House::new();
    let names: Vec<_> = house
        .state
        .mailboxes()
        .map(|m| m.name.to_string())
        .collect();
    assert_eq!(
        names,
        ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    );
    for mailbox in house.state.mailboxes() {
        assert!(house.state.is_subscribed(&mailbox.name));
        assert_eq!(mailbox.highest_modseq, mailbox.created);
    }
    let trash = house.state.mailbox_for(SpecialUse::Trash).unwrap();
    assert_eq!(trash.name, name("Trash"));
    assert_eq!(house.id("INBOX"), MailboxId::INBOX);
}

#[test]
fn levels_come_and_go_by_themselves() {
    let mut house = House::new();
    house.create("a/b/c").unwrap();
    assert!(house.state.is_level(&name("a")));
    assert!(house.state.is_level(&name("a/b")));
    assert!(!house.state.is_level(&name("a/b/c")));
    assert_eq!(house.delete("a/b"), Err(Refusal::HasChildren));
    assert_eq!(house.delete("nowhere"), Err(Refusal::NoSuchMailbox));
    house.create("a/b").unwrap();
    // RFC 9051 §6.3.5: the mailbox goes, its inferiors stay.
    house.delete("a/b").unwrap();
    assert!(house.state.is_level(&name("a/b")));
    house.delete("a/b/c").unwrap();
    assert!(!house.state.is_level(&name("a")));
    assert_eq!(house.delete("INBOX"), Err(Refusal::Inbox));
    assert_eq!(house.create("inbox"), Err(Refusal::MailboxExists));
}

#[test]
fn a_name_never_has_one_uidvalidity_twice() {
    let mut house = House::new();
    let mut last = 0;
    for _ in 0..20 {
        house.create("again").unwrap();
        let record = house.state.mailbox_named(&name("again")).unwrap();
        assert!(record.uid_validity.value() > last);
        last = record.uid_validity.value();
        house.delete("again").unwrap();
    }
}

#[test]
fn a_renamed_mailbox_keeps_what_it_is() {
    let mut house = House::new();
    house.append("a", &["\\Seen"]);
    house.append("a/b", &[]);
    let (a, ab) = (house.id("a"), house.id("a/b"));
    let before = house.state.mailbox(a).unwrap().clone();
    let mut view = View::open(&house.state, a, None).unwrap();
    house.rename("a", "x/y").unwrap();
    assert_eq!((house.id("x/y"), house.id("x/y/b")), (a, ab));
    let after = house.state.mailbox(a).unwrap();
    assert_eq!(after.uid_validity, before.uid_validity);
    assert_eq!(after.uid_next, before.uid_next);
    let told = view.advance(&house.state, true, None).unwrap();
    assert_eq!(told.renamed, Some(name("x/y")));
    assert!(!told.gone);

    house.create("p").unwrap();
    house.create("p/b").unwrap();
    assert_eq!(house.rename("x/y", "p"), Err(Refusal::MailboxExists));
    assert_eq!(house.rename("x/y", "x/y/z"), Err(Refusal::BadName));
    assert_eq!(house.rename("x/y", "INBOX"), Err(Refusal::MailboxExists));
    assert_eq!(house.rename("q", "r"), Err(Refusal::NoSuchMailbox));
    house.delete("p").unwrap();
    // `p` is a level again, and `p/b` is in the way of `x/y/b`.
    assert_eq!(house.rename("x/y", "p"), Err(Refusal::MailboxExists));
    // A level that is no mailbox can be renamed: its inferiors are.
    house.rename("x", "new").unwrap();
    assert_eq!(house.id("new/y/b"), ab);
    let long = "n".repeat(998);
    assert_eq!(house.rename("new", &long), Err(Refusal::BadName));
}

#[test]
fn renaming_inbox_moves_its_messages() {
    let mut house = House::new();
    for _ in 0..3 {
        house.append("INBOX", &["\\Flagged", "kept"]);
    }
    house.append("INBOX/sub", &[]);
    let before = house.state.mailbox(MailboxId::INBOX).unwrap().clone();
    let emails = |house: &House, id| -> Vec<_> {
        house
            .state
            .table(id)
            .unwrap()
            .rows()
            .map(|row| row.email)
            .collect()
    };
    let moved = emails(&house, MailboxId::INBOX);
    house.rename("INBOX", "old").unwrap();
    let after = house.state.mailbox(MailboxId::INBOX).unwrap();
    assert_eq!(after.uid_validity, before.uid_validity);
    assert_eq!(after.uid_next, before.uid_next);
    assert_eq!(after.counts.messages, 0);
    assert_eq!(emails(&house, house.id("old")), moved);
    assert!(
        house
            .flags("old")
            .iter()
            .all(|flags| flags.has_keyword(&Keyword::new("kept").unwrap()))
    );
    assert!(house.state.mailbox_named(&name("INBOX/sub")).is_some());
}

#[test]
fn a_deleted_mailbox_can_still_be_read_and_comes_back() {
    let mut house = House::new();
    let uid = house.append("work", &["\\Seen", "red"]);
    let id = house.id("work");
    let mut view = View::open(&house.state, id, None).unwrap();
    house.delete("work").unwrap();
    assert!(view.advance(&house.state, true, None).unwrap().gone);
    let (row, keywords) = house.state.row_or_ghost(id, uid).unwrap().unwrap();
    assert_eq!(row.size, 100);
    assert_eq!(keywords[usize::from(row.keywords[0])].as_str(), "red");
    assert_eq!(house.state.used().messages, 0);
    let undo = Command::Undo {
        which: UndoWhich {
            cause: Some(Cause::MailboxDeleted),
            ..UndoWhich::default()
        },
        keep_collected: false,
    };
    house.run(&undo).unwrap();
    let flags = house.flags("INBOX");
    assert_eq!(flags.len(), 1);
    assert!(flags[0].has_keyword(&Keyword::new("red").unwrap()));
    assert_eq!(house.run(&undo), Err(Refusal::NothingToRestore));
}

#[test]
fn copies_count_once_and_moves_keep_the_message() {
    let mut house = House::new();
    house.append("INBOX", &["\\Deleted", "blue"]);
    house.append("INBOX", &[]);
    let octets = house.state.used().octets;
    let copy = Command::Copy {
        from: MailboxId::INBOX,
        uids: all(),
        all: false,
        to: name("Archive").into(),
    };
    let Ok(Outcome::Copied { source, target, .. }) = house.run(&copy) else {
        panic!("not copied");
    };
    assert_eq!(
        (source.to_string(), target.to_string()),
        ("1:2".into(), "1:2".into())
    );
    assert_eq!(house.state.used().octets, octets);
    assert_eq!(house.state.used().messages, 4);
    assert_eq!(house.flags("Archive"), house.flags("INBOX"));
    let to_itself = Command::Move {
        from: MailboxId::INBOX,
        uids: UidSet::single(Uid::MIN),
        all: false,
        to: MailboxId::INBOX.into(),
    };
    let Ok(Outcome::Copied { source, target, .. }) = house.run(&to_itself) else {
        panic!("not moved");
    };
    assert_eq!(
        (source.to_string(), target.to_string()),
        ("1".into(), "3".into())
    );
    super::model::check(&house);
    let gone = |all| Command::Copy {
        from: MailboxId::INBOX,
        uids: UidSet::range(Uid::MIN, Uid::new(2).unwrap()),
        all,
        to: name("Archive").into(),
    };
    assert_eq!(house.run(&gone(true)), Err(Refusal::Expunged));
    assert_eq!(house.flags("Archive").len(), 2);
    assert!(matches!(
        house.run(&gone(false)),
        Ok(Outcome::Copied { source, .. }) if source.to_string() == "2"
    ));
    let nowhere = Command::Move {
        from: MailboxId::INBOX,
        uids: all(),
        all: false,
        to: MailboxRef::Name(name("nowhere")),
    };
    assert_eq!(house.run(&nowhere), Err(Refusal::NoSuchMailbox));
}

#[test]
fn a_store_that_changes_nothing_is_no_change() {
    let mut house = House::new();
    house.append("INBOX", &["\\Seen"]);
    let head = house.state.head();
    let store = |mode, flags: &[&str], unchanged_since| Command::Store {
        mailbox: MailboxId::INBOX,
        uids: UidSet::range(Uid::MIN, Uid::new(9).unwrap()),
        op: StoreOp {
            mode,
            flags: flags
                .iter()
                .map(|flag| Flag::parse(flag).unwrap())
                .collect(),
        },
        unchanged_since,
    };
    let outcome = house
        .run(&store(StoreMode::Add, &["\\Seen"], None))
        .unwrap();
    let Outcome::Stored {
        number,
        unchanged,
        missing,
        ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(number, None);
    assert_eq!(unchanged.to_string(), "1");
    assert_eq!(missing.to_string(), "2:9");
    // Clearing what nobody has set makes no keyword known.
    house
        .run(&store(StoreMode::Remove, &["never"], None))
        .unwrap();
    assert_eq!(house.state.head(), head);
    assert!(
        house
            .state
            .mailbox(MailboxId::INBOX)
            .unwrap()
            .keywords
            .is_empty()
    );
    // RFC 7162 §3.1.3: UNCHANGEDSINCE 0 fails on any existing message.
    let since = Some(terms::ModSeq::ZERO);
    let outcome = house.run(&store(StoreMode::Add, &["new"], since)).unwrap();
    let Outcome::Stored { modified, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(modified.to_string(), "1");
    assert_eq!(house.state.head(), head);
    assert!(
        house
            .state
            .mailbox(MailboxId::INBOX)
            .unwrap()
            .keywords
            .is_empty()
    );
}

#[test]
fn two_stores_in_one_commit_have_two_mod_sequences() {
    let mut house = House::new();
    house.append("INBOX", &[]);
    house.append("INBOX", &[]);
    let store = |uid: u32| Command::Store {
        mailbox: MailboxId::INBOX,
        uids: UidSet::single(Uid::new(uid).unwrap()),
        op: StoreOp {
            mode: StoreMode::Add,
            flags: FlagSet::from_bits(0b1_0000),
        },
        unchanged_since: None,
    };
    let mut clone = house.state.clone();
    let mut together = crate::Changes::default();
    for uid in [1, 2] {
        let decision = crate::decide(&clone, &store(uid), house.now).unwrap();
        clone.apply(&decision.changes);
        together.extend(decision.changes);
    }
    house.state.follow(&together.encode()).unwrap();
    let table = house.state.table(MailboxId::INBOX).unwrap();
    let modseqs: Vec<_> = table.rows().map(|row| row.modseq).collect();
    assert_eq!(modseqs[0].next(), modseqs[1]);
    assert_eq!(house.state.digest(), clone.digest());
}

#[test]
fn keywords_are_bounded() {
    let mut house = House::new();
    house.append("INBOX", &[]);
    let store = |number: usize| Command::Store {
        mailbox: MailboxId::INBOX,
        uids: all(),
        op: StoreOp {
            mode: StoreMode::Replace,
            flags: [Flag::parse(&format!("k{number}")).unwrap()]
                .into_iter()
                .collect(),
        },
        unchanged_since: None,
    };
    for number in 0..crate::Mailbox::KEYWORDS_MAX {
        house.run(&store(number)).unwrap();
    }
    let refused = house.run(&store(crate::Mailbox::KEYWORDS_MAX));
    assert_eq!(refused, Err(Refusal::TooMany("keywords")));
    house.run(&store(0)).unwrap();
}

#[test]
fn an_epoch_lets_nothing_be_told_twice() {
    let mut house = House::new();
    house.append("INBOX", &[]);
    house.append("INBOX", &[]);
    let expunge = Command::Expunge {
        mailbox: MailboxId::INBOX,
        which: Which::Uids(UidSet::single(Uid::MIN)),
        deleted_only: false,
        cause: Cause::Expunge,
    };
    house.run(&expunge).unwrap();
    let before = house.state.clone();
    house
        .run(&Command::Epoch {
            told: terms::ModSeq::ZERO,
        })
        .unwrap();
    assert_eq!(house.state.head().0, before.head().0 + (1 << 32));
    let inbox = house.state.mailbox(MailboxId::INBOX).unwrap();
    assert_eq!(inbox.uid_next, Uid::new(3 + 65_536));
    // Where Epochs may be among what is lost, as many jumps were made before.
    let mut far = house.clone();
    let told = terms::ModSeq(far.state.head().0 + (3 << 32) + 7);
    far.run(&Command::Epoch { told }).unwrap();
    assert_eq!(far.state.head().0, told.0 + (1 << 32));
    let inbox = far.state.mailbox(MailboxId::INBOX).unwrap();
    assert_eq!(inbox.uid_next, Uid::new(3 + 5 * 65_536));
    let table = house.state.table(MailboxId::INBOX).unwrap();
    // A client that had seen changes which are lost looks at everything.
    assert_eq!(table.expunged_since(before.head()), None);
    assert_eq!(table.changed_since(before.head()).count(), 1);
    let fresh = House { ..house.clone() };
    let state = crate::State::load(super::ACCOUNT, crate::Scope::All, &fresh.stored(None));
    assert_eq!(state.unwrap().digest(), house.state.digest());
}

#[test]
fn identifiers_that_do_not_fit_begin_anew() {
    use crate::{FoldKind, Part, RecentMarks};
    use std::sync::Arc;
    let mut house = House::new();
    house.append("INBOX", &["\\Seen"]);
    // As if four thousand million messages had come and gone.
    let root = Arc::make_mut(&mut house.state.root);
    let inbox = root.mailboxes.get_mut(&MailboxId::INBOX).unwrap();
    Arc::make_mut(inbox).uid_next = Uid::new(u32::MAX - 1);
    house.log.clear();
    house.fold(FoldKind::All);
    assert_eq!(house.append("INBOX", &["red"]).value(), u32::MAX - 1);
    assert_eq!(house.append("INBOX", &[]), Uid::MAX);
    let mut marks = RecentMarks::default();
    let mut view = View::open(&house.state, MailboxId::INBOX, Some(&mut marks)).unwrap();
    assert_eq!((view.exists(), view.recent().count()), (3, 3));
    let full = Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: vec![NewMessage::new(house.blob(), 100)],
        source: Source::Delivery,
    };
    assert_eq!(house.run(&full), Err(Refusal::Exhausted));

    let before = house.state.mailbox(MailboxId::INBOX).unwrap().uid_validity;
    house
        .run(&Command::Epoch {
            told: terms::ModSeq::ZERO,
        })
        .unwrap();
    let inbox = house.state.mailbox(MailboxId::INBOX).unwrap();
    assert!(inbox.uid_validity > before);
    assert_eq!(inbox.uid_next, Uid::new(4));
    let flags = house.flags("INBOX");
    assert!(flags[1].has_keyword(&Keyword::new("red").unwrap()));
    assert!(view.advance(&house.state, true, None).unwrap().gone);
    house.run(&full).unwrap();
    let digest = house.state.digest();
    assert_eq!(super::replay::whole(&house).digest(), digest);
    house.state.unload(Part::Table(MailboxId::INBOX));
    house.attach_all();
    assert_eq!(house.state.digest(), digest);
}

#[test]
fn a_message_is_recent_to_one_session() {
    let mut house = House::new();
    let mut marks = crate::RecentMarks::default();
    house.append("INBOX", &[]);
    let open = |house: &House, marks: Option<&mut crate::RecentMarks>| {
        View::open(&house.state, MailboxId::INBOX, marks).unwrap()
    };
    // EXAMINE takes none.
    assert_eq!(open(&house, None).recent().count(), 0);
    let mut first = open(&house, Some(&mut marks));
    let mut second = open(&house, Some(&mut marks));
    assert_eq!((first.recent().count(), second.recent().count()), (1, 0));
    house.append("INBOX", &[]);
    let told = second
        .advance(&house.state, true, Some(&mut marks))
        .unwrap();
    assert_eq!((told.exists, told.recent), (Some(2), Some(1)));
    let told = first.advance(&house.state, true, Some(&mut marks)).unwrap();
    assert_eq!((told.exists, told.recent), (Some(2), Some(1)));
    assert_eq!(first.recent().to_string(), "1");
    assert_eq!(second.recent().to_string(), "2");
    // The mark is filed with the next change, and holds after a restart.
    let notes = marks.notes(&house.state);
    assert_eq!(notes.len(), 1);
    let create = Command::CreateMailbox {
        name: name("x"),
        special_uses: SpecialUses::NONE,
    };
    let mut decision = crate::decide(&house.state, &create, house.now).unwrap();
    decision.changes.note(notes);
    house.commit(&decision);
    let state = super::replay::whole(&house);
    let mut marks = crate::RecentMarks::default();
    assert!(marks.notes(&state).is_empty());
    let view = View::open(&state, MailboxId::INBOX, Some(&mut marks)).unwrap();
    assert_eq!(view.recent().count(), 0);
}

#[test]
fn replace_is_both_or_neither() {
    let mut house = House::new();
    let message = |house: &mut House, size| NewMessage::new(house.blob(), size);
    let first = message(&mut house, 600);
    house
        .run(&Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages: vec![first],
            source: Source::Append,
        })
        .unwrap();
    let limits = Limits {
        octets: Some(1_000),
        messages: None,
    };
    house.run(&Command::SetLimits(limits)).unwrap();
    let replace = |house: &mut House, uid, size| Command::Replace {
        from: MailboxId::INBOX,
        uid: Uid::new(uid).unwrap(),
        to: MailboxId::INBOX.into(),
        message: Box::new(message(house, size)),
    };
    let uids = |house: &House| -> Vec<u32> {
        let table = house.state.table(MailboxId::INBOX).unwrap();
        table.rows().map(|row| row.uid.value()).collect()
    };
    // What goes makes room for what comes; too much is refused, nothing goes.
    let too_much = replace(&mut house, 1, 1_001);
    assert_eq!(house.run(&too_much), Err(Refusal::OverQuota));
    assert_eq!(uids(&house), [1]);
    let fits = replace(&mut house, 1, 900);
    let decision = house.step(&fits).unwrap();
    assert_eq!((decision.changes.len(), uids(&house)), (2, vec![2]));
    let again = replace(&mut house, 1, 1);
    assert_eq!(house.run(&again), Err(Refusal::Expunged));
    assert_eq!(uids(&house), [2]);
}
