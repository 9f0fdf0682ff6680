//! Several IMAP sessions in the mailboxes of one account, deliveries and a POP3
//! client between, by chance, held against a reference model: what there is, and
//! what each session may be told of it and when. Lines are cut; who comes back has
//! what the server has.
//!
//! `RESTANTE_SEEDS=1000` plays more, `RESTANTE_SEED=17` one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "model/check.rs"]
mod check;
mod client;
#[path = "client/decode.rs"]
#[expect(
    dead_code,
    reason = "transcripts hold the list against all that is sent"
)]
mod decode;
#[path = "model/plan.rs"]
mod plan;
#[path = "model/predict.rs"]
mod predict;
#[path = "model/resync.rs"]
mod resync;
#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "model/session.rs"]
mod session;
#[path = "model/truth.rs"]
mod truth;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use check::{check, take_silent};
use client::{Chance, Story, Wire, seeds};
use plan::{Plan, What, may_expunge};
use predict::predict;
use session::{Behind, Heard, Kind, Open, Session};
use std::collections::BTreeMap;
use truth::{Truth, head_of};
use world::World;

/// Steps of one run.
const STEPS: usize = 90;

struct Model {
    world: World,
    account: serve::Account,
    /// The same account at the other server.
    other: serve::Account,
    truth: Truth,
    sessions: Vec<Session>,
    chance: Chance,
    story: Story,
}

impl Model {
    async fn new(seed: u64, story: Story) -> Self {
        let mut chance = Chance(seed);
        let mut world = World::new();
        world.account("alice", "secret", &[]).await.expect("made");
        let account = world.find_at("alice", false).await.expect("there");
        let other = world.find_at("alice", true).await.expect("there");
        let mut truth = Truth::default();
        truth.observe(&account).await;
        let mut model = Self {
            world,
            account,
            other,
            truth,
            sessions: Vec::new(),
            chance: Chance(0),
            story,
        };
        let count = 3 + chance.below(3);
        for index in 0..count {
            // The last is at a second server over the same store, mostly.
            let remote = index + 1 == count && !chance.one_in(3);
            let number = index as u32 + if remote { 11 } else { 1 };
            let kind = Kind::ALL[chance.below(Kind::ALL.len())];
            let session = model.connect(number, kind).await;
            model.sessions.push(session);
        }
        model.chance = chance;
        model
    }

    /// A session that has logged in.
    async fn connect(&mut self, number: u32, kind: Kind) -> Session {
        let stream = self.world.connect("imap", number).await;
        let mut wire = Wire::new(stream, number.to_string(), self.story.clone());
        assert!(wire.line().await.starts_with("* OK"));
        let mut commands = vec!["LOGIN alice secret".to_owned()];
        if !kind.names().is_empty() {
            commands.push(format!("ENABLE{}", kind.names()));
        }
        for command in commands {
            wire.say(&format!("a {command}")).await;
            while let line = wire.line().await
                && !line.starts_with("a ")
            {
                assert!(line.starts_with("* "), "{line}");
            }
        }
        Session {
            wire,
            number,
            kind,
            open: None,
            idles: false,
            resyncs: false,
            heard: Heard::default(),
        }
    }

    /// What a session's server has seen.
    fn seen_by(&self, session: &Session) -> u64 {
        head_of(if session.is_remote() {
            &self.other
        } else {
            &self.account
        })
    }

    async fn step(&mut self) {
        match self.chance.below(14) {
            0 => self.deliver().await,
            1 => self.collect().await,
            _ => {
                let index = self.chance.below(self.sessions.len());
                let mut session = self.sessions.remove(index);
                if session.idles {
                    self.stop_idling(&mut session).await;
                } else {
                    self.command(&mut session).await;
                }
                self.sessions.insert(index, session);
            }
        }
        self.push().await;
    }

