//! The report as Markdown.

use super::collect::{GainReport, Labels, Shares};
use super::fine_tunes::{GAIN_HEADS, gain_notes, gain_rows};

impl GainReport {
    pub fn markdown(&self) -> String {
        let l = self.labels;
        let mut text = format!(
            "# What curation has found: {}\n\n{} of {} labels inspected: {} right, {} wrong, {} unsure. {} missing relations added.\n",
            plain(&self.workspace),
            l.inspected,
            l.labels,
            l.right,
            l.wrong,
            l.unsure,
            l.added
        );
        text += "\n## Label quality\n\n";
        text += &match self.quality {
            Some(q) => format!(
                "{}\nFrom {} labels drawn at random, {} of them wrong.\n",
                before_and_after("right", &q),
                self.sample.labels,
                self.sample.wrong
            ),
            None => format!("{}\n", self.no_quality()),
        };
        text += &format!("\n## Missing relations\n\n{}\n", self.missing_words());
        if let Some(shares) = &self.missing.completeness {
            text += &format!("\n{}", before_and_after("complete", shares));
        }
        text += "\n## Relations\n\n| relation | labels | inspected | right | wrong | unsure | added |\n|---|---|---|---|---|---|---|\n";
        for r in &self.relations {
            text += &format!(
                "| {} | {} |\n",
                plain(&r.relation),
                counts(&r.labels).join(" | ")
            );
        }
        text += "\n## Model\n\n";
        if self.fine_tunes.is_empty() {
            text += "No fine-tuning on corrections was accepted.\n";
        } else {
            text += "| dev F1 before | after | judgements met before | after | of | corrected sentences | protocol |\n|---|---|---|---|---|---|---|\n";
        }
        for f in &self.fine_tunes {
            text += &format!(
                "| {:.3} | {:.3} | {} | {} | {} | {} | {} |\n",
                f.f1_before,
                f.f1_after,
                f.met_before,
                f.met_after,
                f.judgements,
                f.corrected_sentences,
                plain(&f.protocol)
            );
        }
        let rows = gain_rows(&self.fine_tunes);
        if !rows.is_empty() {
            let heads = GAIN_HEADS.join(" | ");
            text += &format!("\n| {heads} |\n{}|\n", "|---".repeat(GAIN_HEADS.len()));
        }
        for row in rows {
            text += &format!("| {} |\n", row.map(|cell| plain(&cell)).join(" | "));
        }
        for note in gain_notes(&self.fine_tunes) {
            text += &format!("\n{note}\n");
        }
        text += "\n## Time\n\n| curator | edits | decisions | median s | hours | idle gaps cut |\n|---|---|---|---|---|---|\n";
        for c in &self.curators {
            text += &format!(
                "| {} | {} | {} | {} | {:.2} | {} |\n",
                plain(&c.name),
                c.edits,
                c.decisions,
                seconds(c.median_seconds),
                c.hours,
                c.idle_gaps
            );
        }
        text += "\n## Method\n\n";
        for line in &self.method {
            text += &format!("- {line}\n");
        }
        text
    }

    /// What is missing, in words.
    pub(super) fn missing_words(&self) -> String {
        let m = &self.missing;
        let begin = format!(
            "{} of {} pairs and relations without a label judged, {} of them missing.",
            m.judged, m.candidates, m.found
        );
        let [drawn, hits] = m.sample;
        match (m.all, m.to_find) {
            (Some([all, low, high]), Some([left, ..])) => format!(
                "{begin} About {all:.0} are missing ({low:.0} to {high:.0}), {left:.0} of them not found yet: from {drawn} drawn at random, {hits} of \
                 them missing."
            ),
            _ if m.at_most.is_some() => format!(
                "{begin} At most {:.0} are missing (95 %). No estimate of all yet: of {drawn} drawn at random {hits} are missing, {} are needed.",
                m.at_most.unwrap_or_default(),
                crate::analysis::gain::FEWEST_HITS
            ),
            _ => format!(
                "{begin} No estimate of all yet: {drawn} of the random sample are judged, {} are needed. The lists of g a on the screen, and `redress queue \
                 --kind missing --control 0.05`, mix them in.",
                crate::analysis::gain::FEWEST
            ),
        }
    }

    /// Why there is no estimate.
    pub(super) fn no_quality(&self) -> String {
        format!(
            "No estimate yet: {} labels of the random sample are judged, {} are needed. The lists of g w on the screen, and `redress queue --control 0.05`, \
             mix them in.",
            self.sample.labels,
            crate::analysis::gain::FEWEST
        )
    }
}

fn before_and_after(what: &str, shares: &Shares) -> String {
    format!(
        "| | {what} | 95 % interval |\n|---|---|---|\n| before | {} | {} |\n| after | {} | {} |\n",
        percent(shares.before[0]),
        interval(shares.before),
        percent(shares.after[0]),
        interval(shares.after)
    )
}

pub(super) fn counts(l: &Labels) -> [String; 6] {
    [l.labels, l.inspected, l.right, l.wrong, l.unsure, l.added].map(|n| n.to_string())
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

pub(super) fn interval(share: [f64; 3]) -> String {
    format!("{} to {}", percent(share[1]), percent(share[2]))
}

pub(super) fn seconds(median: Option<f64>) -> String {
    median.map_or("—".to_owned(), |s| format!("{s:.1}"))
}

/// A name in a table: nothing in it is Markdown, HTML or a control character.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(
            plain("/a/b_c|<b>&\u{1b}[2J"),
            "/a/b\\_c\\|&lt;b&gt;&amp;\u{fffd}\\[2J"
        );
    }
}
