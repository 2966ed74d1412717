//! The evidence for the triple under the cursor: what the kernel head saw between which words, how RIN's mind
//! changed over its rounds, what the knowledge base knows, and how the bag's sentences were weighed.

use super::{Pane, SentenceView};
use crate::domain::SentenceId;
use crate::tui::clean::{self, pad};
use crate::tui::paint::{Painter, row};
use crate::tui::state::{Shared, job_name};
use crate::tui::theme::Role;
use crate::tui::view::glyphs;
use crate::tui::widget::bars::{bar, shade};
use crate::tui::widget::numbers::fraction;
use crate::workspace::messages::{Explanation, Heat, JobKind, MutualShares};
use ratatui::layout::Rect;

type Row = Vec<(String, Role)>;

impl SentenceView {
    pub fn draw_evidence(
        &self,
        (pane, notes): (Pane, bool),
        area: Rect,
        painter: &mut Painter<'_>,
        shared: &Shared,
    ) {
        let Some(shown) = self.focused() else { return };
        let rows = match self.explained.get(&shown.row.triple) {
            Some(explanation) => {
                let relation = shared.relation(shown.row.triple.relation);
                let mut rows = match pane {
                    Pane::Kernel => kernel(explanation, relation, area.width as usize),
                    Pane::Rounds => rounds(explanation, relation, area.width as usize),
                    Pane::Facts => facts(explanation, relation, area.width as usize),
                    Pane::Bag => bag(explanation, area.width as usize),
                };
                let note = |n: &String| vec![(format!("note: {n}"), Role::Dim)];
                if notes {
                    let here = self.id;
                    rows.splice(0..0, duplicates(explanation, here, area.width as usize));
                    rows.extend(explanation.notes.iter().map(note));
                }
                rows
            }
            None => vec![line(self.why_not_explained(shared), Role::Dim)],
        };
        let top = self
            .pane_top
            .min(rows.len().saturating_sub(area.height as usize));
        for (i, parts) in rows.iter().skip(top).take(area.height as usize).enumerate() {
            painter.parts(row(area, i as u16), parts);
        }
        if top + (area.height as usize) < rows.len() && area.height > 0 {
            painter.text(area.right(), area.bottom() - 1, 1, "↓", Role::Key);
        }
    }

    fn why_not_explained(&self, shared: &Shared) -> String {
        let asked = self
            .detail()
            .is_some_and(|d| d.prediction.is_some() || !d.questions.is_empty());
        if !asked {
            return "Nothing to explain yet: p predicts this sentence.".to_owned();
        }
        if self.focused().is_some_and(|s| s.pending) {
            return "The triple is being saved…".to_owned();
        }
        match shared.job(JobKind::FineTune) {
            Some(job) => format!("Asking the model… ({} is running)", job_name(job.kind)),
            None => "Asking the model…".to_owned(),
        }
    }
}

fn line(text: impl Into<String>, role: Role) -> Row {
    vec![(text.into(), role)]
}

/// A table of the two spans' tokens: each cell a shade and its number.
fn kernel(explanation: &Explanation, relation: &str, width: usize) -> Vec<Row> {
    let Some(heat) = &explanation.heat else {
        return vec![line(
            "The kernel head says nothing of this pair.",
            Role::Dim,
        )];
    };
    let mut rows = vec![vec![
        ("mean ".to_owned(), Role::Dim),
        (fraction(heat.mean), Role::Title),
        (
            format!("  p({relation}) word by word, sentence level"),
            Role::Dim,
        ),
    ]];
    let names = longest(heat.rows.iter().map(String::as_str), 6, 16.min(width / 3));
    let cell = 8;
    let n_columns = heat
        .columns
        .len()
        .min(width.saturating_sub(names + 1) / cell);
    let mut heading = vec![(pad("", names + 1), Role::Dim)];
    for column in &heat.columns[..n_columns] {
        heading.push((pad(&clean::fit(column, cell - 1), cell), Role::Tail));
    }
    rows.push(heading);
    for (i, name) in heat.rows.iter().enumerate() {
        let mut parts = vec![(pad(name, names) + " ", Role::Head)];
        for j in 0..n_columns {
            let Some(p) = cell_of(heat, i, j) else {
                continue;
            };
            parts.push((shade(p).to_string().repeat(3), Role::Chart));
            parts.push((
                format!("{:<5}", fraction(p)),
                if p >= 0.5 { Role::Text } else { Role::Dim },
            ));
        }
        rows.push(parts);
    }
    if n_columns < heat.columns.len() {
        rows.push(line(
            format!("… {} more columns", heat.columns.len() - n_columns),
            Role::Dim,
        ));
    }
    rows
}

