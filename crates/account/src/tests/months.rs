//! Months of an account with several devices, against a small model that knows
//! nothing of commits, runs or rows: what it keeps is never expunged, and what it
//! lets go is gone when the account says that it is due.
//!
//! `RESTANTE_SEEDS=100000 cargo test -p account months` plays more of them.

use super::House;
use crate::{
    Cause, Collect, Command, DeviceId, DeviceProtocols, Hold, HoldSettings, Limits, NewMessage,
    Outcome, Refusal, Source, SweepRules, UndoWhich, Which, devices_to_warn, next_due,
};
use std::collections::{BTreeMap, BTreeSet};
use terms::{
    EmailNumber, FlagSet, MailboxId, SpecialUse, StoreMode, StoreOp, SystemFlag, Timestamp, Uid,
    UidSet,
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Inbox,
    Archive,
    Gone,
}

/// A message as its owner sees it.
#[derive(Clone, Debug)]
struct Mail {
    size: u64,
    place: Place,
    flagged: bool,
    deleted_by: BTreeSet<u32>,
    read_by: BTreeSet<u32>,
    /// Since when every device has it.
    clock: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Program {
    may_delete: bool,
    revoked: bool,
    forgotten: bool,
    used: bool,
    heard: i64,
    told: Option<i64>,
}

impl Program {
    fn takes(&self) -> bool {
        self.may_delete && !self.revoked
    }
}

/// What the text of the hold says, message by message.
#[derive(Clone, Debug)]
struct Model {
    /// What time it is.
    now: i64,
    /// By how much the wall clock is ahead of that, or behind; nothing is swept then.
    off: i64,
    hold: HoldSettings,
    changed: Option<i64>,
    programs: BTreeMap<u32, Program>,
    mails: BTreeMap<u64, Mail>,
    quota: Option<u64>,
}

impl Model {
    /// What is written down as the time: the later one.
    fn filed(&self) -> i64 {
        self.now + self.off.max(0)
    }

    /// What something may go by: the earlier one.
    fn believed(&self) -> i64 {
        self.now + self.off.min(0)
    }

    fn has(&self, mail: &Mail, program: u32) -> bool {
        mail.deleted_by.contains(&program)
            || (self.hold.collect == Collect::Retr && mail.read_by.contains(&program))
    }

    /// Whether every program that is waited for has it, and one at least.
    fn is_collected(&self, mail: &Mail) -> bool {
        let waited = |p: &Program| p.takes() && !p.forgotten;
        let mut programs = self.programs.iter();
        let lacks = programs.any(|(id, p)| waited(p) && !self.has(mail, *id));
        let mut programs = self.programs.iter();
        !lacks && programs.any(|(id, p)| p.takes() && self.has(mail, *id))
    }

    /// Clocks start, and stop where the hold does not reach. Says whether any
    /// started.
    fn settle(&mut self) -> bool {
        let mut started = false;
        let ids: Vec<u64> = self.mails.keys().copied().collect();
        for id in ids {
            let mail = &self.mails[&id];
            let clock = if mail.place != Place::Inbox || mail.flagged {
                None
            } else if mail.clock.is_none() && self.is_collected(mail) {
                started = true;
                Some(self.filed())
            } else {
                mail.clock
            };
            self.mails.get_mut(&id).unwrap().clock = clock;
        }
        started
    }

    /// Nothing goes before this.
    fn floor(&self) -> i64 {
        let least = i64::from(self.hold.at_least_seconds) * 1_000;
        self.changed
            .map_or(i64::MIN, |changed| changed + least.max(DAY))
    }

    /// When a message may go by the hold if its clock has started then.
    fn due(&self, mail: &Mail, clock: i64) -> Option<i64> {
        let span = match self.hold.hold {
            Hold::Remove => 0,
            Hold::Span(seconds) => i64::from(seconds) * 1_000,
            Hold::Forever => return None,
        };
        let only_read = self
            .programs
            .iter()
            .any(|(id, p)| p.takes() && mail.read_by.contains(id) && !mail.deleted_by.contains(id));
        let least = i64::from(self.hold.at_least_seconds) * 1_000;
        let span = if only_read { span.max(least) } else { span };
        Some((clock + span).max(self.floor()))
    }

