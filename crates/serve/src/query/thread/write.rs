//! Threads as they are told. RFC 5256 §5, thread-list.

use super::Threads;
use std::io::Write as _;

/// What has not been written.
pub struct Writing<'a> {
    threads: &'a Threads,
    /// How many roots have been begun.
    begun: usize,
    /// What comes next stands at the end.
    stack: Vec<Next>,
}

enum Next {
    Open(u32),
    Members(u32),
    Close,
}

impl Threads {
    /// Writes them piece by piece.
    pub fn write(&self) -> Writing<'_> {
        Writing {
            threads: self,
            begun: 0,
            stack: Vec::new(),
        }
    }
}

impl Writing<'_> {
    /// Writes on until there are about `octets`; false where all has been written.
    pub fn some(&mut self, out: &mut Vec<u8>, octets: usize) -> bool {
        let start = out.len();
        while out.len() < start + octets {
            let next = match self.stack.pop() {
                Some(next) => next,
                None => match self.threads.roots.get(self.begun) {
                    Some(&root) => {
                        self.begun += 1;
                        Next::Open(root)
                    }
                    None => break,
                },
            };
            self.write(next, out);
        }
        out.len() > start
    }

    fn write(&mut self, next: Next, out: &mut Vec<u8>) {
        let place = match next {
            Next::Close => return out.push(b')'),
            Next::Open(place) => {
                out.push(b'(');
                self.stack.push(Next::Close);
                place
            }
            Next::Members(place) => place,
        };
        let children = self.threads.children(place);
        if let Some(number) = self.threads.numbers.get(place as usize) {
            // Writing to memory does not fail.
            let _ = write!(out, "{number}");
            if !children.is_empty() {
                out.push(b' ');
            }
        }
        match children {
            [only] => self.stack.push(Next::Members(*only)),
            several => {
                let several = several.iter().rev();
                self.stack.extend(several.map(|&child| Next::Open(child)));
            }
        }
    }
}
