//! What accepted fine-tunings changed, kept in the workspace.

use crate::store::Reader;
use crate::workspace::finetune::gains::Gains;
use crate::workspace::messages::FineTuneReport;
use crate::workspace::{Workspace, now_ms};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

const SETTING: &str = "fine_tunes";

/// One accepted fine-tuning: the same sentences before and after.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FineTuned {
    pub at_ms: i64,
    pub protocol: String,
    pub corrected_sentences: usize,
    /// Triples that curators judged, and on how many of them the model agreed.
    pub judgements: usize,
    pub met_before: usize,
    pub met_after: usize,
    pub f1_before: f32,
    pub f1_after: f32,
    /// `None` of what versions remembered that measured dev alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gains: Option<Gains>,
}

/// Columns of [`gain_rows`].
pub(super) const GAIN_HEADS: [&str; 8] = [
    "fine-tuning",
    "measured on",
    "F1 before",
    "after",
    "change",
    "95 % interval",
    "sentences",
    "labels",
];

/// One row for each kind of sentences of each fine-tuning that was measured on more than dev; where there was nothing to
/// measure the row says so.
pub(super) fn gain_rows(fine_tunes: &[FineTuned]) -> Vec<[String; 8]> {
    let numbered = fine_tunes.iter().zip(1..);
    let measured = numbered.filter_map(|(f, n)| Some((f.gains.as_ref()?, n)));
    let rows = measured.flat_map(|(gains, n): (_, usize)| {
        gains.kinds().map(|kind| {
            let Some(gain) = kind.gain else {
                let [none, dash] = [format!("{}: {}", kind.name, kind.none), "—".to_owned()];
                let mut row: [String; 8] = std::array::from_fn(|_| dash.clone());
                row[..2].clone_from_slice(&[n.to_string(), none]);
                return row;
            };
            let [low, high] = gain.interval;
            [
                n.to_string(),
                format!("{}: {}", kind.name, kind.what),
                format!("{:.3}", gain.f1_before),
                format!("{:.3}", gain.f1_after),
                format!("{:+.3}", gain.change()),
                format!("{low:+.3} to {high:+.3}"),
                gain.measured(),
                gain.labels.to_string(),
            ]
        })
    });
    rows.collect()
}

/// What to know of the figures of [`gain_rows`].
pub(super) fn gain_notes(fine_tunes: &[FineTuned]) -> Vec<String> {
    let numbered = fine_tunes.iter().zip(1..);
    let notes = |(f, n): (&FineTuned, usize)| {
        let notes = f.gains.as_ref().map(|gains| gains.notes());
        let numbered = move |note| format!("Fine-tuning {n}: {note}.");
        notes.into_iter().flatten().map(numbered)
    };
    numbered.flat_map(notes).collect()
}

/// Remembers a fine-tuning whose model became the workspace's.
pub fn record(workspace: &mut Workspace, report: &FineTuneReport) -> Result<()> {
    let mut known = read(workspace.read())?;
    known.push(FineTuned {
        at_ms: now_ms(),
        protocol: report.protocol.clone(),
        corrected_sentences: report.n_corrected,
        judgements: report.judgements.all,
        met_before: report.judgements.met_before,
        met_after: report.judgements.met_after,
        f1_before: report.before_f1,
        f1_after: report.after_f1,
        gains: Some(report.gains.clone()),
    });
    let text = serde_json::to_string(&known)?;
    Ok(workspace.store.set_setting(SETTING, &text)?)
}

/// Oldest first.
pub(super) fn read(reader: &Reader) -> Result<Vec<FineTuned>> {
    let Some(text) = reader.setting(SETTING)? else {
        return Ok(Vec::new());
    };
    serde_json::from_str(&text).context("what is kept of fine-tunings is not readable")
}

#[cfg(test)]
mod tests {
    use super::super::GainReport;
    use super::*;
    use crate::workspace::finetune::gains::Gain;

    /// As versions wrote it that measured dev alone.
    const OLD: &str = r#"[{"at_ms":5,"protocol":"exact, 8 dev sentences","corrected_sentences":3,"judgements":4,"met_before":1,"met_after":2,"f1_before":0.5,"f1_after":0.75}]"#;

    /// A workspace with one old record.
    fn workspace(dir: &std::path::Path) -> Workspace {
        let mut workspace = Workspace::open_or_create(dir).unwrap();
        workspace.store.set_setting(SETTING, OLD).unwrap();
        workspace
    }

    /// The report in every form.
    fn pages(workspace: &Workspace) -> [String; 3] {
        let tell = &mut |_, _| true;
        let report = GainReport::collect(workspace.dir(), workspace.read(), "ws", tell);
        let report = report.unwrap().unwrap();
        let json = serde_json::to_string(&report).unwrap();
        [report.markdown(), report.html(), json]
    }

    #[test]
    fn records_of_older_versions_are_read_and_shown_as_before() {
        let tmp = tempfile::tempdir().unwrap();
        let workspace = workspace(tmp.path());
        let old = read(workspace.read()).unwrap();
        assert_eq!(
            (old.len(), &old[0].gains, old[0].f1_after),
            (1, &None, 0.75)
        );
        assert_eq!(serde_json::to_string(&old).unwrap(), OLD);
        assert!(gain_rows(&old).is_empty() && gain_notes(&old).is_empty());
        for page in pages(&workspace) {
            assert!(
                page.contains("0.75") && !page.contains("paired bootstrap"),
                "{page}"
            );
            assert!(!page.contains("measured on"), "{page}");
        }
    }

    #[test]
    fn a_record_keeps_what_was_measured_and_every_form_of_the_report_shows_it() {
        let tmp = tempfile::tempdir().unwrap();
        let mut workspace = workspace(tmp.path());
        let gain = Gain {
            sentences: 8,
            of: 8,
            labels: 9,
            f1_before: 0.5,
            f1_after: 0.45,
            interval: [-0.125, 0.0],
        };
        let report = FineTuneReport {
            gains: Gains {
                threshold: None,
                dev: Some(gain),
                test: None,
                curated: None,
                kept_out: 2,
                start_saw_dev: false,
            },
            ..FineTuneReport::default()
        };
        record(&mut workspace, &report).unwrap();
        let both = read(workspace.read()).unwrap();
        assert_eq!(both[1].gains.as_ref(), Some(&report.gains));
        let rows = gain_rows(&both);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0][0], "2");
        assert_eq!(
            rows[0][2..],
            ["0.500", "0.450", "-0.050", "-0.125 to +0.000", "8", "9"]
        );
        assert_eq!(
            rows[2][1..3],
            [
                "curated: no dev or test sentence is done, so nothing is measured on curated labels",
                "—"
            ]
        );
        let [markdown, html, json] = pages(&workspace);
        assert!(
            markdown.contains("| 0.500 | 0.450 | -0.050 | -0.125 to +0.000 | 8 | 9 |\n| 2 | test: the workspace has"),
            "{markdown}"
        );
        assert!(html.contains("<th>measured on</th>"), "{html}");
        assert!(html.contains("<td>-0.125 to +0.000</td>"), "{html}");
        assert!(json.contains(r#""interval":[-0.125,0.0]"#), "{json}");
        assert!(
            [markdown, html, json]
                .iter()
                .all(|p| p.contains("paired bootstrap"))
        );
    }
}
