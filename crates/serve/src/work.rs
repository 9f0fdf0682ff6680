//! Others' turn while one task computes.

/// Counts what a task computes, so that others on its thread have their turn about
/// every millisecond: what rows, names or needles cost differs too much for them to
/// be counted themselves.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Since the last turn of others, in nanoseconds as far as that can be said.
    units: usize,
}

impl Work {
    /// So much is done at once.
    const UNITS_MAX: usize = 1_000_000;

    /// Counts some nanoseconds' work that has been done; others may have their turn.
    pub(crate) async fn done(&mut self, units: usize) {
        self.units = self.units.saturating_add(units);
        if self.units >= Self::UNITS_MAX {
            self.units = 0;
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn others_have_their_turn_when_much_has_been_done() {
        let mut work = Work::default();
        let mut turns = 0;
        for _ in 0..30 {
            // Outside a runtime too, a task that yields is not done at once.
            turns += usize::from(work.done(Work::UNITS_MAX / 10).now_or_never().is_none());
        }
        assert_eq!(turns, 3);
        assert!(work.done(usize::MAX).now_or_never().is_none());
    }
}
