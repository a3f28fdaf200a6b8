//! The text that Prometheus reads (exposition format 0.0.4), and that its node exporter takes from a file.

use std::fmt::Write;

/// What the number of a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows; the name ends in `_total`.
    Counter,
}

/// Labels of a sample: names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The text as far as it is.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Adds a metric with all its samples; nothing when it has none. `help` is one line.
    pub(super) fn metric<'a>(&mut self, kind: Kind, name: &str, help: &str, samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let word = if kind == Kind::Gauge { "gauge" } else { "counter" };
        self.line(&format!("# HELP {name} {help}"));
        self.line(&format!("# TYPE {name} {word}"));
        for (labels, number) in samples {
            let shown: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let labels = if shown.is_empty() { String::new() } else { format!("{{{}}}", shown.join(",")) };
            self.line(&format!("{name}{labels} {number}"));
        }
    }

    /// Adds a gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, labels: Labels<'_>, number: f64) {
        self.metric(Kind::Gauge, name, help, [(labels.to_vec(), number)]);
    }

    /// Returns the text.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, line: &str) {
        // Writing into memory does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_quotes() {
        let mut text = Text::default();
        text.metric(Kind::Counter, "c2b_x_total", "What it is", [(vec![("job", "a\"b\\c\nd")], 1.5), (vec![], 3e9)]);
        text.metric(Kind::Gauge, "c2b_none", "Nothing", []);
        let expected = "# HELP c2b_x_total What it is\n# TYPE c2b_x_total counter\nc2b_x_total{job=\"a\\\"b\\\\c\\nd\"} 1.5\nc2b_x_total 3000000000\n";
        assert_eq!(text.finish(), expected);
    }
}
