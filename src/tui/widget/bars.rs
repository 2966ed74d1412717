//! Bars and shades made of block characters: readable without colour.

/// A bar of `p` (0 to 1, else clamped) in exactly `cells` cells, in steps of an eighth of a cell.
pub fn bar(p: f32, cells: usize) -> String {
    let p = if p.is_finite() {
        p.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let eighths = (p * cells as f32 * 8.0).round() as usize;
    let mut out = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        out.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
    }
    let drawn = out.chars().count();
    out.extend(std::iter::repeat_n('·', cells.saturating_sub(drawn)));
    out
}

/// One of five shades.
pub fn shade(p: f32) -> char {
    match p {
        p if p >= 0.8 => '█',
        p if p >= 0.6 => '▓',
        p if p >= 0.35 => '▒',
        p if p >= 0.1 => '░',
        _ => '·',
    }
}

/// The last `cells` values as a line of blocks, scaled to their range.
pub fn spark(values: &[f32], cells: usize) -> String {
    let values = &values[values.len().saturating_sub(cells)..];
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let low = finite().fold(f32::INFINITY, f32::min);
    let high = finite().fold(f32::NEG_INFINITY, f32::max);
    let step = |v: f32| {
        let share = if high > low {
            (v - low) / (high - low)
        } else {
            0.5
        };
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][(share * 7.0).round() as usize % 8]
    };
    values
        .iter()
        .map(|v| if v.is_finite() { step(*v) } else { '!' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_cells_whatever_the_value() {
        let check = |p, expected: &str| assert_eq!(bar(p, 4), expected, "{p}");
        check(0.0, "····");
        check(0.5, "██··");
        check(0.6, "██▍·");
        check(1.0, "████");
        check(7.0, "████");
        check(-1.0, "····");
        check(f32::NAN, "····");
        assert_eq!(
            [0.0, 0.2, 0.4, 0.7, 0.9].map(shade),
            ['·', '░', '▒', '▓', '█']
        );
        assert_eq!(spark(&[9.0, 3.0, 2.0, f32::NAN, 1.0], 4), "█▅!▁");
        assert_eq!(spark(&[], 4), "");
    }
}
