//! The other side: what a mail server, a POP3 program and an IMAP program say.
//!
//! Any surprise is an error: in a simulation either the server answers as the
//! standards say or it has died.

use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// A connection that speaks lines.
pub struct Lines {
    stream: BufReader<DuplexStream>,
}

fn surprise(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, what.into())
}

impl Lines {
    /// Over this stream.
    pub fn new(stream: DuplexStream) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn send(&mut self, text: &str) -> Result<()> {
        self.stream.write_all(text.as_bytes()).await
    }

    /// The next line without its CRLF.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\r\n") {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(|_| surprise("a line that is no UTF-8"))
    }

    async fn octets(&mut self, count: usize) -> Result<String> {
        let mut octets = vec![0; count];
        self.stream.read_exact(&mut octets).await?;
        String::from_utf8(octets).map_err(|_| surprise("octets that are no UTF-8"))
    }
}

/// A mail server that delivers by LMTP (RFC 2033).
pub struct Postman(Lines);

impl Postman {
    /// Greets the server.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn new(stream: DuplexStream) -> Result<Self> {
        let mut postman = Self(Lines::new(stream));
        postman.reply("220").await?;
        postman.0.send("LHLO postman.example\r\n").await?;
        postman.reply("250").await?;
        Ok(postman)
    }

    async fn any_reply(&mut self) -> Result<String> {
        loop {
            let line = self.0.line().await?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    async fn reply(&mut self, code: &str) -> Result<()> {
        let reply = self.any_reply().await?;
        match reply.starts_with(code) {
            true => Ok(()),
            false => Err(surprise(reply)),
        }
    }

    /// Delivers to all; says for each whether the server has taken it.
    ///
    /// # Errors
    /// If the server is gone: nothing is known then about those that `taken` was
    /// not yet told of.
    pub async fn deliver(
        &mut self,
        to: &[String],
        text: &str,
        mut taken: impl FnMut(&str, bool),
    ) -> Result<()> {
        let mut envelope = "MAIL FROM:<postman@example.org>\r\n".to_owned();
        for address in to {
            envelope += &format!("RCPT TO:<{address}>\r\n");
        }
        self.0.send(&(envelope + "DATA\r\n")).await?;
        self.reply("250").await?;
        for _ in to {
            self.reply("250").await?;
        }
        self.reply("354").await?;
        let stuffed = text.replace("\r\n.", "\r\n..");
        self.0.send(&(stuffed + ".\r\n")).await?;
        // RFC 2033 §4.2: one reply for each recipient.
        for address in to {
            let reply = self.any_reply().await?;
            match reply.split_at_checked(1) {
                Some(("2", _)) => taken(address, true),
                Some(("4", _)) => taken(address, false),
                _ => return Err(surprise(reply)),
            }
        }
        Ok(())
    }
}

/// A POP3 program (RFC 1939).
pub struct Collector(Lines);

impl Collector {
    /// Logs in.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn new(stream: DuplexStream, user: &str, password: &str) -> Result<Self> {
        let mut collector = Self(Lines::new(stream));
        collector.reply().await?;
        collector.ask(&format!("USER {user}")).await?;
        collector.ask(&format!("PASS {password}")).await?;
        Ok(collector)
    }

    async fn reply(&mut self) -> Result<String> {
        let reply = self.0.line().await?;
        match reply.strip_prefix("+OK") {
            Some(rest) => Ok(rest.trim_start().to_owned()),
            None => Err(surprise(reply)),
        }
    }

    async fn ask(&mut self, command: &str) -> Result<String> {
        self.0.send(&format!("{command}\r\n")).await?;
        self.reply().await
    }

    /// How many messages there are.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn count(&mut self) -> Result<usize> {
        let answer = self.ask("STAT").await?;
        let count = answer
            .split(' ')
            .next()
            .and_then(|count| count.parse().ok());
        count.ok_or_else(|| surprise(answer))
    }

    /// A message as it was sent.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn retrieve(&mut self, number: usize) -> Result<String> {
        self.ask(&format!("RETR {number}")).await?;
        let mut text = String::new();
        loop {
            let line = self.0.line().await?;
            if line == "." {
                return Ok(text);
            }
            text += line.strip_prefix('.').unwrap_or(&line);
            text += "\r\n";
        }
    }

    /// Marks a message to go.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn delete(&mut self, number: usize) -> Result<()> {
        self.ask(&format!("DELE {number}")).await.map(|_| ())
    }

    /// Ends the session; what was marked goes.
    ///
    /// # Errors
    /// If the server is gone or says no: what was marked may have gone or not.
    pub async fn quit(mut self) -> Result<()> {
        self.ask("QUIT").await.map(|_| ())
    }
}

