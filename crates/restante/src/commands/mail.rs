//! `restante import …` and `restante export …`
//!
//! Files are read and written on a thread of their own, one message at a time;
//! two more may be waiting between it and the server.

use super::with_client;
use crate::cli::{Export, ExportCommand, Import, ImportCommand};
use crate::console::{Bar, Counts, octets, show};
use crate::control::client::{Client, answer, reply};
use crate::control::message::{Counted, Imported, Letter, Reply, Request};
use crate::error::{Failure, Outcome, While as _};
use crate::migrate::{MailError, Message, Sink, Source, UniqueIds, maildir, mbox};
use crate::place::Place;
use terms::MailboxName;
use tokio::sync::mpsc;

/// Messages that may wait between the files and the server.
const WAITING_MAX: usize = 2;
/// The longest message that an export takes; what is in a store is shorter.
const LETTER_OCTETS_MAX: u64 = 4 << 30;

/// Takes mail in.
///
/// # Errors
/// Says what went wrong; what was taken until then stays.
pub fn import(command: ImportCommand, place: &Place, json: bool) -> Outcome {
    let max = place.config.limits.message_octets.0;
    let under = |import: &Import| match &import.mailbox {
        Some(name) => MailboxName::new(name).map(Some).when(name),
        None => Ok(None),
    };
    let ids = |import: &Import| UniqueIds::new(import.uidl_format.clone(), import.uidls.as_deref());
    let (source, import): (Box<dyn Source>, Import) = match command {
        ImportCommand::Maildir(import) => {
            let (into, ids) = (under(&import)?, ids(&import)?);
            let reader = maildir::Reader::open(&import.path, into.as_ref(), max, ids)?;
            (Box::new(reader), import)
        }
        ImportCommand::Mbox(import) => {
            let (into, ids) = (under(&import)?, ids(&import)?);
            let reader = mbox::Reader::open(&import.path, into.as_ref(), max, ids)?;
            (Box::new(reader), import)
        }
    };
    let bar = Bar::new("importing", Counts::Octets, Some(source.octets()));
    let request = Request::Import {
        account: import.account,
    };
    let counted = with_client(place, async |client: Client| {
        send(client, request, source, &bar).await
    });
    bar.end();
    let counted = counted?;
    show(json, &counted, |counted| tell(counted, "imported"))?;
    judge(&counted)
}

fn tell(counted: &Counted, what: &str) -> String {
    let mut text = format!(
        "{} messages {what}, {}; counted again: {}\n",
        counted.messages,
        octets(counted.octets),
        counted.verified
    );
    for note in &counted.notes {
        text.push_str(&format!("{note}\n"));
    }
    for refused in &counted.refused {
        text.push_str(&format!("not taken: {refused}\n"));
    }
    text
}

/// Everything must be there.
fn judge(counted: &Counted) -> Outcome {
    if counted.verified != counted.messages {
        return Err(Failure::new(format!(
            "{} messages should be there, but {} are",
            counted.messages, counted.verified
        )));
    }
    match counted.refused.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} messages were not taken"))),
    }
}

/// What goes before the messages: mailboxes and what is subscribed to. Where that is
/// not kept, mail programs see what there is.
fn before(source: &dyn Source) -> Vec<Imported> {
    let subscriptions = source.subscriptions();
    let mailboxes = source
        .mailboxes()
        .into_iter()
        .map(|name| Imported::Mailbox {
            name: name.to_string(),
            subscribed: subscriptions.is_none(),
        });
    let subscribed = subscriptions.unwrap_or_default().iter();
    mailboxes
        .chain(subscribed.map(|name| Imported::Subscribed(name.to_string())))
        .collect()
}

type Read = Result<(Message, u64), MailError>;

