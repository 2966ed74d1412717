//! A picture of dots, two by four in a cell, in the braille patterns of Unicode: a curve that is readable without colour.

use super::bars;

/// Dots of `width` x `height` cells.
pub struct Dots {
    width: usize,
    height: usize,
    cells: Vec<u8>,
}

/// Bits of a cell's dots, by column and row.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Dots {
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            cells: vec![0; width * height],
        }
    }

    /// The dot nearest to `(x, y)`, both in 0..=1, the origin at the lower left.
    fn dot(&self, (x, y): (f64, f64)) -> (usize, usize) {
        let place = |share: f64, dots: usize| {
            let last = dots.saturating_sub(1) as f64;
            (share.clamp(0.0, 1.0) * last).round() as usize
        };
        (
            place(x, self.width * 2),
            place(1.0 - y.clamp(0.0, 1.0), self.height * 4),
        )
    }

    /// The cell that holds `(x, y)`: column and row from the upper left.
    pub fn cell(&self, at: (f64, f64)) -> (usize, usize) {
        let (x, y) = self.dot(at);
        (x / 2, y / 4)
    }

    /// A straight line; points that are not numbers are left out.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let numbers = [from.0, from.1, to.0, to.1];
        if self.cells.is_empty() || numbers.iter().any(|v| !v.is_finite()) {
            return;
        }
        let ((x0, y0), (x1, y1)) = (self.dot(from), self.dot(to));
        let steps = x0.abs_diff(x1).max(y0.abs_diff(y1)).max(1);
        let between = |a: usize, b: usize, i: usize| {
            (a as f64 + (b as f64 - a as f64) * i as f64 / steps as f64).round() as usize
        };
        for i in 0..=steps {
            let (x, y) = (between(x0, x1, i), between(y0, y1, i));
            self.cells[y / 4 * self.width + x / 2] |= BITS[x % 2][y % 4];
        }
    }

    /// Row by row, from the top.
    pub fn rows(&self) -> Vec<String> {
        let pattern = |bits: &u8| char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ');
        let text = |cells: &[u8]| cells.iter().map(pattern).collect::<String>();
        let rows = self.cells.chunks(self.width.max(1));
        rows.map(|row| text(row).replace('\u{2800}', " ")).collect()
    }
}

/// A bar of `p` in `cells` cells with a mark at `mark`: what is, and what should be.
pub fn marked_bar(p: f32, mark: f32, cells: usize) -> String {
    let mut bar: Vec<char> = bars::bar(p, cells).chars().collect();
    let at = (mark.clamp(0.0, 1.0) * cells as f32) as usize;
    if let Some(cell) = bar.get_mut(at.min(cells.saturating_sub(1))) {
        *cell = '┃';
    }
    bar.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_join_their_ends_and_stay_inside() {
        let mut dots = Dots::new(2, 1);
        dots.line((0.0, 0.0), (1.0, 1.0));
        assert_eq!(dots.rows(), ["⡠⠊"]);
        let mut dots = Dots::new(3, 2);
        dots.line((-1.0, 0.0), (2.0, 0.0));
        dots.line((f64::NAN, 0.0), (1.0, 1.0));
        assert_eq!(dots.rows(), ["   ", "⣀⣀⣀"]);
        assert_eq!(dots.cell((1.0, 1.0)), (2, 0));
        let mut none = Dots::new(0, 0);
        none.line((0.0, 0.0), (1.0, 1.0));
        assert!(none.rows().is_empty());
        assert_eq!(marked_bar(0.5, 0.8, 5), "██▌·┃");
        assert_eq!(marked_bar(0.5, 1.0, 0), "");
    }
}
