//! One connection.

use super::Lmtp;
use super::body::{Body, Trouble, too_big};
use super::deliver::{Letter, deliver, outcome};
use super::recipient::Recipient;
use super::trace::Trace;
use crate::metrics::Service;
use crate::stream::{Filled, Stream, StreamError};
use bytes::Buf as _;
use futures::future::BoxFuture;
use proto::smtp::{
    self, Address, Command, EnhancedCode, MailParameters, Reply, ReversePath, Xclient,
    line_octets_max,
};
use proto::wire::{BodyChanges, ChunkDecoder, DataDecoder, Line, LineReader};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use terms::BlobId;
use tracing::{debug, info, warn};

/// Answers of one connection that wait for a delivery before them; then no
/// further command is read until they have gone out.
const ANSWERS_WAITING_MAX: usize = 256;

/// Serves one connection to its end.
pub fn run(mut stream: Stream, lmtp: Lmtp) -> impl Future<Output = ()> + Send {
    stream.count_as(Service::Lmtp);
    // Made here, not within the future: that would carry the arguments too.
    let mut session = Session {
        stream,
        lmtp,
        reader: LineReader::new(),
        client: None,
        client_host: None,
        client_login: None,
        transaction: None,
        answers: VecDeque::new(),
        bad_commands: 0,
        messages: 0,
    };
    async move {
        let env = session.stream.node().env.clone();
        let started = env.monotonic();
        let stop = session.serve().await;
        Box::pin(session.end(&stop, env.monotonic() - started)).await;
    }
}

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("quit")]
    Quit,
    #[error("the client closed")]
    Ended,
    #[error("nothing came for too long")]
    TimedOut,
    #[error("the server stops")]
    Stopping,
    #[error("too many errors")]
    Errors,
    #[error("{0}")]
    Stream(#[from] StreamError),
}

