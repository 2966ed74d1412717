//! Charts as inline SVG. Colours are CSS variables of the page, so light and dark follow the reader; every mark has its number as text.

use super::collect::{Labels, RelationGain, Shares};
use super::html::escape;
use super::markdown::percent;

const WIDTH: usize = 720;
/// Where bars begin: names stand before.
const LEFT: usize = 220;
const ROW: usize = 26;
/// Relations drawn; the table has all.
const DRAWN: usize = 20;

fn svg(height: usize, label: &str, inside: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">{inside}</svg>\n",
        escape(label)
    )
}

fn text(x: f64, y: f64, class: &str, text: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>",
        escape(text)
    )
}

/// A name cut to what fits before the bars.
fn cut(name: &str) -> String {
    let short: String = name.chars().rev().take(30).collect();
    let short: String = short.chars().rev().collect();
    if short.len() < name.len() {
        format!("…{short}")
    } else {
        short
    }
}

/// A share before and after, with intervals.
pub(super) fn shares(q: &Shares, title: &str) -> String {
    let room = (WIDTH - LEFT - 210) as f64;
    let at = |share: f64| LEFT as f64 + share.clamp(0.0, 1.0) * room;
    let mut inside = String::new();
    for (n, (name, share, class)) in [("before", q.before, "unsure"), ("after", q.after, "right")]
        .into_iter()
        .enumerate()
    {
        let y = (n * 44 + 8) as f64;
        let [estimate, low, high] = share;
        inside += &text(LEFT as f64 - 10.0, y + 18.0, "name", name);
        inside += &format!(
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"26\" class=\"{class}\"/>",
            at(estimate) - LEFT as f64
        );
        inside += &format!(
            "<path class=\"whisker\" d=\"M{0:.1} {2}H{1:.1}M{0:.1} {3}v10M{1:.1} {3}v10\"/>",
            at(low),
            at(high),
            y + 13.0,
            y + 8.0
        );
        let figure = format!(
            "{} ({} to {})",
            percent(estimate),
            percent(low),
            percent(high)
        );
        inside += &text(LEFT as f64 + room + 8.0, y + 18.0, "figure", &figure);
    }
    svg(96, title, &inside)
}

/// Right, wrong and unsure of what was inspected, and what was added, by relation.
pub(super) fn relations(relations: &[RelationGain]) -> String {
    let drawn: Vec<&RelationGain> = relations
        .iter()
        .filter(|r| r.labels.inspected + r.labels.added > 0)
        .take(DRAWN)
        .collect();
    let all = |l: &Labels| l.right + l.wrong + l.unsure + l.added;
    let most = drawn.iter().map(|r| all(&r.labels)).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let room = (WIDTH - LEFT - 60) as f64;
    let mut inside = String::new();
    for (n, r) in drawn.iter().enumerate() {
        let y = n * ROW + 4;
        let (l, mut x) = (&r.labels, LEFT as f64);
        inside += &text(x - 10.0, y as f64 + 13.0, "name", &cut(&r.relation));
        for (count, class) in [
            (l.right, "right"),
            (l.wrong, "wrong"),
            (l.unsure, "unsure"),
            (l.added, "added"),
        ] {
            let width = count as f64 / most as f64 * room;
            if count > 0 {
                inside += &format!(
                    "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" class=\"{class}\"><title>{class}: {count}</title></rect>",
                    ROW - 8
                );
            }
            x += width;
        }
        inside += &text(x + 6.0, y as f64 + 13.0, "figure", &all(l).to_string());
    }
    svg(
        drawn.len() * ROW + 4,
        "inspected labels by relation",
        &inside,
    )
}

/// Rejected over verdicts, and what a random order would have found at the overall share.
pub(super) fn curve(points: &[(usize, usize)]) -> String {
    let Some((verdicts, rejected)) = points.last().copied().filter(|(v, _)| *v > 1) else {
        return String::new();
    };
    let (left, top, width, height) = (50.0, 10.0, (WIDTH - 80) as f64, 200.0);
    let x = |v: usize| left + v as f64 / verdicts as f64 * width;
    let y = |r: usize| top + height - r as f64 / verdicts.max(1) as f64 * height;
    let line: Vec<String> = points
        .iter()
        .map(|(v, r)| format!("{:.1},{:.1}", x(*v), y(*r)))
        .collect();
    let mut inside = format!(
        "<path class=\"axis\" d=\"M{left} {top}V{0}H{1}\"/><polyline class=\"curve\" points=\"{2}\"/>",
        top + height,
        left + width,
        line.join(" ")
    );
    inside += &text(left - 8.0, top + 10.0, "name", &verdicts.to_string());
    inside += &text(left - 8.0, top + height, "name", "0");
    inside += &text(
        left + width,
        top + height + 18.0,
        "name",
        &format!("{verdicts} verdicts"),
    );
    inside += &text(
        left + 8.0,
        top + 12.0,
        "figure",
        &format!("{rejected} rejected in all"),
    );
    svg(236, "labels rejected over verdicts made", &inside)
}

/// F1 on dev before and after each accepted fine-tuning.
pub(super) fn models(pairs: &[(f32, f32)]) -> String {
    let room = (WIDTH - LEFT - 60) as f64;
    let mut inside = String::new();
    for (n, (before, after)) in pairs.iter().enumerate() {
        for (k, (score, name, class)) in [(before, "before", "unsure"), (after, "after", "right")]
            .into_iter()
            .enumerate()
        {
            let y = n * 60 + k * ROW + 4;
            let width = f64::from(score.clamp(0.0, 1.0)) * room;
            inside += &text(
                LEFT as f64 - 10.0,
                y as f64 + 13.0,
                "name",
                &format!("{}. {name}", n + 1),
            );
            inside += &format!(
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" class=\"{class}\"/>",
                ROW - 8
            );
            inside += &text(
                LEFT as f64 + width + 6.0,
                y as f64 + 13.0,
                "figure",
                &format!("{score:.3}"),
            );
        }
    }
    svg(
        pairs.len() * 60,
        "dev F1 before and after fine-tuning",
        &inside,
    )
}