    /// What comes to those that idle.
    async fn push(&mut self) {
        for _ in 0..30 {
            tokio::task::yield_now().await;
        }
        let mut sessions = std::mem::take(&mut self.sessions);
        for session in sessions.iter_mut().filter(|session| session.idles) {
            let at = self.seen_by(session);
            while let Some(line) = session.wire.line_now().await {
                self.hear(session, &line, at, &What::Idle);
            }
            // RFC 2177 §3, and within the same step: also from another server.
            session.take_modseq("");
            session.check_highest(&self.truth);
            session.check_current(&self.truth, self.truth.head);
        }
        self.sessions = sessions;
    }

    fn hear(&self, session: &mut Session, line: &str, at: u64, during: &What) {
        let truth = &self.truth;
        let behind = Behind {
            truth,
            at,
            expunges: may_expunge(during),
            selects: matches!(during, What::Select { .. }),
        };
        session.hear(line, behind);
        if !behind.selects {
            session.check_expunges(truth);
        }
    }

    async fn stop_idling(&mut self, session: &mut Session) {
        session.wire.say("DONE").await;
        let (lines, answer) = read_answer(session).await;
        assert!(answer.starts_with("OK"), "{answer}");
        let at = self.seen_by(session);
        for line in lines {
            self.hear(session, &line, at, &What::Idle);
        }
        session.take_modseq(&answer);
        session.idles = false;
        session.check_current(&self.truth, at);
    }

    async fn command(&mut self, session: &mut Session) {
        let plan = plan::plan(session, &self.truth, &mut self.chance);
        let cut = self.chance.one_in(9).then(|| self.chance.below(7));
        if matches!(plan.what, What::Idle) {
            session.wire.say("a IDLE").await;
            assert!(session.wire.line().await.starts_with("+ "));
            session.idles = true;
            return;
        }
        let kept = session.open.clone();
        if self.ask(session, &plan, cut).await.is_none() {
            let kept = match plan.what {
                What::Select { .. } | What::Close | What::Unselect => kept,
                _ => session.open.take(),
            };
            self.come_back(session, kept).await;
        } else if self.chance.one_in(12) {
            // The line is cut between two commands.
            let kept = session.open.take();
            self.come_back(session, kept).await;
        } else if self.chance.one_in(2) {
            self.catch_up(session, None).await;
        }
    }

    /// Asks, and holds the answer against the model; `None` if the line is cut after
    /// so many of its responses. The server has done it then too.
    async fn ask(&mut self, session: &mut Session, plan: &Plan, cut: Option<usize>) -> Option<()> {
        self.ask_with(session, plan, cut, None).await
    }

    async fn ask_with(
        &mut self,
        session: &mut Session,
        plan: &Plan,
        cut: Option<usize>,
        cache: Option<&Open>,
    ) -> Option<()> {
        let before = self.seen_by(session);
        session.heard = Heard::default();
        session.wire.say(&format!("a {}", plan.text)).await;
        let (lines, answer) = read_answer(session).await;
        let expected = predict(&mut self.truth, session, plan, before);
        self.truth.observe(&self.account).await;
        let at = self.seen_by(session);
        if let What::Select { name, read_only } = &plan.what {
            let selected = self.truth.find(name).map(|mailbox| {
                let cached = cache.cloned();
                let same = cached.filter(|cached| cached.validity > 0);
                let new = Open::new(mailbox, name, *read_only);
                match same {
                    Some(cached) => Open {
                        told: cached.told,
                        highest: cached.highest,
                        validity: cached.validity,
                        ..new
                    },
                    None => new,
                }
            });
            session.open = selected;
        }
        session.kind = plan.enables(session.kind);
        for line in lines.iter().take(cut.unwrap_or(usize::MAX)) {
            self.hear(session, line, at, &plan.what);
        }
        if cut.is_some_and(|cut| cut <= lines.len()) {
            return None;
        }
        if let Some(open) = session.open.as_mut().filter(|_| cache.is_some())
            && !session.kind.qresync
        {
            // It has not asked for the changes yet.
            open.seen = 0;
        }
        check(session, plan, &expected, &answer);
        take_silent(session, plan, &expected, &answer);
        self.check_after(session, plan, &answer, at);
        Some(())
    }