    /// Whether its owner is told before a program is forgotten: it was used, or
    /// something waits for it.
    fn is_missed(&self, id: u32) -> bool {
        let others_have = self.programs.iter().any(|(other, p)| {
            let took =
                |mail: &Mail| mail.deleted_by.contains(other) || mail.read_by.contains(other);
            (*other == id || p.takes()) && self.mails.values().any(took)
        });
        self.programs[&id].used || others_have
    }

    fn is_over(&self, mail: &Mail) -> bool {
        let due = mail.clock.and_then(|clock| self.due(mail, clock));
        due.is_some_and(|due| due <= self.believed())
    }

    /// Whether it goes with the QUIT that collects it.
    fn goes_at_once(&self, mail: &Mail) -> bool {
        let due = self.due(mail, self.believed());
        due.is_some_and(|due| due <= self.believed())
    }

    /// A message that some program reads now stays for `at-least`.
    fn read_late(&self, mail: &Mail, clock: i64) -> bool {
        let least = i64::from(self.hold.at_least_seconds) * 1_000;
        let due = self.due(mail, clock);
        let soon = due.is_some_and(|due| due < self.filed() + least);
        soon || (self.hold.give_way && clock < self.filed())
    }

    /// The wall clock is right again: what lies an hour ahead was written by a wrong
    /// one.
    fn mend(&mut self) {
        let now = self.now;
        let mend = |time: i64| if time > now + HOUR { now } else { time };
        self.changed = self.changed.map(mend);
        for mail in self.mails.values_mut() {
            mail.clock = mail.clock.map(mend);
        }
        for program in self.programs.values_mut() {
            program.heard = mend(program.heard);
            program.told = program.told.map(mend);
        }
    }

    fn used(&self) -> u64 {
        let mails = self.mails.values();
        let there = mails.filter(|mail| mail.place != Place::Gone);
        there.map(|mail| mail.size).sum()
    }

    /// What a program's drop lists.
    fn listed(&self, program: u32) -> Vec<u64> {
        let mails = self.mails.iter();
        let listed = mails
            .filter(|(_, mail)| mail.place == Place::Inbox && !mail.deleted_by.contains(&program));
        listed.map(|(id, _)| *id).collect()
    }
}

/// The account and the model, side by side.
struct Months {
    dice: Dice,
    house: House,
    model: Model,
    archive: MailboxId,
    /// What was done, for whoever reads a failure.
    story: Vec<String>,
}

fn hold_of(dice: &mut Dice) -> HoldSettings {
    let hold = match dice.below(7) {
        0 => Hold::Remove,
        1 => Hold::Forever,
        2 => Hold::Span(6 * 3_600),
        _ => Hold::Span(86_400 * (1 + dice.below(30) as u32)),
    };
    HoldSettings {
        hold,
        collect: if dice.one_in(3) {
            Collect::Retr
        } else {
            Collect::Dele
        },
        give_way: dice.one_in(2),
        at_least_seconds: 3_600 * (1 + dice.below(60) as u32),
        undo_seconds: 86_400 * (1 + dice.below(9) as u32),
        forget_device_seconds: 86_400 * (20 + dice.below(60) as u32),
        ..HoldSettings::default()
    }
}

impl Months {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let hold = hold_of(&mut dice);
        let mut house = House::empty();
        house
            .run(&Command::CreateAccount {
                limits: Limits::default(),
                hold,
                uid_validity_floor: None,
            })
            .unwrap();
        let archive = house.state.mailbox_for(SpecialUse::Archive).unwrap().id;
        let now = house.now.0;
        let default = Program {
            may_delete: true,
            revoked: false,
            forgotten: false,
            used: false,
            heard: now,
            told: None,
        };
        Self {
            model: Model {
                now,
                off: 0,
                hold,
                changed: None,
                programs: [(1, default)].into(),
                mails: BTreeMap::new(),
                quota: None,
            },
            dice,
            house,
            archive,
            story: vec![format!("{hold:?}")],
        }
    }

    fn fail(&self, why: &str) -> ! {
        let story = self.story.join("\n");
        panic!("{story}\n{why}\n{:#?}", self.model);
    }

    fn run(&mut self, command: &Command) -> Result<Outcome, Refusal> {
        self.house.now = Timestamp(self.model.filed());
        self.house.believed = Some(Timestamp(self.model.believed()));
        self.house.run(command)
    }

    /// Rows of the account by email, in INBOX and in Archive.
    fn rows(&mut self) -> BTreeMap<u64, (MailboxId, Uid)> {
        self.house.attach_all();
        let mut rows = BTreeMap::new();
        for mailbox in [MailboxId::INBOX, self.archive] {
            for row in self.house.state.table(mailbox).unwrap().rows() {
                rows.insert(row.email.0, (mailbox, row.uid));
            }
        }
        rows
    }

