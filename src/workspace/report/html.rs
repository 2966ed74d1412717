//! The report as one HTML file: no script, no font, nothing fetched.

use super::charts;
use super::collect::GainReport;
use super::fine_tunes::{GAIN_HEADS, gain_notes, gain_rows};
use super::markdown::{counts, seconds};

const STYLE: &str = "
:root { color-scheme: light dark; --text: #1a1a1a; --back: #fdfdfc; --dim: #666; --line: #ccc;
  --right: #2f7d4f; --wrong: #b3402e; --unsure: #8a8f98; --added: #3566a8; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e6e3; --back: #16181a; --dim: #9a9a9a; --line: #3c3f42;
  --right: #58b27c; --wrong: #e0705c; --unsure: #80858d; --added: #6f9fe0; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 760px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: right; padding: .2rem .5rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; margin: .5rem 0; } svg text { font: 13px system-ui, sans-serif; fill: var(--text); }
svg .name { text-anchor: end; fill: var(--dim); }
.right { fill: var(--right); } .wrong { fill: var(--wrong); } .unsure { fill: var(--unsure); } .added { fill: var(--added); }
.whisker, .axis { stroke: var(--text); fill: none; } .curve { stroke: var(--added); fill: none; stroke-width: 2; }
.key span { margin-right: 1rem; } .key i { display: inline-block; width: .8em; height: .8em; margin-right: .3em; }
.dim, li { color: var(--dim); font-size: .9rem; }
";

/// Text for an element or a quoted attribute; control characters become the replacement character.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn table<'a>(heads: &[&str], rows: impl Iterator<Item = Vec<String>> + 'a) -> String {
    let heads: String = heads
        .iter()
        .map(|h| format!("<th>{}</th>", escape(h)))
        .collect();
    let mut text = format!("<table><tr>{heads}</tr>\n");
    for row in rows {
        let cells: String = row
            .iter()
            .map(|c| format!("<td>{}</td>", escape(c)))
            .collect();
        text += &format!("<tr>{cells}</tr>\n");
    }
    text + "</table>\n"
}

impl GainReport {
    pub fn html(&self) -> String {
        let name = escape(&self.workspace);
        let l = self.labels;
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>Curation of {name}</title><style>{STYLE}</style></head><body>\n<h1>What curation has found: {name}</h1>\n\
             <p>{} of {} labels inspected: {} right, {} wrong, {} unsure. {} missing relations added.</p>\n",
            l.inspected, l.labels, l.right, l.wrong, l.unsure, l.added
        );
        page += "<h2>Label quality</h2>\n";
        page += &match &self.quality {
            Some(q) => format!(
                "{}<p class=\"dim\">From {} labels drawn at random, {} of them wrong.</p>\n",
                charts::shares(q, "share of right labels before and after"),
                self.sample.labels,
                self.sample.wrong
            ),
            None => format!("<p>{}</p>\n", escape(&self.no_quality())),
        };
        page += &format!(
            "<h2>Missing relations</h2>\n<p>{}</p>\n",
            escape(&self.missing_words())
        );
        if let Some(shares) = &self.missing.completeness {
            page += &charts::shares(
                shares,
                "share of the relations that hold that stand in the corpus, before and after",
            );
        }
        page += "<h2>Relations</h2>\n<p class=\"key\">";
        for (class, what) in [
            ("right", "right"),
            ("wrong", "wrong"),
            ("unsure", "unsure"),
            ("added", "missing, added"),
        ] {
            page += &format!("<span><i style=\"background: var(--{class})\"></i>{what}</span>");
        }
        page += "</p>\n";
        page += &charts::relations(&self.relations);
        page += &table(
            &[
                "relation",
                "labels",
                "inspected",
                "right",
                "wrong",
                "unsure",
                "added",
            ],
            self.relations.iter().map(|r| {
                let counts = counts(&r.labels).into_iter();
                [r.relation.clone()].into_iter().chain(counts).collect()
            }),
        );
        page += "<h2>Found on the way</h2>\n";
        page += &charts::curve(&self.found);
        page += &self.models();
        page += "<h2>Time</h2>\n";
        page += &table(
            &[
                "curator",
                "edits",
                "decisions",
                "median s",
                "hours",
                "idle gaps cut",
            ],
            self.curators.iter().map(|c| {
                vec![
                    c.name.clone(),
                    c.edits.to_string(),
                    c.decisions.to_string(),
                    seconds(c.median_seconds),
                    format!("{:.2}", c.hours),
                    c.idle_gaps.to_string(),
                ]
            }),
        );
        page += "<h2>Method</h2>\n<ul>\n";
        for line in &self.method {
            page += &format!("<li>{}</li>\n", escape(line));
        }
        page + "</ul>\n</body></html>\n"
    }

    fn models(&self) -> String {
        if self.fine_tunes.is_empty() {
            return "<h2>Model</h2>\n<p>No fine-tuning on corrections was accepted.</p>\n"
                .to_owned();
        }
        let scores: Vec<(f32, f32)> = self
            .fine_tunes
            .iter()
            .map(|f| (f.f1_before, f.f1_after))
            .collect();
        let rows = self.fine_tunes.iter().enumerate().map(|(n, f)| {
            vec![
                format!("{}. {}", n + 1, f.protocol),
                format!("{:.3}", f.f1_before),
                format!("{:.3}", f.f1_after),
                format!("{} → {} of {}", f.met_before, f.met_after, f.judgements),
                f.corrected_sentences.to_string(),
            ]
        });
        let heads = [
            "protocol",
            "dev F1 before",
            "after",
            "judgements met",
            "corrected sentences",
        ];
        let mut text = format!(
            "<h2>Model</h2>\n{}{}",
            charts::models(&scores),
            table(&heads, rows)
        );
        let gains = gain_rows(&self.fine_tunes);
        if !gains.is_empty() {
            text += &table(&GAIN_HEADS, gains.into_iter().map(Vec::from));
        }
        for note in gain_notes(&self.fine_tunes) {
            text += &format!("<p class=\"dim\">{}</p>\n", escape(&note));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(
            escape("<script>\"a\" & 'b'\u{1b}\u{9b}"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\u{fffd}\u{fffd}"
        );
    }
}