/// An IMAP program (RFC 9051).
pub struct Reader {
    lines: Lines,
    tag: u32,
}

/// One message as IMAP shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its UID.
    pub uid: u32,
    /// Its flags, as the server writes them.
    pub flags: Vec<String>,
    /// All of it.
    pub text: String,
}

impl Reader {
    /// Logs in.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn new(stream: DuplexStream, user: &str, password: &str) -> Result<Self> {
        let mut reader = Self {
            lines: Lines::new(stream),
            tag: 0,
        };
        reader.lines.line().await?;
        reader.ask(&format!("LOGIN {user} {password}")).await?;
        Ok(reader)
    }

    /// Says something and gives all untagged lines of the answer, each with its
    /// literals.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn ask(&mut self, command: &str) -> Result<Vec<String>> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        self.lines.send(&format!("{tag}{command}\r\n")).await?;
        let mut untagged = Vec::new();
        loop {
            let mut line = self.lines.line().await?;
            while let Some(count) = literal(&line) {
                let octets = self.lines.octets(count).await?;
                line += "\r\n";
                line += &octets;
                line += &self.lines.line().await?;
            }
            match line.strip_prefix(&tag) {
                Some(answer) if answer.starts_with("OK") => return Ok(untagged),
                Some(answer) => return Err(surprise(format!("{command}: {answer}"))),
                None => untagged.push(line),
            }
        }
    }

    /// Everything in a mailbox, and its UIDVALIDITY and UIDNEXT.
    ///
    /// # Errors
    /// If the server is gone or says no.
    pub async fn show(&mut self, mailbox: &str) -> Result<(u32, u32, Vec<Shown>)> {
        let opened = self.ask(&format!("SELECT {mailbox}")).await?;
        let code = |name: &str| {
            let rest = opened.iter().find_map(|line| line.split(name).nth(1))?;
            rest.split(']').next()?.trim().parse().ok()
        };
        let (Some(validity), Some(next)) = (code("[UIDVALIDITY "), code("[UIDNEXT ")) else {
            return Err(surprise(opened.join("\n")));
        };
        let rows = self.ask("UID FETCH 1:* (UID FLAGS BODY.PEEK[])").await?;
        let shown = rows
            .iter()
            .filter(|row| row.contains(" FETCH ("))
            .map(|row| shown(row).ok_or_else(|| surprise(row.clone())))
            .collect::<Result<_>>()?;
        Ok((validity, next, shown))
    }
}

/// The count of the literal that the line ends with.
fn literal(line: &str) -> Option<usize> {
    // The text of a literal that was read before may end in anything.
    let (_, count) = line.strip_suffix('}')?.rsplit_once('{')?;
    count.parse().ok()
}

fn shown(row: &str) -> Option<Shown> {
    let uid = row.split("UID ").nth(1)?;
    let uid = uid.split([' ', ')']).next()?.parse().ok()?;
    let flags = row.split("FLAGS (").nth(1)?.split(')').next()?;
    let (_, body) = row.split_once("BODY[] {")?;
    let (count, body) = body.split_once("}\r\n")?;
    Some(Shown {
        uid,
        flags: flags.split_whitespace().map(str::to_owned).collect(),
        text: body.get(..count.parse().ok()?)?.to_owned(),
    })
}
