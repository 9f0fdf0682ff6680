//! Prometheus' text format, version 0.0.4.

use serve::metrics::Histogram;
use std::fmt::{self, Write as _};

/// A page of metrics, as far as it is written.
#[derive(Debug, Default)]
pub struct Page(String);

/// One metric with all its samples.
pub struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

/// Names and values of labels.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // A String takes every write.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { page: self, name }
    }

    /// A number that only grows.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// How long something took, in seconds.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    /// The page.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// A sample without labels.
    pub fn is(self, value: impl fmt::Display) {
        self.with(&[], value);
    }

    /// A sample with labels.
    pub fn with(mut self, labels: Labels<'_>, value: impl fmt::Display) -> Self {
        self.sample("", labels, value);
        self
    }

    /// The samples of a histogram.
    pub fn classes(mut self, labels: Labels<'_>, histogram: &Histogram) -> Self {
        let (classes, micros) = histogram.cumulated();
        let bounds = Histogram::BOUNDS
            .iter()
            .map(|millis| seconds(millis * 1_000));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(classes) {
            let labels = [labels, &[("le", &bound)]].concat();
            self.sample("_bucket", &labels, count);
        }
        self.sample("_sum", labels, seconds(micros));
        let count = classes.last().copied().unwrap_or_default();
        self.sample("_count", labels, count);
        self
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, value: impl fmt::Display) {
        let line = &mut self.page.0;
        let _ = write!(line, "{}{suffix}", self.name);
        for (at, (name, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\");
            let text = text.replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(line, "{before}{name}=\"{text}\"");
        }
        if !labels.is_empty() {
            line.push('}');
        }
        let _ = writeln!(line, " {value}");
    }
}

/// Microseconds as seconds.
pub fn seconds(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    // The point is there: zeros of the whole part stay.
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(3));
        let mut page = Page::default();
        page.gauge("a", "An a.").is(7);
        let odd = page.counter("b_total", "Some.");
        odd.with(&[("x", "1"), ("y", "a\"b\\c\n")], 1);
        let _ = page
            .histogram("c_seconds", "Some.")
            .classes(&[("x", "1")], &histogram);
        assert_eq!(
            page.into_text(),
            "# HELP a An a.\n# TYPE a gauge\na 7\n\
             # HELP b_total Some.\n# TYPE b_total counter\n\
             b_total{x=\"1\",y=\"a\\\"b\\\\c\\n\"} 1\n\
             # HELP c_seconds Some.\n# TYPE c_seconds histogram\n\
             c_seconds_bucket{x=\"1\",le=\"0.001\"} 0\n\
             c_seconds_bucket{x=\"1\",le=\"0.005\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"0.025\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"0.1\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"0.5\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"2.5\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"10\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"+Inf\"} 1\n\
             c_seconds_sum{x=\"1\"} 0.003\nc_seconds_count{x=\"1\"} 1\n"
        );
    }
}