/// What comes next to the client.
enum Answer {
    Reply(Reply),
    /// One reply for each recipient.
    Delivery(BoxFuture<'static, Vec<Reply>>),
}

/// What has come since MAIL.
struct Transaction {
    reverse_path: ReversePath,
    parameters: MailParameters,
    recipients: Vec<Recipient>,
    chunks: Option<Chunks>,
}

/// A message that comes by BDAT.
struct Chunks {
    body: Body,
    decoder: ChunkDecoder,
}

struct Session {
    stream: Stream,
    lmtp: Lmtp,
    reader: LineReader,
    /// What the client calls itself, once it has.
    client: Option<String>,
    /// What a proxy says of the client: its host, and as whom it has logged in.
    client_host: Option<String>,
    client_login: Option<String>,
    transaction: Option<Box<Transaction>>,
    /// Answers that wait for a delivery before them.
    answers: VecDeque<Answer>,
    bad_commands: u32,
    messages: u64,
}

impl Session {
    async fn end(mut self, stop: &Stop, duration: Duration) {
        // Nothing that was begun is dropped: whoever sent it may have gone, but
        // then its next attempt would bring the message twice for no reason.
        let settled = match self.settle().await {
            // What is queued counts when it has gone out.
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        let (octets_in, octets_out) = self.stream.octets_moved();
        info!(
            protocol = "lmtp",
            peer = %self.stream.peer(),
            messages = self.messages,
            octets_in,
            octets_out,
            millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            end = %stop,
            "session ended"
        );
        if settled.is_ok() {
            match stop {
                Stop::Quit | Stop::Ended => self.stream.close().await,
                _ => self.stream.close_patiently().await,
            }
        }
    }

    async fn serve(&mut self) -> Stop {
        self.say(self.greeting());
        loop {
            if let Err(stop) = self.turn().await {
                let reply = match &stop {
                    Stop::Quit => Some(Reply::new(221, EnhancedCode(2, 0, 0), "goodbye")),
                    Stop::TimedOut => Some(Reply::new(
                        421,
                        EnhancedCode(4, 4, 2),
                        "nothing came for too long",
                    )),
                    // RFC 5321 §3.8: 421 may come at any time.
                    Stop::Stopping => Some(Reply::new(
                        421,
                        EnhancedCode(4, 3, 2),
                        "the server is stopping",
                    )),
                    Stop::Errors => Some(Reply::new(421, EnhancedCode(4, 7, 0), "too many errors")),
                    Stop::Stream(StreamError::Crowded) => Some(Reply::new(
                        421,
                        EnhancedCode(4, 3, 2),
                        "too much to do, try later",
                    )),
                    Stop::Ended | Stop::Stream(_) => None,
                };
                if let Some(reply) = reply {
                    self.say(reply);
                }
                return stop;
            }
            self.stream.give_way().await;
        }
    }

    fn greeting(&self) -> Reply {
        Reply::plain(220, format!("{} LMTP ready", self.lmtp.hostname))
    }

    /// One command.
    async fn turn(&mut self) -> Result<(), Stop> {
        let command = self.command().await?;
        if self.answers.len() > ANSWERS_WAITING_MAX {
            self.settle().await?;
        }
        match command {
            // Boxed, so that a session that waits does not carry the room.
            Ok(command) => Box::pin(self.handle(command)).await,
            Err(reply) => self.bad(reply),
        }
    }

    /// The next line, understood; or the reply to what cannot be.
    async fn command(&mut self) -> Result<Result<Command, Reply>, Stop> {
        loop {
            let input = self.stream.input();
            let mut rest: &[u8] = input;
            let before = rest.len();
            let line = self.reader.next(&mut rest, line_octets_max);
            let command = line.map(|line| match line {
                Line::Whole(line) => Some(smtp::command(line)),
                Line::TooLong => Some(Err(Reply::new(
                    500,
                    EnhancedCode(5, 5, 2),
                    "the line is too long",
                ))),
                Line::Endless => None,
            });
            let taken = before - rest.len();
            input.advance(taken);
            match command {
                Some(Some(command)) => return Ok(command),
                Some(None) => return Err(Stop::Errors),
                None => {}
            }
            self.settle().await?;
            let wait = self.stream.node().limits.lmtp_idle;
            Self::filled(self.stream.fill(wait).await?)?;
        }
    }

    /// Waits for more of a text.
    async fn more(&mut self) -> Result<(), Stop> {
        self.settle().await?;
        let wait = self.stream.node().limits.lmtp_idle;
        Self::filled(self.stream.fill_more(wait).await?)
    }

    fn filled(filled: Filled) -> Result<(), Stop> {
        match filled {
            Filled::Octets => Ok(()),
            Filled::End => Err(Stop::Ended),
            Filled::TimedOut => Err(Stop::TimedOut),
            // Nobody logs in here.
            Filled::Stopping | Filled::Revoked(_) => Err(Stop::Stopping),
        }
    }

    async fn handle(&mut self, command: Command) -> Result<(), Stop> {
        match command {
            Command::Lhlo(name) => self.lhlo(name),
            Command::Mail {
                reverse_path,
                parameters,
            } => self.mail(reverse_path, parameters),
            Command::Rcpt {
                recipient,
                original,
            } => {
                self.rcpt(recipient, original).await;
            }
            Command::Data => self.data().await?,
            Command::Bdat { octets, last } => self.bdat(octets, last).await?,
            Command::Rset => {
                self.transaction = None;
                self.say(Reply::new(250, EnhancedCode(2, 0, 0), "forgotten"));
            }
            Command::Noop => self.say(Reply::new(250, EnhancedCode(2, 0, 0), "done")),
            // RFC 5321 §7.3: 252 where it is not told.
            Command::Vrfy(_) => self.say(Reply::new(
                252,
                EnhancedCode(2, 5, 0),
                "that is told at RCPT",
            )),
            Command::Help => self.say(Reply::new(
                214,
                EnhancedCode(2, 0, 0),
                "LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\nsee RFC 2033",
            )),
            Command::Xclient(said) => self.xclient(said),
            Command::Quit => return Err(Stop::Quit),
        }
        Ok(())
    }

    fn lhlo(&mut self, name: String) {
        self.client = Some(name);
        self.transaction = None;
        let hostname = &self.lmtp.hostname;
        let size = self.stream.node().limits.message_octets_max;
        // RFC 2033 §5: the first two must be there.
        let mut text = format!(
            "{hostname}\nPIPELINING\nENHANCEDSTATUSCODES\n8BITMIME\nSMTPUTF8\nCHUNKING\nSIZE {size}"
        );
        let proxy = self.stream.via().unwrap_or(self.stream.peer());
        if self.lmtp.xclient.contains(proxy) {
            text.push('\n');
            text.push_str(smtp::XCLIENT_KEYWORD);
        }
        self.say(Reply::plain(250, text));
    }

    /// A listed peer says for whom it speaks: everything begins anew, with that
    /// client.
    fn xclient(&mut self, said: Xclient) {
        let proxy = self.stream.via().unwrap_or(self.stream.peer());
        if !self.lmtp.xclient.contains(proxy) {
            warn!(%proxy, "XCLIENT of a peer that is not listed in `xclient`");
            let text = "XCLIENT is not allowed from here";
            return self.say(Reply::new(550, EnhancedCode(5, 7, 0), text));
        }
        if self.transaction.is_some() {
            return self.say(out_of_order("a transaction has begun already"));
        }
        if let Some(ip) = said.address {
            let port = said.port.unwrap_or(0);
            self.stream.speaks_for((ip, port).into());
        }
        debug!(peer = %self.stream.peer(), login = said.login, name = said.name, "XCLIENT");
        self.client = None;
        self.client_host = said.name;
        self.client_login = said.login;
        self.say(self.greeting());
    }

    fn mail(&mut self, reverse_path: ReversePath, parameters: MailParameters) {
        if self.client.is_none() {
            return self.say(out_of_order("say LHLO first"));
        }
        if self.transaction.is_some() {
            return self.say(out_of_order("a transaction has begun already"));
        }
        if parameters.size > Some(self.stream.node().limits.message_octets_max) {
            let reply = too_big();
            self.count(&reply);
            return self.say(reply);
        }
        let text = format!("from {reverse_path}");
        self.transaction = Some(Box::new(Transaction {
            reverse_path,
            parameters,
            recipients: Vec::new(),
            chunks: None,
        }));
        self.say(Reply::new(250, EnhancedCode(2, 1, 0), text));
    }

    /// Counts a refusal before the text.
    fn count(&self, reply: &Reply) {
        self.stream.node().metrics.deliveries.count(outcome(reply));
    }

    async fn rcpt(&mut self, address: Address, original: Option<String>) {
        let reply = match self.try_rcpt(&address).await {
            Ok(()) => Reply::new(250, EnhancedCode(2, 1, 5), format!("to <{address}>")),
            Err(reply) => {
                self.count(&reply);
                reply
            }
        };
        debug!(to = %address, original, code = reply.code, "recipient");
        self.say(reply);
    }

    async fn try_rcpt(&mut self, address: &Address) -> Result<(), Reply> {
        let Some(transaction) = &mut self.transaction else {
            return Err(out_of_order("say MAIL first"));
        };
        if transaction.chunks.is_some() {
            return Err(out_of_order("the text has begun"));
        }
        // RFC 5321 §4.5.3.1.10
        if transaction.recipients.len() >= self.stream.node().limits.recipients_max {
            return Err(Reply::new(
                452,
                EnhancedCode(4, 5, 3),
                "too many recipients",
            ));
        }
        // RFC 6531 §3.5
        if !address.is_ascii() && !transaction.parameters.smtputf8 {
            return Err(Reply::new(
                553,
                EnhancedCode(5, 6, 7),
                "such an address needs the parameter SMTPUTF8",
            ));
        }
        let recipient = Recipient::find(&self.lmtp, address).await?;
        transaction.recipients.push(recipient);
        Ok(())
    }

    async fn data(&mut self) -> Result<(), Stop> {
        match &self.transaction {
            None => {
                self.say(out_of_order("say MAIL first"));
                return Ok(());
            }
            Some(transaction) if transaction.chunks.is_some() => {
                self.say(out_of_order("the text comes by BDAT"));
                return Ok(());
            }
            // RFC 2033 §4.2: 503 if no recipient was taken.
            Some(transaction) if transaction.recipients.is_empty() => {
                self.say(out_of_order("no recipient was taken"));
                return Ok(());
            }
            Some(_) => {}
        }
        let Some(mut body) = self.new_body() else {
            return Ok(());
        };
        self.say(Reply::plain(354, "end with CRLF.CRLF"));
        let mut decoder = DataDecoder::new();
        loop {
            let input = self.stream.input();
            let decoded = decoder.decode(input, body.text());
            input.advance(decoded.taken);
            body.settle().await;
            if decoded.ended {
                break;
            }
            self.more().await?;
        }
        self.deliver(body, decoder.changes()).await;
        Ok(())
    }

    async fn bdat(&mut self, octets: u64, last: bool) -> Result<(), Stop> {
        let refusal = match &self.transaction {
            None => Some(out_of_order("say MAIL first")),
            Some(transaction) if transaction.recipients.is_empty() => {
                Some(out_of_order("no recipient was taken"))
            }
            Some(_) => None,
        };
        let chunks = match self.transaction.as_mut().and_then(|it| it.chunks.take()) {
            Some(chunks) => Some(chunks),
            None if refusal.is_none() => self.new_body().map(|body| Chunks {
                body,
                decoder: ChunkDecoder::new(),
            }),
            None => None,
        };
        let Some(mut chunks) = chunks else {
            // RFC 3030 §2: the octets come all the same.
            self.skip(octets).await?;
            self.say(refusal.unwrap_or_else(|| Trouble::Failed.reply()));
            return Ok(());
        };
        chunks.decoder.begin(octets);
        loop {
            let input = self.stream.input();
            let decoded = chunks.decoder.decode(input, chunks.body.text());
            input.advance(decoded.taken);
            chunks.body.settle().await;
            if decoded.ended {
                break;
            }
            self.more().await?;
        }
        if last {
            let changes = chunks.decoder.changes();
            self.deliver(chunks.body, changes).await;
            return Ok(());
        }
        self.say(match chunks.body.trouble() {
            Some(trouble) => trouble.reply(),
            None => Reply::new(250, EnhancedCode(2, 0, 0), format!("{octets} octets taken")),
        });
        if let Some(transaction) = &mut self.transaction {
            transaction.chunks = Some(chunks);
        }
        Ok(())
    }

    /// Reads so many octets and forgets them.
    async fn skip(&mut self, mut octets: u64) -> Result<(), Stop> {
        loop {
            let input = self.stream.input();
            let count = usize::try_from(octets).map_or(input.len(), |left| left.min(input.len()));
            input.advance(count);
            octets -= count as u64;
            if octets == 0 {
                return Ok(());
            }
            self.more().await?;
        }
    }

    /// The beginning of the present transaction's message.
    fn new_body(&self) -> Option<Body> {
        let transaction = self.transaction.as_ref()?;
        let node = self.stream.node();
        let blob = BlobId(node.env.random_u128());
        let trace = Trace {
            reverse_path: &transaction.reverse_path,
            client: self.client.as_deref().unwrap_or("unknown"),
            client_host: self.client_host.as_deref(),
            peer: self.stream.peer(),
            hostname: &self.lmtp.hostname,
            secure: self.stream.is_secure(),
            smtputf8: transaction.parameters.smtputf8,
            blob,
            now: node.env.now(),
        };
        let store = self.lmtp.directory.store();
        Some(Body::new(node.clone(), store.clone(), blob, trace.lines()))
    }

    /// The text is whole: stores it and has it bound. The answers follow when
    /// that is durable; the transaction is over.
    async fn deliver(&mut self, mut body: Body, changes: BodyChanges) {
        let Some(transaction) = self.transaction.take() else {
            return;
        };
        if changes.nuls > 0 && self.lmtp.nul == super::Nul::Refuse {
            body.spoil(Trouble::Nul);
        }
        let internationalised = transaction.parameters.smtputf8;
        let letter = Letter {
            stored: body.finish(internationalised).await,
            peer: self.stream.peer().clone(),
            login: self.client_login.clone(),
            env: self.stream.node().env.clone(),
            directory: self.lmtp.directory.clone(),
            reverse_path: transaction.reverse_path,
            internationalised,
            changes,
            recipients: transaction.recipients,
            over_quota: self.lmtp.over_quota,
        };
        self.messages += 1;
        let mut delivery: BoxFuture<'static, Vec<Reply>> = Box::pin(deliver(letter));
        // Polled once at once: then the accounts have their commands in the order
        // in which the messages came.
        match poll_fn(|cx| Poll::Ready(delivery.as_mut().poll(cx))).await {
            Poll::Ready(replies) => replies.into_iter().for_each(|reply| self.say(reply)),
            Poll::Pending => self.answers.push_back(Answer::Delivery(delivery)),
        }
    }

    /// Waits for all deliveries and writes their answers, and what follows them.
    async fn settle(&mut self) -> Result<(), StreamError> {
        while let Some(answer) = self.answers.pop_front() {
            match answer {
                Answer::Reply(reply) => reply.write(self.stream.output()),
                Answer::Delivery(delivery) => {
                    for reply in delivery.await {
                        reply.write(self.stream.output());
                    }
                }
            }
        }
        self.stream.relieve().await
    }

    fn say(&mut self, reply: Reply) {
        if self.answers.is_empty() {
            reply.write(self.stream.output());
        } else {
            self.answers.push_back(Answer::Reply(reply));
        }
    }

    fn bad(&mut self, reply: Reply) -> Result<(), Stop> {
        self.say(reply);
        self.bad_commands += 1;
        if self.bad_commands > self.stream.node().limits.bad_commands_max {
            return Err(Stop::Errors);
        }
        Ok(())
    }
}

fn out_of_order(text: &'static str) -> Reply {
    Reply::new(503, EnhancedCode(5, 5, 1), text)
}