    /// Takes over what the account has let go, if the model lets it go, and then
    /// compares the two.
    fn compare(&mut self, may_go: impl Fn(&Model, &Mail) -> bool) {
        let rows = self.rows();
        let gone: Vec<u64> = self
            .model
            .mails
            .iter()
            .filter(|(id, mail)| mail.place != Place::Gone && !rows.contains_key(*id))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            if !may_go(&self.model, &self.model.mails[&id]) {
                self.fail(&format!("message {id} has gone"));
            }
            self.model.mails.get_mut(&id).unwrap().place = Place::Gone;
        }
        self.model.settle();
        for (id, mail) in &self.model.mails {
            let place = match rows.get(id) {
                None => Place::Gone,
                Some((MailboxId::INBOX, _)) => Place::Inbox,
                Some(_) => Place::Archive,
            };
            if place != mail.place {
                self.fail(&format!("message {id} is in {place:?}"));
            }
            let clock = self
                .house
                .state
                .clock(EmailNumber(*id))
                .map(|clock| clock.0);
            if clock != mail.clock {
                self.fail(&format!("the clock of message {id} says {clock:?}"));
            }
        }
        if self.house.state.used().octets != self.model.used() {
            self.fail("the account takes up something else");
        }
    }

    /// Time goes on; the account is swept when it says that it is due.
    fn pass(&mut self, millis: i64) {
        let until = self.model.now + millis;
        if self.model.off != 0 {
            self.model.now = until;
            return;
        }
        for _ in 0..200 {
            let due = next_due(&self.house.state).map(|due| due.0.max(self.model.now));
            let Some(due) = due.filter(|due| *due <= until) else {
                self.model.now = until;
                self.nothing_is_overdue();
                return;
            };
            self.model.now = due;
            self.sweep();
        }
        self.fail("it is due again and again");
    }

    fn sweep(&mut self) {
        let now = Timestamp(self.model.now);
        for device in devices_to_warn(&self.house.state, now) {
            self.run(&Command::DeviceWarned(device)).unwrap();
            let program = self.model.programs.get_mut(&device.0).unwrap();
            program.told = Some(self.model.now);
        }
        self.model.mend();
        self.forget();
        let rules = SweepRules {
            run_percent_max: 100,
            run_rows_min: 1,
        };
        self.run(&Command::Sweep(rules)).unwrap();
        self.compare(Model::is_over);
        self.nothing_is_overdue();
    }

    /// What is over has gone, and whose owner is to be told was told, when the account
    /// says that nothing is due.
    fn nothing_is_overdue(&self) {
        let silence = i64::from(self.model.hold.forget_device_seconds) * 1_000;
        let notice = (7 * DAY).min(silence / 2);
        for (id, program) in &self.model.programs {
            let told = program.told.is_some_and(|told| program.heard <= told);
            let silent = program.heard + silence - notice <= self.model.now;
            let waited = program.takes() && !program.forgotten;
            if waited && silent && !told && self.model.is_missed(*id) {
                self.fail(&format!("the owner of device {id} should have been told"));
            }
        }
        for (id, mail) in &self.model.mails {
            if mail.place == Place::Inbox && self.model.is_over(mail) {
                self.fail(&format!("message {id} should have gone"));
            }
        }
    }

    /// Programs that were silent for too long, and whose owner was told a week
    /// before, are waited for no longer.
    fn forget(&mut self) {
        let silence = i64::from(self.model.hold.forget_device_seconds) * 1_000;
        let notice = (7 * DAY).min(silence / 2);
        let (now, model) = (self.model.now, &mut self.model);
        let ids: Vec<u32> = model.programs.keys().copied().collect();
        for id in ids {
            let program = model.programs[&id];
            let missed = model.is_missed(id);
            let told = program
                .told
                .filter(|told| program.heard <= *told)
                .is_some_and(|told| told + notice <= now);
            let silent = program.heard + silence <= now;
            if program.takes() && !program.forgotten && silent && (told || !missed) {
                model.programs.get_mut(&id).unwrap().forgotten = true;
                if model.settle() {
                    model.changed = Some(now);
                }
            }
        }
    }

    fn step(&mut self) {
        let kind = self.dice.below(100);
        self.story.push(format!(
            "day {}: {kind}",
            (self.model.now - super::START.0) / DAY
        ));
        match kind {
            0..25 => self.deliver(),
            25..60 => self.session(),
            60..68 => self.flag(),
            68..76 => self.move_one(),
            76..80 => self.expunge(),
            80..84 => self.change_hold(),
            84..88 => self.devices(),
            88..92 => self.undo(),
            92 => self.set_quota(),
            93..95 => self.jump(),
            _ => {}
        }
        let millis = match self.dice.below(4) {
            0 => self.dice.below(20 * DAY as u64),
            1 => self.dice.below(2 * DAY as u64),
            _ => self.dice.below(6 * HOUR as u64),
        };
        self.pass(millis as i64);
    }

    fn deliver(&mut self) {
        let size = 100 + self.dice.below(900);
        let blob = self.house.blob();
        let command = Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages: vec![NewMessage::new(blob, size as u32)],
            source: Source::Delivery,
        };
        let over = self
            .model
            .quota
            .is_some_and(|q| self.model.used() + size > q);
        match self.run(&command) {
            Ok(Outcome::Appended { first_email, .. }) => {
                let mail = Mail {
                    size,
                    place: Place::Inbox,
                    flagged: false,
                    deleted_by: BTreeSet::new(),
                    read_by: BTreeSet::new(),
                    clock: None,
                };
                self.model.mails.insert(first_email.0, mail);
            }
            Err(Refusal::OverQuota) if over => {}
            other => self.fail(&format!("{other:?}")),
        }
        self.compare(|model, mail| {
            let least = i64::from(model.hold.at_least_seconds) * 1_000;
            let now = model.believed();
            let since = mail.clock.is_some_and(|clock| clock + least <= now);
            over && model.hold.give_way && since && model.floor() <= now
        });
    }

    /// A program looks, reads some and deletes some, and says QUIT or does not.
    fn session(&mut self) {
        let ids: Vec<u32> = self.model.programs.keys().copied().collect();
        let id = ids[self.dice.below(ids.len() as u64) as usize];
        if self.model.programs[&id].revoked {
            return;
        }
        self.run(&Command::Poll(DeviceId(id))).unwrap();
        let now = self.model.filed();
        let program = self.model.programs.get_mut(&id).unwrap();
        let filed = program.heard + HOUR <= now || program.forgotten || !program.used;
        if filed {
            (program.heard, program.used) = (now.max(program.heard), true);
        }
        program.forgotten = false;
        let drop = self.house.maildrop(DeviceId(id));
        let mut listed: Vec<u64> = drop.messages().map(|(_, row)| row.email.0).collect();
        listed.sort_unstable();
        if listed != self.model.listed(id) {
            self.fail(&format!("device {id} is offered {listed:?}"));
        }
        let rows = self.rows();
        let (mut read, mut deleted) = (Vec::new(), Vec::new());
        for mail in listed {
            let entry = (EmailNumber(mail), rows[&mail].1);
            match self.dice.below(4) {
                0 => read.push(entry),
                1 | 2 => deleted.push(entry),
                _ => {}
            }
        }
        // The line breaks: nothing is collected.
        if self.dice.one_in(8) {
            return self.compare(|_, _| false);
        }
        if self.model.hold.collect == Collect::Retr && !read.is_empty() {
            self.collect(id, Collect::Retr, &read);
        }
        if !deleted.is_empty() {
            self.collect(id, Collect::Dele, &deleted);
        }
    }

    fn collect(&mut self, id: u32, how: Collect, entries: &[(EmailNumber, Uid)]) {
        let command = Command::Collect {
            device: DeviceId(id),
            how,
            messages: entries.to_vec(),
        };
        self.run(&command).unwrap();
        for (email, _) in entries {
            let mail = self.model.mails.get_mut(&email.0).unwrap();
            let new = match how {
                Collect::Dele => mail.deleted_by.insert(id),
                Collect::Retr => mail.read_by.insert(id),
            };
            let mail = self.model.mails[&email.0].clone();
            let read = new && how == Collect::Retr && self.model.programs[&id].takes();
            if let Some(clock) = mail.clock.filter(|_| read)
                && self.model.read_late(&mail, clock)
            {
                let filed = self.model.filed();
                self.model.mails.get_mut(&email.0).unwrap().clock = Some(filed);
            }
        }
        self.model.settle();
        self.compare(Model::goes_at_once);
    }

    /// Some message that is in a mailbox.
    fn any(&mut self) -> Option<(u64, MailboxId, Uid)> {
        let rows: Vec<_> = self.rows().into_iter().collect();
        let count = rows.len() as u64;
        let (id, (mailbox, uid)) = *rows.get(self.dice.below(count.max(1)) as usize)?;
        Some((id, mailbox, uid))
    }

    fn flag(&mut self) {
        let Some((id, mailbox, uid)) = self.any() else {
            return;
        };
        let flagged = !self.model.mails[&id].flagged;
        let command = Command::Store {
            mailbox,
            uids: UidSet::single(uid),
            op: StoreOp {
                mode: if flagged {
                    StoreMode::Add
                } else {
                    StoreMode::Remove
                },
                flags: FlagSet::from_bits(1 << (SystemFlag::Flagged as u8)),
            },
            unchanged_since: None,
        };
        self.run(&command).unwrap();
        self.model.mails.get_mut(&id).unwrap().flagged = flagged;
        self.compare(|_, _| false);
    }

    fn move_one(&mut self) {
        let Some((id, mailbox, uid)) = self.any() else {
            return;
        };
        let (to, place) = if mailbox == MailboxId::INBOX {
            (self.archive, Place::Archive)
        } else {
            (MailboxId::INBOX, Place::Inbox)
        };
        let command = Command::Move {
            from: mailbox,
            uids: UidSet::single(uid),
            to: to.into(),
            all: false,
        };
        self.run(&command).unwrap();
        self.model.mails.get_mut(&id).unwrap().place = place;
        self.compare(|_, _| false);
    }

    fn expunge(&mut self) {
        let Some((id, mailbox, uid)) = self.any() else {
            return;
        };
        let command = Command::Expunge {
            mailbox,
            which: Which::Uids(UidSet::single(uid)),
            deleted_only: false,
            cause: Cause::Expunge,
        };
        self.run(&command).unwrap();
        self.model.mails.get_mut(&id).unwrap().place = Place::Gone;
        self.compare(|_, _| false);
    }

    fn change_hold(&mut self) {
        let new = hold_of(&mut self.dice);
        let old = self.model.hold;
        self.run(&Command::SetHold(new)).unwrap();
        let model = &mut self.model;
        let span = |hold: &HoldSettings| match hold.hold {
            Hold::Remove => 0,
            Hold::Span(seconds) => u64::from(seconds),
            Hold::Forever => u64::MAX,
        };
        let sooner = span(&new) < span(&old)
            || (new.collect == Collect::Retr && old.collect == Collect::Dele)
            || (new.give_way && !old.give_way)
            || (new.collect == Collect::Dele
                && old.collect == Collect::Retr
                && match old.hold {
                    Hold::Remove => true,
                    Hold::Span(seconds) => seconds < old.at_least_seconds,
                    Hold::Forever => false,
                })
            || new.at_least_seconds < old.at_least_seconds
            || new.undo_seconds < old.undo_seconds
            || new.forget_device_seconds < old.forget_device_seconds;
        if sooner {
            model.changed = Some(model.filed());
        }
        if new.collect != old.collect {
            let programs = &model.programs;
            let waited = |id: &u32| programs[id].takes() && !programs[id].forgotten;
            for mail in model.mails.values_mut() {
                let lacks = |id: &u32| waited(id) && !mail.deleted_by.contains(id);
                let read = mail.read_by.iter().any(lacks);
                let takes = |id: &u32| programs[id].takes();
                let by_reading =
                    mail.read_by.iter().any(takes) && !mail.deleted_by.iter().any(takes);
                if read || by_reading {
                    mail.clock = None;
                }
                mail.read_by.clear();
            }
        }
        model.hold = new;
        self.compare(|_, _| false);
    }

    fn devices(&mut self) {
        if self.dice.one_in(3) {
            let ids: Vec<u32> = self.model.programs.keys().copied().collect();
            let id = ids[self.dice.below(ids.len() as u64) as usize];
            let before = self.model.clone();
            self.run(&Command::RevokeDevice(DeviceId(id))).unwrap();
            let model = &mut self.model;
            let program = model.programs.get_mut(&id).unwrap();
            let counted = program.takes();
            let waited = counted && !program.forgotten;
            program.revoked = true;
            // What waited for it goes with the QUIT of the others from now on.
            let waited = waited
                && before.mails.values().any(|mail| {
                    mail.place == Place::Inbox && mail.clock.is_none() && !before.has(mail, id)
                });
            // What it had only read may go sooner, and what waited for it.
            let freed = counted
                && model.hold.collect == Collect::Retr
                && model.hold.read_stays_longer()
                && before
                    .mails
                    .values()
                    .any(|mail| mail.read_by.contains(&id) && !mail.deleted_by.contains(&id));
            // What it alone has taken is collected by nobody.
            let others: Vec<u32> = before
                .programs
                .iter()
                .filter(|(other, p)| **other != id && p.takes())
                .map(|(other, _)| *other)
                .collect();
            for mail in model.mails.values_mut() {
                if counted && before.has(mail, id) && !others.iter().any(|p| before.has(mail, *p)) {
                    mail.clock = None;
                }
            }
            if model.settle() || freed || waited {
                model.changed = Some(model.filed());
            }
            return self.compare(|_, _| false);
        }
        if self.model.programs.len() >= 5 {
            return;
        }
        let may_delete = !self.dice.one_in(5);
        let command = Command::DeclareDevice {
            name: format!("device {}", self.model.programs.len() + 1),
            protocols: DeviceProtocols {
                pop3: true,
                imap: false,
            },
            expires: None,
            may_not_delete: !may_delete,
        };
        let Ok(Outcome::DeviceDeclared { device }) = self.run(&command) else {
            self.fail("a device cannot be declared");
        };
        let program = Program {
            may_delete,
            revoked: false,
            forgotten: false,
            used: false,
            heard: self.model.filed(),
            told: None,
        };
        self.model.programs.insert(device.0, program);
        // Two have devices of their own: nobody waits for the one that none has used.
        let model = &mut self.model;
        let waited = |p: &Program| p.takes() && !p.forgotten;
        let others = model.programs.iter();
        let others = others.filter(|(id, p)| **id != 1 && waited(p)).count();
        if others >= 2 && waited(&model.programs[&1]) && !model.programs[&1].used {
            model.programs.get_mut(&1).unwrap().forgotten = true;
            if model.settle() {
                model.changed = Some(model.now);
            }
        }
        self.compare(|_, _| false);
    }

    fn undo(&mut self) {
        let keep_collected = self.dice.one_in(2);
        let command = Command::Undo {
            which: UndoWhich::default(),
            keep_collected,
        };
        match self.run(&command) {
            Ok(_) => {}
            Err(Refusal::NothingToRestore) => return,
            Err(refusal) => self.fail(&refusal.to_string()),
        }
        for (id, (mailbox, _)) in self.rows() {
            let mail = self.model.mails.get_mut(&id).unwrap();
            if mail.place != Place::Gone {
                continue;
            }
            mail.place = if mailbox == MailboxId::INBOX {
                Place::Inbox
            } else {
                Place::Archive
            };
            mail.clock = None;
            if !keep_collected {
                mail.deleted_by.clear();
                mail.read_by.clear();
            }
        }
        self.compare(|_, _| false);
    }

    /// The wall clock runs away; or it is set right, or was right after all.
    fn jump(&mut self) {
        if self.model.off == 0 {
            let hours = 2 + self.dice.below(60 * 24) as i64;
            let sign = if self.dice.one_in(2) { 1 } else { -1 };
            self.model.off = sign * hours * HOUR;
            return self.story.push(format!("off by {} hours", sign * hours));
        }
        let right = self.dice.one_in(2);
        self.end_jump(right);
    }

    fn end_jump(&mut self, set_right: bool) {
        self.story.push(format!("set right: {set_right}"));
        if !set_right {
            self.model.now += self.model.off;
        }
        self.model.off = 0;
        self.sweep();
    }

    fn set_quota(&mut self) {
        let quota = self.dice.one_in(2).then(|| 1_000 + self.dice.below(4_000));
        let limits = Limits {
            octets: quota,
            messages: None,
        };
        self.run(&Command::SetLimits(limits)).unwrap();
        self.model.quota = quota;
    }
}

#[test]
fn months_go_by_as_the_model_says() {
    let seeds = std::env::var("RESTANTE_SEEDS").ok();
    let seeds: u64 = seeds.and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let first = std::env::var("RESTANTE_SEED").ok();
    let first: u64 = first.and_then(|text| text.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        let mut months = Months::new(seed);
        months.story.push(format!("RESTANTE_SEED={seed}"));
        for _ in 0..100 {
            months.step();
        }
        months.end_jump(true);
        // In the end a year goes by, and what is let go has gone.
        months.pass(365 * DAY);
    }
}