fn cell_of(heat: &Heat, i: usize, j: usize) -> Option<f32> {
    heat.p
        .get(i.checked_mul(heat.columns.len())?.checked_add(j)?)
        .copied()
}

fn longest<'a>(names: impl Iterator<Item = &'a str>, least: usize, most: usize) -> usize {
    names
        .map(clean::width)
        .max()
        .unwrap_or(0)
        .clamp(least, most.max(least))
}

fn rounds(explanation: &Explanation, relation: &str, width: usize) -> Vec<Row> {
    if explanation.rounds.is_empty() {
        return vec![line("RIN says nothing of this pair.", Role::Dim)];
    }
    let mut rows = vec![line(
        format!("p({relation}) after each round, sentence level"),
        Role::Dim,
    )];
    let cells = width.saturating_sub(24).min(50);
    let mut before: Option<f32> = None;
    for (k, p) in explanation.rounds.iter().enumerate() {
        let change = before.map_or(String::new(), |b| {
            let step = p - b;
            let sign = if step >= 0.0 { "+" } else { "−" };
            format!("  {sign}{}", fraction(step.abs()))
        });
        rows.push(vec![
            (format!("round {k}  "), Role::Dim),
            (bar(*p, cells), Role::Chart),
            (format!("  {}", fraction(*p)), Role::Text),
            (change, Role::Dim),
        ]);
        before = Some(*p);
    }
    rows
}

fn facts(explanation: &Explanation, relation: &str, width: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    if explanation.facts.is_empty() {
        rows.push(line(
            "The knowledge base has no fact of this pair.",
            Role::Text,
        ));
    } else {
        rows.push(line("facts of the pair", Role::Dim));
        rows.extend(
            explanation
                .facts
                .iter()
                .map(|f| line(format!("  ◆ {f}"), Role::Text)),
        );
    }
    let bars = |rows: &mut Vec<Row>, title: String, list: &[(String, f32)]| {
        if list.is_empty() {
            return;
        }
        rows.push(line(title, Role::Dim));
        let names = longest(list.iter().map(|(n, _)| n.as_str()), 8, (width / 2).min(36));
        for (name, p) in list {
            rows.push(vec![
                (format!("  {} ", pad(name, names)), Role::Text),
                (
                    bar(*p, width.saturating_sub(names + 10).min(24)),
                    Role::Chart,
                ),
                (format!(" {}", fraction(*p)), Role::Text),
            ]);
        }
    };
    bars(
        &mut rows,
        format!("link prediction (head, {relation}, ?) by ComplEx"),
        &explanation.links,
    );
    bars(
        &mut rows,
        "HRERE full, text side, bag level".to_owned(),
        &explanation.text_top,
    );
    bars(
        &mut rows,
        "HRERE full, knowledge base side, bag level".to_owned(),
        &explanation.kb_top,
    );
    if let Some(shares) = &explanation.mutual {
        rows.extend(mutual(shares, relation));
        bars(
            &mut rows,
            "labelled pairs of the nearest mutual relation (cosine)".to_owned(),
            &shares.near,
        );
    }
    rows
}

/// What each term of PA-TMR adds.
fn mutual(shares: &MutualShares, relation: &str) -> Vec<Row> {
    let sums = if shares.sums_up {
        "log odds against NA, by term"
    } else {
        "by term, before the last layer"
    };
    let heading = format!(
        "MR {}  p({relation}), bag level; {sums}",
        fraction(shares.p)
    );
    let mut parts: Row = vec![("  ".to_owned(), Role::Dim)];
    for (name, share) in [
        ("text", shares.text),
        ("mutual relation", shares.mutual),
        ("types", shares.types),
    ] {
        let share = share.map_or("no graph vector".to_owned(), |s| {
            let sign = if s >= 0.0 { "+" } else { "−" };
            format!("{sign}{:.2}", s.abs())
        });
        parts.push((format!("{name} "), Role::Dim));
        parts.push((format!("{share}   "), Role::Text));
    }
    vec![line(heading, Role::Dim), parts]
}