    /// What holds after each command.
    fn check_after(&self, session: &mut Session, plan: &Plan, answer: &str, at: u64) {
        let resyncs = session.resyncs;
        if matches!(plan.what, What::Close | What::Unselect) && answer.starts_with("OK") {
            session.open = None;
        }
        session.take_modseq(answer);
        session.check_highest(&self.truth);
        let Some(open) = &session.open else { return };
        if let What::Status(name) = &plan.what
            && session.kind.condstore
            && let Some(mailbox) = self.truth.find(name)
        {
            let told = session.heard.status.as_deref().unwrap_or_default();
            let told = client::number_after(told, "HIGHESTMODSEQ ");
            let highest = self.truth.mailboxes[mailbox].highest;
            assert!(told.is_some_and(|told| told <= highest), "{told:?}");
            assert!(mailbox == open.mailbox || told == Some(highest), "{told:?}");
        }
        let told_all = may_expunge(&plan.what) || !open.ghosts(&self.truth, at);
        match plan.what {
            // What has changed is asked for next, where it is not told by itself.
            What::Select { .. } => {
                let live = self.truth.mailboxes[open.mailbox].live(self.truth.head);
                assert_eq!(open.view, live, "selected");
            }
            What::Nothing => session.check_current(&self.truth, self.truth.head),
            _ if told_all && !resyncs => session.check_current(&self.truth, at),
            _ => {}
        }
    }

    /// Fetches the messages that are new to the client.
    async fn catch_up(&mut self, session: &mut Session, cut: Option<usize>) -> Option<()> {
        let Some(open) = &session.open else {
            return Some(());
        };
        let upto = open.upto();
        if open.gone || open.view.last().is_none_or(|last| *last <= upto) {
            return Some(());
        }
        let modseq = if session.kind.condstore {
            " MODSEQ"
        } else {
            ""
        };
        let text = format!("UID FETCH {}:* (FLAGS{modseq})", upto + 1);
        let what = What::Question;
        self.ask(session, &Plan { text, what }, cut).await
    }

    /// The client comes back, its line is cut again, it comes back, until it has what
    /// the server has.
    async fn come_back(&mut self, session: &mut Session, kept: Option<Open>) {
        let mut kept = kept;
        loop {
            let (number, kind) = (session.number, session.kind);
            let cache = resync::keep(session, kept, &self.truth);
            *session = self.connect(number, kind).await;
            let Some(cache) = cache else { return };
            let mut cut = self.chance.one_in(4).then(|| self.chance.below(12));
            match self.resync(session, &cache, &mut cut).await {
                Some(()) => return,
                None => kept = session.open.take(),
            }
        }
    }

    async fn resync(
        &mut self,
        session: &mut Session,
        cache: &Open,
        cut: &mut Option<usize>,
    ) -> Option<()> {
        let text = resync::select(session, cache, &mut self.chance);
        let what = What::Select {
            name: cache.name.clone(),
            read_only: false,
        };
        self.ask_with(session, &Plan { text, what }, cut.take(), Some(cache))
            .await?;
        let Some(open) = &session.open else {
            return Some(());
        };
        if open.validity == cache.validity {
            session.resyncs = true;
            for text in resync::questions(session, cache) {
                let what = What::Question;
                let searches = text.contains("SEARCH");
                self.ask(session, &Plan { text, what }, None).await?;
                if searches {
                    resync::keep_found(session);
                }
            }
            session.resyncs = false;
        }
        self.catch_up(session, None).await?;
        self.check_same(session);
        Some(())
    }

    /// The client has what the server has, by what it was told alone.
    fn check_same(&self, session: &Session) {
        let Some(open) = &session.open else { return };
        let mailbox = &self.truth.mailboxes[open.mailbox];
        let is: BTreeMap<u32, _> = mailbox
            .live(self.truth.head)
            .into_iter()
            .map(|uid| (uid, mailbox.messages[&uid].flags()))
            .collect();
        let told: BTreeMap<u32, _> = open.told.iter().map(|(u, t)| (*u, &t.flags)).collect();
        assert_eq!(told, is, "who came back has what the server has");
    }

