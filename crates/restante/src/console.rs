//! What a command shows: tables or JSON, progress, questions.

use crate::error::{Failure, Outcome, While as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Write as _, stderr, stdin, stdout};
use std::time::Duration;

/// A progress bar on standard error; nothing where that is no terminal.
pub struct Bar(ProgressBar);

/// What a bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Octets.
    Octets,
    /// Anything else.
    Things,
}

impl Bar {
    /// Shows nothing.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// A bar to `total`, or a running number where that is not known.
    pub fn new(doing: &str, counts: Counts, total: Option<u64>) -> Self {
        if !stderr().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style(counts, total.is_some()));
        bar.set_message(doing.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// It stands there now.
    pub fn at(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.0.set_length(total);
        }
        self.0.set_position(done);
    }

    /// It has gone on.
    pub fn add(&self, count: u64) {
        self.0.inc(count);
    }

    /// Takes it off the screen.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn style(counts: Counts, bounded: bool) -> ProgressStyle {
    let template = match (counts, bounded) {
        (Counts::Octets, true) => {
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left"
        }
        (Counts::Octets, false) => "{msg} {spinner} {bytes} {bytes_per_sec}",
        (Counts::Things, true) => "{msg} {wide_bar} {pos}/{len} {per_sec} {eta} left",
        (Counts::Things, false) => "{msg} {spinner} {pos}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Prints `value` as JSON, or else what `text` makes.
///
/// # Errors
/// If standard output is closed.
pub fn show<T: Serialize>(json: bool, value: &T, text: impl FnOnce(&T) -> String) -> Outcome {
    let text = if json {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        text
    } else {
        text(value)
    };
    print(&text)
}

/// Writes to standard output. Whoever read it may have seen enough and gone, as
/// `head` does: that is no error.
///
/// # Errors
/// If it cannot be written to for another reason.
pub fn print(text: &str) -> Outcome {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.when("standard output"),
    }
}

/// Columns, each as wide as its widest cell; the last column is not padded.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    // Once for all rows: there may be very many.
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            let padding = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Octets for people: `1.4 MB`, in units of 1,024.
pub fn octets(octets: u64) -> String {
    let mut whole = octets;
    let mut tenths = 0;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if whole < 1_024 {
            break;
        }
        tenths = whole % 1_024 * 10 / 1_024;
        whole /= 1_024;
        unit = next;
    }
    match unit {
        "B" => format!("{whole} B"),
        _ => format!("{whole}.{tenths} {unit}"),
    }
}

/// Reads a password: the first line of standard input.
///
/// # Errors
/// If there is none.
pub fn password_from_stdin() -> Outcome<String> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line).when("standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::new(
            "there is no password on standard input; write it there as one line",
        ));
    }
    Ok(password.to_owned())
}

/// Asks a question that `yes` answers.
///
/// # Errors
/// If there is nobody to ask.
pub fn confirm(question: &str, json: bool) -> Outcome<bool> {
    if json || !stdin().is_terminal() {
        return Err(Failure::new(format!("{question} Say --yes if so.")));
    }
    eprint!("{question} [yes/no] ");
    let mut line = String::new();
    stdin().lock().read_line(&mut line).when("standard input")?;
    Ok(matches!(line.trim(), "yes" | "y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_rounded_down() {
        for (count, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KB"),
            (1_536, "1.5 KB"),
            (64 << 20, "64.0 MB"),
            (u64::MAX, "16777215.9 TB"),
        ] {
            assert_eq!(octets(count), text);
        }
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["a", "bbb", "c"], ["aaaa", "b", ""]].map(|row| row.map(String::from));
        assert_eq!(columns(&rows), "a     bbb  c\naaaa  b\n");
    }
}