fn bag(explanation: &Explanation, width: usize) -> Vec<Row> {
    if explanation.bag.is_empty() {
        return vec![line(
            "No other sentence has this pair of linked entities.",
            Role::Dim,
        )];
    }
    let title = "sentences of the bag, with HRERE's attention (sums to 1 over the bag)";
    let mut rows = vec![line(title, Role::Dim)];
    for member in &explanation.bag {
        let weight = match member.weight {
            Some(w) => format!("{} {}  ", bar(w, 8), fraction(w)),
            None => "—  ".to_owned(),
        };
        let text =
            clean::fit(&member.snippet, width.saturating_sub(clean::width(&weight))).into_owned();
        rows.push(vec![(weight, Role::Chart), (text, Role::Text)]);
    }
    rows
}

/// The group of duplicates, with what each sentence says of the fact.
fn duplicates(explanation: &Explanation, here: Option<SentenceId>, width: usize) -> Vec<Row> {
    if explanation.duplicates.is_empty() {
        return Vec::new();
    }
    let title = format!(
        "sentences that say the same; {} has this label",
        glyphs::GOLD
    );
    let mut rows = vec![line(title, Role::Dim)];
    let places = explanation.duplicates.iter().map(|d| d.place.as_str());
    let place_cells = longest(places, 1, (width / 3).max(8));
    for member in &explanation.duplicates {
        let (label, role) = match member.stands {
            Some(true) => (glyphs::GOLD, Role::Text),
            Some(false) => ("·", Role::Dim),
            None => ("—", Role::Dim),
        };
        let (verdict, verdict_role) = member.verdict.map_or((" ", Role::Dim), glyphs::verdict);
        let mark = if here == Some(member.id) {
            glyphs::CURSOR
        } else {
            " "
        };
        let id = format!("  {:.8}  ", member.id.to_string());
        let place = pad(&member.place, place_cells) + "  ";
        let taken = 5 + clean::width(&id) + clean::width(&place);
        let text = clean::fit(&member.snippet, width.saturating_sub(taken)).into_owned();
        rows.push(vec![
            (format!("{mark} "), Role::Title),
            (label.to_owned(), role),
            (format!(" {verdict}"), verdict_role),
            (id, Role::Dim),
            (place, Role::Dim),
            (text, Role::Text),
        ]);
    }
    rows.push(line("", Role::Dim));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Verdict;
    use crate::workspace::messages::DuplicateRow;

    #[test]
    fn a_group_shows_which_of_its_sentences_have_the_label() {
        let row = |id, stands, verdict| DuplicateRow {
            id: SentenceId(id),
            place: format!("news.jsonl:{id}"),
            snippet: "Ada Lum, who grew up in Tamm, now lives in Korvath".to_owned(),
            stands,
            verdict,
        };
        let explanation = Explanation {
            duplicates: vec![
                row(0x1f_0000_0000_0000, Some(true), None),
                row(0x2f_0000_0000_0000, Some(false), Some(Verdict::Reject)),
                row(0x3f_0000_0000_0000, None, None),
            ],
            ..Explanation::default()
        };
        let here = Some(SentenceId(0x2f_0000_0000_0000));
        let rows = duplicates(&explanation, here, 70);
        let text = |row: &Row| row.iter().map(|(t, _)| t.as_str()).collect::<String>();
        let starts = rows[1..4]
            .iter()
            .map(|row| text(row).chars().take(15).collect());
        let starts: Vec<String> = starts.collect();
        assert_eq!(
            starts,
            ["  ◆    001f0000", "▸ · ✗  002f0000", "  —    003f0000"]
        );
        assert!(rows.iter().all(|row| clean::width(&text(row)) <= 90));
        assert!(duplicates(&Explanation::default(), here, 70).is_empty());
    }

    #[test]
    fn shares_have_a_sign_and_a_dropped_term_says_so() {
        let shares = MutualShares {
            p: 0.63,
            text: Some(1.2),
            types: Some(-0.3),
            sums_up: true,
            ..MutualShares::default()
        };
        let rows = mutual(&shares, "founders");
        let text: String = rows.iter().flatten().map(|(t, _)| t.as_str()).collect();
        for part in [
            "MR .63  p(founders), bag level",
            "text +1.20",
            "mutual relation no graph vector",
            "types −0.30",
        ] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
    }
}