    /// A message comes by LMTP.
    async fn deliver(&mut self) {
        self.truth.contents += 1;
        let content = self.truth.contents;
        let inbox = self.truth.find("INBOX").expect("INBOX");
        let stream = self.world.connect("lmtp", 1).await;
        let mut wire = Wire::other(stream, "lmtp", self.story.clone());
        assert!(wire.line().await.starts_with("220"));
        let message = format!("Subject: m{content:05}\r\n\r\nbody\r\n.");
        for command in [
            "LHLO here",
            "MAIL FROM:<bob@example.org>",
            "RCPT TO:<alice>",
            "DATA",
            &message,
        ] {
            wire.say(command).await;
            while wire.line().await.as_bytes()[3] == b'-' {}
        }
        self.truth.append(inbox, content, client::Flags::new());
        self.truth.observe(&self.account).await;
    }

    /// A POP3 client takes some of INBOX.
    async fn collect(&mut self) {
        let stream = self.world.connect("pop3", 1).await;
        let mut wire = Wire::other(stream, "pop3", self.story.clone());
        assert!(wire.line().await.starts_with("+OK"));
        let mut answer = String::new();
        for command in ["USER alice", "PASS secret", "STAT"] {
            wire.say(command).await;
            answer = wire.line().await;
            assert!(answer.starts_with("+OK"), "{answer}");
        }
        let count = client::number_after(&answer, "+OK ").expect("a number");
        let inbox = self.truth.find("INBOX").expect("INBOX");
        let live = self.truth.mailboxes[inbox].live(self.truth.head);
        assert!(count as usize <= live.len(), "{answer}");
        let mut taken = Vec::new();
        for number in 1..=count {
            wire.say(&format!("TOP {number} 0")).await;
            let mut content = None;
            while let line = wire.line().await
                && line != "."
            {
                content = content.or(client::number_after(&line, "Subject: m"));
            }
            if self.chance.one_in(3) {
                let content = u32::try_from(content.expect("a subject")).expect("small");
                wire.say(&format!("DELE {number}")).await;
                assert!(wire.line().await.starts_with("+OK"));
                taken.push(content);
                self.truth.collected.insert(content);
            }
        }
        wire.say("QUIT").await;
        assert!(wire.line().await.starts_with("+OK"));
        self.truth.observe(&self.account).await;
        // What is not \Flagged goes at once: the hold is `remove`.
        let mailbox = &self.truth.mailboxes[inbox];
        for message in live.iter().map(|uid| &mailbox.messages[uid]) {
            let goes = taken.contains(&message.content) && !message.has("\\Flagged");
            let same = |other: &&u32| mailbox.messages[*other].content == message.content;
            let alone = live.iter().filter(same).count() == 1;
            assert!(!goes || !alone || message.expunged.is_some(), "{message:?}");
        }
    }
}

async fn read_answer(session: &mut Session) -> (Vec<String>, String) {
    let mut lines = Vec::new();
    loop {
        let line = session.wire.line().await;
        match line.strip_prefix("a ") {
            Some(answer) => return (lines, answer.to_owned()),
            None => lines.push(line),
        }
    }
}

async fn play(seed: u64) {
    let story = Story::of(seed);
    let mut model = Model::new(seed, story).await;
    for _ in 0..STEPS {
        model.step().await;
    }
    let mut sessions = std::mem::take(&mut model.sessions);
    for session in &mut sessions {
        if session.idles {
            model.stop_idling(session).await;
        }
        let (text, what) = ("NOOP".to_owned(), What::Nothing);
        model.ask(session, &Plan { text, what }, None).await;
        model.catch_up(session, None).await;
        let kept = session.open.take();
        model.come_back(session, kept).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_are_told_what_they_may_be() {
    for seed in seeds(300) {
        play(seed).await;
    }
}