async fn send(
    mut client: Client,
    request: Request,
    mut source: Box<dyn Source>,
    bar: &Bar,
) -> Outcome<Counted> {
    client.open(request).await?;
    let Client {
        mut incoming,
        mut outgoing,
    } = client;
    let before = before(&*source);
    let (give, mut take) = mpsc::channel::<Read>(WAITING_MAX);
    let reading = tokio::task::spawn_blocking(move || {
        while let Some(read) = source.next() {
            if give.blocking_send(read).is_err() {
                return;
            }
        }
    });
    let mut refused = Vec::new();
    let mut read = 0;
    let send = async {
        for mailbox in before {
            outgoing.line(&Some(mailbox)).await?;
        }
        while let Some(next) = take.recv().await {
            match next {
                Ok((message, taken)) => {
                    let Message {
                        mailbox,
                        flags,
                        date,
                        octets,
                        unique_id,
                    } = &message;
                    let letter = Letter {
                        unique_id: unique_id.clone(),
                        ..Letter::new(mailbox, flags, *date, octets.len() as u64)
                    };
                    outgoing.line(&Some(Imported::Letter(letter))).await?;
                    outgoing.octets(octets).await?;
                    read += 1;
                    bar.add(taken);
                }
                Err(error) => refused.push(error.to_string()),
            }
        }
        outgoing.line(&None::<Imported>).await?;
        outgoing.flush().await
    };
    let hidden = Bar::hidden();
    let (sent, answer) = tokio::join!(send, answer::<Counted>(&mut incoming, &hidden));
    // The thread ends as soon as nobody takes anything.
    drop(take);
    reading.await?;
    let mut counted = answer?;
    sent.when("the server has hung up")?;
    if counted.messages + counted.refused.len() as u64 != read {
        return Err(Failure::new(format!(
            "{read} messages were sent, but the server has seen {}",
            counted.messages + counted.refused.len() as u64
        )));
    }
    refused.append(&mut counted.refused);
    counted.refused = refused;
    Ok(counted)
}

/// Writes mail out.
///
/// # Errors
/// Says what went wrong.
pub fn export(command: ExportCommand, place: &Place, json: bool) -> Outcome {
    place.must_exist()?;
    let (sink, export): (Box<dyn Sink>, Export) = match command {
        ExportCommand::Maildir(export) => {
            (Box::new(maildir::Writer::create(&export.path)?), export)
        }
        ExportCommand::Mbox(export) => (Box::new(mbox::Writer::create(&export.path)?), export),
    };
    let bar = Bar::new("exporting", Counts::Things, None);
    let request = Request::Export {
        account: export.account,
        mailbox: export.mailbox,
    };
    let counted = with_client(place, async |client: Client| {
        receive(client, request, sink, &bar).await
    });
    bar.end();
    let counted = counted?;
    show(json, &counted, |counted| tell(counted, "exported"))?;
    judge(&counted)
}

/// What goes to the thread that writes.
enum Write {
    Subscriptions(Vec<MailboxName>),
    Mailbox(MailboxName),
    Message(Message),
}

async fn receive(
    mut client: Client,
    request: Request,
    mut sink: Box<dyn Sink>,
    bar: &Bar,
) -> Outcome<Counted> {
    client.open(request).await?;
    let (give, mut take) = mpsc::channel::<Write>(WAITING_MAX);
    let writing = tokio::task::spawn_blocking(move || -> Result<u64, MailError> {
        while let Some(write) = take.blocking_recv() {
            match write {
                Write::Subscriptions(names) => sink.subscriptions(&names)?,
                Write::Mailbox(name) => sink.mailbox(&name)?,
                Write::Message(message) => sink.put(&message)?,
            }
        }
        sink.finish()
    });
    let incoming = &mut client.incoming;
    let mut total = None;
    let received = async {
        loop {
            let write = match reply(incoming, bar).await? {
                Reply::Subscriptions(names) => {
                    let names = names.iter().map(|name| MailboxName::new(name));
                    Write::Subscriptions(names.collect::<Result<_, _>>()?)
                }
                Reply::Mailbox(name) => Write::Mailbox(MailboxName::new(&name)?),
                Reply::Letter(letter) => {
                    let octets = incoming.octets(letter.octets, LETTER_OCTETS_MAX).await?;
                    bar.add(1);
                    Write::Message(Message {
                        mailbox: MailboxName::new(&letter.mailbox)?,
                        flags: letter.flag_set(),
                        date: letter.date(),
                        unique_id: letter.unique_id,
                        octets,
                    })
                }
                Reply::Done(value) => {
                    total = Some(serde_json::from_value::<Counted>(value)?);
                    return Outcome::Ok(());
                }
                other => return Err(Failure::new(format!("out of turn: {other:?}"))),
            };
            if give.send(write).await.is_err() {
                // The thread has failed and says why below.
                return Ok(());
            }
        }
    };
    let received = received.await;
    drop(give);
    let written = writing.await??;
    received?;
    let mut counted = total.ok_or_else(|| Failure::new("the export was cut short"))?;
    counted.verified = written;
    Ok(counted)
}
